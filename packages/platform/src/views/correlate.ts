/**
 * Which signals moved like one in a stretch of time: in the live window where that covers it, else in the store. What never fell counts
 * something, and its increases are what moves. Pure over the window.
 */
import { type CorrelateAnswer, type CorrelateRequest, rangePoints } from '@coequal/contract';
import { type Correlated, correlate, type Signal } from '@coequal/diagnosis';
import { fail } from '@coequal/kernel';
import { type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';
import { signalOf } from '../incidents/scene.ts';
import type { SeesLabels } from './signals.ts';

/** Fewer samples say nothing. */
export const leastSamples = 10;

type Named = { readonly name: string; readonly labels: readonly (readonly [string, string])[] };

/**
 * The one that is meant: it has exactly these labels, or is the only one that has them among others.
 *
 * @throws REQUEST_INVALID
 */
export const chartAmong = <T extends Named>(
  found: readonly T[],
  { name, labels }: CorrelateRequest,
  where: string,
): T => {
  const exact = found.find((one) => one.labels.length === Object.keys(labels).length);
  const [only, other] = found;
  const chart = exact ?? (other === undefined ? only : undefined);
  if (chart !== undefined) return chart;
  const what =
    only === undefined
      ? `has no signal ${name.slice(0, 200)} with these labels.`
      : `has ${found.length} signals ${name.slice(0, 200)} with these labels: name more of them, as in ${Object.entries(
          Object.fromEntries(only.labels),
        )
          .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
          .join(', ')
          .slice(0, 500)}.`;
  throw fail('REQUEST_INVALID', { what: `${where} ${what}` });
};

export const correlateLive = (window: LiveWindow, request: CorrelateRequest, sees: SeesLabels): CorrelateAnswer => {
  const labels = Object.entries(request.labels);
  const has = (series: WindowSeries, wanted: readonly (readonly [string, string])[]): boolean =>
    wanted.every(([name, value]) => labelValue(series.labels, name) === value);
  const named = [...window.seriesNamed(request.name)].filter((series) => has(series, labels) && sees(series.labels));
  const chart = chartAmong(named, request, 'The live window');
  const fromSecond = Math.floor(request.fromMs / 1_000);
  const length = Math.floor(request.toMs / 1_000) - fromSecond + 1;
  if (!(length >= leastSamples && length <= rangePoints))
    throw fail('REQUEST_INVALID', { what: `A stretch has ${leastSamples} to ${rangePoints} seconds, not ${length}.` });
  const among = Object.entries(request.among);
  const all: WindowSeries[] = [chart];
  // What stood still moved with nothing.
  for (const series of window.all())
    if (
      series !== chart &&
      series.ring !== undefined &&
      series.newest >= fromSecond &&
      has(series, among) &&
      sees(series.labels)
    )
      all.push(series);
  const signals = all.map((series) => moved(signalOf(series, fromSecond, new Float64Array(length))));
  const found = correlated(signals, { startMs: fromSecond * 1_000, stepMs: 1_000, length }, request, request.answers);
  return { source: 'live', whole: true, searched: all.length - 1, correlated: found.map((one) => told(one, 1_000)) };
};

export type Found = { readonly signal: Signal; readonly correlation: number; readonly lag: number };

/** The likest of `signals` to the first of them. */
export const correlated = (
  signals: readonly Signal[],
  times: { readonly startMs: number; readonly stepMs: number; readonly length: number },
  { mostLagSeconds }: Pick<CorrelateRequest, 'mostLagSeconds'>,
  answers: number,
): readonly Found[] => {
  const [target] = signals;
  if (target === undefined) return [];
  const mostLag = Math.min(Math.ceil((mostLagSeconds * 1_000) / times.stepMs), times.length >> 1);
  const found = correlate({ ...times, signals }, target, { start: 0, end: times.length }, { mostLag, answers });
  const byKey = new Map(signals.map((signal) => [keyOf(signal), signal]));
  return found.flatMap(({ signal: key, correlation, lag }: Correlated) => {
    const signal = byKey.get(key);
    return signal === undefined ? [] : [{ signal, correlation, lag }];
  });
};

export const told = ({ signal, correlation, lag }: Found, stepMs: number): CorrelateAnswer['correlated'][number] => ({
  ...{ name: signal.name, labels: { ...signal.labels }, correlation, lagSeconds: (lag * stepMs) / 1_000 },
});

export const moved = (signal: Signal): Signal =>
  onlyRises(signal.values) ? { ...signal, values: increases(signal.values) } : signal;

const onlyRises = (values: Float64Array): boolean => {
  let before = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < before) return false;
    if (!Number.isNaN(value)) before = value;
  }
  return true;
};

const increases = (values: Float64Array): Float64Array =>
  values.map((value, row) => {
    const before = row === 0 ? Number.NaN : (values[row - 1] ?? Number.NaN);
    return value < before ? value : value - before;
  });

/** As the diagnosis names signals: `name{a="b"}`. */
const keyOf = ({ name, labels }: Signal): string => {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? name : `${name}{${pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`)}}`;
};
