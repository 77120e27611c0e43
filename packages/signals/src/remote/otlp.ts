/**
 * OTLP/HTTP metrics as samples: gauges, sums, histograms and summaries, cumulative and delta. Names and labels are made as
 * Prometheus makes them of OTLP: `_` for what no name may have, the unit and `_total` appended, the service as `job`, its instance as
 * `instance`. What comes as a difference (delta) is told apart: `DeltaTotals` adds it up.
 *
 * Source: opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics.
 */
import { formatNumber } from '../exposition/number.ts';
import { type Label, type Labels, labelsOf, type Sample, seriesKey } from '../sample.ts';
import { readOtlpJson } from './otlp-json.ts';
import type { Attribute, OtlpHistogram, OtlpMetric, OtlpResource, OtlpSummary } from './otlp-model.ts';
import { readOtlpProtobuf } from './otlp-protobuf.ts';
import { ProtobufFault } from './protobuf.ts';

export type OtlpEncoding = 'protobuf' | 'json';

/** Uncompressed. The collectors' usual batch is 8,192 points, some 2 MB. */
export const otlpBytesLimit = 16 * 2 ** 20;
const samplesLimit = 1_000_000;

export type OtlpResult =
  | {
      readonly ok: true;
      readonly samples: readonly Sample[];
      /** Differences since the sender's last word, for `DeltaTotals`. */
      readonly deltas: readonly Sample[];
      /** Points that are no samples: without a value or a time, of unknown kind or temporality, or with broken labels or buckets. */
      readonly left: number;
    }
  | { readonly ok: false; readonly what: string };

export const decodeOtlp = (body: Uint8Array, encoding: OtlpEncoding): OtlpResult => {
  if (body.length > otlpBytesLimit) return { ok: false, what: `${body.length} bytes are more than ${otlpBytesLimit}` };
  try {
    return collect(encoding === 'json' ? readOtlpJson(parseJson(body)) : readOtlpProtobuf(body));
  } catch (error) {
    if (error instanceof ProtobufFault) return { ok: false, what: `this is not an OTLP request: ${error.message}` };
    if (error instanceof SyntaxError) return { ok: false, what: 'this is not JSON in UTF-8' };
    throw error;
  }
};

/** Throws a SyntaxError, also for bytes that are not UTF-8. */
const parseJson = (body: Uint8Array): unknown => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) throw new SyntaxError('not UTF-8', { cause: error });
    throw error;
  }
  return JSON.parse(text);
};

const collect = (resources: readonly OtlpResource[]): OtlpResult => {
  const samples: Sample[] = [];
  const deltas: Sample[] = [];
  let left = 0;
  for (const { attributes, metrics } of resources) {
    const common = serviceLabels(attributes);
    for (const metric of metrics) {
      const isDelta = 'temporality' in metric && metric.temporality === 'delta';
      for (const point of pointsOf(metric, common)) {
        // A time of zero is the protocol's word for not knowing it.
        if (point === undefined || !point.every(({ timeMs }) => timeMs > 0 && timeMs < Infinity)) left += 1;
        else for (const sample of point) (isDelta ? deltas : samples).push(sample);
      }
      if (samples.length + deltas.length > samplesLimit)
        return { ok: false, what: `the request has more than ${samplesLimit} samples` };
    }
  }
  return { ok: true, samples, deltas, left };
};

/** The samples of each point; undefined for a point that is none. */
const pointsOf = (metric: OtlpMetric, common: readonly Label[]): readonly (readonly Sample[] | undefined)[] => {
  if (metric.name === '') return [undefined];
  if ('temporality' in metric && metric.temporality === 'unknown') return metric.points.map(() => undefined);
  const name = metricName(metric);
  switch (metric.kind) {
    case 'unknown':
      return [undefined];
    case 'gauge':
    case 'sum':
      return metric.points.map(({ attributes, timeMs, value }) => {
        const labels = labelsFor(attributes, common);
        return value === undefined || labels === undefined ? undefined : [{ name, labels, timeMs, value }];
      });
    case 'histogram':
      return metric.points.map((point) => histogramSamples(name, point, labelsFor(point.attributes, common)));
    case 'summary':
      return metric.points.map((point) => summarySamples(name, point, labelsFor(point.attributes, common)));
  }
};

const histogramSamples = (
  name: string,
  point: OtlpHistogram,
  labels: Labels | undefined,
): readonly Sample[] | undefined => {
  const { timeMs, count, sum, bucketCounts, bounds } = point;
  const fits = bucketCounts.length === 0 ? bounds.length === 0 : bucketCounts.length === bounds.length + 1;
  const ascends = bounds.every((bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? -Infinity));
  if (labels === undefined || !fits || !ascends || bucketCounts.some((one) => !(one >= 0))) return undefined;
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += bucketCounts[index] ?? 0;
    return sampleWith(`${name}_bucket`, labels, ['le', formatNumber(bound)], timeMs, below);
  });
  return [
    ...buckets,
    sampleWith(`${name}_bucket`, labels, ['le', '+Inf'], timeMs, count),
    { name: `${name}_count`, labels, timeMs, value: count },
    ...(sum === undefined ? [] : [{ name: `${name}_sum`, labels, timeMs, value: sum }]),
  ];
};

const summarySamples = (
  name: string,
  point: OtlpSummary,
  labels: Labels | undefined,
): readonly Sample[] | undefined => {
  if (labels === undefined) return undefined;
  const { timeMs, count, sum, quantiles } = point;
  return [
    ...quantiles.map(({ quantile, value }) =>
      sampleWith(name, labels, ['quantile', formatNumber(quantile)], timeMs, value),
    ),
    { name: `${name}_count`, labels, timeMs, value: count },
    { name: `${name}_sum`, labels, timeMs, value: sum },
  ];
};

/** The kind's own label wins over one of the sender's. */
const sampleWith = (name: string, labels: Labels, own: Label, timeMs: number, value: number): Sample => ({
  ...{ name, timeMs, value },
  labels: labelsOf([...labels.filter(([label]) => label !== own[0]), own]) ?? [],
});

const serviceLabels = (attributes: readonly Attribute[]): readonly Label[] => {
  const found = new Map(attributes);
  const [space = '', service = ''] = [found.get('service.namespace'), found.get('service.name')];
  return [
    ['job', space === '' ? service : `${space}/${service}`],
    ['instance', found.get('service.instance.id') ?? ''],
  ];
};

/** Undefined when two attributes have one label's name. The service's own labels win. */
const labelsFor = (attributes: readonly Attribute[], common: readonly Label[]): Labels | undefined => {
  const said = common.filter(([, value]) => value !== '');
  const own = attributes
    .map(([key, value]): Label => [labelName(key), value])
    .filter(([name]) => name !== '' && !said.some(([one]) => one === name));
  return labelsOf([...own, ...said]);
};

const labelName = (key: string): string => {
  const name = key.replaceAll(/[^a-zA-Z0-9_]/g, '_');
  return /^\d/.test(name) ? `key_${name}` : name;
};

const units: ReadonlyMap<string, string> = new Map([
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['us', 'microseconds'],
  ['ns', 'nanoseconds'],
  ['min', 'minutes'],
  ['h', 'hours'],
  ['d', 'days'],
  ['By', 'bytes'],
  ['KiBy', 'kibibytes'],
  ['MiBy', 'mebibytes'],
  ['GiBy', 'gibibytes'],
  ['Cel', 'celsius'],
  ['Hz', 'hertz'],
  ['V', 'volts'],
  ['A', 'amperes'],
  ['W', 'watts'],
  ['%', 'percent'],
]);

/** `http.server.duration` in `ms` is `http_server_duration_milliseconds`; a share (`1`) that is a gauge is a `_ratio`. */
const metricName = (metric: OtlpMetric): string => {
  const plain = metric.name.replaceAll(/[^a-zA-Z0-9_:]+/g, '_');
  const isTotal = metric.kind === 'sum' && metric.monotonic;
  const unit = metric.unit === '1' && metric.kind === 'gauge' ? 'ratio' : units.get(metric.unit);
  const base = isTotal ? plain.replace(/_total$/, '') : plain;
  const withUnit = unit === undefined || base.endsWith(`_${unit}`) ? base : `${base}_${unit}`;
  const name = isTotal ? `${withUnit}_total` : withUnit;
  return /^\d/.test(name) ? `_${name}` : name;
};

/** More series of differences than this are labels gone wrong. */
const totalsLimit = 50_000;

/**
 * Adds up what comes as differences, so that what is stored is a counter. A difference whose time is not after that of the last one
 * of its series has been counted already (a sender that resends) and is refused. Bounded in series; starts at zero, as a
 * counter does when its process starts.
 */
export class DeltaTotals {
  readonly #totals = new Map<string, { value: number; timeMs: number }>();
  readonly #limit: number;

  constructor(limit: number = totalsLimit) {
    this.#limit = limit;
  }

  /** The totals after each difference; `refused` counts those that came again, late, without a number, or that had no room. */
  add(deltas: readonly Sample[]): { readonly samples: readonly Sample[]; readonly refused: number } {
    const samples: Sample[] = [];
    for (const delta of deltas) {
      const total = this.#next(delta);
      if (total !== undefined) samples.push({ ...delta, value: total });
    }
    return { samples, refused: deltas.length - samples.length };
  }

  #next({ name, labels, timeMs, value }: Sample): number | undefined {
    const key = seriesKey(name, labels);
    const known = this.#totals.get(key);
    if (!Number.isFinite(value) || (known !== undefined && timeMs <= known.timeMs)) return undefined;
    if (known === undefined && this.#totals.size >= this.#limit) return undefined;
    const total = (known?.value ?? 0) + value;
    this.#totals.set(key, { value: total, timeMs });
    return total;
  }
}
