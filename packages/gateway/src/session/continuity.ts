/**
 * What becomes of a session when its instance is lost or refuses its transaction: the heart of the gateway, as
 * a table of decisions. Pure and small, so that `continuity.test.ts` can walk every interleaving of requests, losses, fences
 * and replays against a model of the database, and see that no acknowledged transaction is missing or doubled.
 *
 * The invariant: nothing is sent to the database a second time unless the first time is known to have had no effect, now
 * and for ever; and no client is told "try again" unless the same is known. What cannot be known is called so.
 *
 * It leaves to others: how a request is sent (`flight.ts`), what is kept for a replay (`unit.ts`), sockets (`adapters/`).
 */
import { unreachable } from '@coequal/kernel';

/** A request, as far as losing its instance matters. */
export type RequestClass =
  /** No effect at all, outside of a transaction. */
  | 'read'
  /** Changes the session and nothing else; sending it twice is sending it once. */
  | 'setting'
  /** A single write outside of a transaction, sent as one with its outcome row. */
  | 'wrapped'
  /** Part of an open transaction; commits nothing. */
  | 'inside'
  /** Ends a transaction that may have written, together with its outcome row. */
  | 'commit'
  /** Ends a transaction that wrote nothing. */
  | 'commit-read'
  | 'rollback'
  /** May commit something by itself: DDL, procedures outside of transactions, several statements in one text. */
  | 'opaque';

/** Where a session stands at the moment of a loss. */
export type Standing = {
  /** A transaction (or a cursor) is open, and its requests so far have been answered. */
  readonly open: boolean;
  /** Why the open transaction cannot be sent again; null: it can. */
  readonly unitBarrier: string | null;
  /** Why the session as such cannot be moved to another instance (temporary tables, named locks …); null: it can. */
  readonly sessionBarrier: string | null;
  /** The request that has not been answered to its end; null: none. */
  readonly request: RequestClass | null;
  /** It has been sent to an instance since it was last known to have had no effect. */
  readonly sent: boolean;
};

export type Decision =
  /** Move to another instance when something is asked next. */
  | { readonly kind: 'move-later' }
  /** Move, replay what is open, then send the unanswered request again. */
  | { readonly kind: 'replay' }
  /** Move; nothing of the request is left to do. Its answer is a plain OK. */
  | { readonly kind: 'answer-ok' }
  /** The outcome row says what the request did: answer that. */
  | { readonly kind: 'answer-recorded' }
  /** Find out first whether the request has committed, in a way that settles it for ever. */
  | { readonly kind: 'fence' }
  /** Surely absent, and cannot be hidden: one retryable error. */
  | { readonly kind: 'refuse'; readonly reason: string; readonly ends: boolean }
  /** Nobody can say whether it happened: say that. */
  | { readonly kind: 'unknown'; readonly reason: string; readonly ends: boolean };

/** The instance is gone, silent or cut off. */
export const onLoss = (standing: Standing): Decision => {
  const { request } = standing;
  if (request === null) return whenIdle(standing);
  // No instance has heard of it: there is nothing to find out, and asking would find the outcome of the one before.
  if (!standing.sent) return replayOrRefuse(standing);
  switch (request) {
    case 'wrapped':
    case 'commit':
      return { kind: 'fence' };
    case 'opaque':
      return unknown('the request may have committed by itself', standing);
    case 'commit-read':
    case 'rollback':
      return standing.sessionBarrier === null ? { kind: 'answer-ok' } : refusal(standing);
    case 'read':
    case 'setting':
    case 'inside':
      return replayOrRefuse(standing);
    default:
      return unreachable(request);
  }
};

const whenIdle = (standing: Standing): Decision =>
  // Whoever holds a barrier is told at the next request, when there is somebody to answer.
  standing.open || barrierOf(standing) !== null ? replayOrRefuse(standing) : { kind: 'move-later' };

const barrierOf = ({ sessionBarrier, unitBarrier, open }: Standing): string | null =>
  sessionBarrier ?? (open ? unitBarrier : null);

const replayOrRefuse = (standing: Standing): Decision =>
  barrierOf(standing) === null ? { kind: 'replay' } : refusal(standing);

/** A session whose own state is lost ends with the answer: going on without it would be a wrong answer later. */
const refusal = (standing: Standing): Decision => ({
  kind: 'refuse',
  reason: barrierOf(standing) ?? 'the transaction cannot be repeated',
  ends: standing.sessionBarrier !== null,
});

const unknown = (reason: string, standing: Standing): Decision => ({
  kind: 'unknown',
  reason,
  ends: standing.sessionBarrier !== null,
});

/**
 * What the fence found. `failed`: the row is there and says that the statement itself had failed, without any effect.
 * `rows-lost`: it has committed, and the rows that were its answer went down with the instance. `told-elsewhere`: it has not
 * committed, and somebody who asked another gateway was told so; doing it now would make that answer wrong.
 */
export type Finding = 'committed' | 'absent' | 'failed' | 'rows-lost' | 'told-elsewhere' | 'undecided';

/** After the fence of a `wrapped` or `commit` request. */
export const onFinding = (standing: Standing, finding: Finding, why: string): Decision => {
  switch (finding) {
    case 'committed':
      // With its state lost, the session would go on without it; but what committed must be said to have.
      return { kind: 'answer-recorded' };
    case 'undecided':
    case 'rows-lost':
      return unknown(why, standing);
    case 'told-elsewhere':
      return { kind: 'refuse', reason: why, ends: standing.sessionBarrier !== null };
    case 'absent':
    case 'failed':
      return replayOrRefuse(standing);
    default:
      return unreachable(finding);
  }
};

/** How a request was refused, with everything around it surely rolled back. */
export type Conflict = {
  /** Times that this request has been refused so far, this one included. */
  readonly times: number;
  /** The most that a request is tried. */
  readonly most: number;
  /** Something of the unanswered request's own answer has already reached the client. */
  readonly answerBegun: boolean;
};

/**
 * The instance refused the request because another transaction was first (1213, 1020, 1205): hidden by a replay where
 * that is possible. `refuse` here means: pass the conflict on.
 */
export const onConflict = (standing: Standing, conflict: Conflict): Decision => {
  const { request, unitBarrier, sessionBarrier, open } = standing;
  if (request === 'opaque' || request === null) return conflictStays('it may have committed something before');
  if (conflict.times >= conflict.most) return conflictStays(`it was refused ${conflict.times} times`);
  if (open && unitBarrier !== null) return conflictStays(unitBarrier);
  // A rollback takes back neither locks by name nor what is in temporary tables of some engines.
  if (sessionBarrier !== null && (open || sessionBarrier === 'temporary-table')) return conflictStays(sessionBarrier);
  return { kind: 'replay' };
};

const conflictStays = (reason: string): Decision => ({ kind: 'refuse', reason, ends: false });

/** How a replay ended. `escaped`: something in it may have committed by itself, which it had not done the first time. */
export type ReplayEnd = 'same' | 'different' | 'conflict' | 'lost' | 'escaped';

export type ReplayTries = { readonly times: number; readonly most: number };

/** What follows a replay: going on, trying once more, or telling the client. */
export const onReplayEnd = (
  end: ReplayEnd,
  tries: ReplayTries,
): 'go-on' | 'again' | 'move-again' | 'refuse' | 'unknown' => {
  switch (end) {
    case 'same':
      return 'go-on';
    case 'lost':
      return 'move-again';
    case 'conflict':
      return tries.times < tries.most ? 'again' : 'refuse';
    case 'different':
      return 'refuse';
    case 'escaped':
      return 'unknown';
    default:
      return unreachable(end);
  }
};
