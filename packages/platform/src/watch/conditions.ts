/**
 * What is wrong without any doubt: plain conditions on the newest values, on what was heard and when, and on what databases say of
 * their sessions. Functions from a look at the estate to what holds now; `watcher.ts` waits until it has held long enough.
 */
import type { DatabaseDetail, Place, Severity } from '@coequal/contract';
import type { ExternalService, Service } from '@coequal/estate';
import { labelValue } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import { externalFigures, externalState } from './external.ts';
import type { Reader, Readings, Selector } from './reading.ts';

export type Held = {
  readonly alert: string;
  readonly place: Place;
  readonly severity: Severity;
  readonly summary: string;
  readonly value?: number;
  /** It counts when it has held for so long. */
  readonly forMs: number;
  /** Silence is a kind of its own: nobody says that anything is wrong. */
  readonly source: 'detector' | 'silence';
  /** Beside the place, where an alert of one name can be there several times. */
  readonly also?: Readonly<Record<string, string>>;
};

export type Look = {
  readonly nowMs: number;
  readonly sinceStartMs: number;
  readonly places: Places;
  readonly readings: Readings;
  /** When a host's agent was heard last, on the platform's clock; undefined: never. */
  readonly heardMs: (host: string) => number | undefined;
  /** How far the clock of a host is ahead, as its reports say. */
  readonly skewMs: (host: string) => number | undefined;
  readonly detail: (instance: string) => DatabaseDetail | undefined;
};

const named = (name: string, where?: Selector['where']): Selector => ({
  name,
  ...(where === undefined ? {} : { where }),
});

const db = {
  up: named('mysql_up'),
  pgUp: named('pg_up'),
  primary: named('mysql_global_status_wsrep_cluster_status'),
  ready: named('mysql_global_status_wsrep_ready'),
  connected: named('mysql_global_status_wsrep_connected'),
  state: named('mysql_global_status_wsrep_local_state'),
  size: named('mysql_global_status_wsrep_cluster_size'),
  connections: named('mysql_global_status_threads_connected'),
  most: named('mysql_global_variables_max_connections'),
};
const gate = {
  up: named('up', [['job', 'coequal_gateway']]),
  info: named('coequal_gateway_info'),
  state: named('coequal_gateway_instance_state'),
  serving: named('coequal_gateway_instance_state', [['state', 'serving']]),
};
const host = {
  available: named('node_filesystem_avail_bytes'),
  size: named('node_filesystem_size_bytes'),
  readonly: named('node_filesystem_readonly'),
  offset: named('coequal_clock_offset_seconds'),
};

export const conditionsOf = (look: Look): readonly Held[] => [
  ...hostConditions(look),
  ...look.places.estate.services.flatMap((service) => serviceConditions(look, service)),
  ...look.places.estate.externals.flatMap((service) => externalConditions(look, service)),
  ...look.places.estate.gateways.flatMap(({ name }) => gatewayConditions(look, name)),
];

const isSilent = ({ nowMs, heardMs, sinceStartMs }: Look, name: string): boolean => {
  const heard = heardMs(name);
  return heard === undefined ? sinceStartMs > limits.watch.graceMs : nowMs - heard > limits.watch.silentMs;
};

const hostConditions = (look: Look): readonly Held[] => {
  const held: Held[] = [];
  const { places } = look;
  const someHeard = places.estate.sites.some(({ hosts }) => hosts.some(({ name }) => look.heardMs(name) !== undefined));
  for (const site of places.estate.sites) {
    // Hosts that carry nothing of ours need no agent.
    const watched = site.hosts.filter(({ name }) => look.heardMs(name) !== undefined || carries(places, name));
    // Before anything was heard at all there is nothing to compare silence with.
    const silent = someHeard ? watched.filter(({ name }) => isSilent(look, name)) : [];
    if (silent.length === watched.length && silent.length > 0 && places.estate.sites.length > 1)
      held.push({
        ...{ alert: 'SiteSilent', place: { site: site.name }, severity: 'critical', forMs: 0, source: 'silence' },
        summary: `Nothing is heard from site ${site.name}`,
      });
    for (const { name } of silent)
      held.push({
        ...{ alert: 'AgentSilent', place: placed(places.host(name), { host: name }), severity: 'critical', forMs: 0 },
        source: 'silence',
        summary: `The agent of host ${name} is not heard`,
      });
    for (const { name } of watched) held.push(...oneHost(look, name));
  }
  return held;
};

const carries = (places: Places, hostName: string): boolean =>
  places.estate.services.some(({ instances }) => instances.some((one) => one.host === hostName)) ||
  // The agent that asks its exporter is the one that is missed.
  places.estate.externals.some(({ instances }) =>
    instances.some(({ host: at, watchedFrom = at }) => watchedFrom === hostName),
  ) ||
  places.estate.gateways.some((one) => one.host === hostName);

const placed = (known: Place | undefined, otherwise: Place): Place => known ?? otherwise;

const fullShare = 0.03;
const clockSeconds = 0.5;
const clockReportMs = 2_000;

const oneHost = (look: Look, name: string): readonly Held[] => {
  const reader = look.readings.of('host', name);
  const place = placed(look.places.host(name), { host: name });
  const held: Held[] = [];
  for (const { mount, share } of fullFileSystems(reader))
    held.push({
      ...{ alert: 'DiskFull', place, severity: 'critical', forMs: 1_000, source: 'detector', value: share },
      also: { mountpoint: mount },
      summary: `${mount} on ${name} has ${percent(share)} left`,
    });
  const ahead = look.skewMs(name);
  if (ahead !== undefined && Math.abs(ahead) > clockReportMs)
    held.push({
      ...{ alert: 'ClockWrong', place, severity: 'critical', forMs: 2_000, source: 'detector', value: ahead / 1_000 },
      summary: `The clock of ${name} is ${seconds(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} the platform's`,
    });
  held.push(...clockConditions(look, reader, place));
  return held;
};

/** Offsets that the agent of a host measured against others and against its databases. The database's own clock is what counts. */
const clockConditions = (look: Look, reader: Reader, place: Place): readonly Held[] =>
  reader.series(host.offset).flatMap((series): readonly Held[] => {
    const value = series.at(series.newest);
    if (!(Math.abs(value) >= clockSeconds)) return [];
    const peer = labelValue(series.labels, 'peer');
    const other = look.places.instance(peer) ?? look.places.host(peer);
    return [
      {
        ...{ alert: 'ClockWrong', severity: 'critical', forMs: 1_000, source: 'detector', value },
        place: other?.host === place.host && other?.instance !== undefined ? other : place,
        also: { peer },
        summary: `Clocks are ${seconds(Math.abs(value) * 1_000)} apart: ${peer} as seen from ${place.host ?? 'a host'}`,
      },
    ];
  });

const fullFileSystems = (reader: Reader): readonly { readonly mount: string; readonly share: number }[] => {
  const at = (selector: Selector): ReadonlyMap<string, number> =>
    new Map(reader.series(selector).map((one) => [labelValue(one.labels, 'mountpoint'), one.at(one.newest)]));
  const [available, readonlyFlags] = [at(host.available), at(host.readonly)];
  return [...at(host.size)].flatMap(([mount, size]) => {
    const left = available.get(mount);
    if (left === undefined || !(size > 0) || readonlyFlags.get(mount) === 1) return [];
    return left / size < fullShare ? [{ mount, share: left / size }] : [];
  });
};

const serviceConditions = (look: Look, service: Service): readonly Held[] => {
  const held: Held[] = [];
  const members = service.instances.length + service.arbitrators.length;
  let [largest, heard] = [Number.NaN, 0];
  for (const { name } of service.instances) {
    const reader = look.readings.of('instance', name);
    const found = instanceConditions(look, reader, name);
    held.push(...found);
    const size = reader.sum(db.primary) === 1 ? reader.sum(db.size) : Number.NaN;
    if (Number.isNaN(size)) continue;
    heard += 1;
    largest = Number.isNaN(largest) ? size : Math.max(largest, size);
  }
  if (heard > 0 && largest < members && service.engine === 'galera')
    held.push({
      ...{ alert: 'GroupIncomplete', place: { service: service.name }, severity: 'critical', forMs: 1_000 },
      ...{ source: 'detector', value: largest },
      summary: `The group of ${service.name} has ${largest} of ${members} members`,
    });
  return held;
};

const instanceConditions = (look: Look, reader: Reader, name: string): readonly Held[] => {
  const place = placed(look.places.instance(name), { instance: name });
  const one = (held: Omit<Held, 'place' | 'source'>): Held => ({ ...held, place, source: 'detector' });
  const ups = [db.up, db.pgUp].filter((selector) => reader.newest(selector) >= 0);
  const agentSilent = place.host !== undefined && isSilent(look, place.host);
  const up = Math.max(...ups.map((selector) => reader.sum(selector)).filter((value) => !Number.isNaN(value)));
  const held: Held[] = [];
  if (up === 0)
    held.push(one({ alert: 'InstanceDown', severity: 'critical', forMs: 1_000, summary: `${name} does not answer` }));
  // Its agent is heard, and says nothing of it (any more).
  if (
    up === Number.NEGATIVE_INFINITY &&
    !agentSilent &&
    (ups.length > 0 || look.sinceStartMs > limits.watch.graceMs) &&
    heardAtAll(look, place)
  )
    held.push({
      ...one({ alert: 'CollectorSilent', severity: 'warning', forMs: 1_000, summary: `Nothing is told of ${name}` }),
      source: 'silence',
    });
  if (up !== 1) return held;
  if (reader.sum(db.primary) === 0 || reader.sum(db.connected) === 0)
    held.push(
      one({
        ...{ alert: 'InstanceOutsideGroup', severity: 'critical', forMs: 1_000 },
        summary: `${name} is outside the group and takes no transactions`,
      }),
    );
  else if (reader.sum(db.ready) === 0)
    held.push(one({ alert: 'InstanceNotReady', severity: 'critical', forMs: 1_000, summary: `${name} is not ready` }));
  const state = reader.sum(db.state);
  if (state >= 0 && state !== 4 && state !== 0)
    held.push(
      one({
        ...{ alert: 'InstanceNotSynced', severity: 'warning', forMs: 2_000, value: state },
        summary: `${name} is ${galeraStates.get(state) ?? 'not synced'}`,
      }),
    );
  const [connections, most] = [reader.sum(db.connections), reader.sum(db.most)];
  if (connections >= most * 0.9)
    held.push(
      one({
        ...{ alert: 'ConnectionsNearLimit', severity: 'warning', forMs: 1_000, value: connections },
        summary: `${name} has ${connections} of ${most} connections`,
      }),
    );
  const detail = look.detail(name);
  if (detail !== undefined && look.nowMs - detail.atMs < 5_000) held.push(...sessionConditions(detail, name, one));
  return held;
};

const externalConditions = (look: Look, service: ExternalService): readonly Held[] =>
  service.instances.flatMap(({ name, host: at, watchedFrom = at }): readonly Held[] => {
    const reader = look.readings.of('instance', name);
    const place = placed(look.places.instance(name), { instance: name });
    const one = (held: Omit<Held, 'place' | 'source'>): readonly Held[] => [{ ...held, place, source: 'detector' }];
    const silent = (summary: string): readonly Held[] => [
      { ...{ alert: 'CollectorSilent', place, severity: 'warning', forMs: 1_000, source: 'silence' }, summary },
    ];
    const state = externalState(service, reader);
    if (state === 'no answer')
      return one({ alert: 'InstanceDown', severity: 'critical', forMs: 1_000, summary: `${name} does not answer` });
    if (state === 'exporter silent') return silent(`The exporter of ${name} does not answer`);
    if (state === 'unknown') {
      const agentSilent = isSilent(look, watchedFrom) || look.heardMs(watchedFrom) === undefined;
      return !agentSilent && look.sinceStartMs > limits.watch.graceMs ? silent(`Nothing is told of ${name}`) : [];
    }
    const { connections, mostConnections: most } = externalFigures(service, reader);
    if (!(connections >= most * 0.9) || most <= 0) return [];
    return one({
      ...{ alert: 'ConnectionsNearLimit', severity: 'warning', forMs: 1_000, value: connections },
      summary: `${name} has ${connections} of ${most} connections`,
    });
  });

const heardAtAll = (look: Look, { host: at }: Place): boolean => at === undefined || look.heardMs(at) !== undefined;

const galeraStates: ReadonlyMap<number, string> = new Map([
  [1, 'joining'],
  [2, 'a donor, or taken out of step on purpose'],
  [3, 'joined, and not yet caught up'],
]);

const idleSeconds = 2;
const schemaWaiters = 2;
const largeRows = 10_000;

const sessionConditions = (
  detail: DatabaseDetail,
  name: string,
  one: (held: Omit<Held, 'place' | 'source'>) => Held,
): readonly Held[] => {
  const held: Held[] = [];
  const sessions = new Map(detail.sessions.map((session) => [session.id, session]));
  const blocker = detail.blockers.find(({ session, blocked }) => {
    const found = sessions.get(session);
    return (
      blocked > 0 && found !== undefined && isIdle(found.command) && (found.transactionSeconds ?? 0) >= idleSeconds
    );
  });
  if (blocker !== undefined)
    held.push(
      one({
        ...{ alert: 'IdleSessionBlocks', severity: 'warning', forMs: 0, value: blocker.blocked },
        summary: `An idle session of ${name} holds locks for which ${blocker.blocked} wait`,
      }),
    );
  const waiting = detail.sessions.filter(
    ({ state, seconds: time }) => /metadata lock/i.test(state) && time >= 1,
  ).length;
  if (waiting >= schemaWaiters)
    held.push(
      one({
        ...{ alert: 'SessionsWaitForSchema', severity: 'warning', forMs: 0, value: waiting },
        summary: `${waiting} sessions of ${name} wait for a lock on a table's definition`,
      }),
    );
  const rows = Math.max(0, ...detail.sessions.map(({ rowsChanged }) => rowsChanged ?? 0));
  if (rows >= largeRows)
    held.push(
      one({
        ...{ alert: 'TransactionLarge', severity: 'info', forMs: 0, value: rows },
        summary: `A transaction of ${name} has changed ${rows} rows`,
      }),
    );
  return held;
};

const isIdle = (command: string): boolean => /^sleep$|^idle/i.test(command);

const gatewayConditions = (look: Look, name: string): readonly Held[] => {
  const place = placed(look.places.gateway(name), { gateway: name });
  const reader = look.readings.of('gateway', name);
  const agentSilent = place.host !== undefined && isSilent(look, place.host);
  const up = reader.sum(gate.up);
  const known = reader.newest(gate.up) >= 0 || reader.newest(gate.info) >= 0;
  if (up === 0 || (known && Number.isNaN(up) && Number.isNaN(reader.sum(gate.info)) && !agentSilent))
    return [
      {
        ...{ alert: 'GatewayDown', place, severity: 'critical', forMs: 1_000 },
        source: up === 0 ? 'detector' : 'silence',
        summary: `Gateway ${name} does not answer`,
      },
    ];
  const held: Held[] = [];
  const states = reader.series(gate.state);
  if (states.length > 0 && reader.greatest(gate.serving) === 0)
    held.push({
      ...{ alert: 'GatewayWithoutInstance', place, severity: 'critical', forMs: 500, source: 'detector' },
      summary: `Gateway ${name} sees no instance that serves`,
    });
  for (const series of states) {
    const state = labelValue(series.labels, 'state');
    if (state === 'serving' || series.at(series.newest) !== 1) continue;
    const instance = [
      labelValue(series.labels, 'exported_instance'),
      labelValue(series.labels, 'target'),
      labelValue(series.labels, 'instance'),
    ].find((each) => look.places.instance(each) !== undefined);
    if (instance === undefined) continue;
    held.push({
      ...{ alert: 'GatewayLostInstance', severity: 'warning', forMs: 1_000, source: 'detector' },
      place: placed(look.places.instance(instance), { instance }),
      also: { seen_from: name },
      summary: `Gateway ${name} finds ${instance} ${state}`,
    });
  }
  return held;
};

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
