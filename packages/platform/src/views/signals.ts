/** Signals of the live window as the API gives them: search, course, and what moved with one of them. Pure over the window. */
import {
  type CorrelateAnswer,
  type CorrelateRequest,
  type RangeAnswer,
  type RangeQuery,
  rangePoints,
  type SignalSearch,
} from '@coequal/contract';
import { correlate } from '@coequal/diagnosis';
import { fail } from '@coequal/kernel';
import { type Label, type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';
import { signalOf } from '../incidents/scene.ts';

/** `a=b,c=d`, checked by the contract. */
export const labelsOfText = (where: string): readonly Label[] =>
  where === ''
    ? []
    : where.split(',').map((pair): Label => {
        const at = pair.indexOf('=');
        return [pair.slice(0, at), pair.slice(at + 1)];
      });

const has = (series: WindowSeries, wanted: readonly Label[]): boolean =>
  wanted.every(([name, value]) => labelValue(series.labels, name) === value);

/** Whether whoever asks may see what these labels are about. */
export type SeesLabels = (labels: readonly Label[]) => boolean;

export const searchSignals = (window: LiveWindow, { name, where, limit, cursor }: SignalSearch, sees: SeesLabels) => {
  const wanted = labelsOfText(where);
  const found: WindowSeries[] = [];
  for (const series of window.all())
    if (series.name.includes(name) && has(series, wanted) && sees(series.labels)) found.push(series);
  const sorted = found.sort((a, b) => (a.key < b.key ? -1 : 1));
  // The number of those that were told already: series that come and go meanwhile may be told twice or not.
  const from = cursor !== undefined && /^\d{1,9}$/.test(cursor) ? Number(cursor) : 0;
  const next = from + limit;
  return {
    items: sorted.slice(from, next).map((series) => ({
      ...{ name: series.name, labels: Object.fromEntries(series.labels), newestMs: series.newest * 1_000 },
    })),
    next: next < sorted.length ? String(next) : null,
  };
};

const mostSeries = 500;

/** The course of signals in the live window; `stepMs` above a second takes the last value of each step. */
export const liveRange = (
  window: LiveWindow,
  query: RangeQuery & { readonly name: string },
  sees: SeesLabels,
): RangeAnswer => {
  const wanted = labelsOfText(query.where);
  const found = [...window.seriesNamed(query.name)].filter((series) => has(series, wanted) && sees(series.labels));
  const [fromSecond, toSecond] = [Math.floor(query.fromMs / 1_000), Math.floor(query.toMs / 1_000)];
  const step = Math.max(1, Math.round(query.stepMs / 1_000));
  const rows = Math.floor((toSecond - fromSecond) / step) + 1;
  if (!(rows >= 1 && rows <= rangePoints))
    throw fail('REQUEST_INVALID', {
      what: `Ask for 1 to ${rangePoints} points, not ${rows}: change the times or the step.`,
    });
  return {
    source: 'live',
    fromMs: fromSecond * 1_000,
    stepMs: step * 1_000,
    series: found.slice(0, mostSeries).map((series) => ({
      ...{ name: series.name, labels: Object.fromEntries(series.labels) },
      values: courseOf(series, fromSecond, step, rows, query.rate === 'yes'),
    })),
    more: found.length > mostSeries,
  };
};

const courseOf = (
  series: WindowSeries,
  fromSecond: number,
  step: number,
  rows: number,
  rate: boolean,
): (number | null)[] => {
  const lastOf = (row: number): number => {
    for (let back = 0; back < step; back += 1) {
      const value = series.at(fromSecond + row * step - back);
      if (Number.isFinite(value)) return value;
    }
    return Number.NaN;
  };
  let before = rate ? lastOf(-1) : Number.NaN;
  return Array.from({ length: rows }, (_, row) => {
    const value = lastOf(row);
    if (!rate) return Number.isNaN(value) ? null : value;
    const gained = value < before ? value : value - before;
    before = value;
    return Number.isNaN(gained) ? null : gained / step;
  });
};

/** Every other signal of the window, ranked by how it moved with this one. */
export const correlateLive = (window: LiveWindow, request: CorrelateRequest, sees: SeesLabels): CorrelateAnswer => {
  const labels = Object.entries(request.labels);
  const chart = [...window.seriesNamed(request.name)].find(
    (series) => series.labels.length === labels.length && has(series, labels) && sees(series.labels),
  );
  if (chart === undefined)
    throw fail('REQUEST_INVALID', {
      what: `The live window has no signal ${request.name.slice(0, 200)} with exactly these labels.`,
    });
  const fromSecond = Math.floor(request.fromMs / 1_000);
  const length = Math.floor(request.toMs / 1_000) - fromSecond + 1;
  if (!(length >= 10 && length <= rangePoints))
    throw fail('REQUEST_INVALID', { what: `A stretch has 10 to ${rangePoints} seconds, not ${length}.` });
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
  const signals = all.map((series) => {
    const signal = signalOf(series, fromSecond, length);
    return onlyRises(signal.values) ? { ...signal, values: increases(signal.values) } : signal;
  });
  const [target] = signals;
  if (target === undefined) return { searched: 0, correlated: [] };
  const found = correlate(
    { startMs: fromSecond * 1_000, stepMs: 1_000, length, signals },
    target,
    { start: 0, end: length },
    { mostLag: Math.min(request.mostLagSeconds, length >> 1), answers: request.answers },
  );
  const byKey = new Map(all.map((series) => [signalKeyOf(series), series]));
  return {
    searched: all.length - 1,
    correlated: found.flatMap(({ signal, correlation, lag }) => {
      const series = byKey.get(signal);
      return series === undefined
        ? []
        : [{ name: series.name, labels: Object.fromEntries(series.labels), correlation, lagSeconds: lag }];
    }),
  };
};

/** What never fell counts something, as far as this stretch can tell: its increases are what moves. */
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
const signalKeyOf = ({ name, labels }: WindowSeries): string =>
  labels.length === 0 ? name : `${name}{${labels.map(([key, value]) => `${key}=${JSON.stringify(value)}`)}}`;
