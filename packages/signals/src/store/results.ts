/**
 * What the query API of Prometheus and its kin answers, as values. A body of another shape is one sentence. Numbers come as texts, times
 * as seconds. Pure.
 *
 * Source: prometheus.io/docs/prometheus/latest/querying/api.
 */
import { parseNumber } from '../exposition/number.ts';
import { type Label, type Labels, labelsOf, quoted } from '../sample.ts';

/** Series of an instant query have one value, those of a range query one a step at most. */
export type StoreSeries = {
  /** With `__name__`, where the query keeps it. */
  readonly labels: Labels;
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
};

export type StoreResult =
  | { readonly ok: true; readonly series: readonly StoreSeries[]; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly what: string };

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const noAnswer = (what: string): StoreResult => ({
  ok: false,
  what: `the answer is not one of Prometheus' query API: ${what}`,
});

export const parseStoreAnswer = (text: string): StoreResult => {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return noAnswer(`it is no JSON, but ${quoted(text)}`);
    throw error;
  }
  if (!isObject(answer)) return noAnswer('it is no object');
  if (answer['status'] === 'error')
    return {
      ok: false,
      what: `the store refuses the query: ${quoted(String(answer['error'] ?? answer['errorType'] ?? ''))}`,
    };
  const data = answer['data'];
  if (!isObject(data)) return noAnswer('it has no data');
  const series = seriesOf(data['resultType'], data['result']);
  if (series === undefined) return noAnswer(`its result of type ${quoted(String(data['resultType']))} cannot be read`);
  const warnings = Array.isArray(answer['warnings']) ? answer['warnings'].slice(0, 10).map(String) : [];
  return { ok: true, series, warnings };
};

const seriesOf = (type: unknown, result: unknown): readonly StoreSeries[] | undefined => {
  if (!Array.isArray(result)) return undefined;
  if (type === 'scalar') return allOf([seriesFrom({}, [result])]);
  if (type === 'vector')
    return allOf(result.map((one) => (isObject(one) ? seriesFrom(one['metric'], [one['value']]) : undefined)));
  if (type === 'matrix')
    return allOf(
      result.map((one) =>
        isObject(one) && Array.isArray(one['values']) ? seriesFrom(one['metric'], one['values']) : undefined,
      ),
    );
  return undefined;
};

const allOf = (series: readonly (StoreSeries | undefined)[]): readonly StoreSeries[] | undefined =>
  series.every((one) => one !== undefined) ? series : undefined;

const seriesFrom = (metric: unknown, pairs: readonly unknown[]): StoreSeries | undefined => {
  if (!isObject(metric)) return undefined;
  const named = Object.entries(metric).map(([name, value]): Label | undefined =>
    typeof value === 'string' ? [name, value] : undefined,
  );
  const labels = named.every((one) => one !== undefined) ? labelsOf(named) : undefined;
  if (labels === undefined) return undefined;
  const timesMs = new Float64Array(pairs.length);
  const values = new Float64Array(pairs.length);
  for (const [index, pair] of pairs.entries()) {
    if (!Array.isArray(pair)) return undefined;
    const [seconds, text]: readonly unknown[] = pair;
    const value = typeof text === 'string' ? parseNumber(text) : undefined;
    if (typeof seconds !== 'number' || value === undefined) return undefined;
    timesMs[index] = Math.round(seconds * 1_000);
    values[index] = value;
  }
  return { labels, timesMs, values };
};
