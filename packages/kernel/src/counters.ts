/**
 * Counters, gauges and histograms, written out in Prometheus' text format, and summed over processes.
 *
 * A series is looked up once (`family.with({...})`) and then only added to: on a hot path that is an addition to a
 * field. A family's labels are fixed where it is made. The number of its series is bounded: beyond the bound all
 * further values share one series whose labels read `other`, so that a flood of names costs no memory.
 *
 * Figures leave a process as a snapshot, which is plain JSON; `mergeSnapshots` adds those of several.
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
 */
import { assert } from './assert.ts';

export type FamilyType = 'counter' | 'gauge' | 'histogram';

/** How a gauge's values of several processes become one. */
export type Combine = 'sum' | 'max';

export type SimpleSeries = { readonly labels: readonly string[]; readonly value: number };
export type HistogramSeries = {
  readonly labels: readonly string[];
  /** Observations per bucket, not summed up; the last one is above every bound. */
  readonly counts: readonly number[];
  readonly sum: number;
};

export type FamilySnapshot = {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
} & (
  | { readonly type: 'counter'; readonly series: readonly SimpleSeries[] }
  | { readonly type: 'gauge'; readonly combine: Combine; readonly series: readonly SimpleSeries[] }
  | { readonly type: 'histogram'; readonly buckets: readonly number[]; readonly series: readonly HistogramSeries[] }
);

export type CountersSnapshot = readonly FamilySnapshot[];

/** Only ever grows. */
export class Counter {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(amount: number): void {
    this.value += amount;
  }

  /** Keeps the larger one: for gauges that are combined by `max`. */
  raise(value: number): void {
    if (value > this.value) this.value = value;
  }
}

export class Histogram {
  readonly counts: number[];
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? 0)) index += 1;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

export type Labels<Name extends string> = Readonly<Record<Name, string>>;

/** All series of one name. */
export type Family<Name extends string, Series> = {
  /** The series of these values; the same object for the same values. */
  readonly with: (values: Labels<Name>) => Series;
  /** Drops a series: for things that are gone, such as an instance that left the estate. */
  readonly drop: (values: Labels<Name>) => void;
};

export type FamilyOptions<Name extends string> = {
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly Name[];
  readonly limit?: number;
};

const namePattern = /^[a-z_][a-z0-9_]*$/;
const usualLimit = 1_000;
const otherLabel = 'other';

/** A registry. Each name can be made once. */
export class Counters {
  readonly #families = new Map<string, () => FamilySnapshot>();

  counter<Name extends string>(options: FamilyOptions<Name>): Family<Name, Counter> {
    const { family, each } = makeFamily(options, () => new Counter());
    this.#add(options, () => ({ ...headOf(options), type: 'counter', series: each(simple) }));
    return family;
  }

  gauge<Name extends string>(options: FamilyOptions<Name> & { readonly combine?: Combine }): Family<Name, Gauge> {
    const { family, each } = makeFamily(options, () => new Gauge());
    const combine = options.combine ?? 'sum';
    this.#add(options, () => ({ ...headOf(options), type: 'gauge', combine, series: each(simple) }));
    return family;
  }

  /** @param options.buckets upper bounds, ascending; the one above all of them is added by itself */
  histogram<Name extends string>(
    options: FamilyOptions<Name> & { readonly buckets: readonly number[] },
  ): Family<Name, Histogram> {
    const { buckets } = options;
    assert(
      buckets.every((bound, index) => Number.isFinite(bound) && bound > (buckets[index - 1] ?? -Infinity)),
      `the buckets of ${options.name} ascend`,
    );
    const { family, each } = makeFamily(options, () => new Histogram(buckets));
    this.#add(options, () => ({
      ...headOf(options),
      type: 'histogram',
      buckets,
      series: each((labels, { counts, sum }) => ({ labels, counts: [...counts], sum })),
    }));
    return family;
  }

  /** Everything as it stands, as plain JSON, in the order in which it was made. */
  snapshot(): CountersSnapshot {
    return [...this.#families.values()].map((take) => take());
  }

  #add({ name, labels }: FamilyOptions<string>, take: () => FamilySnapshot): void {
    assert(namePattern.test(name) && labels.every((label) => namePattern.test(label)), `${name} can name a metric`);
    assert(!this.#families.has(name), `${name} is made once`);
    this.#families.set(name, take);
  }
}

const headOf = ({ name, help, labels }: FamilyOptions<string>) => ({ name, help, labels });

const simple = (labels: readonly string[], { value }: { readonly value: number }): SimpleSeries => ({ labels, value });

type Made<Name extends string, Series> = {
  readonly family: Family<Name, Series>;
  readonly each: <T>(map: (labels: readonly string[], series: Series) => T) => readonly T[];
};

const makeFamily = <Name extends string, Series>(
  { labels, limit = usualLimit }: FamilyOptions<Name>,
  make: () => Series,
): Made<Name, Series> => {
  const all = new Map<string, { readonly labels: readonly string[]; readonly series: Series }>();
  const at = (values: readonly string[]): Series => {
    const key = keyOf(values);
    const known = all.get(key);
    if (known !== undefined) return known.series;
    const others = labels.map(() => otherLabel);
    if (all.size >= limit && key !== keyOf(others)) return at(others);
    const series = make();
    all.set(key, { labels: values, series });
    return series;
  };
  // Without labels there is one series, which is there from the start: a counter that reads 0 says more than none.
  if (labels.length === 0) at([]);
  const valuesOf = (values: Labels<Name>): readonly string[] => labels.map((label) => values[label]);
  return {
    family: {
      with: (values) => at(valuesOf(values)),
      drop: (values) => void all.delete(keyOf(valuesOf(values))),
    },
    each: (map) => [...all.values()].map((one) => map(one.labels, one.series)),
  };
};

const keyOf = (values: readonly string[]): string => JSON.stringify(values);

/**
 * The sum over processes. Where two snapshots disagree about the shape of a family (another version of the program),
 * the earlier one in the list is believed and the later family is left out: give the newest process first.
 */
export const mergeSnapshots = (snapshots: readonly CountersSnapshot[]): CountersSnapshot => {
  const merged = new Map<string, FamilySnapshot>();
  for (const family of snapshots.flat()) {
    const known = merged.get(family.name);
    merged.set(family.name, known === undefined ? family : mergeFamilies(known, family));
  }
  return [...merged.values()];
};

/** What outlives a process that has ended: what was counted, not what was the case. */
export const lastingOf = (snapshot: CountersSnapshot): CountersSnapshot =>
  snapshot.filter((family) => family.type !== 'gauge' || family.combine === 'max');

const shapeOf = (family: FamilySnapshot): string =>
  JSON.stringify([
    family.type,
    family.labels,
    family.type === 'histogram' ? family.buckets : family.type === 'gauge' ? family.combine : '',
  ]);

const mergeFamilies = (first: FamilySnapshot, second: FamilySnapshot): FamilySnapshot => {
  if (shapeOf(first) !== shapeOf(second)) return first;
  if (first.type === 'histogram' && second.type === 'histogram')
    return { ...first, series: mergeSeries(first.series, second.series, addHistograms) };
  if (first.type === 'counter' && second.type === 'counter')
    return { ...first, series: mergeSeries(first.series, second.series, addValues) };
  if (first.type === 'gauge' && second.type === 'gauge')
    return {
      ...first,
      series: mergeSeries(first.series, second.series, first.combine === 'sum' ? addValues : largest),
    };
  return first;
};

const mergeSeries = <S extends { readonly labels: readonly string[] }>(
  first: readonly S[],
  second: readonly S[],
  add: (a: S, b: S) => S,
): readonly S[] => {
  const merged = new Map(first.map((series) => [keyOf(series.labels), series]));
  for (const series of second) {
    const key = keyOf(series.labels);
    const known = merged.get(key);
    merged.set(key, known === undefined ? series : add(known, series));
  }
  return [...merged.values()];
};

const addValues = (a: SimpleSeries, b: SimpleSeries): SimpleSeries => ({ labels: a.labels, value: a.value + b.value });

const largest = (a: SimpleSeries, b: SimpleSeries): SimpleSeries => (a.value >= b.value ? a : b);

const addHistograms = (a: HistogramSeries, b: HistogramSeries): HistogramSeries => ({
  labels: a.labels,
  counts: a.counts.map((count, index) => count + (b.counts[index] ?? 0)),
  sum: a.sum + b.sum,
});

/** The content type that belongs to `prometheusText`. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** A snapshot in Prometheus' text format. Families without series keep their HELP and TYPE. */
export const prometheusText = (snapshot: CountersSnapshot): string =>
  snapshot
    .map((family) =>
      [`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`, ...samplesOf(family)]
        .map((line) => `${line}\n`)
        .join(''),
    )
    .join('');

const samplesOf = (family: FamilySnapshot): readonly string[] =>
  family.type === 'histogram'
    ? family.series.flatMap((series) => histogramSamples(family.name, family.labels, family.buckets, series))
    : family.series.map(({ labels, value }) => sample(family.name, pairs(family.labels, labels), value));

const histogramSamples = (
  name: string,
  names: readonly string[],
  buckets: readonly number[],
  { labels, counts, sum }: HistogramSeries,
): readonly string[] => {
  const own = pairs(names, labels);
  let below = 0;
  const lines = [...buckets, Infinity].map((bound, index) => {
    below += counts[index] ?? 0;
    return sample(`${name}_bucket`, [...own, `le="${numberText(bound)}"`], below);
  });
  return [...lines, sample(`${name}_sum`, own, sum), sample(`${name}_count`, own, below)];
};

const pairs = (names: readonly string[], values: readonly string[]): readonly string[] =>
  names.map((name, index) => `${name}="${escapeValue(values[index] ?? '')}"`);

const sample = (name: string, labels: readonly string[], value: number): string =>
  `${name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${numberText(value)}`;

const numberText = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
