/**
 * Finds the abnormal stretch of a window without being told: the stretch in which the service-level indicator got worse
 * and most signals differ from before and after. Every signal is scaled by median and quartiles and clipped, so that
 * neither one wild signal nor one wild sample decides; a candidate's score is the log-likelihood ratio of "two levels"
 * against "one level", summed over the signals (an epidemic change: Levin and Kline, *The CUSUM test of homogeneity*, 1985).
 */

import { rolesOf } from './roles.ts';
import { clamp, quantileOf, robustOf, sortedFinite } from './statistics.ts';
import type { SignalWindow, Stretch } from './window.ts';

/** Beyond so many robust deviations a sample is just "far". */
const clip = 4;
/** What one signal can add at most: one that separates perfectly must not outvote the rest. */
const signalCap = 2;
/** The indicator weighs as much as this share of all other signals. */
const indicatorShare = 0.2;
/**
 * Candidates times signals, at most: longer or wider windows are looked at in coarser buckets first, and the edges of the
 * best candidate are refined afterwards. Bounds the time a search takes.
 */
const candidateBudget = 900_000;
const [fewestBuckets, mostBuckets] = [40, 240];
/** An abnormal stretch is no longer than this share: what lasts longer is the normal state of this window. */
const longestShare = 0.8;

export type Onset = {
  readonly stretch: Stretch;
  /** Mean gain of a signal, 0 to `signalCap`: how well the stretch separates from the rest. */
  readonly strength: number;
  /** Rows in which the service was at work; features compare with these only. */
  readonly active: Uint8Array;
};

export type OnsetOptions = { readonly indicator?: string };

/** The strongest candidate, however weak; `isAbnormal` judges it. Undefined: the window is too short to compare. */
export const findOnset = (window: SignalWindow, { indicator: name }: OnsetOptions = {}): Onset | undefined => {
  const { indicator } = rolesOf(window, name);
  const active = activeRows(window.length, indicator?.values);
  const rows = Int32Array.from({ length: window.length }, (_, row) => row).filter((row) => active[row] === 1);
  const buckets = Math.sqrt((2 * candidateBudget) / Math.max(1, window.signals.length));
  const bucket = Math.max(1, Math.ceil(rows.length / Math.max(fewestBuckets, Math.min(mostBuckets, buckets))));
  const count = Math.floor(rows.length / bucket);
  const least = Math.max(3, Math.ceil(count * 0.05));
  if (count < 3 * least) return undefined;
  const others = window.signals.flatMap((signal) => {
    if (signal === indicator) return [];
    const fine = withoutTrend(take(signal.values, rows));
    const coarse = scaled(bucketed(fine, bucket, count));
    return coarse === undefined ? [] : [{ fine, coarse }];
  });
  const sufferedAt = indicator === undefined ? undefined : suffered(take(indicator.values, rows));
  const weight = Math.max(1, others.length) * indicatorShare;
  const coarse = others.map((other) => other.coarse);
  const ofIndicator = (step: number, length: number): Float64Array | undefined =>
    sufferedAt === undefined ? undefined : scaled(bucketed(sufferedAt, step, length));
  const indicatorColumn = ofIndicator(bucket, count);
  const rough = strongestOf(coarse, indicatorColumn, weight, everywhere(count, least));
  if (rough === undefined) return undefined;
  const refined = (): Stretch | undefined => {
    const gains = coarse.map((column) => gainAt(column, rough));
    const enough = gains.toSorted((a, b) => b - a)[refiningSignals] ?? 0;
    const telling = others
      .filter((_, index) => (gains[index] ?? 0) >= enough)
      .flatMap(({ fine }) => scaled(fine) ?? []);
    const share = Math.max(1, telling.length) * indicatorShare;
    return strongestOf(telling, ofIndicator(1, rows.length), share, around(rough, bucket, rows.length));
  };
  const best = bucket === 1 ? rough : (refined() ?? scaledUp(rough, bucket));
  return {
    stretch: { start: rows[best.start] ?? 0, end: (rows[best.end - 1] ?? 0) + 1 },
    strength: rough.gain / (coarse.length + (indicatorColumn === undefined ? 0 : weight)),
    active,
  };
};

/** Edges are refined with so many signals, those that tell the rough candidate best. */
const refiningSignals = 100;

const strongestOf = (
  columns: readonly Float64Array[],
  indicator: Float64Array | undefined,
  weight: number,
  range: Range,
): Found | undefined => {
  const scores = gainsOf(columns, range, false);
  if (indicator !== undefined)
    for (const [place, gain] of gainsOf([indicator], range, true).entries())
      scores[place] = (scores[place] ?? 0) + weight * gain;
  return strongest(scores, range);
};

const gainAt = (column: Float64Array, { start, end }: Stretch): number =>
  gainsOf([column], { count: column.length, least: 1, starts: [start], ends: [end] }, false)[0] ?? 0;

/** Candidates: every start with every end that is far enough behind it and not too far. */
type Range = {
  readonly count: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly least: number;
};

type Found = Stretch & { readonly gain: number };

const everywhere = (count: number, least: number): Range => {
  const places = Array.from({ length: count + 1 }, (_, place) => place);
  return {
    count,
    least,
    starts: places.filter((start) => start >= least && start <= count - least),
    ends: places.filter((end) => end >= 2 * least),
  };
};

/** One bucket to both sides of the edges of a rough candidate. */
const around = ({ start, end }: Stretch, bucket: number, count: number): Range => {
  const near = (place: number): readonly number[] =>
    Array.from({ length: 2 * bucket + 1 }, (_, index) => (place - 1) * bucket + index).filter(
      (row) => row >= 0 && row <= count,
    );
  return { count, least: bucket, starts: near(start), ends: near(end) };
};

const scaledUp = ({ start, end }: Stretch, bucket: number): Stretch => ({ start: start * bucket, end: end * bucket });

/**
 * Whether a stretch stands out from what the strongest stretch of mere noise would show: that grows with the logarithm of
 * how many samples there are to choose from, over their number. The margin is for load that wanders.
 */
export const isAbnormal = ({ strength, active }: Onset): boolean => {
  const rows = active.reduce((sum, each) => sum + each, 0);
  return strength > wanderMargin + (1.5 * Math.log(rows)) / rows;
};

const wanderMargin = 0.08;

/** An indicator of 0 measures nothing: no transaction ended in that step. */
const suffered = (values: Float64Array): Float64Array => values.map((value) => (value > 0 ? value : Number.NaN));

/**
 * Rows in which somebody used the service. Without completions it either stood still or nobody asked: it stood still if
 * the first completions afterwards took far longer than usual (they had waited), or if the gap reaches the end of the
 * window (it stands still now). A gap at the start has no before, so it says nothing.
 */
const activeRows = (length: number, indicator: Float64Array | undefined): Uint8Array => {
  const active = new Uint8Array(length).fill(1);
  if (indicator === undefined) return active;
  const latencies = sortedFinite(suffered(indicator));
  if (latencies.length < length / 4) return active;
  const usual = quantileOf(latencies, 0.5);
  const waited = usual + 3 * (quantileOf(latencies, 0.75) - quantileOf(latencies, 0.25));
  for (let start = 0; start < length; start += 1) {
    if ((indicator[start] ?? 0) > 0) continue;
    let end = start;
    while (end < length && !((indicator[end] ?? 0) > 0)) end += 1;
    const after = Math.max(
      ...indicator
        .subarray(end, end + 3)
        .map((value) => Math.max(value, 0))
        .filter(Number.isFinite),
      0,
    );
    const idle = end < length && end - start >= shortestIdle && (start === 0 || after < waited);
    if (idle) active.fill(0, start, end);
    start = end;
  }
  return active;
};

const shortestIdle = 5;

const take = (values: Float64Array, rows: Int32Array): Float64Array => {
  const taken = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index += 1) taken[index] = values[rows[index] ?? 0] ?? Number.NaN;
  return taken;
};

/** A column that only rises is a count or a clock: its steps are what can change. */
const withoutTrend = (values: Float64Array): Float64Array => {
  let rises = 0;
  let falls = 0;
  for (let row = 1; row < values.length; row += 1) {
    const step = (values[row] ?? 0) - (values[row - 1] ?? 0);
    if (step > 0) rises += 1;
    else if (step < 0) falls += 1;
  }
  if (falls > 1 || rises < values.length * 0.3) return values;
  return values.map((value, row) => (row === 0 ? (values[1] ?? 0) - value : value - (values[row - 1] ?? 0)));
};

const bucketed = (values: Float64Array, bucket: number, count: number): Float64Array => {
  if (bucket === 1) return values;
  const means = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    let sum = 0;
    let measured = 0;
    for (let row = index * bucket; row < (index + 1) * bucket; row += 1) {
      const value = values[row] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      sum += value;
      measured += 1;
    }
    means[index] = measured === 0 ? Number.NaN : sum / measured;
  }
  return means;
};

/** In robust deviations, clipped; undefined where nothing varies. A hundredth of the level is noise of any signal. */
const scaled = (values: Float64Array): Float64Array | undefined => {
  const { median, scale } = robustOf(values);
  if (!(scale > 0)) return undefined;
  const unit = Math.max(scale, Math.abs(median) * 0.01);
  return values.map((value) => clamp((value - median) / unit, clip));
};

/**
 * What each candidate gains in all columns: −log of the share of the variance that two levels leave unexplained. The
 * shares are multiplied and their logarithm is taken of some columns together: that is what costs.
 */
const gainsOf = (columns: readonly Float64Array[], range: Range, onlyUp: boolean): Float64Array => {
  const gains = new Float64Array(range.starts.length * range.ends.length);
  const unexplained = new Float64Array(gains.length).fill(1);
  const flush = (): void => {
    for (let place = 0; place < gains.length; place += 1)
      gains[place] = (gains[place] ?? 0) - Math.log(unexplained[place] ?? 1);
    unexplained.fill(1);
  };
  for (const [index, column] of columns.entries()) {
    multiplyUnexplained(unexplained, column, range, onlyUp);
    if (index % columnsTogether === columnsTogether - 1) flush();
  }
  flush();
  return gains;
};

/** e^(−signalCap × so many) is still far above the smallest number. */
const columnsTogether = 200;
const leastUnexplained = Math.exp(-signalCap);

const multiplyUnexplained = (unexplained: Float64Array, column: Float64Array, range: Range, onlyUp: boolean): void => {
  const { sums, counts, squares } = cumulate(column);
  const { starts, ends, least, count } = range;
  const total = sums[count] ?? 0;
  const all = counts[count] ?? 0;
  const variance = squares - (total * total) / all;
  if (!(variance > 1e-9)) return;
  const longest = Math.floor(count * longestShare);
  for (let from = 0; from < starts.length; from += 1) {
    const start = starts[from] ?? 0;
    const sumBefore = sums[start] ?? 0;
    const countBefore = counts[start] ?? 0;
    for (let to = 0; to < ends.length; to += 1) {
      const end = ends[to] ?? 0;
      if (end < start + least || end > start + longest) continue;
      const inside = (counts[end] ?? 0) - countBefore;
      const outside = all - inside;
      if (inside < 2 || outside < 2) continue;
      const sum = (sums[end] ?? 0) - sumBefore;
      const difference = sum / inside - (total - sum) / outside;
      if (onlyUp && difference <= 0) continue;
      const left = 1 - (difference * difference * inside * outside) / all / variance;
      const place = from * ends.length + to;
      unexplained[place] = (unexplained[place] ?? 1) * Math.max(left, leastUnexplained);
    }
  }
};

/** Sums and counts of the measured values before each row, and the sum of their squares. */
const cumulate = (column: Float64Array) => {
  const sums = new Float64Array(column.length + 1);
  const counts = new Float64Array(column.length + 1);
  let squares = 0;
  for (let row = 0; row < column.length; row += 1) {
    const value = column[row] ?? Number.NaN;
    const measured = Number.isNaN(value) ? 0 : 1;
    const added = measured === 1 ? value : 0;
    sums[row + 1] = (sums[row] ?? 0) + added;
    counts[row + 1] = (counts[row] ?? 0) + measured;
    squares += added * added;
  }
  return { sums, counts, squares };
};

const strongest = (
  scores: Float64Array,
  { starts, ends }: Range,
): (Stretch & { readonly gain: number }) | undefined => {
  const gain = scores.reduce((most, score) => Math.max(most, score), 0);
  if (gain === 0) return undefined;
  const place = scores.indexOf(gain);
  return { start: starts[Math.floor(place / ends.length)] ?? 0, end: ends[place % ends.length] ?? 0, gain };
};
