/**
 * The changes witness: what was deployed, altered, started or failed over just before the onset, on what is abnormal or on
 * what it depends on? A change is a suspect the more, the closer before the onset it was and the nearer its entity is. What
 * came after the onset is no cause. Pure; whoever collects changes says what is near.
 */

export type Change = {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The host, instance, service or gateway that was changed. */
  readonly entity: string;
  /** In words that complete "because of": `the schema change ALTER TABLE account`. */
  readonly text: string;
};

export type Suspect = { readonly change: Change /** 0 to 1. */; readonly weight: number; readonly sentence: string };

export type Scene = {
  readonly onsetMs: number;
  /** How sure the onset is, in time: a change so little after it may still have come before. */
  readonly toleranceMs: number;
  /** Steps in the estate's structure from what is abnormal to an entity: 0 the same, 1 a neighbour. Undefined: unrelated. */
  readonly stepsTo: (entity: string) => number | undefined;
};

/** Older changes had their time to do harm. */
const longestMs = 30 * 60_000;
/** A change this long before the onset counts half of one right before it. */
const halfLifeMs = 3 * 60_000;

/** Suspects, the likeliest first; of equals the later change. */
export const suspectChanges = (changes: readonly Change[], scene: Scene): readonly Suspect[] =>
  changes
    .flatMap((change) => suspectOf(change, scene) ?? [])
    .sort((a, b) => b.weight - a.weight || b.change.atMs - a.change.atMs);

const suspectOf = (change: Change, { onsetMs, toleranceMs, stepsTo }: Scene): Suspect | undefined => {
  const ageMs = onsetMs - change.atMs;
  const steps = stepsTo(change.entity);
  if (steps === undefined || !(ageMs >= -toleranceMs && ageMs <= longestMs)) return undefined;
  const weight = 0.5 ** (Math.max(0, ageMs) / halfLifeMs) / (1 + steps);
  return { change, weight, sentence: `${change.text} on ${change.entity}, ${whenWords(ageMs)}` };
};

const whenWords = (ageMs: number): string => {
  const seconds = Math.round(Math.max(0, ageMs) / 1_000);
  if (seconds === 0) return 'as it began';
  return seconds < 120 ? `${seconds} s before it began` : `${Math.round(seconds / 60)} min before it began`;
};
