/**
 * What both encodings of OTLP metrics are decoded to, before it becomes samples. Only what a sample needs; numbers are float64,
 * times milliseconds since 1970. `undefined` where the sender said nothing.
 *
 * Source: opentelemetry-proto, opentelemetry/proto/metrics/v1/metrics.proto.
 */

export type Attribute = readonly [key: string, value: string];

export type OtlpNumber = {
  readonly attributes: readonly Attribute[];
  readonly timeMs: number;
  /** Undefined: the sender says that it has no value. */
  readonly value: number | undefined;
};

export type OtlpHistogram = {
  readonly attributes: readonly Attribute[];
  readonly timeMs: number;
  readonly count: number;
  readonly sum: number | undefined;
  /** One more than bounds, or none at all. Not cumulated. */
  readonly bucketCounts: readonly number[];
  readonly bounds: readonly number[];
};

export type OtlpSummary = {
  readonly attributes: readonly Attribute[];
  readonly timeMs: number;
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
};

export type Temporality = 'unknown' | 'delta' | 'cumulative';

export type OtlpMetric = { readonly name: string; readonly unit: string } & (
  | { readonly kind: 'gauge'; readonly points: readonly OtlpNumber[] }
  | {
      readonly kind: 'sum';
      readonly points: readonly OtlpNumber[];
      readonly temporality: Temporality;
      readonly monotonic: boolean;
    }
  | { readonly kind: 'histogram'; readonly points: readonly OtlpHistogram[]; readonly temporality: Temporality }
  | { readonly kind: 'summary'; readonly points: readonly OtlpSummary[] }
  /** Exponential histograms, and kinds to come. */
  | { readonly kind: 'unknown' }
);

export type OtlpResource = { readonly attributes: readonly Attribute[]; readonly metrics: readonly OtlpMetric[] };

export const temporalityOf = (value: unknown): Temporality =>
  value === 1 || value === 'AGGREGATION_TEMPORALITY_DELTA'
    ? 'delta'
    : value === 2 || value === 'AGGREGATION_TEMPORALITY_CUMULATIVE'
      ? 'cumulative'
      : 'unknown';

/** The flag of a point that has no value. */
export const noValueFlag = 1;
