/**
 * A chain on disk: segments of NDJSON in a folder, written by one process at a time. `write` resolves when the record is on the disk; entries
 * that come together are written together. A line that the machine's end cut is taken away when the chain is opened next, because
 * nobody was told that it was written; anything else that is wrong with the end is left alone, and nothing is written after it.
 */
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, CoequalError, codeOf, fail, reasonOf } from '@coequal/kernel';
import { takeFileLock } from '../../adapters/file-lock.ts';
import { readPrivate } from '../../adapters/private-file.ts';
import { writeSecretFile } from '../../adapters/secret-file.ts';
import { fingerprint, makeSigningKey, publicOf } from '../../signing.ts';
import {
  type AnchoredCheckpoint,
  type Checkpoint,
  checkpointOf,
  detailsOf,
  keyOfPem,
  signCheckpoint,
} from '../checkpoint.ts';
import {
  type AuditEntry,
  type AuditWriter,
  firstPrevious,
  isOwn,
  longestLine,
  makeRecord,
  ownActions,
  readRecord,
} from '../record.ts';

export type ChainPlace = {
  readonly folder: string;
  readonly chain: string;
  /** Outside of the folder, so that whoever copies the audit does not copy the key. Made the first time. */
  readonly keyFile: string;
};

export type Chain = AuditWriter & {
  readonly place: ChainPlace;
  /** Signs what is written, unless nothing has been written since the last time. */
  readonly checkpoint: () => Promise<void>;
  /** The newest checkpoint, also of a run before. */
  readonly newest: () => AnchoredCheckpoint | undefined;
  /** Writes down what another chain has signed. */
  readonly witness: (other: AnchoredCheckpoint) => Promise<void>;
  readonly stamped: (one: Checkpoint, token: string) => Promise<void>;
  readonly fingerprint: string;
  readonly close: () => Promise<void>;
};

export const auditLimits = {
  /** A segment is closed above it. */
  segmentBytes: 64 * 2 ** 20,
  /** A checkpoint is written at the latest after so many records. */
  checkpointRecords: 1_000,
  /** Entries that wait for the disk. */
  waiting: 10_000,
} as const;

type Waiting = {
  readonly entry: AuditEntry | 'checkpoint';
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
};

/** @throws AUDIT_UNWRITABLE, AUDIT_INVALID, SECRET_FILE_EXPOSED */
export const openChain = async (place: ChainPlace, clock: Clock): Promise<Chain> => {
  const { folder, keyFile } = place;
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unwritable(folder)(reasonOf(error), error);
  }
  const lock = { path: join(folder, '.lock'), what: `the audit ${folder}`, unreadable: unwritable(folder) };
  const release = await takeFileLock(lock, clock);
  let files: ChainFiles | undefined;
  try {
    files = new ChainFiles(place, await keyOf(keyFile), clock, release);
    await files.open();
    return files;
  } catch (error) {
    if (files === undefined) await release();
    else await files.close();
    throw error;
  }
};

const keyOf = async (path: string): Promise<string> => {
  const kept = await readPrivate(path, unwritable(path));
  if (kept !== undefined) return kept;
  const { privatePem } = makeSigningKey();
  await writeSecretFile(path, privatePem);
  return privatePem;
};

const segmentName = (sequence: number): string => `${String(sequence).padStart(12, '0')}.ndjson`;
const segmentPattern = /^\d{12}\.ndjson$/;

/** In the order of their records. */
export const segmentsIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder)).filter((name) => segmentPattern.test(name)).sort();

class ChainFiles implements Chain {
  readonly place: ChainPlace;
  readonly fingerprint: string;
  readonly #privatePem: string;
  readonly #publicPem: string;
  readonly #clock: Clock;
  readonly #release: () => Promise<void>;
  #file: FileHandle | undefined;
  #size = 0;
  #sequence = 0;
  #previous = firstPrevious;
  #entries = 0;
  #newest: AnchoredCheckpoint | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #trouble: CoequalError | undefined;

  constructor(place: ChainPlace, privatePem: string, clock: Clock, release: () => Promise<void>) {
    this.place = place;
    this.#privatePem = privatePem;
    this.#publicPem = publicOf(privatePem);
    this.fingerprint = fingerprint(this.#publicPem);
    this.#clock = clock;
    this.#release = release;
  }

  async open(): Promise<void> {
    const { folder } = this.place;
    const last = (await segmentsIn(folder)).at(-1);
    try {
      this.#file = await open(join(folder, last ?? segmentName(1)), last === undefined ? 'ax+' : 'a+', 0o600);
    } catch (error) {
      throw unwritable(folder)(reasonOf(error), error);
    }
    const torn = await this.#resume(last);
    if (this.#sequence === 0)
      await this.#own(ownActions.begun, { key: keyOfPem(this.#publicPem), fingerprint: this.fingerprint });
    else await this.#own(ownActions.opened, { tornBytes: torn });
  }

  /** Takes up where the last run ended. Answers the bytes of a line that has no end. */
  async #resume(segment: string | undefined): Promise<number> {
    const file = this.#opened();
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, 4 * longestLine));
    await file.read(tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf(10) + 1;
    const torn = tail.length - end;
    if (torn > 0) await file.truncate(size - torn);
    this.#size = size - torn;
    const lines = tail.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
    const line = lines.at(-1);
    if (line === undefined) {
      if (segment !== undefined && segment !== segmentName(1)) throw this.#invalid('its last segment is empty');
      return torn;
    }
    const read = readRecord(line);
    if (read?.sound !== true) throw this.#invalid('its last line is not a record that is whole');
    if (read.record.chain !== this.place.chain) throw this.#invalid(`it is the chain ${read.record.chain}`);
    this.#sequence = read.record.sequence;
    this.#previous = read.record.hash;
    await this.#recount(lines);
    return torn;
  }

  /** Entries so far, and the newest checkpoint: from the end of the last segment, or from all of it when that does not say. */
  async #recount(tail: readonly string[]): Promise<void> {
    const count = (lines: readonly string[]): boolean => {
      let since = 0;
      for (const line of lines.toReversed()) {
        const record = readRecord(line)?.record;
        const checkpoint = record?.action === ownActions.checkpoint ? checkpointOf(record.details) : undefined;
        if (checkpoint !== undefined) {
          this.#newest = { ...checkpoint, key: keyOfPem(this.#publicPem) };
          this.#entries = checkpoint.entries + since;
          return true;
        }
        if (record !== undefined && !isOwn(record)) since += 1;
        this.#entries = since;
      }
      return false;
    };
    if (count(tail)) return;
    const { folder } = this.place;
    const all: string[] = [];
    for (const name of (await segmentsIn(folder)).toReversed()) {
      await using file = await open(join(folder, name), 'r');
      all.unshift(...(await file.readFile('utf8')).split('\n').filter((line) => line !== ''));
      if (count(all)) return;
    }
  }

  write(entry: AuditEntry): Promise<void> {
    return this.#queue(entry);
  }

  #queue(entry: AuditEntry | 'checkpoint'): Promise<void> {
    if (this.#trouble !== undefined) return Promise.reject(this.#trouble);
    if (this.#waiting.length >= auditLimits.waiting)
      return Promise.reject(unwritable(this.place.folder)('too many records wait for the disk'));
    return new Promise((done, failed) => {
      this.#waiting.push({ entry, done, failed });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // Entries of the same turn are written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#append(batch.map(({ entry }) => entry));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing = undefined;
  }

  /** All of them on the disk, or none: what was half written is taken back. */
  async #append(entries: readonly (AuditEntry | 'checkpoint')[]): Promise<void> {
    const before = { sequence: this.#sequence, previous: this.#previous, entries: this.#entries, newest: this.#newest };
    const size = this.#size;
    try {
      if (this.#size > auditLimits.segmentBytes) await this.#nextSegment();
      const lines = entries.flatMap((entry) =>
        entry === 'checkpoint' ? this.#signedLines() : [this.#line(entry), ...this.#checkpointLine()],
      );
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      await this.#opened().appendFile(bytes);
      await this.#opened().datasync();
      this.#size += bytes.length;
    } catch (error) {
      this.#sequence = before.sequence;
      this.#previous = before.previous;
      this.#entries = before.entries;
      this.#newest = before.newest;
      await this.#takeBack(size);
      throw unwritable(this.place.folder)(reasonOf(error), error);
    }
  }

  async #takeBack(size: number): Promise<void> {
    try {
      if ((await this.#file?.stat())?.size !== size) await this.#file?.truncate(size);
      this.#size = size;
    } catch (error) {
      // The end of the file is not known any more: nothing may be written behind it until somebody has looked.
      this.#trouble = unwritable(this.place.folder)(`its end could not be restored (${reasonOf(error)})`, error);
    }
  }

  async #nextSegment(): Promise<void> {
    const next = await open(join(this.place.folder, segmentName(this.#sequence + 1)), 'ax+', 0o600);
    await this.#file?.close();
    this.#file = next;
    this.#size = 0;
  }

  #line(entry: AuditEntry): string {
    const { record, line } = makeRecord(entry, {
      chain: this.place.chain,
      sequence: this.#sequence + 1,
      at: new Date(this.#clock.now()).toISOString(),
      previous: this.#previous,
    });
    this.#sequence = record.sequence;
    this.#previous = record.hash;
    if (!isOwn(entry)) this.#entries += 1;
    return line;
  }

  /** When it is time for one by the number of records. */
  #checkpointLine(): readonly string[] {
    const { checkpointRecords } = auditLimits;
    return this.#sequence - (this.#newest?.sequence ?? 0) < checkpointRecords ? [] : [this.#signedLine()];
  }

  #signedLines(): readonly string[] {
    // The record of a checkpoint itself needs none.
    return this.#newest !== undefined && this.#sequence <= this.#newest.sequence + 1 ? [] : [this.#signedLine()];
  }

  #signedLine(): string {
    const statement = {
      chain: this.place.chain,
      sequence: this.#sequence,
      head: this.#previous,
      at: new Date(this.#clock.now()).toISOString(),
      entries: this.#entries,
    };
    const signed = signCheckpoint(statement, this.#privatePem);
    this.#newest = { ...signed, key: keyOfPem(this.#publicPem) };
    return this.#line(ownEntry(this.place.chain, ownActions.checkpoint, { ...signed }));
  }

  checkpoint(): Promise<void> {
    return this.#queue('checkpoint');
  }

  newest(): AnchoredCheckpoint | undefined {
    return this.#newest;
  }

  witness(other: AnchoredCheckpoint): Promise<void> {
    return this.#own(ownActions.witness, detailsOf(other));
  }

  stamped({ sequence }: Checkpoint, token: string): Promise<void> {
    return this.#own(ownActions.stamp, { sequence, token });
  }

  #own(action: string, details: AuditEntry['details']): Promise<void> {
    return this.write(ownEntry(this.place.chain, action, details));
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#trouble = unwritable(this.place.folder)('it was closed');
    await this.#file?.close();
    this.#file = undefined;
    await this.#release();
  }

  #opened(): FileHandle {
    if (this.#file === undefined) throw this.#trouble ?? unwritable(this.place.folder)('it is closed');
    return this.#file;
  }

  #invalid(reason: string): CoequalError {
    return fail('AUDIT_INVALID', { path: this.place.folder, reason });
  }
}

const ownEntry = (chain: string, action: string, details: AuditEntry['details']): AuditEntry => ({
  actor: `chain:${chain}`,
  action,
  target: chain,
  result: 'noted',
  ...(details === undefined ? {} : { details }),
});

const unwritable =
  (path: string) =>
  (reason: string, cause?: unknown): CoequalError =>
    cause instanceof CoequalError && cause.code === 'AUDIT_UNWRITABLE'
      ? cause
      : fail('AUDIT_UNWRITABLE', { path, reason }, { cause });
