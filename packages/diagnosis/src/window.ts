/**
 * A window of signals as a value: one column of numbers a signal, all with the same times. What was not measured is
 * NaN, never 0, and everything that reads a window skips it. Counters stay as they were scraped until
 * `ratesOfCounters` turns them into rates, so that a reset is seen once and in one place.
 */
import { assert } from '@coequal/kernel';

export type Labels = Readonly<Record<string, string>>;

export type Signal = {
  /** As the exporter names it: `mysql_global_status_threads_running`. */
  readonly name: string;
  readonly labels: Labels;
  /** A counter only rises, save where its process began anew. */
  readonly kind: 'gauge' | 'counter';
  /** One value a step, oldest first; NaN: not measured. */
  readonly values: Float64Array;
};

export type SignalWindow = {
  /** Time of the first sample, milliseconds since 1970. */
  readonly startMs: number;
  readonly stepMs: number;
  /** Samples of every signal. */
  readonly length: number;
  readonly signals: readonly Signal[];
};

/** Rows of a window: from `start` up to, not including, `end`. */
export type Stretch = { readonly start: number; readonly end: number };

/** The name by which a signal is known in knowledge files and explanations: `name{a="b"}`, labels in order. */
export const signalKey = ({ name, labels }: Pick<Signal, 'name' | 'labels'>): string => {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? name : `${name}{${pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`)}}`;
};

/** A window whose columns all have its length; infinities count as not measured. */
export const makeWindow = (window: SignalWindow): SignalWindow => {
  assert(window.stepMs > 0, 'a window has a positive step');
  for (const { values, name } of window.signals)
    assert(values.length === window.length, `${name} has as many samples as its window`);
  return { ...window, signals: window.signals.map(withoutInfinities) };
};

const withoutInfinities = (signal: Signal): Signal =>
  signal.values.some((value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
    ? { ...signal, values: signal.values.map((value) => (Number.isFinite(value) ? value : Number.NaN)) }
    : signal;

/** The same window with every counter as its rate a second. */
export const ratesOfCounters = (window: SignalWindow): SignalWindow => ({
  ...window,
  signals: window.signals.map((signal) =>
    signal.kind === 'counter' ? { ...signal, kind: 'gauge', values: ratesOf(signal.values, window.stepMs) } : signal,
  ),
});

/**
 * Rates a second between samples that follow each other. A value below the one before is a reset: the counter began at
 * 0 again, as Prometheus counts it. Behind a gap the increase belongs to nobody knows which second, so it is left out.
 */
const ratesOf = (values: Float64Array, stepMs: number): Float64Array => {
  const rates = new Float64Array(values.length).fill(Number.NaN);
  for (let row = 1; row < values.length; row += 1) {
    const now = values[row] ?? Number.NaN;
    const before = values[row - 1] ?? Number.NaN;
    rates[row] = ((now < before ? now : now - before) * 1_000) / stepMs;
  }
  return rates;
};

/** Rows `stretch` of a window; the columns are views, not copies. */
export const sliceOf = (window: SignalWindow, { start, end }: Stretch): SignalWindow => ({
  startMs: window.startMs + start * window.stepMs,
  stepMs: window.stepMs,
  length: end - start,
  signals: window.signals.map((signal) => ({ ...signal, values: signal.values.subarray(start, end) })),
});
