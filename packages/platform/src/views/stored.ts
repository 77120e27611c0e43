/** The course of an expression out of the store, in the shape of the API. */
import { type RangeAnswer, type RangeQuery, rangePoints } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { labelValue, type StoreSeries } from '@coequal/signals';
import type { MetricsStore } from '../ports.ts';

const mostSeries = 500;

export const storedRange = async (store: MetricsStore, expression: string, query: RangeQuery): Promise<RangeAnswer> => {
  const { fromMs, toMs, stepMs } = query;
  const rows = Math.floor((toMs - fromMs) / stepMs) + 1;
  if (!(rows >= 1 && rows <= rangePoints))
    throw fail('REQUEST_INVALID', {
      what: `Ask for 1 to ${rangePoints} points, not ${rows}: change the times or the step.`,
    });
  const result = await store.range(expression, fromMs, toMs, stepMs);
  if (!result.ok) throw fail('STORE_FAILED', { reason: result.what });
  return {
    ...{ source: 'store', fromMs, stepMs },
    series: result.series.slice(0, mostSeries).map((series) => seriesOf(series, fromMs, stepMs, rows)),
    more: result.series.length > mostSeries,
  };
};

const seriesOf = ({ labels, timesMs, values }: StoreSeries, fromMs: number, stepMs: number, rows: number) => {
  const course: (number | null)[] = Array.from({ length: rows }, () => null);
  timesMs.forEach((time, index) => {
    const row = Math.round((time - fromMs) / stepMs);
    const value = values[index];
    if (row >= 0 && row < rows && value !== undefined && Number.isFinite(value)) course[row] = value;
  });
  return {
    name: labelValue(labels, '__name__'),
    labels: Object.fromEntries(labels.filter(([name]) => name !== '__name__')),
    values: course,
  };
};
