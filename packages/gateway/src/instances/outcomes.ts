/**
 * What became of a transaction in doubt, settled for ever. Pure: statements, what their answers mean, and the loop that tries
 * until it knows. Instances are asked through a port (`adapters/outcomes.ts`).
 *
 * Looking is not enough: a hung instance may still commit later. A fence writes the session's own outcome row on an instance that
 * serves. When that has committed, the transaction in doubt either had committed before, and its number stands in the row, or
 * certification refuses it, now and later. Fencing twice with one token is fencing once, so a fence whose answer was lost is
 * simply sent again.
 *
 * It leaves to others: what the client is told (`session/continuity.ts`), the text of the procedures (`schema.ts`).
 */
import type { Clock } from '@coequal/kernel';
import { bytesOf, type Row, textOf } from './rows.ts';
import { sessionIdBytes } from './schema.ts';
import { isConflict, isDenial, type SqlFailure, serverError } from './sql-failure.ts';

export type Verdict =
  | {
      readonly kind: 'committed';
      readonly sequence: number;
      /** Rows of the statement before the record. -1: it failed, without any effect; -2: it answered with rows, which are lost. */
      readonly affected: bigint;
      /** LAST_INSERT_ID() behind the statement, which may stem from an earlier one. */
      readonly insertId: bigint;
      readonly epoch: number;
    }
  /**
   * Not committed, and now never. `answeredElsewhere`: an application has asked about it before and was told so; doing it
   * again under a new epoch would make that answer wrong.
   */
  | { readonly kind: 'absent'; readonly epoch: number; readonly answeredElsewhere: boolean }
  | { readonly kind: 'undecided'; readonly reason: string };

export type OutcomeAnswer = 'committed' | 'not committed' | 'unknown';

export type SettleOptions = {
  /** Instances that are asked last, if at all. */
  readonly avoid: ReadonlySet<string>;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
};

export type Outcomes = {
  /** What became of write `sequence` of a session that holds `epoch`. The session goes on with the epoch of the verdict. */
  readonly settle: (session: Buffer, epoch: number, sequence: number, options: SettleOptions) => Promise<Verdict>;
  /** What became of the first write after the key was issued (`outcomeKey`). Fences too: what is answered stays true. */
  readonly ask: (
    key: Buffer,
    options?: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ) => Promise<OutcomeAnswer>;
  /** The session has ended with nothing in doubt and no key was ever issued for it: nobody can ask, its row may go. */
  readonly forget: (session: Buffer) => void;
  /** Removes rows that are too old to be asked about. */
  readonly sweep: () => Promise<number>;
  readonly close: () => void;
};

/** Rows stay for so long after the last write of their session. */
export const retentionMs = 24 * 3_600_000;
/** Clocks of gateways and instances may differ; keys are worth less than rows by so much. */
const clockMarginMs = 3_600_000;

/**
 * The key by which an application asks for an outcome: the session, the number of its last write, and the time. With the time,
 * a row that is not there has one meaning: none was ever written.
 */
export const outcomeKey = (session: Buffer, sequence: number, nowMs: number): Buffer => {
  const key = Buffer.alloc(outcomeKeyBytes);
  session.copy(key, 0, 0, sessionIdBytes);
  key.writeBigUInt64BE(BigInt(sequence), sessionIdBytes);
  key.writeBigUInt64BE(BigInt(Math.trunc(nowMs)), sessionIdBytes + 8);
  return key;
};
export const outcomeKeyBytes = sessionIdBytes + 16;

type Key = { readonly session: Buffer; readonly sequence: bigint; readonly issuedMs: number };

export const parseOutcomeKey = (key: Buffer): Key | undefined => {
  if (key.length !== outcomeKeyBytes) return undefined;
  const issuedMs = Number(key.readBigUInt64BE(sessionIdBytes + 8));
  return { session: key.subarray(0, sessionIdBytes), sequence: key.readBigUInt64BE(sessionIdBytes), issuedMs };
};

/** A row to be fenced. */
export type Fence = {
  readonly session: Buffer;
  /** The epoch of a row that the fence has to make. */
  readonly epoch: number;
  /** 8 bytes that only this fence has. */
  readonly token: Buffer;
};

export type OutcomeRow = {
  readonly epoch: number;
  readonly sequence: bigint;
  readonly affected: bigint;
  readonly insertId: bigint;
};

/** A row that a question makes has an epoch that no session holds. */
export const askedEpoch = 0x4000_0000;

/**
 * One flight for many fences: in one order for everybody, so that two flights never wait for each other in a circle. It must stay
 * one statement that commits by itself. With BEGIN, INSERT, SELECT and COMMIT in one text, COMMIT answered OK about
 * once in 2,000 races for a fence that the engine had rolled back between two of them.
 */
export const fenceText = (fences: readonly Fence[]): string => {
  const sorted = [...fences].sort((a, b) => Buffer.compare(a.session, b.session));
  const values = sorted.map(
    ({ session, epoch, token }) => `(${literal(session)}, ${Math.trunc(epoch)}, 0, 0, 0, ${literal(token)})`,
  );
  return `INSERT INTO coequal.outcome (session, epoch, sequence, affected, insert_id, fence) VALUES ${values.join(', ')}
    ON DUPLICATE KEY UPDATE epoch = IF(fence <=> VALUES(fence), epoch, epoch + 1), fence = VALUES(fence),
    at = CURRENT_TIMESTAMP(3)
    RETURNING session, epoch, sequence, affected, insert_id`;
};

export const literal = (bytes: Buffer): string => `X'${bytes.toString('hex')}'`;

/** The rows by session, in hexadecimal, from the answer to `fenceText`. */
export const readFences = (results: readonly (readonly Row[])[]): ReadonlyMap<string, OutcomeRow> =>
  new Map(
    results.flat().flatMap((row): readonly [string, OutcomeRow][] => {
      const session = bytesOf(row, 'session');
      return session === undefined ? [] : [[session.toString('hex'), toRow(row)]];
    }),
  );

const toRow = (row: Row): OutcomeRow => ({
  epoch: Number(textOf(row, 'epoch')),
  sequence: BigInt(textOf(row, 'sequence')),
  affected: BigInt(textOf(row, 'affected')),
  insertId: BigInt(textOf(row, 'insert_id')),
});

/** How one attempt to fence ended. `again`: the same instance may be asked once more; `elsewhere`: another one should be. */
export type Attempt =
  | { readonly kind: 'row'; readonly row: OutcomeRow }
  | { readonly kind: 'again'; readonly reason: string }
  | { readonly kind: 'elsewhere'; readonly reason: string }
  /** Every instance would answer the same: rights are missing, the schema is gone. */
  | { readonly kind: 'never'; readonly reason: string };

export const attemptOf = (failure: SqlFailure): Attempt => {
  if (failure.kind !== 'answer') return { kind: 'elsewhere', reason: failure.reason };
  if (isConflict(failure.errno)) return { kind: 'again', reason: failure.reason };
  if (isDenial(failure.errno) || failure.errno === serverError.noTable || failure.errno === serverError.unknownDatabase)
    return { kind: 'never', reason: failure.reason };
  return { kind: 'elsewhere', reason: failure.reason };
};

export type FencePorts = {
  readonly clock: Clock;
  /** The best instance that serves; those to avoid come last. */
  readonly choose: (avoid: ReadonlySet<string>) => string | undefined;
  /** Waits until one serves. */
  readonly untilServing: (deadlineMs: number, signal?: AbortSignal) => Promise<string | undefined>;
  readonly attempt: (instance: string, fence: Fence, deadlineMs: number, signal?: AbortSignal) => Promise<Attempt>;
  /** A pause between attempts that met a conflict, so that two do not meet again and again. */
  readonly pauseMs: () => number;
};

export type Fenced =
  | { readonly kind: 'row'; readonly row: OutcomeRow; readonly instance: string }
  | { readonly kind: 'undecided'; readonly reason: string };

/** Tries until the fence has committed somewhere, or the deadline has passed. */
export const fenceUntilDecided = async (ports: FencePorts, fence: Fence, options: SettleOptions): Promise<Fenced> => {
  const end = ports.clock.monotonic() + options.deadlineMs;
  const leftMs = (): number => end - ports.clock.monotonic();
  const failed = new Set<string>();
  let reason = 'no instance serves';
  while (leftMs() > 0 && options.signal?.aborted !== true) {
    const avoid = new Set([...options.avoid, ...failed]);
    const instance = ports.choose(avoid) ?? (await ports.untilServing(leftMs(), options.signal));
    if (instance === undefined) break;
    const attempt = await ports.attempt(instance, fence, Math.max(1, leftMs()), options.signal);
    if (attempt.kind === 'row') return { kind: 'row', row: attempt.row, instance };
    reason = `${instance}: ${attempt.reason}`;
    if (attempt.kind === 'never') break;
    // One that failed is asked last from now on, until the others have failed as well.
    if (attempt.kind === 'elsewhere' && failed.has(instance)) failed.clear();
    if (attempt.kind === 'elsewhere') failed.add(instance);
    await pause(ports, Math.min(ports.pauseMs(), Math.max(0, leftMs())), options.signal);
  }
  return { kind: 'undecided', reason: options.signal?.aborted === true ? 'the session has ended' : reason };
};

const pause = async (ports: FencePorts, ms: number, signal: AbortSignal | undefined): Promise<void> => {
  // An abort is looked at by the loop.
  await ports.clock.sleep(ms, signal).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
};

/** What a fenced row says about write `sequence` of a session that held `epoch`. */
export const verdictOf = (row: OutcomeRow, epoch: number, sequence: number): Verdict =>
  row.sequence >= BigInt(sequence)
    ? {
        kind: 'committed',
        sequence: Number(row.sequence),
        affected: row.affected,
        insertId: row.insertId,
        epoch: row.epoch,
      }
    : // Ours raised it by one. What is above that was raised by questions.
      { kind: 'absent', epoch: row.epoch, answeredElsewhere: row.epoch !== epoch + 1 };

/** What a fenced row tells the holder of a key. */
export const answerOf = (row: OutcomeRow, key: Key, nowMs: number): OutcomeAnswer => {
  if (row.sequence > key.sequence) return 'committed';
  // A question has made the row: either nothing was ever written, or it was and the row has been swept.
  if (row.epoch >= askedEpoch && row.sequence === 0n && nowMs - key.issuedMs > retentionMs - clockMarginMs)
    return 'unknown';
  return 'not committed';
};

/**
 * The number of the error with which `CALL coequal.record` was refused says that the transaction is rolled back for certain.
 * Every other error leaves open whether it has committed: a procedure that was interrupted may have done its last step.
 */
export const recordSurelyRefused = (errno: number): boolean => isConflict(errno) || errno === serverError.nullRefused;
