/**
 * A record of the audit: who did what to what, and how it ended. Records of one process form a chain: each names the hash of the one
 * before, and its own is the SHA-256 of its canonical JSON (RFC 8785) without the member `hash`; so a record is one line of NDJSON that
 * anybody can check. Pure. What may be in a record: names, numbers, fixed words. No secret and no value of a row.
 */
import { canonicalJson } from '../canonical.ts';
import { sha256Hex } from '../hash.ts';

export type AuditResult = 'asked' | 'done' | 'refused' | 'failed' | 'noted';

export type AuditDetails = Readonly<Record<string, string | number | boolean>>;

/** What happened. The chain adds number, time and hashes. */
export type AuditEntry = {
  /** `os:ann`, `gateway:gateway-north`: how it is known, and who. */
  readonly actor: string;
  /** `gateway.drain` */
  readonly action: string;
  readonly target: string;
  readonly result: AuditResult;
  readonly reason?: string;
  readonly details?: AuditDetails;
};

export type AuditRecord = AuditEntry & {
  readonly v: 1;
  readonly chain: string;
  /** From 1, without gaps. */
  readonly sequence: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly previous: string;
  readonly hash: string;
};

/** Where whoever acts says so. @throws AUDIT_UNWRITABLE: then what was to be recorded must not be done */
export type AuditWriter = { readonly write: (entry: AuditEntry) => Promise<void> };

/** Actions of the chain itself. They are not counted as entries. */
export const ownActions = {
  begun: 'audit.begun',
  opened: 'audit.opened',
  checkpoint: 'audit.checkpoint',
  witness: 'audit.witness',
  stamp: 'audit.timestamp',
} as const;

const own: ReadonlySet<string> = new Set(Object.values(ownActions));
export const isOwn = ({ action }: { readonly action: string }): boolean => own.has(action);

export const firstPrevious = '0'.repeat(64);
export const chainPattern = /^[a-z][a-z0-9-]{0,62}$/;

/** A line is refused beyond it; only tokens of time stamps come near. */
export const longestLine = 65_536;
const longestText = 1_000;
const longestDetail = 40_000;
const mostDetails = 32;

/** Texts from outside, made fit to be recorded: one line, well-formed, not endless. */
const fit = (text: string, longest: number): string => {
  const clean = text.toWellFormed().replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  return clean.length <= longest ? clean : `${clean.slice(0, longest - 1)}…`;
};

const fitDetails = (details: AuditDetails): AuditDetails =>
  Object.fromEntries(
    Object.entries(details)
      .slice(0, mostDetails)
      .map(([key, value]) => [fit(key, 64), typeof value === 'string' ? fit(value, longestDetail) : value]),
  );

export const makeRecord = (
  entry: AuditEntry,
  place: Pick<AuditRecord, 'chain' | 'sequence' | 'at' | 'previous'>,
): { readonly record: AuditRecord; readonly line: string } => {
  const unhashed = {
    action: fit(entry.action, 64),
    actor: fit(entry.actor, longestText),
    at: place.at,
    chain: place.chain,
    ...(entry.details === undefined ? {} : { details: fitDetails(entry.details) }),
    previous: place.previous,
    ...(entry.reason === undefined ? {} : { reason: fit(entry.reason, longestText) }),
    result: entry.result,
    sequence: place.sequence,
    target: fit(entry.target, longestText),
    v: 1 as const,
  };
  const hash = sha256Hex(partsOf(unhashed).join(''));
  const record: AuditRecord = { ...unhashed, hash };
  return { record, line: lineOf(record) };
};

/** What stands before the hash and after it in the canonical text. */
const partsOf = (record: Omit<AuditRecord, 'hash'>): readonly [string, string] => {
  const { action, actor, at, chain, details, previous, reason, result, sequence, target } = record;
  const before = `{"action":${JSON.stringify(action)},"actor":${JSON.stringify(actor)},"at":${JSON.stringify(at)},"chain":${JSON.stringify(chain)}`;
  const after =
    `,"previous":${JSON.stringify(previous)}${reason === undefined ? '' : `,"reason":${JSON.stringify(reason)}`},"result":${JSON.stringify(result)}` +
    `,"sequence":${JSON.stringify(sequence)},"target":${JSON.stringify(target)},"v":1}`;
  return [details === undefined ? before : `${before},"details":${canonicalJson(details)}`, after];
};

const lineOf = (record: AuditRecord): string => {
  const [before, after] = partsOf(record);
  return `${before},"hash":"${record.hash}"${after}`;
};

export type ReadRecord = {
  readonly record: AuditRecord;
  /** Its own hash is right. What stands before and after it is another question. */
  readonly sound: boolean;
};

const results: ReadonlySet<unknown> = new Set(['asked', 'done', 'refused', 'failed', 'noted']);

/** Undefined: the line is no record, or not written in the one way a record is written. */
export const readRecord = (line: string): ReadRecord | undefined => {
  const record = parse(line);
  if (record === undefined) return undefined;
  const [before, after] = partsOf(record);
  // A member that we do not know, or a second way to write the same, is not what we wrote.
  const middle = `,"hash":"${record.hash}"`;
  const written =
    line.length === before.length + middle.length + after.length &&
    line.startsWith(before) &&
    line.startsWith(middle, before.length) &&
    line.endsWith(after);
  if (!written) return undefined;
  return { record, sound: sha256Hex(before + after) === record.hash };
};

const parse = (line: string): AuditRecord | undefined => {
  if (line.length > longestLine) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const isRecord = (value: unknown): value is AuditRecord => {
  if (typeof value !== 'object' || value === null) return false;
  const {
    action,
    actor,
    at,
    chain,
    details,
    hash,
    previous,
    reason,
    result,
    sequence,
    target,
  }: Partial<Record<keyof AuditRecord, unknown>> = value;
  return (
    typeof action === 'string' &&
    typeof actor === 'string' &&
    typeof at === 'string' &&
    typeof chain === 'string' &&
    typeof target === 'string' &&
    typeof sequence === 'number' &&
    Number.isSafeInteger(sequence) &&
    (reason === undefined || typeof reason === 'string') &&
    (details === undefined || isDetails(details)) &&
    results.has(result) &&
    // Whether they are hashes is seen when they are compared.
    typeof hash === 'string' &&
    typeof previous === 'string'
  );
};

const isDetails = (value: unknown): value is AuditDetails => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const each of Object.values(value)) {
    const kind = typeof each;
    if (kind !== 'string' && kind !== 'boolean' && !(kind === 'number' && Number.isFinite(each))) return false;
  }
  return true;
};
