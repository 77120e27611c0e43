/**
 * Silences: who wants not to be told of which alerts, from when to when, and why. What is silenced is still seen, recorded and diagnosed;
 * nobody is called. A silence ends by itself; ended ones are kept a while, so that it can be said why nobody was called. Pure.
 */
import type { Labels } from '../sample.ts';
import { type Matcher, matchersFault, matchesAll, matchesEverything } from './matchers.ts';

export type Silence = {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly updatedAtMs: number;
};

export type SilenceState = 'pending' | 'active' | 'expired';

export const silenceLimits = {
  /** Each is looked at for each alert. */
  count: 1_000,
  /** Ended ones are forgotten after it. */
  keepMs: 5 * 86_400_000,
} as const;

export const silenceState = ({ startsAtMs, endsAtMs }: Silence, atMs: number): SilenceState =>
  atMs >= endsAtMs ? 'expired' : atMs < startsAtMs ? 'pending' : 'active';

/** What is wrong with one that somebody wants, or undefined. */
export const silenceFault = (silence: Omit<Silence, 'id' | 'updatedAtMs'>, atMs: number): string | undefined => {
  if (silence.matchers.length === 0) return 'a silence has one matcher at least';
  const fault = matchersFault(silence.matchers);
  if (fault !== undefined) return fault;
  if (matchesEverything(silence.matchers)) return 'a silence of everything is not possible: name a label';
  if (!(silence.endsAtMs > silence.startsAtMs)) return 'a silence ends after it begins';
  if (silence.endsAtMs <= atMs) return 'a silence ends in the future';
  if (silence.createdBy.trim() === '') return 'a silence says who wants it';
  if (silence.comment.trim() === '') return 'a silence says why';
  return undefined;
};

/** Those that hold now and match. */
export const silencedBy = (labels: Labels, silences: readonly Silence[], atMs: number): readonly Silence[] =>
  silences.filter((silence) => silenceState(silence, atMs) === 'active' && matchesAll(silence.matchers, labels));

/** Ended now; one that is over stays as it is, one that has not begun never will. */
export const endSilence = (silence: Silence, atMs: number): Silence =>
  silenceState(silence, atMs) === 'expired'
    ? silence
    : { ...silence, startsAtMs: Math.min(silence.startsAtMs, atMs), endsAtMs: atMs, updatedAtMs: atMs };

/** Without those that ended long ago. */
export const keptSilences = (silences: readonly Silence[], atMs: number): readonly Silence[] =>
  silences.filter(({ endsAtMs }) => atMs - endsAtMs < silenceLimits.keepMs);
