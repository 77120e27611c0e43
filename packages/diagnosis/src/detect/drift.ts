/**
 * Detection in the stream: is a service-level indicator leaving its usual course? Deviations from a median of its own for
 * each slot of the season, in robust deviations, are added up while they last (CUSUM: Page, *Biometrika* 41, 1954). The unit is the larger of the
 * usual deviation and what rare values of healthy operation lie apart, so that heavy tails and wandering load are no drift. Every
 * sample costs the same few operations, and what is kept does not grow.
 */
import { assert } from '@coequal/kernel';
import { clamp, quantileOf, robustOf, sortedFinite } from '../statistics.ts';

export type DriftOptions = {
  /** Slots of the season, each with a median of its own; 1 unless told: no season. */
  readonly slots?: number;
  /** A deviation is at least so much of the median, and at least so much: smaller changes concern nobody. 0.01 and 0 unless told. */
  readonly leastShare?: number;
  readonly least?: number;
  /** Which way is worse; both unless told. */
  readonly worse?: 'above' | 'below' | 'both';
};

export type Drift = {
  /** Robust deviations from the usual, above it or below; 0 while warming up or where nothing was measured. */
  readonly deviation: number;
  readonly drifting: boolean;
  /** What has added up, by what is a drift: 1 is just one, 2 leaves little doubt. */
  readonly strength: number;
  /** The usual value, as far as it is known. */
  readonly usual: number | undefined;
};

export type DriftDetector = {
  /** @param slot of the season that the sample belongs to */
  readonly observe: (value: number, slot?: number) => Drift;
};

/** Samples from which the first median and deviation are taken, and those in which a further slot is got to know. */
const warmUp = 60;
/** Share of a deviation by which medians follow; while drifting they hardly do, so that a long incident stays one. */
const following = 0.02;
const gettingToKnow = 0.1;
const followingInDrift = 0.0005;
/** Deviations a sample that are within the usual; more add up, to the sum at which it is a drift. */
const tolerated = 1.25;
const alarm = 4.2;
/** One sample counts so much at most: a single spike is no drift. */
const sampleCap = 5;
/** The sum cannot run far beyond the alarm, so that an end is seen as soon as a beginning. */
const sumCap = 12;
/** Of so many values in healthy operation one lies further; for a normal distribution that is at 2.58 deviations. */
const rarely = 0.01;
const rareDeviations = 2.58;
const rareFollowing = 0.05;

export const makeDriftDetector = ({
  slots = 1,
  leastShare = 0.01,
  least = 0,
  worse = 'both',
}: DriftOptions = {}): DriftDetector => {
  assert(Number.isInteger(slots) && slots > 0, 'a season has slots');
  const medians = new Float64Array(slots);
  const seen = new Int32Array(slots);
  const first: number[] = [];
  let [scale, rare, above, below] = [0, 0, 0, 0];
  let drifting = false;
  const smallest = (median: number): number => Math.max(Math.abs(median) * leastShare, least, 1e-9);
  const nothing = (usual: number | undefined): Drift => ({ deviation: 0, drifting, strength: strength(), usual });
  const strength = (): number => Math.max(above, below) / alarm;

  const begin = (value: number, slot: number): Drift => {
    first.push(value);
    if (first.length === warmUp) {
      const { median, scale: found } = robustOf(first);
      const deviations = sortedFinite(first.map((each) => Math.abs(each - median)));
      [medians[slot], seen[slot]] = [median, warmUp];
      scale = Math.max(found, smallest(median));
      rare = Math.max(quantileOf(deviations, 0.97), rareDeviations * scale);
    }
    return nothing(undefined);
  };

  /** A slot that is new: its median runs to where its samples are, and nothing is said of them. */
  const getToKnow = (value: number, slot: number): Drift => {
    const median = seen[slot] === 0 ? value : (medians[slot] ?? 0);
    medians[slot] = median + gettingToKnow * scale * Math.sign(value - median);
    seen[slot] = (seen[slot] ?? 0) + 1;
    return nothing(median);
  };

  const follow = (value: number, median: number, slot: number): void => {
    const rate = (drifting ? followingInDrift : following) * scale;
    medians[slot] = median + rate * Math.sign(value - median);
    // A normal value lies further from the median than 0.674 deviations as often as nearer.
    const off = Math.abs(value - median);
    scale = Math.max(scale + (off > 0.674 * scale ? rate : -rate) / 2, smallest(median));
    if (drifting) return;
    const step = rareFollowing * rare;
    rare = Math.max(rare + (off > rare ? step * (1 - rarely) : -step * rarely), rareDeviations * scale);
  };

  const observe = (value: number, slot = 0): Drift => {
    if (!Number.isFinite(value)) return nothing(medians[slot]);
    if (first.length < warmUp) return begin(value, slot);
    if ((seen[slot] ?? 0) < warmUp) return getToKnow(value, slot);
    const median = medians[slot] ?? 0;
    const deviation = (value - median) / Math.max(scale, rare / rareDeviations);
    const counted = clamp(deviation, sampleCap);
    if (worse !== 'below') above = clamp(Math.max(0, above + counted - tolerated), sumCap);
    if (worse !== 'above') below = clamp(Math.max(0, below - counted - tolerated), sumCap);
    drifting = Math.max(above, below) > (drifting ? 0 : alarm);
    follow(value, median, slot);
    return { deviation, drifting, strength: strength(), usual: median };
  };
  return { observe };
};
