/**
 * What witnesses look at: the window by entity, with each signal read as "before the onset" against "now". Counters become rates
 * here, also those that are read less often than once a second. Readings are made when asked for and kept, because most signals
 * of a wide window are never asked for.
 */
import type { Place } from '@coequal/contract';
import { quantileOf, robustOf, sortedSample } from '../statistics.ts';
import type { Labels, Signal } from '../window.ts';
import { type Entity, type Graph, graphOf } from './graph.ts';
import { isCounter, type Owners, ownerOf } from './names.ts';
import type { IncidentScene } from './scene.ts';

export type Reading = {
  readonly name: string;
  readonly labels: Labels;
  /** A rate a second where the signal counts. */
  readonly values: Float64Array;
  /** Median and high (95 %) before the onset; NaN where there was nothing. */
  readonly before: number;
  readonly high: number;
  /** Median of the last seconds since the onset; NaN where there is nothing. */
  readonly now: number;
  /** Seconds before the onset of which something is known. */
  readonly known: number;
  /** Robust deviations from before to now; 0 where one of them is not known. */
  readonly moved: number;
};

export type View = {
  readonly scene: IncidentScene;
  readonly graph: Graph;
  readonly owners: Owners;
  /** First row of the abnormal stretch, and the row behind the last. */
  readonly onset: number;
  readonly end: number;
  readonly onsetMs: number;
  readonly signalsOf: (entity: string) => ReadonlyMap<string, readonly Signal[]>;
  /** The sum of an entity's signals of a name that have these labels; undefined: there are none. */
  readonly read: (entity: Entity, name: string, labels?: Labels) => Reading | undefined;
  /** One sum divided by another, row by row, where the divisor is above 0. */
  readonly ratio: (entity: Entity, above: string, below: string, labels?: Labels) => Reading | undefined;
  /** The newest value of the last seconds. */
  readonly last: (entity: Entity, name: string, labels?: Labels) => number | undefined;
  /** The newest value however old: of what is told rarely because it stands still. */
  readonly latest: (entity: Entity, name: string, labels?: Labels) => number | undefined;
  /** Seconds without any sample of an entity, behind the freshest of all; infinite where there never was one. */
  readonly silentFor: (entity: Entity) => number;
  /** A reading of a column that a witness has made itself. */
  readonly readingOf: (name: string, labels: Labels, values: Float64Array) => Reading;
};

/** Seconds before the onset that are compared with, and seconds until now that are what is compared. */
const baselineRows = 180;
const nowRows = 10;
/** A value so many rows old is still the newest. */
const freshRows = 4;
/** Behind a longer gap nobody knows how an increase was spread. */
const longestGap = 30;

export const viewOf = (scene: IncidentScene, onset: number): View => {
  const graph = graphOf(scene.estate);
  const owners = {
    gateways: new Set(graph.gateways.map(({ name }) => name)),
    instances: new Set(graph.instances.map(({ name }) => name)),
    hosts: new Set(graph.hosts.map(({ name }) => name)),
  };
  const { window } = scene;
  const end = window.length;
  const byEntity = new Map<string, Map<string, Signal[]>>();
  for (const signal of window.signals) {
    const owner = ownerOf(signal, owners);
    if (owner === undefined) continue;
    const own = byEntity.get(owner) ?? new Map<string, Signal[]>();
    byEntity.set(owner, own);
    const named = own.get(signal.name);
    if (named === undefined) own.set(signal.name, [signal]);
    else named.push(signal);
  }
  const none: ReadonlyMap<string, readonly Signal[]> = new Map();
  const signalsOf = (entity: string): ReadonlyMap<string, readonly Signal[]> => byEntity.get(entity) ?? none;
  const matching = (entity: Entity, name: string, labels: Labels | undefined): readonly Signal[] => {
    const named = signalsOf(entity.key).get(name) ?? [];
    if (labels === undefined) return named;
    const wanted = Object.entries(labels);
    return named.filter((signal) => wanted.every(([label, value]) => signal.labels[label] === value));
  };
  const readingOf = (name: string, labels: Labels, values: Float64Array): Reading => {
    const past = sortedSample(values.subarray(Math.max(0, onset - baselineRows), Math.max(0, onset - 1)));
    const { median, scale } = robustOf(past);
    const present = sortedSample(values.subarray(Math.max(onset, end - nowRows), end));
    const now = quantileOf(present, 0.5);
    const unit = Math.max(scale, Math.abs(median) * 0.02, 1e-9);
    const moved = Number.isFinite(now) && Number.isFinite(median) ? (now - median) / unit : 0;
    return {
      name,
      labels,
      values,
      before: median,
      high: quantileOf(past, 0.95),
      known: knownRows(values, onset),
      now,
      moved,
    };
  };
  const columns = new Map<string, Float64Array | undefined>();
  const column = (entity: Entity, name: string, labels: Labels | undefined): Float64Array | undefined => {
    const key = `${entity.key} ${name} ${labels === undefined ? '' : JSON.stringify(labels)}`;
    if (columns.has(key)) return columns.get(key);
    const made = sumOf(matching(entity, name, labels), end);
    columns.set(key, made);
    return made;
  };
  const readings = new Map<string, Reading>();
  const remembered = (key: string, make: () => Reading): Reading => {
    const known = readings.get(key) ?? make();
    readings.set(key, known);
    return known;
  };
  const lastRows = new Map<string, number>();
  const lastRow = (key: string): number => {
    const known = lastRows.get(key) ?? newestRow(signalsOf(key), end);
    lastRows.set(key, known);
    return known;
  };
  let freshest: number | undefined;
  return {
    scene,
    graph,
    owners,
    onset,
    end,
    onsetMs: window.startMs + onset * window.stepMs,
    signalsOf,
    readingOf,
    read: (entity, name, labels) => {
      const values = column(entity, name, labels);
      if (values === undefined) return undefined;
      const shown = { ...labels, ...nameLabels(entity) };
      return remembered(`${entity.key} ${name} ${JSON.stringify(labels)}`, () => readingOf(name, shown, values));
    },
    ratio: (entity, above, below, labels) => {
      const [top, bottom] = [column(entity, above, labels), column(entity, below, labels)];
      if (top === undefined || bottom === undefined) return undefined;
      return remembered(`${entity.key} ${above}/${below} ${JSON.stringify(labels)}`, () =>
        readingOf(
          `${above} / ${below}`,
          { ...labels, ...nameLabels(entity) },
          top.map((value, row) => ((bottom[row] ?? 0) > 0 ? value / (bottom[row] ?? 1) : Number.NaN)),
        ),
      );
    },
    last: (entity, name, labels) => {
      for (const { values } of matching(entity, name, labels))
        for (let row = end - 1; row >= Math.max(0, end - freshRows); row -= 1)
          if (Number.isFinite(values[row])) return values[row];
      return undefined;
    },
    latest: (entity, name, labels) => {
      for (const { values } of matching(entity, name, labels)) {
        const value = values.findLast((each) => Number.isFinite(each));
        if (value !== undefined) return value;
      }
      return undefined;
    },
    silentFor: (entity) => {
      freshest ??= [...byEntity.keys()].reduce((most, key) => Math.max(most, lastRow(key)), -1);
      const own = lastRow(entity.key);
      return own < 0 ? Number.POSITIVE_INFINITY : freshest - own;
    },
  };
};

const knownRows = (values: Float64Array, onset: number): number => {
  let known = 0;
  for (let row = Math.max(0, onset - baselineRows); row < onset - 1; row += 1)
    if (Number.isFinite(values[row])) known += 1;
  return known;
};

/** The labels by which a reader finds the chart again. */
const nameLabels = ({ kind, name }: Entity): Labels => (kind === 'host' ? { host: name } : { instance: name });

export const placeText = (place: Place): string =>
  place.gateway ?? place.instance ?? place.host ?? place.site ?? place.service ?? 'the estate';

/** Signals of an entity that are looked at for its newest row. */
const enoughSignals = 60;
/** What an agent says of something also when that is gone. */
const toldByOthers = /^(up$|scrape_|coequal_collector_|mysql_up$|pg_up$)/;

const newestRow = (signals: ReadonlyMap<string, readonly Signal[]>, end: number): number => {
  let newest = -1;
  let looked = 0;
  for (const [name, named] of signals) {
    const values = named[0]?.values;
    if (values === undefined || toldByOthers.test(name)) continue;
    let row = end - 1;
    while (row > newest && !Number.isFinite(values[row])) row -= 1;
    newest = Math.max(newest, row);
    looked += 1;
    if (newest === end - 1 || looked >= enoughSignals) break;
  }
  return newest;
};

/** What is told of each row by the signals that are there; NaN where none is. */
const sumOf = (signals: readonly Signal[], length: number): Float64Array | undefined => {
  const [first, ...more] = signals.map((signal) => (isCounter(signal) ? ratesOf(signal.values) : signal.values));
  if (first === undefined) return undefined;
  if (more.length === 0) return first;
  const sum = Float64Array.from(first);
  for (const values of more)
    for (let row = 0; row < length; row += 1) {
      const value = values[row] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const before = sum[row] ?? Number.NaN;
      sum[row] = Number.isNaN(before) ? value : before + value;
    }
  return sum;
};

/** Rates between the samples that are there; a fall is a counter that began again at 0. */
export const ratesOf = (values: Float64Array): Float64Array => {
  const rates = new Float64Array(values.length).fill(Number.NaN);
  let before = -1;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    if (before >= 0 && row - before <= longestGap) {
      const old = values[before] ?? 0;
      rates[row] = (value < old ? value : value - old) / (row - before);
    }
    before = row;
  }
  return rates;
};
