/**
 * The profile of a stretch: for each signal a few numbers that say how it differs inside from outside, in units that
 * mean the same on another machine. Robust and plain shifts disagree about spikes, and both help; a shift per unit of
 * work tells "more of everything" from "more for each transaction".
 */
import { rolesOf } from '../roles.ts';
import { type Moments, momentsOf, quantileOf, signedLog, sortedSample } from '../statistics.ts';
import { type SignalWindow, type Stretch, signalKey } from '../window.ts';

/**
 * What is kept of a signal. With a before (or after) to compare with:
 * `shift` (mean, by σ outside), `robust` (median, by quartiles outside), `ratio` (log level inside − outside),
 * `ratioPerWork` (the same, less that of transactions committed). Always:
 * `perWork` (log level − log of transactions committed), `level` (log of the median), `spread` (log of the quartile distance),
 * `trend` (second half − first half, by σ).
 */
export const featureKinds = [
  'shift',
  'robust',
  'ratio',
  'ratioPerWork',
  'perWork',
  'level',
  'spread',
  'trend',
] as const;

export type FeatureKind = (typeof featureKinds)[number];

export type Profile = {
  /** Whether there was a normal part to compare with; without one the shifts are 0 and mean nothing. */
  readonly compared: boolean;
  /** By signal key, in the order of `featureKinds`. */
  readonly signals: ReadonlyMap<string, Float64Array>;
};

/** Fewer rows outside are no normal to compare with. */
const leastOutside = 3;

/** @param active rows in which the service was at work; the others are no normal */
export const profileOf = (window: SignalWindow, stretch: Stretch, active?: Uint8Array): Profile => {
  const { work } = rolesOf(window);
  const normal = outsideRows(window.length, stretch, active);
  const parts = (values: Float64Array): Parts => ({
    inside: values.subarray(stretch.start, stretch.end),
    outside: valuesAt(values, normal),
  });
  const compared = normal.length >= leastOutside;
  const atWork = work === undefined ? undefined : parts(work.values);
  const inside = atWork === undefined ? 0 : signedLog(momentsOf(atWork.inside).mean);
  const outside = atWork === undefined ? 0 : signedLog(momentsOf(atWork.outside).mean);
  return {
    compared,
    signals: new Map(
      window.signals.map((signal) => [
        signalKey(signal),
        featuresOf(parts(signal.values), compared, { inside, change: inside - outside }),
      ]),
    ),
  };
};

type Parts = { readonly inside: Float64Array; readonly outside: Float64Array };

const outsideRows = (length: number, { start, end }: Stretch, active: Uint8Array | undefined): Int32Array =>
  Int32Array.from({ length }, (_, row) => row).filter((row) => (row < start || row >= end) && active?.[row] !== 0);

const valuesAt = (values: Float64Array, rows: Int32Array): Float64Array => {
  const taken = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index += 1) taken[index] = values[rows[index] ?? 0] ?? Number.NaN;
  return taken;
};

/** Log level of the work done, and how much higher it is inside. */
type Work = { readonly inside: number; readonly change: number };

const featuresOf = ({ inside, outside }: Parts, compared: boolean, work: Work): Float64Array => {
  const within = momentsOf(inside);
  const sorted = sortedSample(inside);
  const level = within.count === 0 ? 0 : quantileOf(sorted, 0.5);
  const spread = within.count === 0 ? 0 : quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25);
  const shifts = compared && within.count > 0 ? shiftsOf(within, level, outside, work.change) : [0, 0, 0, 0];
  const own = [signedLog(within.mean) - work.inside, signedLog(level), signedLog(spread), trendOf(inside, within)];
  return Float64Array.from([...shifts, ...own]);
};

/** Below this a difference is rounding. */
const smallest = 1e-6;

const shiftsOf = (within: Moments, level: number, outside: Float64Array, workChange: number): readonly number[] => {
  const normal = momentsOf(outside);
  if (normal.count === 0) return [0, 0, 0, 0];
  const sorted = sortedSample(outside);
  const median = quantileOf(sorted, 0.5);
  const quartiles = (quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25)) / 1.349;
  const sigma = Math.max(normal.deviation, Math.abs(normal.mean) * 0.01, smallest);
  const scale = Math.max(quartiles, Math.abs(median) * 0.01, smallest);
  const ratio = signedLog(within.mean) - signedLog(normal.mean);
  return [
    signedLog((within.mean - normal.mean) / sigma),
    signedLog((level - median) / scale),
    ratio,
    ratio - workChange,
  ];
};

const trendOf = (inside: Float64Array, within: Moments): number => {
  const half = inside.length >> 1;
  const first = momentsOf(inside.subarray(0, half));
  const second = momentsOf(inside.subarray(half));
  if (first.count === 0 || second.count === 0) return 0;
  return signedLog((second.mean - first.mean) / Math.max(within.deviation, Math.abs(within.mean) * smallest, smallest));
};
