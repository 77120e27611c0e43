/**
 * One attempt at one transfer over one session, and what its end means: done, refused by the bank, or failed in one of three
 * ways. Two styles of application: a careful one with an explicit transaction, and a legacy one whose transfer is a single
 * UPDATE that commits by itself.
 *
 * The invariant: what is called `not-done` or a conflict can have had no effect. Throws only what is our own bug.
 */
import type { ClientStyle } from '../arena.ts';
import type { Completion, Operation } from '../history.ts';
import { type Judgement, judge, type Link, LinkFailure, type Row, refusedCode, worthKeeping } from './link.ts';
import { statements } from './schema.ts';
import type { Transfer } from './workload.ts';

export type Attempt = {
  readonly link: Link;
  readonly style: ClientStyle;
  /** Whether the session can be asked for a key, by which its gateway, or any other, tells later what became of it. */
  readonly keyed: boolean;
  readonly transfer: Transfer;
  readonly id: string;
  readonly site: string;
  readonly stampUs: () => number;
  readonly nowMs: () => number;
  /** Called when COMMIT is sent, and again when that is over, whatever came of it. */
  readonly onCommit: (change: 1 | -1) => void;
};

export type Result =
  | { readonly kind: 'done'; readonly funds: readonly Row[]; readonly committing: number }
  | { readonly kind: 'refused'; readonly sessionLost: boolean }
  | {
      readonly kind: 'failed';
      readonly failure: LinkFailure;
      readonly judgement: Judgement;
      /** When COMMIT was sent; undefined when it was not. */
      readonly committing: number | undefined;
      readonly key: string | undefined;
    };

export const transact = (attempt: Attempt): Promise<Result> =>
  attempt.style === 'legacy' ? singleStatement(attempt) : explicit(attempt);

/** Six round trips, and one more for the key. */
const explicit = async (attempt: Attempt): Promise<Result> => {
  const { link, id, site, transfer } = attempt;
  const { from, to, amount } = transfer;
  let committing: number | undefined;
  let key: string | undefined;
  try {
    key = attempt.keyed ? await keyOf(link) : undefined;
    await link.query(statements.begin);
    const funds = await link.execute(statements.funds, [from, to]);
    if (funds.length !== 2) throw new LinkFailure('answer', 'ACCOUNT_MISSING', `account ${from} or ${to} is missing`);
    if (balanceOf(funds, from) < amount) return { kind: 'refused', sessionLost: !(await rolledBack(link)) };
    await link.execute(statements.move, [from, -amount, amount, from, to]);
    await link.execute(statements.transfer, [id, from, to, amount, site, Math.round(attempt.nowMs())]);
    await link.execute(statements.entries, [id, from, -amount, id, to, amount]);
    committing = attempt.stampUs();
    await counted(attempt, link.query(statements.commit));
    return { kind: 'done', funds, committing };
  } catch (error) {
    return failed(error, committing, key);
  }
};

/**
 * The slip is written first, in a statement of its own that moves nothing; the transfer is the UPDATE that carries it out. So the
 * slip says afterwards how often that was done.
 */
const singleStatement = async (attempt: Attempt): Promise<Result> => {
  const { link, id, site, transfer } = attempt;
  const { from, to, amount } = transfer;
  let committing: number | undefined;
  try {
    await link.execute(statements.slip, [id, from, to, amount, site, Math.round(attempt.nowMs())]);
    committing = attempt.stampUs();
    await counted(attempt, link.execute(statements.carryOut, [id, from, to]));
    return { kind: 'done', funds: [], committing };
  } catch (error) {
    return failed(error, committing, undefined);
  }
};

const counted = async <T>({ onCommit }: Attempt, committing: Promise<T>): Promise<T> => {
  onCommit(1);
  try {
    return await committing;
  } finally {
    onCommit(-1);
  }
};

const failed = (error: unknown, committing: number | undefined, key: string | undefined): Result => {
  if (!(error instanceof LinkFailure)) throw error;
  return { kind: 'failed', failure: error, judgement: judge(error, committing !== undefined), committing, key };
};

/** The key for the next write of this session. A gateway that only looks on has none to give. */
const keyOf = async (link: Link): Promise<string | undefined> => {
  try {
    const [row] = await link.query(statements.sessionKey);
    const key = String(row?.[0] ?? '');
    return isKey(key) ? key : undefined;
  } catch (error) {
    if (error instanceof LinkFailure && error.failure === 'answer') return undefined;
    throw error;
  }
};

/** Keys are put into statements as they are, so nothing else may be in them. */
export const isKey = (text: string): boolean => /^[0-9a-f]{1,200}$/i.test(text);

const balanceOf = (funds: readonly Row[], account: number): number =>
  Number(funds.find((row) => row[0] === account)?.[1]);

/** Rolls back and says whether the session survived it. */
const rolledBack = async (link: Link): Promise<boolean> => {
  try {
    await link.query(statements.rollback);
    return true;
  } catch (error) {
    if (error instanceof LinkFailure) return false;
    throw error;
  }
};

/** Ends what a failure left open, and says whether the session is of no more use. */
export const sessionSpent = async (link: Link, result: Result): Promise<boolean> => {
  switch (result.kind) {
    case 'done':
      return false;
    case 'refused':
      return result.sessionLost;
    case 'failed':
      return !worthKeeping(result.failure) || !(await rolledBack(link));
  }
};

export const completionOf = (
  result: Result,
  operation: Operation,
): Pick<Completion, 'outcome' | 'operations' | 'error' | 'committing'> => {
  switch (result.kind) {
    case 'done':
      return {
        outcome: 'ok',
        operations: [operation, ...result.funds.map(readOperation)],
        committing: result.committing,
      };
    case 'refused':
      return { outcome: 'fail', error: refusedCode };
    case 'failed':
      return {
        outcome: result.judgement === 'in-doubt' ? 'info' : 'fail',
        error: result.failure.code,
        ...(result.committing === undefined ? {} : { committing: result.committing }),
      };
  }
};

const readOperation = ([account, balance, version]: Row): Operation => [
  'r',
  account ?? null,
  [balance ?? null, version ?? null],
];
