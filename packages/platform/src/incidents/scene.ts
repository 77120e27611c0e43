/**
 * What a diagnosis is made from: the signals of the incident's surroundings out of the live window, with the events and details
 * of the same time. Bounded: what stands still goes first, then what is farthest away.
 */
import type { ChangeEvent, DatabaseDetail, Incident, LogEvent, Place } from '@coequal/contract';
import type { IncidentScene, Signal, SignalWindow } from '@coequal/diagnosis';
import { type LiveWindow, labelValue, type WindowSeries } from '@coequal/signals';
import { limits } from '../limits.ts';
import { nearness, type Places } from '../places.ts';

export type SceneSources = {
  readonly window: LiveWindow;
  readonly places: Places;
  readonly changes: (fromMs: number) => readonly ChangeEvent[];
  readonly logs: (fromMs: number) => readonly LogEvent[];
  readonly details: (instance: string) => readonly DatabaseDetail[];
};

/** Changes before the onset are suspects for so long. */
const changesMs = 30 * 60_000;

export const sceneOf = (incident: Incident, sources: SceneSources, nowMs: number): IncidentScene => {
  const { places } = sources;
  const scope = scopeOf(incident, places);
  const { baselineSeconds, windowSeconds } = limits.diagnosis;
  const ageSeconds = Math.ceil(Math.max(0, nowMs - incident.startedMs) / 1_000);
  const window = windowOf(sources.window, scope, nowMs, Math.min(windowSeconds, baselineSeconds + ageSeconds));
  const fromMs = incident.startedMs - changesMs;
  return {
    nowMs,
    window,
    triggers: nowFiring(incident).map(({ name, labels, startedMs }) => ({
      name,
      startedMs,
      place: places.ofLabels(labels),
    })),
    changes: sources.changes(fromMs),
    logs: sources.logs(window.startMs),
    details: new Map([...scope.instances].map((name) => [name, sources.details(name)])),
    estate: places.estate,
  };
};

/** Of an incident that came back, what was over before that is no sign of what is wrong now. */
const nowFiring = ({ alerts, timeline }: Incident): Incident['alerts'] => {
  const sinceMs = timeline.findLast(({ what }) => what === 'reopened')?.atMs;
  const own = alerts.filter(({ endedMs }) => sinceMs === undefined || endedMs === undefined || endedMs > sinceMs);
  return own.length > 0 ? own : alerts;
};

/** Hosts of everything that has something to do with an incident, those of its own place first. */
export const hostsOf = (incident: Incident, places: Places): readonly string[] => {
  const { host, site } = incident.place;
  const rank = (name: string): number => (name === host ? 0 : places.host(name)?.site === site ? 1 : 2);
  return [...scopeOf(incident, places).hosts].sort((a, b) => rank(a) - rank(b));
};

type Scope = {
  readonly hosts: ReadonlySet<string>;
  readonly instances: ReadonlySet<string>;
  readonly gateways: ReadonlySet<string>;
};

/** Everything that has something to do with the incident's places: their services with all instances and gateways, and the hosts of these. */
const scopeOf = (incident: Incident, places: Places): Scope => {
  const near = (place: Place): boolean => incident.places.some((own) => nearness(places, own, place) !== 'apart');
  const { estate } = places;
  const instances = [...estate.services, ...estate.externals]
    .flatMap((service): readonly { readonly name: string; readonly host: string }[] => service.instances)
    .filter(({ name }) => near(places.instance(name) ?? {}));
  const gateways = estate.gateways.filter(({ name }) => near(places.gateway(name) ?? {}));
  const hosts = estate.sites.flatMap((site) => site.hosts).filter(({ name }) => near(places.host(name) ?? {}));
  return {
    instances: new Set(instances.map(({ name }) => name)),
    gateways: new Set(gateways.map(({ name }) => name)),
    hosts: new Set(
      [...hosts, ...instances.map(({ host }) => ({ name: host })), ...gateways.map(({ host }) => ({ name: host }))].map(
        ({ name }) => name,
      ),
    ),
  };
};

const isIn = ({ hosts, instances, gateways }: Scope, { labels }: WindowSeries): boolean => {
  const instance = labelValue(labels, 'instance');
  return (
    instances.has(instance) || gateways.has(instance) || hosts.has(labelValue(labels, 'host')) || hosts.has(instance)
  );
};

const windowOf = (window: LiveWindow, scope: Scope, nowMs: number, length: number): SignalWindow => {
  const toSecond = Math.floor(nowMs / 1_000);
  const fromSecond = toSecond - length + 1;
  const chosen: WindowSeries[] = [];
  const still: WindowSeries[] = [];
  for (const series of window.all()) {
    if (series.newest < fromSecond || !isIn(scope, series)) continue;
    if (series.ring === undefined) still.push(series);
    else chosen.push(series);
  }
  const all = [...chosen, ...still].slice(0, limits.diagnosis.signals);
  // One piece of memory for all, so that a thread can be given it without a copy.
  const memory = new Float64Array(all.length * length);
  return {
    startMs: fromSecond * 1_000,
    stepMs: 1_000,
    length,
    signals: all.map((series, index) =>
      signalOf(series, fromSecond, memory.subarray(index * length, (index + 1) * length)),
    ),
  };
};

const objects = new WeakMap<WindowSeries, Signal['labels']>();

/** Labels as an object, made once for each series. */
const labelsOf = (series: WindowSeries): Signal['labels'] => {
  const known = objects.get(series) ?? Object.fromEntries(series.labels);
  objects.set(series, known);
  return known;
};

/**
 * The course of a series in `values`, a value a second from `fromSecond` on. Whether it counts is told by its name; remote write carries
 * no types.
 */
export const signalOf = (series: WindowSeries, fromSecond: number, values: Float64Array): Signal => {
  const { ring, newest } = series;
  if (ring === undefined) for (let row = 0; row < values.length; row += 1) values[row] = series.at(fromSecond + row);
  else copyRing(ring, newest, fromSecond, values);
  return { name: series.name, labels: labelsOf(series), kind: 'gauge', values };
};

/** A ring holds the seconds up to the newest, each at its number's remainder: at most two pieces of it are what is wanted. */
const copyRing = (ring: Float64Array, newest: number, fromSecond: number, values: Float64Array): void => {
  const first = Math.max(fromSecond, newest - ring.length + 1);
  const end = Math.min(fromSecond + values.length, newest + 1);
  if (end <= first) {
    values.fill(Number.NaN);
    return;
  }
  values.fill(Number.NaN, 0, first - fromSecond);
  values.fill(Number.NaN, end - fromSecond);
  const start = first % ring.length;
  const head = Math.min(end - first, ring.length - start);
  values.set(ring.subarray(start, start + head), first - fromSecond);
  values.set(ring.subarray(0, end - first - head), first - fromSecond + head);
};
