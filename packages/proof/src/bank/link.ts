/**
 * The port to one database session, and the judgement of what a failure of it means for the transaction in
 * flight. The judgement is the heart of exactly
 * once, so it is pure and fails closed: whatever is not known to be rolled back is in doubt.
 */
import type { Endpoint } from '../arena.ts';

export type Value = string | number | null;
export type Row = readonly Value[];

export type Link = {
  readonly instance: string;
  /** A statement without parameters. */
  readonly query: (sql: string) => Promise<readonly Row[]>;
  /** A prepared statement; prepared once a session. */
  readonly execute: (sql: string, values: readonly Value[]) => Promise<readonly Row[]>;
  /** True once the other end has closed it: nothing more can be asked. Pools look, too, before they lend one out. */
  readonly ended: () => boolean;
  /** Ends the session at once. Never waits, never throws. */
  readonly close: () => void;
};

export type OpenLink = (endpoint: Endpoint) => Promise<Link>;

/** `answer`: the server said so. `lost`: the session ended. `deadline`: no answer in time; the session was ended by us. */
export type FailureKind = 'answer' | 'lost' | 'deadline';

/** What a session's failure looked like. `code` is the server's number as text, or a name. Never crosses the package. */
export class LinkFailure extends Error {
  readonly failure: FailureKind;
  readonly code: string;

  constructor(failure: FailureKind, code: string, message: string) {
    super(message);
    this.name = 'LinkFailure';
    this.failure = failure;
    this.code = code;
  }
}

/** `conflict`: rolled back for certain, and nobody's fault. `not-done`: surely not done. `in-doubt`: nobody knows. */
export type Judgement = 'conflict' | 'not-done' | 'in-doubt';

/** Certification conflict or deadlock, and a row changed since the snapshot: rolled back for certain, at any statement. */
const rolledBack: ReadonlySet<string> = new Set(['1213', '1020']);

/** The one answer that every framework tries again by itself. Every other is an error to an application, 1020 too. */
export const isConflict = (code: string | undefined): boolean => code === '1213';

/** `error` of an attempt that the bank itself refused for want of funds. */
export const refusedCode = 'REFUSED';

export const judge = (failure: LinkFailure, committing: boolean): Judgement => {
  if (failure.failure === 'answer' && rolledBack.has(failure.code)) return 'conflict';
  // Without COMMIT on its way the server can only roll back.
  return committing ? 'in-doubt' : 'not-done';
};

/**
 * Whether the session and its instance are worth another transaction. A lock wait that timed out (1205) is over
 * after ROLLBACK; every other error of an instance is a reason to ask its neighbour.
 */
export const worthKeeping = (failure: LinkFailure): boolean =>
  failure.failure === 'answer' && (rolledBack.has(failure.code) || failure.code === '1205');
