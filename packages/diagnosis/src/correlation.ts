/**
 * Which signals moved with this one? A chart and a stretch of time against every other signal: correlation at the lag at
 * which it is strongest, with its sign. Samples are clipped at some robust deviations first, so that one spike is not a
 * likeness. A coarse pass over averaged samples finds the candidates and their lags; only the best are looked at closely.
 */
import { clamp, robustOf } from './statistics.ts';
import { type Signal, type SignalWindow, type Stretch, signalKey } from './window.ts';

export type Correlated = {
  readonly signal: string;
  /** −1 to 1; below 0 it fell when the chart rose. */
  readonly correlation: number;
  /** Steps by which the signal follows the chart; below 0 it went before. */
  readonly lag: number;
};

export type CorrelationOptions = {
  /** Steps that a signal may lead or follow; 30 unless told. */
  readonly mostLag?: number;
  /** How many signals to answer; 20 unless told. */
  readonly answers?: number;
};

const clip = 5;
const coarseSamples = 120;
/** So many times the answers go through the close pass. */
const closeFactor = 4;

/** The signals that moved most like `chart` in a stretch, the likest first. Signals that stand still are left out. */
export const correlate = (
  window: SignalWindow,
  chart: Signal,
  { start, end }: Stretch,
  { mostLag = 30, answers = 20 }: CorrelationOptions = {},
): readonly Correlated[] => {
  const step = Math.max(1, Math.floor((end - start) / coarseSamples));
  const cut = ({ values }: Signal): Float64Array => values.subarray(start, end);
  const target = standardised(averaged(cut(chart), step));
  if (target === undefined) return [];
  const rough = window.signals.flatMap((signal) => {
    const column = signal === chart ? undefined : standardised(averaged(cut(signal), step));
    return column === undefined
      ? []
      : [{ signal, ...bestLag(target, column, -Math.ceil(mostLag / step), Math.ceil(mostLag / step)) }];
  });
  const fine = standardised(cut(chart));
  const close = strongestFirst(rough).slice(0, answers * closeFactor);
  const told = close.flatMap(({ signal, lag }) => {
    const column = standardised(cut(signal));
    if (column === undefined || fine === undefined) return [];
    const [from, to] = [Math.max(-mostLag, (lag - 1) * step), Math.min(mostLag, (lag + 1) * step)];
    return [{ signal: signalKey(signal), ...bestLag(fine, column, from, to) }];
  });
  return strongestFirst(told).slice(0, answers);
};

const strongestFirst = <T extends { readonly correlation: number }>(all: readonly T[]): readonly T[] =>
  all.toSorted((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation));

/** Means of so many samples, of those that were measured. */
const averaged = (values: Float64Array, step: number): Float64Array => {
  if (step === 1) return values;
  const means = new Float64Array(Math.floor(values.length / step));
  for (let index = 0; index < means.length; index += 1) {
    let sum = 0;
    let count = 0;
    for (let row = index * step; row < (index + 1) * step; row += 1) {
      const value = values[row] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      sum += value;
      count += 1;
    }
    means[index] = sum / count;
  }
  return means;
};

/** Mean 0 and deviation 1 after clipping; what was not measured is 0, the mean. Undefined: it stands still. */
const standardised = (values: Float64Array): Float64Array | undefined => {
  const { median, scale } = robustOf(values);
  if (!(scale > 0)) return undefined;
  const column = new Float64Array(values.length);
  let sum = 0;
  let count = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] ?? Number.NaN;
    column[row] = clamp((value - median) / scale, clip);
    if (Number.isNaN(value)) continue;
    sum += column[row] ?? 0;
    count += 1;
  }
  const mean = sum / count;
  let squares = 0;
  for (let row = 0; row < column.length; row += 1) {
    const off = (column[row] ?? Number.NaN) - mean;
    column[row] = Number.isNaN(off) ? 0 : off;
    squares += (column[row] ?? 0) ** 2;
  }
  const deviation = Math.sqrt(squares);
  if (!(deviation > 0)) return undefined;
  return column.map((value) => value / deviation);
};

/** The lag between two at which the product is furthest from 0; lags over which little overlaps count less by themselves. */
const bestLag = (target: Float64Array, column: Float64Array, from: number, to: number) => {
  let best = { lag: 0, correlation: 0 };
  for (let lag = from; lag <= to; lag += 1) {
    let product = 0;
    const last = Math.min(target.length, column.length - lag);
    for (let row = Math.max(0, -lag); row < last; row += 1) product += (target[row] ?? 0) * (column[row + lag] ?? 0);
    if (Math.abs(product) > Math.abs(best.correlation)) best = { lag, correlation: product };
  }
  return best;
};
