/**
 * Checks one chain, line by line, and names the first record that is not what was written. Three questions in this order: do the
 * records follow from each other; did the chain's key sign what it says; and do checkpoints that others hold fit. Only the third
 * shows what somebody with the key has rewritten, and whether the end was cut. Pure: lines in, verdict out.
 */
import { fingerprint, publicOf } from '../signing.ts';
import { explainBreak, type Seen } from './break.ts';
import { type Checkpoint, checkpointOf, isSignedBy, pemOfKey } from './checkpoint.ts';
import { firstPrevious, isOwn, ownActions, readRecord } from './record.ts';

export type AuditProblemKind =
  | 'changed'
  | 'removed'
  | 'inserted'
  | 'reordered'
  | 'cut'
  | 'rewritten'
  | 'wrong-key'
  | 'bad-signature'
  | 'late-stamp'
  | 'bad-stamp';

export type AuditProblem = {
  readonly kind: AuditProblemKind;
  readonly chain: string;
  /** The first record that is wrong; 0: it cannot be said. */
  readonly sequence: number;
  readonly file: string;
  /** 0: behind the end of the file. */
  readonly line: number;
  readonly text: string;
};

/** A checkpoint about some chain, and who holds it: a file of the anchors, a record of another chain. */
export type Held = { readonly checkpoint: Checkpoint; readonly by: string };

export type Stamp = { readonly sequence: number; readonly token: string; readonly file: string; readonly line: number };

export type CheckedChain = {
  readonly chain: string;
  readonly records: number;
  readonly entries: number;
  /** Of the key that signs; empty when the chain does not say. */
  readonly fingerprint: string;
  readonly problem: AuditProblem | undefined;
  /** Records up to this one are covered by a checkpoint of the chain itself. */
  readonly signedTo: number;
  /** The last line has no end: it is being written, or was when the machine stopped. */
  readonly unfinished: boolean;
  /** What this chain holds about others. */
  readonly witnessed: readonly Held[];
  readonly stamps: readonly Stamp[];
  readonly checkpoints: ReadonlyMap<number, Checkpoint>;
  readonly place: (sequence: number) => { readonly file: string; readonly line: number };
  readonly hashOf: (sequence: number) => string | undefined;
  readonly timeOf: (sequence: number) => string | undefined;
};

/** So many lines after the first bad one are looked at to say what happened to it. */
const windowLines = 5_000;

export class ChainChecker {
  #chain = '';
  #key = '';
  #records = 0;
  #entries = 0;
  #previous = firstPrevious;
  #hashes = Buffer.alloc(32 * 1_024);
  #times = new Float64Array(1_024);
  #signedTo = 0;
  #problem: AuditProblem | undefined;
  #broken: Seen[] | undefined;
  #unfinished = false;
  readonly #files: { readonly file: string; readonly from: number; readonly firstLine: number }[] = [];
  readonly #witnessed: Held[] = [];
  readonly #stamps: Stamp[] = [];
  readonly #checkpoints = new Map<number, Checkpoint>();

  /** False: nothing that follows can change the verdict. */
  add(line: string, file: string, number: number): boolean {
    if (this.#problem !== undefined) return false;
    const read = readRecord(line);
    const seen: Seen = { file, line: number, record: read?.record, sound: read?.sound ?? false };
    if (this.#broken !== undefined) {
      this.#broken.push(seen);
      return this.#broken.length < windowLines;
    }
    const { record } = seen;
    if (record === undefined || !seen.sound || !this.#follows(record)) {
      this.#broken = [seen];
      return true;
    }
    this.#take(record, file, number);
    return true;
  }

  /** The last line had no end. */
  addUnfinished(): void {
    this.#unfinished = true;
  }

  #follows({ chain, sequence, previous }: NonNullable<Seen['record']>): boolean {
    return (
      sequence === this.#records + 1 && previous === this.#previous && (this.#records === 0 || chain === this.#chain)
    );
  }

  #take(record: NonNullable<Seen['record']>, file: string, line: number): void {
    if (this.#records === 0) this.#begin(record);
    if (this.#files.at(-1)?.file !== file) this.#files.push({ file, from: record.sequence, firstLine: line });
    this.#remember(record.sequence, record.hash, record.at);
    this.#records = record.sequence;
    this.#previous = record.hash;
    if (isOwn(record)) this.#takeOwn(record, file, line);
    else this.#entries += 1;
  }

  #begin({ chain, action, details }: NonNullable<Seen['record']>): void {
    this.#chain = chain;
    const key = details?.['key'];
    if (action === ownActions.begun && typeof key === 'string') this.#key = pemOfKey(key);
  }

  #takeOwn(record: NonNullable<Seen['record']>, file: string, line: number): void {
    const { action, details, sequence } = record;
    if (action === ownActions.checkpoint) this.#takeCheckpoint(record, file, line);
    if (action === ownActions.witness) {
      const checkpoint = checkpointOf(details);
      if (checkpoint !== undefined)
        this.#witnessed.push({ checkpoint, by: `record ${sequence} of ${this.#chain} (${file}, line ${line})` });
    }
    if (action === ownActions.stamp)
      this.#stamps.push({ sequence: Number(details?.['sequence']), token: String(details?.['token']), file, line });
  }

  #takeCheckpoint({ sequence, details }: NonNullable<Seen['record']>, file: string, line: number): void {
    const checkpoint = checkpointOf(details);
    const claims =
      checkpoint !== undefined && checkpoint.sequence === sequence - 1 && this.hashOf(sequence - 1) === checkpoint.head;
    if (claims && checkpoint.chain === this.#chain && signed(checkpoint, this.#key)) {
      this.#signedTo = checkpoint.sequence;
      this.#checkpoints.set(checkpoint.sequence, checkpoint);
      return;
    }
    const text = `The checkpoint in record ${sequence} is not signed by the chain's key over record ${sequence - 1}: it was made by somebody without the key.`;
    this.#problem = { kind: 'bad-signature', chain: this.#chain, sequence, file, line, text };
  }

  #remember(sequence: number, hash: string, at: string): void {
    if (sequence * 32 > this.#hashes.length) {
      this.#hashes = Buffer.concat([this.#hashes], this.#hashes.length * 2);
      const times = new Float64Array(this.#times.length * 2);
      times.set(this.#times);
      this.#times = times;
    }
    this.#hashes.write(hash, (sequence - 1) * 32, 'hex');
    this.#times[sequence - 1] = Date.parse(at);
  }

  hashOf(sequence: number): string | undefined {
    if (sequence < 1 || sequence > this.#records) return undefined;
    return this.#hashes.toString('hex', (sequence - 1) * 32, sequence * 32);
  }

  place(sequence: number): { readonly file: string; readonly line: number } {
    const found = this.#files.findLast(({ from }) => from <= sequence) ?? this.#files[0];
    if (found === undefined) return { file: '', line: 0 };
    return { file: found.file, line: sequence > this.#records ? 0 : found.firstLine + sequence - found.from };
  }

  finish(): CheckedChain {
    const broken = this.#broken;
    if (broken !== undefined && this.#problem === undefined) {
      const state = { chain: this.#chain, records: this.#records, previous: this.#previous };
      const isSigned = (checkpoint: Checkpoint): boolean => signed(checkpoint, this.#key);
      this.#problem = explainBreak(broken, { ...state, lastPlace: this.place(this.#records), isSigned });
    }
    return {
      chain: this.#chain,
      records: this.#records,
      entries: this.#entries,
      fingerprint: fingerprintOf(this.#key),
      problem: this.#problem,
      signedTo: this.#signedTo,
      unfinished: this.#unfinished,
      witnessed: this.#witnessed,
      stamps: this.#stamps,
      checkpoints: this.#checkpoints,
      place: (sequence) => this.place(sequence),
      hashOf: (sequence) => this.hashOf(sequence),
      timeOf: (sequence) => {
        const at = sequence < 1 || sequence > this.#records ? Number.NaN : (this.#times[sequence - 1] ?? Number.NaN);
        return Number.isFinite(at) ? new Date(at).toISOString() : undefined;
      },
    };
  }
}

/** A chain whose key cannot be read is signed by nobody. */
const signed = (checkpoint: Checkpoint, key: string): boolean => {
  try {
    return isSignedBy(checkpoint, key);
  } catch {
    // Whatever is wrong with the key, nothing is signed with it.
    return false;
  }
};

const fingerprintOf = (key: string): string => {
  try {
    return fingerprint(key);
  } catch {
    // No key, or none that can be read: there is nothing to compare.
    return '';
  }
};

/** Who holds the private half holds the public one. */
const fingerprintOfEither = (pem: string): string => fingerprint(pem.includes('PRIVATE KEY') ? publicOf(pem) : pem);

/** The key that was given has to be the chain's. */
export const againstKey = (checked: CheckedChain, pinned: readonly string[]): AuditProblem | undefined => {
  if (pinned.length === 0 || pinned.map(fingerprintOfEither).includes(checked.fingerprint)) return undefined;
  const text = `The chain is signed by another key (${checked.fingerprint || 'none'}) than the one given.`;
  return { kind: 'wrong-key', chain: checked.chain, sequence: 1, ...checked.place(1), text };
};

/** Checkpoints that others hold have to fit. Only those of this chain are looked at. */
export const againstHeld = (checked: CheckedChain, held: readonly Held[]): AuditProblem | undefined => {
  const { chain, records } = checked;
  const about = held
    .filter(({ checkpoint }) => checkpoint.chain === chain)
    .sort((a, b) => a.checkpoint.sequence - b.checkpoint.sequence);
  let fits = 0;
  for (const { checkpoint, by } of about) {
    const { sequence, head, at } = checkpoint;
    const hash = checked.hashOf(sequence);
    if (hash === head) {
      fits = sequence;
      continue;
    }
    // What lies behind a break was not read.
    if (hash === undefined && checked.problem !== undefined) return undefined;
    if (hash === undefined) {
      const missing = sequence - records;
      const text =
        `The end was cut: the chain ends with record ${records}, but ${by} holds its checkpoint of ${at} for record ${sequence}. ` +
        `At least ${missing === 1 ? 'one record is' : `${missing} records are`} missing.`;
      return { kind: 'cut', chain, sequence: records + 1, file: checked.place(records).file, line: 0, text };
    }
    const first = fits + 1;
    const which = first === sequence ? `Record ${sequence} was` : `Records ${first} to ${sequence} were`;
    const before = fits === 0 ? '' : ` Record ${fits} still fits.`;
    const text =
      `${which} rewritten by somebody who can sign: ${by} holds the chain's checkpoint of ${at} for record ${sequence}, ` +
      `which had another hash then.${before}`;
    return { kind: 'rewritten', chain, sequence: first, ...checked.place(first), text };
  }
  return undefined;
};
