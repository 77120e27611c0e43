/** Signals of the live window as the API gives them: search and course. Pure over the window. */
import { type RangeAnswer, type RangeQuery, rangePoints, type SignalSearch } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { type Label, type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';

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
