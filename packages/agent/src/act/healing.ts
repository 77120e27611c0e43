/**
 * Whether an agent by itself starts an instance that crashed. Pure. It does what was allowed in the estate and no more: a number of restarts in
 * a time, with pauses that double, never one that is meant to be down, never while somebody else acts there, never one whose data is not to be
 * served. What it decides not to do has a reason, which is said once.
 */
import type { InstanceState } from '@coequal/estate';

export type HealingLimits = {
  /** At most so many restarts … */
  readonly restarts: number;
  /** … in this time. */
  readonly withinMs: number;
};

export type HealingView = {
  readonly state: InstanceState;
  readonly hasProcess: boolean;
  readonly held: boolean;
  readonly busy: boolean;
  /** When this agent started it by itself, the oldest first. */
  readonly attempts: readonly number[];
  /** Since when it is down, as this agent saw it. */
  readonly downSinceMs: number;
  readonly nowMs: number;
};

export type HealingDecision =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'give-up'; readonly reason: string }
  | { readonly kind: 'restart'; readonly attempt: number };

/** A crash is certain after this; a person who restarts it by hand is quicker to be seen as such. */
const certainMs = 2_000;
const firstPauseMs = 5_000;
const longestPauseMs = 300_000;

export const decideHealing = (view: HealingView, limits: HealingLimits): HealingDecision => {
  const { state, hasProcess, held, busy, attempts, downSinceMs, nowMs } = view;
  // Stopped in order is somebody's will; what runs and does not answer is for a person to judge.
  if (state !== 'gone' || hasProcess) return { kind: 'nothing' };
  if (held) return { kind: 'wait', reason: 'It is meant to be down.' };
  if (busy) return { kind: 'wait', reason: 'Another action is in progress there.' };
  const recent = attempts.filter((atMs) => nowMs - atMs < limits.withinMs);
  if (recent.length >= limits.restarts) {
    const minutes = limits.withinMs / 60_000;
    return {
      kind: 'give-up',
      reason: `It was started ${recent.length} times in ${minutes} minutes, and does not stay up.`,
    };
  }
  const last = recent.at(-1);
  const pauseMs = last === undefined ? certainMs : Math.min(longestPauseMs, firstPauseMs * 2 ** (recent.length - 1));
  const sinceMs = Math.max(downSinceMs, last ?? 0);
  if (nowMs - sinceMs < pauseMs)
    return { kind: 'wait', reason: `The next start is in ${Math.ceil((pauseMs - nowMs + sinceMs) / 1_000)} s.` };
  return { kind: 'restart', attempt: recent.length + 1 };
};
