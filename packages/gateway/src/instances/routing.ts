/**
 * Which instance a session goes to. Pure. In this order: one that nobody drains, whose state is best, that may be written,
 * that is nearest, that has the fewest sessions. Among equals the order of the estate decides.
 */
import { type InstanceState, serves } from '@coequal/estate';
import type { InstanceTarget } from '../settings.ts';

export type Candidate = {
  readonly target: InstanceTarget;
  readonly state: InstanceState;
  /** It serves, and nobody has just met trouble there. */
  readonly welcomes: boolean;
  readonly readOnly: boolean;
  readonly drained: boolean;
  readonly sessions: number;
};

/**
 * The best candidate, or undefined when none serves. Those in `avoid` come last, and only where they serve; the caller has
 * a reason against them, and no other one is better than none.
 */
export const choose = (candidates: readonly Candidate[], avoid: ReadonlySet<string>): Candidate | undefined => {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (!serves(candidate.state) || !candidate.welcomes) continue;
    if (best === undefined || before(candidate, best, avoid)) best = candidate;
  }
  return best;
};

const before = (a: Candidate, b: Candidate, avoid: ReadonlySet<string>): boolean => {
  const left = rank(a, avoid);
  const right = rank(b, avoid);
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
};

const rank = (
  { target, state, readOnly, drained, sessions }: Candidate,
  avoid: ReadonlySet<string>,
): readonly number[] => [
  avoid.has(target.name) ? 1 : 0,
  drained ? 1 : 0,
  readOnly ? 1 : 0,
  // A donor may block, a slow one is slow everywhere: another site's instance is better than these.
  state === 'serving' ? 0 : 1,
  target.rttMs,
  sessions,
];
