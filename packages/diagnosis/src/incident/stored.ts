/**
 * A stretch of time of a store as the window of a scene: what to ask, as PromQL, and what the answers make. A range query repeats the last
 * value for minutes after a series ended; here that would hide who fell silent, so each value is asked for within its own seconds.
 */
import type { Estate } from '@coequal/estate';
import { makeWindow, type Signal, type SignalWindow } from '../window.ts';

/** A series as a store answers it, labels with `__name__`. */
export type StoredSeries = {
  readonly labels: Readonly<Record<string, string>>;
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
};

export type StoredQuery = { readonly host: string; readonly promql: string };

/** Buckets of histograms are most of what gateways tell, and are not looked at. */
const leftOut = '.+_bucket|ALERTS.*|go_.+|process_.+';

/** One query for each host, so that no answer holds the whole estate. */
export const storedQueries = (estate: Estate): readonly StoredQuery[] =>
  estate.sites
    .flatMap(({ hosts }) => hosts)
    .map(({ name }) => ({
      host: name,
      promql: `last_over_time({host="${name.replaceAll(/["\\]/g, String.raw`\$&`)}",__name__!~"${leftOut}"}[2s])`,
    }));

/** The window from `fromMs` to `toMs`, one value a second; of two values in a second the later counts. */
export const storedWindow = (series: readonly StoredSeries[], fromMs: number, toMs: number): SignalWindow => {
  const startMs = Math.floor(fromMs / 1_000) * 1_000;
  const length = Math.max(0, Math.floor((toMs - startMs) / 1_000) + 1);
  const signals = series.flatMap(({ labels, timesMs, values }): readonly Signal[] => {
    const { __name__: name, ...rest } = labels;
    if (name === undefined) return [];
    const column = new Float64Array(length).fill(Number.NaN);
    for (let index = 0; index < timesMs.length; index += 1) {
      const row = Math.floor(((timesMs[index] ?? Number.NaN) - startMs) / 1_000);
      if (row >= 0 && row < length) column[row] = values[index] ?? Number.NaN;
    }
    return [{ name, labels: rest, kind: 'gauge', values: column }];
  });
  return makeWindow({ startMs, stepMs: 1_000, length, signals });
};
