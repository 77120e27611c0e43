/**
 * How much is a host unlike itself in its last hours? Signals are scaled robustly, what they usually do together is learned as a few
 * principal components, and what these leave of a moment is its residual: a host that does something it never did has a large one,
 * though no single signal need be far. Bounded: a sample of past moments, so many signals, and a new fit every few minutes.
 */
import { type Random, seededRandom } from '@coequal/kernel';
import { clamp, quantileOf, robustOf, sortedFinite } from '../statistics.ts';

export type Unlike = {
  /** Residual by the largest that is usual (99 of 100 moments): above 1 it is unusual, above 2 it is unlike itself. */
  readonly score: number;
  /** The signals that the residual is made of, the largest first, in robust deviations. */
  readonly signals: readonly { readonly key: string; readonly deviation: number }[];
};

export type UnlikeDetector = {
  /** One moment: values by signal, rates already made. Undefined while too little is known. */
  readonly observe: (values: ReadonlyMap<string, number>) => Unlike | undefined;
};

export type UnlikeOptions = {
  /** Signals that are looked at, the first that come; 150 unless told. */
  readonly signals?: number;
  /** Moments between two that are remembered, and how many are; 20 and 360 unless told: two hours. */
  readonly every?: number;
  readonly moments?: number;
};

const components = 6;
const leastMoments = 40;
/** Remembered moments between two fits; the first fits follow sooner. */
const refitAfter = 15;
const iterations = 12;
const clip = 8;
const toldSignals = 5;
/** A moment this unlike the rest is not learned as what is usual. */
const tooUnlike = 2;

type Fit = {
  readonly medians: Float64Array;
  readonly units: Float64Array;
  readonly axes: readonly Float64Array[];
  readonly usual: number;
};

export const makeUnlikeDetector = ({
  signals = 150,
  every = 20,
  moments = 360,
}: UnlikeOptions = {}): UnlikeDetector => {
  const places = new Map<string, number>();
  const remembered: Float64Array[] = [];
  const random = seededRandom(1);
  let [count, since] = [0, 0];
  let fit: Fit | undefined;

  const rowOf = (values: ReadonlyMap<string, number>): Float64Array => {
    const row = new Float64Array(signals).fill(Number.NaN);
    for (const [key, value] of values) {
      let place = places.get(key);
      if (place === undefined && places.size < signals) {
        place = places.size;
        places.set(key, place);
      }
      if (place !== undefined && Number.isFinite(value)) row[place] = value;
    }
    return row;
  };

  const remember = (row: Float64Array): void => {
    remembered.push(row);
    if (remembered.length > moments) remembered.shift();
    since += 1;
    if (remembered.length < leastMoments || (fit !== undefined && since < refitAfter)) return;
    fit = fitOf(remembered, random);
    since = 0;
  };

  return {
    observe: (values) => {
      const row = rowOf(values);
      const unlike = fit === undefined ? undefined : judge(fit, row, places);
      if (count % every === 0 && (unlike?.score ?? 0) < tooUnlike) remember(row);
      count += 1;
      return unlike;
    },
  };
};

const scaledBy = ({ medians, units }: Pick<Fit, 'medians' | 'units'>, row: Float64Array): Float64Array =>
  row.map((value, place) => {
    const unit = units[place] ?? 0;
    // What was not measured, or never varied and was never measured, is where it usually is.
    return Number.isNaN(value) || unit === 0 ? 0 : clamp((value - (medians[place] ?? 0)) / unit, clip);
  });

const fitOf = (rows: readonly Float64Array[], random: Random): Fit => {
  const width = rows[0]?.length ?? 0;
  const medians = new Float64Array(width);
  const units = new Float64Array(width);
  for (let place = 0; place < width; place += 1) {
    const column = sortedFinite(rows.map((row) => row[place] ?? Number.NaN));
    if (column.length < rows.length / 4) continue;
    const { median, scale } = robustOf(column);
    const tails = (quantileOf(column, 0.99) - quantileOf(column, 0.01)) / 4.65;
    medians[place] = median;
    units[place] = Math.max(scale, tails, Math.abs(median) * 0.02, 1e-9);
  }
  const scaled = rows.map((row) => scaledBy({ medians, units }, row));
  const axes = axesOf(scaled, random);
  const residuals = sortedFinite(scaled.map((row) => lengthOf(residualOf(axes, row))));
  return { medians, units, axes, usual: Math.max(quantileOf(residuals, 0.99) * 1.25, 1e-6) };
};

/** Principal axes by power iteration, one after the other, on what those before leave. */
const axesOf = (rows: readonly Float64Array[], random: Random): readonly Float64Array[] => {
  const width = rows[0]?.length ?? 0;
  let left = rows;
  const axes: Float64Array[] = [];
  while (axes.length < Math.min(components, width, rows.length >> 2)) {
    let axis = Float64Array.from({ length: width }, () => random.next() - 0.5);
    for (let round = 0; round < iterations; round += 1) {
      const next = new Float64Array(width);
      for (const row of left) addScaled(next, row, dot(row, axis));
      const length = lengthOf(next);
      if (!(length > 1e-9)) return axes;
      axis = next.map((value) => value / length);
    }
    axes.push(axis);
    const found = axis;
    left = left.map((row) => {
      const rest = Float64Array.from(row);
      addScaled(rest, found, -dot(row, found));
      return rest;
    });
  }
  return axes;
};

const residualOf = (axes: readonly Float64Array[], row: Float64Array): Float64Array => {
  const rest = Float64Array.from(row);
  for (const axis of axes) addScaled(rest, axis, -dot(rest, axis));
  return rest;
};

const judge = (fit: Fit, row: Float64Array, places: ReadonlyMap<string, number>): Unlike => {
  const scaled = scaledBy(fit, row);
  const rest = residualOf(fit.axes, scaled);
  const told = [...places]
    .map(([key, place]) => {
      const deviation = scaled[place] ?? 0;
      // What is far only because others pull it along is not told.
      return { key, size: Math.min(Math.abs(rest[place] ?? 0), Math.abs(deviation)), deviation };
    })
    .sort((a, b) => b.size - a.size)
    .slice(0, toldSignals)
    .filter(({ size }) => size > 1);
  return { score: lengthOf(rest) / fit.usual, signals: told.map(({ key, deviation }) => ({ key, deviation })) };
};

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let place = 0; place < a.length; place += 1) sum += (a[place] ?? 0) * (b[place] ?? 0);
  return sum;
};

const addScaled = (to: Float64Array, what: Float64Array, by: number): void => {
  for (let place = 0; place < to.length; place += 1) to[place] = (to[place] ?? 0) + (what[place] ?? 0) * by;
};

const lengthOf = (row: Float64Array): number => Math.sqrt(dot(row, row));
