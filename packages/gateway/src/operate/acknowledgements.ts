/**
 * The acknowledgement journal: what this gateway told its clients about the outcome of their transactions, kept
 * outside the database, so that after a disaster acknowledged transactions can be compared with what the database
 * holds. Here are its lines; `adapters/journal.ts` writes and reads the files.
 *
 * No data and no statement is in it. A session stands as the beginning of its id's SHA-256: enough to find its row
 * (`LEFT(SHA2(session, 256), 32)` in `coequal.outcome`), useless for writing one.
 */
import { createHash } from 'node:crypto';

/** `committed`: the client got OK. `told-absent`: it was told that nothing was committed. `told-unknown`: 08007. */
export type AcknowledgedOutcome = 'committed' | 'told-absent' | 'told-unknown';

export type Acknowledgement = {
  /** `journalKey` of the session's id. */
  readonly key: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly outcome: AcknowledgedOutcome;
  /** As session tracking reported it; empty when it did not. */
  readonly gtid: string;
};

/** A line as read back: with its time, ms since 1970. */
export type JournalEntry = Acknowledgement & { readonly at: number };

/** How a session is named in the journal; compute it once for each session. */
export const journalKey = (session: Uint8Array): string =>
  createHash('sha256').update(session).digest('hex').slice(0, 32);

/** One line with its end. Built by hand: it runs once for each transaction of every session. */
export const journalLine = (at: number, { key, epoch, sequence, outcome, gtid }: Acknowledgement): string =>
  `{"at":${at},"key":"${key}","epoch":${epoch},"sequence":${sequence},"outcome":"${outcome}","gtid":${JSON.stringify(gtid)}}\n`;

/** Undefined for what is not a whole line of ours, such as the last one before a kill. */
export const parseJournalLine = (line: string): JournalEntry | undefined => {
  const value = parseObject(line);
  const { at, key, epoch, sequence, outcome, gtid } = value;
  if (!isCount(at) || !isCount(epoch) || !isCount(sequence)) return undefined;
  if (typeof key !== 'string' || typeof gtid !== 'string' || !isOutcome(outcome)) return undefined;
  return { at, key, epoch, sequence, outcome, gtid };
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value);

const isOutcome = (value: unknown): value is AcknowledgedOutcome =>
  value === 'committed' || value === 'told-absent' || value === 'told-unknown';

const parseObject = (line: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
};
