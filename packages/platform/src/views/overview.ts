/**
 * The estate by name, each thing with a state in one word and reasons. What is wrong comes from the alerts of open incidents, so that the
 * overview never contradicts them; the words and figures come from the newest signals. The worst first is for whoever shows it.
 */
import type {
  GatewayState,
  HostState,
  Incident,
  InstanceStateView,
  Level,
  Overview,
  Place,
  ServiceState,
  SiteState,
} from '@coequal/contract';
import { type ExternalService, hostNamed, type Service } from '@coequal/estate';
import { limits } from '../limits.ts';
import { type EntityKind, entityOf, type Places } from '../places.ts';
import { externalFigures, externalState } from '../watch/external.ts';
import type { Readings } from '../watch/reading.ts';
import {
  gatewayFigures,
  gatewayTotals,
  hostFigures,
  instanceFigures,
  instanceWord,
  isGatewayHeard,
  known,
} from './figures.ts';

export type OverviewSources = {
  readonly places: Places;
  readonly readings: Readings;
  readonly open: readonly Incident[];
  readonly heardMs: (host: string) => number | undefined;
  /** What whoever asks may see. The rest is not there for him, also not in what is summed up. */
  readonly sees: (place: Place) => boolean;
};

type Trouble = { readonly level: Level; readonly reasons: readonly string[] };
type TroubleAt = (kind: EntityKind, name: string) => Trouble;

const worse: Readonly<Record<Level, number>> = { act: 3, watch: 2, unknown: 1, fine: 0 };
const worst = (levels: readonly Level[]): Level =>
  levels.reduce((most, level) => (worse[level] > worse[most] ? level : most), 'fine');

const reasonsEach = 5;

export const overviewOf = (sources: OverviewSources, nowMs: number): Overview => {
  const { places, readings, open, sees } = sources;
  const { estate } = places;
  readings.begin(nowMs);
  const troubleAt = troubles(open, places);
  const hosts = estate.sites.flatMap((site) =>
    site.hosts
      .filter(({ name }) => sees({ host: name }))
      .map(({ name }) => hostOf(name, site.name, sources, troubleAt, nowMs)),
  );
  const instances = [
    ...estate.services.flatMap((service) =>
      service.instances
        .filter(({ name }) => sees({ instance: name }))
        .map(({ name }) => instanceOf(name, service, sources, troubleAt)),
    ),
    ...estate.externals.flatMap((service) =>
      service.instances
        .filter(({ name }) => sees({ instance: name }))
        .map(({ name }) => externalInstanceOf(name, service, sources, troubleAt)),
    ),
  ];
  const gateways = estate.gateways
    .filter(({ name }) => sees({ gateway: name }))
    .map(({ name }) => gatewayOf(name, sources, troubleAt));
  const services = [
    ...estate.services
      .filter(({ name }) => sees({ service: name }))
      .map((service) => serviceOf(service, sources, instances, troubleAt)),
    ...estate.externals
      .filter(({ name }) => sees({ service: name }))
      .map((service) => externalServiceOf(service, sources, instances, troubleAt)),
  ];
  const sites = estate.sites
    .filter(({ name }) => sees({ site: name }))
    .map(({ name }) => siteOf(name, hosts, instances, gateways, troubleAt));
  const level = worst([...sites, ...services, ...hosts, ...instances, ...gateways].map((one) => one.level));
  return {
    ...{ atMs: nowMs, estate: estate.name, level, sentence: sentenceOf(open, level), openIncidents: open.length },
    ...{ sites, hosts, services, instances, gateways },
  };
};

/** Alerts that fire, by the thing they are about. */
const troubles = (open: readonly Incident[], places: Places): TroubleAt => {
  const found = new Map<string, { level: Level; reasons: string[] }>();
  for (const { alerts } of open)
    for (const { labels, severity, summary, endedMs } of alerts) {
      if (endedMs !== undefined) continue;
      const entity = entityOf(places.ofLabels(labels));
      if (entity === undefined) continue;
      const key = `${entity.kind} ${entity.name}`;
      const known = found.get(key) ?? { level: 'fine' as Level, reasons: [] };
      found.set(key, known);
      known.level = worst([known.level, severity === 'critical' ? 'act' : severity === 'warning' ? 'watch' : 'fine']);
      if (known.reasons.length < reasonsEach) known.reasons.push(summary);
    }
  return (kind, name) => found.get(`${kind} ${name}`) ?? { level: 'fine', reasons: [] };
};

const hostOf = (
  name: string,
  site: string,
  { readings, heardMs, places }: OverviewSources,
  troubleAt: TroubleAt,
  nowMs: number,
): HostState => {
  const { level, reasons } = troubleAt('host', name);
  const heard = heardMs(name);
  const ageMs = heard === undefined ? null : Math.max(0, nowMs - heard);
  const silent = ageMs === null || ageMs > limits.watch.silentMs;
  return {
    ...{
      name,
      site,
      reasons: [...reasons],
      heardMs: ageMs,
      ...hostFigures(readings.of('host', name), hostNamed(places.estate, name)?.at),
    },
    level: silent && level === 'fine' ? 'unknown' : level,
    state: ageMs === null ? 'never heard' : silent ? 'silent' : level === 'fine' ? 'heard' : 'in trouble',
  };
};

const placed = (place: Place | undefined) => ({
  site: place?.site ?? '?',
  host: place?.host ?? '?',
  service: place?.service ?? '?',
});

const instanceOf = (
  name: string,
  service: Service,
  { readings, places }: OverviewSources,
  troubleAt: TroubleAt,
): InstanceStateView => {
  const reader = readings.of('instance', name);
  const { level, reasons } = troubleAt('instance', name);
  const word = instanceWord(reader);
  const unwell = word !== undefined && word !== 'serving';
  return {
    ...{
      name,
      ...placed(places.instance(name)),
      service: service.name,
      reasons: [...reasons],
      ...instanceFigures(reader),
    },
    level: word === undefined && level === 'fine' ? 'unknown' : unwell && level === 'fine' ? 'watch' : level,
    state: word ?? 'silent',
  };
};

const externalInstanceOf = (
  name: string,
  service: ExternalService,
  { readings, places }: OverviewSources,
  troubleAt: TroubleAt,
): InstanceStateView => {
  const reader = readings.of('instance', name);
  const { level, reasons } = troubleAt('instance', name);
  const state = externalState(service, reader);
  const { connections, work } = externalFigures(service, reader);
  const [unknown, unwell] = [state === 'unknown' || state === 'exporter silent', state === 'no answer'];
  return {
    ...{ name, ...placed(places.instance(name)), service: service.name, reasons: [...reasons] },
    ...{ sessions: known(connections), running: null, queriesPerSecond: known(work) },
    ...{ waiting: null, flowControl: null, clusterSize: null },
    level: level !== 'fine' ? level : unknown ? 'unknown' : unwell ? 'watch' : 'fine',
    state: state === 'unknown' ? 'silent' : state,
  };
};

/** Whether its instances can stand in for each other nobody here knows: one that is left serves. */
const externalServiceOf = (
  service: ExternalService,
  { readings }: OverviewSources,
  instances: readonly InstanceStateView[],
  troubleAt: TroubleAt,
): ServiceState => {
  const own = instances.filter((one) => one.service === service.name);
  const serving = own.filter(({ state }) => state === 'serving').length;
  const heard = own.some(({ level }) => level !== 'unknown');
  const trouble = troubleAt('service', service.name);
  const all = service.instances.map(({ name }) => externalFigures(service, readings.of('instance', name)));
  const latencies = all.map(({ latency }) => latency).filter((value) => Number.isFinite(value));
  const level = serving === own.length ? trouble.level : serving > 0 ? worst([trouble.level, 'watch']) : 'act';
  return {
    ...{ name: service.name, engine: service.product, architecture: 'watched only', level: heard ? level : 'unknown' },
    state: !heard ? 'silent' : serving === own.length ? 'serving' : serving > 0 ? 'degraded' : 'down',
    reasons: [...trouble.reasons],
    ...{ instances: own.length, serving },
    transactionsPerSecond: sumKnown(all.map(({ work }) => work)),
    latencySeconds: latencies.length === 0 ? null : latencies.reduce((sum, one) => sum + one, 0) / latencies.length,
    errorsPerSecond: sumKnown(all.map(({ errors }) => errors)),
  };
};

const gatewayOf = (name: string, { readings, places }: OverviewSources, troubleAt: TroubleAt): GatewayState => {
  const reader = readings.of('gateway', name);
  const { level, reasons } = troubleAt('gateway', name);
  const heard = isGatewayHeard(reader);
  return {
    ...{ name, ...placed(places.gateway(name)), reasons: [...reasons], ...gatewayFigures(reader) },
    level: heard || level !== 'fine' ? level : 'unknown',
    state: !heard ? 'silent' : level === 'fine' ? 'serving' : 'in trouble',
  };
};

const sumKnown = (values: readonly number[]): number | null => {
  const known = values.filter((value) => Number.isFinite(value));
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
};

const serviceOf = (
  service: Service,
  { readings, places }: OverviewSources,
  instances: readonly InstanceStateView[],
  troubleAt: TroubleAt,
): ServiceState => {
  const own = instances.filter((one) => one.service === service.name);
  const serving = own.filter(({ state }) => state === 'serving' || state === 'donor').length;
  const totals = places.estate.gateways
    .filter((gateway) => gateway.service === service.name)
    .map(({ name }) => gatewayTotals(readings.of('gateway', name)));
  const [requests, seconds] = [sumKnown(totals.map((one) => one.requests)), sumKnown(totals.map((one) => one.seconds))];
  const trouble = troubleAt('service', service.name);
  const heard = own.some(({ level }) => level !== 'unknown');
  const majority = serving * 2 > own.length;
  const level = !heard
    ? 'unknown'
    : serving === own.length
      ? trouble.level
      : majority
        ? worst([trouble.level, 'watch'])
        : 'act';
  return {
    ...{ name: service.name, engine: service.engine, architecture: service.architecture, level },
    state: !heard ? 'silent' : serving === own.length ? 'serving' : majority ? 'degraded' : 'without a majority',
    reasons: [...trouble.reasons],
    ...{ instances: own.length, serving },
    transactionsPerSecond: sumKnown(totals.map((one) => one.transactions)),
    latencySeconds: requests !== null && seconds !== null && requests > 0 ? seconds / requests : null,
    errorsPerSecond: sumKnown(totals.map((one) => one.errors)),
  };
};

const siteOf = (
  name: string,
  hosts: readonly HostState[],
  instances: readonly InstanceStateView[],
  gateways: readonly GatewayState[],
  troubleAt: TroubleAt,
): SiteState => {
  const [ownHosts, ownInstances] = [hosts, instances].map((list) => list.filter(({ site }) => site === name));
  const own = [...(ownHosts ?? []), ...(ownInstances ?? []), ...gateways.filter(({ site }) => site === name)];
  const trouble = troubleAt('site', name);
  const level = worst([trouble.level, ...own.map((one) => one.level)]);
  const silent = own.length > 0 && own.every((one) => one.level === 'unknown');
  return {
    ...{ name, level, hosts: ownHosts?.length ?? 0, instances: ownInstances?.length ?? 0 },
    state: silent ? 'silent' : level === 'fine' ? 'fine' : level === 'unknown' ? 'partly silent' : 'in trouble',
    reasons: [...trouble.reasons, ...own.flatMap(({ reasons }) => reasons)].slice(0, reasonsEach),
  };
};

const sentenceOf = (open: readonly Incident[], level: Level): string => {
  const [first, ...others] = open;
  if (first === undefined)
    return level === 'unknown' ? 'Nothing is known to be wrong, and not everything is heard.' : 'Nothing is wrong.';
  const words = first.diagnosis?.sentence ?? first.title;
  const sentence = /[.!?]$/.test(words) ? words : `${words}.`;
  return others.length === 0
    ? sentence
    : `${sentence} ${others.length} more incident${others.length === 1 ? ' is' : 's are'} open.`;
};
