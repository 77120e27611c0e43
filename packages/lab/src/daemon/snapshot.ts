/** Puts together what the lab says of itself: looks at every instance twice a second, and keeps the last look. */

import { agreeOnMembers, type Observation } from '@coequal/engines';
import { type InstanceState, serves } from '@coequal/estate';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { ClientReport, Via } from '@coequal/proof';
import type { LabDefinition } from '../definition.ts';
import type { GatewayDriver } from '../gateways/driver.ts';
import { platformTokenFile } from '../places.ts';
import type { ClientsSnapshot, GatewaySnapshot, InstanceSnapshot, LabSnapshot, SiteSnapshot } from '../snapshot.ts';
import type { Checker } from './checker.ts';
import { memoryOf, type Runtime, treeMemoryOf } from './runtime.ts';
import type { StageSite } from './stage.ts';

export type Viewer = {
  readonly snapshot: () => LabSnapshot;
  readonly serving: (instance: string) => boolean;
  /** Calls back with every new snapshot until the signal. */
  readonly watch: (onSnapshot: (snapshot: LabSnapshot) => void, signal: AbortSignal) => void;
  readonly refresh: () => Promise<void>;
  readonly stop: () => void;
};

const everyMs = 500;
const eventsShown = 20;

export type ViewerTools = {
  readonly runtime: Runtime;
  readonly checker: () => Checker | null;
  readonly limits: readonly string[];
  readonly beganAt: number;
  readonly database: string;
  readonly clock: Clock;
  readonly log: Log;
};

export const startViewer = (tools: ViewerTools): Viewer => {
  const { runtime, clock, log } = tools;
  const stopping = new AbortController();
  const observed = new Map<string, Observation & { readonly memoryBytes: number | null }>();
  const memories = new Map<string, number | null>();
  const listeners = new Set<(snapshot: LabSnapshot) => void>();

  const refresh = async (): Promise<void> => {
    const drivers = runtime.drivers();
    const seen = agreeOnMembers(await Promise.all(drivers.map((driver) => driver.observe())));
    for (const [index, driver] of drivers.entries()) {
      const observation = seen[index];
      if (observation === undefined) continue;
      observed.set(driver.instance, { ...observation, memoryBytes: await memoryOf(driver.process()?.pid) });
    }
    for (const gateway of runtime.gateways.all())
      memories.set(gateway.name, await treeMemoryOf(gateway.process()?.pid));
  };

  const instanceOf = (name: string): InstanceSnapshot => {
    const forward = runtime.definition.forwards.find(({ instance }) => instance === name);
    const seen = observed.get(name);
    return {
      name,
      engine: runtime.stage.service.engine,
      state: seen?.state ?? 'starting',
      reason: seen?.reason ?? 'Not looked at yet.',
      host: forward?.host ?? '',
      port: forward?.port ?? 0,
      members: seen?.members ?? null,
      memoryBytes: seen?.memoryBytes ?? null,
    };
  };

  const mainVia: Via = runtime.definition.estate.gateways.length === 0 ? 'direct' : 'gateway';

  const gatewayOf = (driver: GatewayDriver): GatewaySnapshot => {
    const forward = runtime.definition.gatewayForwards.find(({ gateway }) => gateway === driver.name);
    const seen = runtime.gateways.lastLook(driver.name);
    const { replays, outcomes, hidden, notReplayable, losses } = driver.counters();
    return {
      name: driver.name,
      state: driver.process() === undefined && seen?.state === 'serving' ? 'gone' : (seen?.state ?? 'starting'),
      reason: seen?.reason ?? 'Not looked at yet.',
      host: forward?.host ?? '',
      port: forward?.port ?? 0,
      metricsPort: forward?.metricsPort ?? 0,
      sessions: seen?.gauges?.sessions ?? null,
      longestPauseMs: seen?.gauges?.longestPauseMs ?? null,
      losses,
      replays,
      outcomes,
      hidden,
      notReplayable,
      memoryBytes: memories.get(driver.name) ?? null,
    };
  };

  const siteOf = (site: StageSite): SiteSnapshot => {
    const instances = site.drivers.map((driver) => instanceOf(driver.instance));
    const others = runtime.stage.sites.filter((other) => other !== site);
    const rttTo = Object.fromEntries(
      others.map((other) => [other.name, runtime.stage.network.rttMs(site.name, other.name)]),
    );
    return {
      name: site.name,
      state: bestOf(instances.map(({ state }) => state)),
      rttMs: Math.min(...Object.values(rttTo), Number.POSITIVE_INFINITY) || 0,
      rttTo,
      faults: runtime.faultsOf(site.name).map(({ text }) => text),
      instances,
      gateways: site.gateways.map(gatewayOf),
      clients: clientsOf(runtime, site.name, mainVia),
      direct: mainVia === 'gateway' ? clientsOf(runtime, site.name, 'direct') : null,
    };
  };

  const snapshot = (): LabSnapshot => {
    const sites = runtime.stage.sites.map(siteOf).map((site) => ({
      ...site,
      rttMs: Number.isFinite(site.rttMs) ? site.rttMs : 0,
    }));
    const acknowledged = sites.reduce(
      (sum, { clients, direct }) => sum + (clients?.acknowledged ?? 0) + (direct?.acknowledged ?? 0),
      0,
    );
    return {
      at: clock.now(),
      name: runtime.definition.name,
      mode: runtime.definition.mode,
      limits: tools.limits,
      preset: runtime.stage.service.preset,
      upMs: clock.now() - tools.beganAt,
      sites,
      bank: tools.checker()?.snapshot(acknowledged) ?? null,
      events: runtime.events().slice(-eventsShown),
      ...runtime.stage.application,
      database: tools.database,
      authorityPath: runtime.stage.service.tls ? runtime.stage.authorityPath : null,
      platform: runtime.operations.watches() ? platformOf(runtime.definition) : null,
    };
  };

  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await refresh();
      const now = snapshot();
      for (const listener of listeners) listener(now);
      await clock.sleep(everyMs, stopping.signal);
    }
  };
  work().catch((error: unknown) => {
    if (!stopping.signal.aborted) log('error', 'viewer ended', { reason: reasonOf(error) });
  });

  return {
    snapshot,
    refresh,
    serving: (instance) => serves(observed.get(instance)?.state ?? 'starting'),
    watch: (onSnapshot, signal) => {
      listeners.add(onSnapshot);
      signal.addEventListener('abort', () => listeners.delete(onSnapshot), { once: true });
      onSnapshot(snapshot());
    },
    stop: () => stopping.abort(),
  };
};

const platformOf = ({ operations, folder }: LabDefinition): LabSnapshot['platform'] =>
  operations === null
    ? null
    : { url: `http://127.0.0.1:${operations.forwardPort}`, tokenFile: platformTokenFile(folder) };

const order: readonly InstanceState[] = [
  'serving',
  'slow',
  'donating',
  'catching-up',
  'joining',
  'starting',
  'isolated',
  'silent',
  'foreign',
  'stopped',
  'gone',
];

const bestOf = (states: readonly InstanceState[]): InstanceState =>
  order.find((state) => states.includes(state)) ?? 'stopped';

const clientsOf = (runtime: Runtime, site: string, via: Via): ClientsSnapshot | null => {
  const client = runtime.groups.clientsOf(site).findLast((each) => each.via() === via);
  if (client === undefined) return null;
  const report = client.report();
  const all = [...runtime.groups.pastReports(site, via), ...(report === null ? [] : [report])];
  const sum = (count: (each: ClientReport) => number): number => all.reduce((total, each) => total + count(each), 0);
  return {
    alive: client.alive(),
    transactionsPerSecond: client.alive() ? (report?.perSecond ?? 0) : 0,
    p50Ms: report?.p50Ms ?? null,
    p99Ms: report?.p99Ms ?? null,
    acknowledged: sum(({ acknowledged }) => acknowledged),
    conflicts: sum(({ conflicts }) => conflicts),
    errors: sum(({ errors }) => Object.values(errors).reduce((total, count) => total + count, 0)),
    inDoubt: sum(({ inDoubt }) => inDoubt),
    decided: sum(({ decided }) => decided.committed + decided['not-committed']),
    longestPauseMs: Math.max(0, ...all.map(({ longestPauseMs }) => longestPauseMs)),
    sinceAckMs: report?.sinceAckMs ?? null,
  };
};
