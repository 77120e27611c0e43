/**
 * Detection in the stream: is a service-level indicator leaving its usual course? Deviations from a median of its own for
 * each slot of the season, in robust deviations, are added up while they last (CUSUM: Page, *Biometrika* 41, 1954). Every
 * sample costs the same few operations, and what is kept does not grow.
 */
import { assert } from '@coequal/kernel';
import { clamp, quantileOf, robustOf, sortedFinite } from '../statistics.ts';

export type DriftOptions = {
  /** Slots of the season, each with a median of its own; 1 unless told: no season. */
  readonly slots?: number;
};

export type Drift = {
  /** Robust deviations from the usual, above it or below; 0 while warming up or where nothing was measured. */
  readonly deviation: number;
  readonly drifting: boolean;
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
const tolerated = 1.5;
const alarm = 12;
/** One sample counts so much at most: a single spike is no drift. */
const sampleCap = 6;
/** The sum cannot run far beyond the alarm, so that an end is seen as soon as a beginning. */
const sumCap = 24;

export const makeDriftDetector = ({ slots = 1 }: DriftOptions = {}): DriftDetector => {
  assert(Number.isInteger(slots) && slots > 0, 'a season has slots');
  const medians = new Float64Array(slots);
  const seen = new Int32Array(slots);
  const first: number[] = [];
  let [center, scale, above, below] = [Number.NaN, 0, 0, 0];
  let drifting = false;

  const begin = (value: number, slot: number): Drift => {
    first.push(value);
    if (first.length === warmUp) {
      const { median, scale: found } = robustOf(first);
      const furthest = quantileOf(sortedFinite(first), 1) - median;
      [medians[slot], seen[slot]] = [median, warmUp];
      [center, scale] = [median, Math.max(found, Math.abs(furthest) * 0.1, Math.abs(median) * 0.01, 1e-9)];
    }
    return { deviation: 0, drifting: false };
  };

  /** A slot that is new: its median runs to where its samples are, and nothing is said of them. */
  const getToKnow = (value: number, slot: number): Drift => {
    const median = seen[slot] === 0 ? value : (medians[slot] ?? 0);
    medians[slot] = median + gettingToKnow * scale * Math.sign(value - median);
    seen[slot] = (seen[slot] ?? 0) + 1;
    return { deviation: 0, drifting };
  };

  const follow = (value: number, median: number, slot: number): void => {
    const rate = (drifting ? followingInDrift : following) * scale;
    medians[slot] = median + rate * Math.sign(value - median);
    // A normal value lies further from the median than 0.674 deviations as often as nearer.
    const further = Math.abs(value - median) > 0.674 * scale;
    scale = Math.max(scale + (further ? rate : -rate) / 2, Math.abs(center) * 0.01, 1e-9);
  };

  const observe = (value: number, slot = 0): Drift => {
    if (!Number.isFinite(value)) return { deviation: 0, drifting };
    if (first.length < warmUp) return begin(value, slot);
    if ((seen[slot] ?? 0) < warmUp) return getToKnow(value, slot);
    const median = medians[slot] ?? 0;
    const deviation = (value - median) / scale;
    const counted = clamp(deviation, sampleCap);
    above = Math.min(sumCap, Math.max(0, above + counted - tolerated));
    below = Math.min(sumCap, Math.max(0, below - counted - tolerated));
    drifting = Math.max(above, below) > (drifting ? 0 : alarm);
    follow(value, median, slot);
    return { deviation, drifting };
  };
  return { observe };
};
