/**
 * OTLP metrics in JSON: camel case, 64-bit numbers as texts or numbers, doubles also as the texts `NaN` and `Infinity`. A part that
 * has another shape than it should counts as left out, as fields to come do. `otlp.ts` has parsed the text.
 *
 * Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".
 */
import {
  type Attribute,
  noValueFlag,
  type OtlpHistogram,
  type OtlpMetric,
  type OtlpNumber,
  type OtlpResource,
  type OtlpSummary,
  temporalityOf,
} from './otlp-model.ts';

type Json = Readonly<Record<string, unknown>>;

export const readOtlpJson = (value: unknown): readonly OtlpResource[] =>
  listOf(objectOf(value)['resourceMetrics']).map((resource) => ({
    attributes: attributesOf(objectOf(resource['resource'])['attributes']),
    metrics: listOf(resource['scopeMetrics']).flatMap((scope) => listOf(scope['metrics']).map(readMetric)),
  }));

const objectOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(objectOf) : []);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Undefined where there is none. Whole numbers of 64 bits come as texts, and lose what a float64 does not hold. */
const numberOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  if (value === 'NaN') return Number.NaN;
  return /^-?(\d{1,20}(\.\d+)?([eE][+-]?\d+)?|Infinity)$/.test(value) ? Number(value) : undefined;
};

/** From nanoseconds; the last six digits are cut off the text, so that nothing is rounded. */
const timeOf = (value: unknown): number =>
  typeof value === 'string' && /^\d{7,20}$/.test(value)
    ? Number(value.slice(0, -6))
    : Math.floor((numberOf(value) ?? 0) / 1e6);

const readMetric = (metric: Json): OtlpMetric => {
  const head = { name: textOf(metric['name']), unit: textOf(metric['unit']) };
  const [gauge, sum, histogram, summary] = ['gauge', 'sum', 'histogram', 'summary'].map((kind) =>
    metric[kind] === undefined ? undefined : objectOf(metric[kind]),
  );
  if (gauge !== undefined) return { ...head, kind: 'gauge', points: listOf(gauge['dataPoints']).map(readNumber) };
  if (sum !== undefined)
    return {
      ...head,
      kind: 'sum',
      points: listOf(sum['dataPoints']).map(readNumber),
      temporality: temporalityOf(sum['aggregationTemporality']),
      monotonic: sum['isMonotonic'] === true,
    };
  if (histogram !== undefined)
    return {
      ...head,
      kind: 'histogram',
      points: listOf(histogram['dataPoints']).map(readHistogram),
      temporality: temporalityOf(histogram['aggregationTemporality']),
    };
  if (summary !== undefined)
    return { ...head, kind: 'summary', points: listOf(summary['dataPoints']).map(readSummary) };
  return { ...head, kind: 'unknown' };
};

const readNumber = (point: Json): OtlpNumber => ({
  attributes: attributesOf(point['attributes']),
  timeMs: timeOf(point['timeUnixNano']),
  value:
    ((numberOf(point['flags']) ?? 0) & noValueFlag) === 0 ? numberOf(point['asDouble'] ?? point['asInt']) : undefined,
});

const numbersOf = (value: unknown): readonly number[] =>
  Array.isArray(value) ? value.map((one) => numberOf(one) ?? Number.NaN) : [];

const readHistogram = (point: Json): OtlpHistogram => ({
  attributes: attributesOf(point['attributes']),
  timeMs: timeOf(point['timeUnixNano']),
  count: numberOf(point['count']) ?? 0,
  sum: numberOf(point['sum']),
  bucketCounts: numbersOf(point['bucketCounts']),
  bounds: numbersOf(point['explicitBounds']),
});

const readSummary = (point: Json): OtlpSummary => ({
  attributes: attributesOf(point['attributes']),
  timeMs: timeOf(point['timeUnixNano']),
  count: numberOf(point['count']) ?? 0,
  sum: numberOf(point['sum']) ?? 0,
  quantiles: listOf(point['quantileValues']).map((one) => ({
    quantile: numberOf(one['quantile']) ?? 0,
    value: numberOf(one['value']) ?? 0,
  })),
});

const attributesOf = (value: unknown): readonly Attribute[] =>
  listOf(value).map((one) => [textOf(one['key']), anyValueOf(objectOf(one['value']))]);

/** Texts, switches and numbers; lists and maps are no label's value and become the empty text. */
const anyValueOf = (value: Json): string => {
  const found = value['stringValue'] ?? value['boolValue'] ?? value['intValue'] ?? value['doubleValue'];
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean' ? String(found) : '';
};
