/** Order statistics and moments of columns in which values may be missing (NaN). All of them skip what is missing. */

/** The values that were measured, smallest first. */
export const sortedFinite = (values: ArrayLike<number>): Float64Array => {
  const kept = new Float64Array(values.length);
  let count = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (Number.isFinite(value)) {
      kept[count] = value;
      count += 1;
    }
  }
  return kept.subarray(0, count).sort();
};

/** Up to so many values all are sorted; of more, so many evenly spaced ones: sorting is what costs. */
const sortedWhole = 120;
const sortedOfMore = 60;

/** The values that were measured, or evenly spaced ones of many, smallest first. */
export const sortedSample = (values: ArrayLike<number>): Float64Array => {
  if (values.length <= sortedWhole) return sortedFinite(values);
  const step = values.length / sortedOfMore;
  const kept = new Float64Array(sortedOfMore);
  for (let index = 0; index < kept.length; index += 1) kept[index] = values[Math.floor(index * step)] ?? Number.NaN;
  return sortedFinite(kept);
};

/** The quantile of sorted values, linear between neighbours; NaN of none. */
export const quantileOf = (sorted: Float64Array, fraction: number): number => {
  const place = (sorted.length - 1) * fraction;
  const below = Math.floor(place);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[below + 1] ?? low;
  return low + (high - low) * (place - below);
};

export type Robust = {
  readonly median: number /** A standard deviation, if the values were normal. */;
  readonly scale: number;
};

/** Quartiles of a normal distribution lie 1.349 standard deviations apart, 5 % and 95 % lie 3.29 apart. */
const quartilesApart = 1.349;
const tailsApart = 3.29;

/**
 * Median and scale. Where more than half of the values are equal the quartiles say nothing and the tails are asked;
 * a scale of 0 means that the values do not vary.
 */
export const robustOf = (values: ArrayLike<number>): Robust => {
  const sorted = sortedSample(values);
  const quartiles = (quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25)) / quartilesApart;
  return {
    median: quantileOf(sorted, 0.5),
    scale: quartiles > 0 ? quartiles : (quantileOf(sorted, 0.95) - quantileOf(sorted, 0.05)) / tailsApart,
  };
};

export type Moments = { readonly count: number; readonly mean: number; readonly deviation: number };

export const momentsOf = (values: ArrayLike<number>): Moments => {
  let count = 0;
  let mean = 0;
  let squares = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    count += 1;
    const off = value - mean;
    mean += off / count;
    squares += off * (value - mean);
  }
  return { count, mean, deviation: count === 0 ? 0 : Math.sqrt(squares / count) };
};

/** sign(x)·log(1+|x|): keeps sign and order, and makes of factors distances. */
export const signedLog = (value: number): number => Math.sign(value) * Math.log1p(Math.abs(value));

export const clamp = (value: number, limit: number): number => Math.max(-limit, Math.min(limit, value));
