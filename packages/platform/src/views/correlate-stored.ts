/**
 * Which signals moved like one, over any stretch of time of the store. A first pass asks for all signals, a host at a time and averaged to
 * few points, and keeps only the likest of them; a second one asks for these alone, as fine as the stretch allows. So memory is
 * bounded by one host, and most of the work is done by the store.
 */
import { type CorrelateAnswer, type CorrelateRequest, rangePoints } from '@coequal/contract';
import type { Signal } from '@coequal/diagnosis';
import type { Estate } from '@coequal/estate';
import { type Clock, fail } from '@coequal/kernel';
import { labelValue, type StoreResult, type StoreSeries } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { MetricsStore } from '../ports.ts';
import { chartAmong, correlated, type Found, leastSamples, moved, told } from './correlate.ts';
import type { SeesLabels } from './signals.ts';

export type StoredCorrelation = {
  readonly store: Pick<MetricsStore, 'range'>;
  readonly estate: Estate;
  readonly clock: Clock;
  /** What whoever asks may see; everything unless given. */
  readonly sees?: SeesLabels;
};

type Times = { readonly startMs: number; readonly stepMs: number; readonly length: number };

const { coarsePoints, finePoints, candidates, deadlineMs, askedAtOnce } = limits.correlation;
/** Buckets of histograms say what their sums say. */
const leftOut = '.+_bucket|ALERTS.*';
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** @throws REQUEST_INVALID, STORE_FAILED */
export const correlateStored = async (
  { store, estate, clock, sees = () => true }: StoredCorrelation,
  request: CorrelateRequest,
): Promise<CorrelateAnswer> => {
  checked(request);
  const endMs = clock.monotonic() + deadlineMs;
  const coarse = timesOf(request, coarsePoints);
  const all = await asked(store, selectorOf({ __name__: request.name, ...request.labels }), coarse);
  const named = all.filter(({ labels }) => sees(labels));
  const chart = chartAmong(named, request, 'In that time the store');
  const target = moved(signalOf(chart, coarse));
  let best: readonly Found[] = [];
  let [searched, whole] = [0, true];
  for (const among of amongOf(estate, request)) {
    whole = clock.monotonic() < endMs;
    if (!whole) break;
    const series = await asked(store, selectorOf(among, leftOut), coarse);
    const others = series
      .filter(({ key, labels }) => key !== chart.key && sees(labels))
      .map((one) => signalOf(one, coarse));
    searched += others.length;
    const found = correlated([target, ...others.map(moved)], coarse, request, candidates);
    best = [...best, ...found].sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation)).slice(0, candidates);
  }
  const fine = timesOf(request, finePoints);
  const [close, ...others] = await fineSignals(store, [chart, ...best.map(({ signal }) => signal)], fine);
  const known = others.filter((one) => one !== undefined);
  const found = close === undefined ? [] : correlated([close, ...known], fine, request, request.answers);
  return { source: 'store', whole, searched, correlated: found.map((one) => told(one, fine.stepMs)) };
};

const checked = ({ fromMs, toMs, labels, among }: CorrelateRequest): void => {
  const seconds = Math.floor(toMs / 1_000) - Math.floor(fromMs / 1_000) + 1;
  if (!(seconds >= leastSamples && toMs - fromMs <= limits.correlation.longestMs))
    throw fail('REQUEST_INVALID', {
      what: `A stretch has ${leastSamples} seconds to ${limits.correlation.longestMs / 86_400_000} days, not ${seconds} seconds.`,
    });
  const wrong = [...Object.keys(labels), ...Object.keys(among)].find((name) => !labelName.test(name));
  if (wrong !== undefined) throw fail('REQUEST_INVALID', { what: `${wrong.slice(0, 100)} is no name of a label.` });
};

/** Whole seconds, so many points at most. */
const timesOf = ({ fromMs, toMs }: CorrelateRequest, points: number): Times => {
  const stepMs = Math.max(1, Math.ceil((toMs - fromMs) / 1_000 / Math.min(points, rangePoints))) * 1_000;
  const startMs = Math.floor(fromMs / 1_000) * 1_000;
  return { startMs, stepMs, length: Math.floor((toMs - startMs) / stepMs) + 1 };
};

/** Which signals are asked for at once: those of each host, and those of none. */
const amongOf = (estate: Estate, { among }: CorrelateRequest): readonly Readonly<Record<string, string>>[] => {
  if (among['host'] !== undefined) return [among];
  const hosts = estate.sites.flatMap((site) => site.hosts.map(({ name }) => name));
  return [...hosts, ''].map((host) => ({ ...among, host }));
};

const selectorOf = (labels: Readonly<Record<string, string>>, without?: string): string => {
  const matchers = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${[...matchers, ...(without === undefined ? [] : [`__name__!~${JSON.stringify(without)}`])].join(',')}}`;
};

type Series = {
  readonly key: string;
  readonly name: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
};

/** Means of each step. A store that takes the names away from means is asked for the last value instead. */
const asked = async (store: StoredCorrelation['store'], selector: string, times: Times): Promise<readonly Series[]> => {
  const { startMs, stepMs, length } = times;
  const ask = async (rollup: string): Promise<StoreResult> =>
    store.range(`${rollup}(${selector}[${stepMs / 1_000}s])`, startMs, startMs + (length - 1) * stepMs, stepMs);
  let answer = await ask('avg_over_time');
  if (!answer.ok || answer.series.some(({ labels }) => labelValue(labels, '__name__') === ''))
    answer = await ask('last_over_time');
  if (!answer.ok) throw fail('STORE_FAILED', { reason: answer.what });
  return answer.series.map(named);
};

const named = ({ labels, timesMs, values }: StoreSeries): Series => {
  const own = labels.filter(([name]) => name !== '__name__');
  return { key: JSON.stringify(labels), name: labelValue(labels, '__name__'), labels: own, timesMs, values };
};

const signalOf = ({ name, labels, timesMs, values }: Series, { startMs, stepMs, length }: Times): Signal => {
  const column = new Float64Array(length).fill(Number.NaN);
  for (let index = 0; index < timesMs.length; index += 1) {
    const row = Math.round(((timesMs[index] ?? Number.NaN) - startMs) / stepMs);
    if (row >= 0 && row < length) column[row] = values[index] ?? Number.NaN;
  }
  return { name, labels: Object.fromEntries(labels), kind: 'gauge', values: column };
};

/** Some are asked for at once, each by all its labels; undefined where the store has it no more. */
const fineSignals = async (
  store: StoredCorrelation['store'],
  wanted: readonly Pick<Series | Signal, 'name' | 'labels'>[],
  times: Times,
): Promise<readonly (Signal | undefined)[]> => {
  const signals: (Signal | undefined)[] = [];
  for (let from = 0; from < wanted.length; from += askedAtOnce) {
    const some = wanted.slice(from, from + askedAtOnce).map(async ({ name, labels }) => {
      const own = Object.fromEntries(Array.isArray(labels) ? labels : Object.entries(labels));
      const found = await asked(store, selectorOf({ __name__: name, ...own }), times);
      const series = found.find((one) => one.labels.length === Object.keys(own).length);
      return series === undefined ? undefined : moved(signalOf(series, times));
    });
    signals.push(...(await Promise.all(some)));
  }
  return signals;
};
