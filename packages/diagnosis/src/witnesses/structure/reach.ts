/**
 * Who still answers, and who still sees whom. Agents, databases and gateways each tell what they see of the others; where these
 * accounts differ lies what is broken. A process that ended refuses, one that is frozen keeps silent, a site that is cut
 * off is well by its own account and gone by everybody else's.
 */
import type { Entity } from '../../incident/graph.ts';
import { targetOf } from '../../incident/names.ts';
import type { Reading, View } from '../../incident/view.ts';

/** What others and itself say of an instance at the end of the window. */
export type InstanceAccount = {
  readonly instance: Entity;
  /** What its own collector says: answers, does not, or the collector itself is not heard. */
  readonly own: 'answers' | 'down' | 'unheard' | 'never';
  /** Whether it was there before the onset. */
  readonly wasUp: boolean;
  /** Named states that gateways give it, with how many gateways do. */
  readonly seen: ReadonlyMap<string, number>;
  /** The same, of gateways at other sites only. */
  readonly seenFromAfar: ReadonlyMap<string, number>;
  /** It says itself that it is not a member of the majority. */
  readonly isolated: boolean;
  /** Seconds its collector took, where that is told: near its deadline the database keeps silent. */
  readonly asked: number | undefined;
};

export type SiteAccount = {
  readonly site: Entity;
  readonly instances: readonly InstanceAccount[];
  readonly gateways: readonly GatewayAccount[];
  /** Agents of its hosts that are heard, of those that ever were. */
  readonly agentsHeard: number;
  readonly agents: number;
};

export type GatewayAccount = {
  readonly gateway: Entity;
  readonly state: 'answers' | 'down' | 'unheard' | 'never';
  /** Seconds its scrape took, where that is told. */
  readonly scrapeSeconds: number | undefined;
};

export type Reach = {
  readonly sites: readonly SiteAccount[];
  readonly instances: readonly InstanceAccount[];
  readonly gateways: readonly GatewayAccount[];
  /** Instances by service that say that the group became smaller, and by how much at most. */
  readonly shrunk: ReadonlyMap<string, number>;
  readonly hostHeard: (host: string) => boolean;
};

/** A second may be late and one may be lost; what says nothing for longer is silent. */
const silence = 3;
/** An agent on a crowded machine is late sooner than it is gone. */
const agentSilence = 4;

export const reachOf = (view: View): Reach => {
  const heard = new Map(view.graph.hosts.map((host) => [host.name, view.silentFor(host)]));
  const hostHeard = (host: string): boolean => (heard.get(host) ?? Number.POSITIVE_INFINITY) <= agentSilence;
  const states = gatewayStates(view);
  const instances = view.graph.instances.map((instance) => instanceAccount(view, instance, states));
  const gateways = view.graph.gateways.map((gateway) => gatewayAccount(view, gateway));
  return {
    instances,
    gateways,
    hostHeard,
    shrunk: shrunkGroups(view),
    sites: view.graph.sites.map((site) => {
      const known = view.graph.hosts.filter(
        (host) => host.place.site === site.name && heard.get(host.name) !== Number.POSITIVE_INFINITY,
      );
      return {
        site,
        instances: instances.filter(({ instance }) => instance.place.site === site.name),
        gateways: gateways.filter(({ gateway }) => gateway.place.site === site.name),
        agents: known.length,
        agentsHeard: known.filter(({ name }) => hostHeard(name)).length,
      };
    }),
  };
};

const upNames = ['mysql_up', 'pg_up'] as const;

const instanceAccount = (view: View, instance: Entity, states: readonly SeenState[]): InstanceAccount => {
  const up = upNames.map((name) => view.read(instance, name)).find((reading) => reading !== undefined);
  const now = upNames.map((name) => view.last(instance, name)).find((value) => value !== undefined);
  const silent = view.silentFor(instance);
  const count = (chosen: readonly SeenState[]): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>();
    for (const { state } of chosen) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  };
  const own = states.filter(({ target }) => target === instance.name);
  const status = view.last(instance, 'mysql_global_status_wsrep_cluster_status');
  const ready = view.last(instance, 'mysql_global_status_wsrep_ready');
  return {
    instance,
    own:
      silent === Number.POSITIVE_INFINITY
        ? 'never'
        : now === 0
          ? 'down'
          : silent > silence || now === undefined
            ? 'unheard'
            : 'answers',
    wasUp: up !== undefined && wasUpBefore(up),
    seen: count(own),
    seenFromAfar: count(own.filter(({ site }) => site !== instance.place.site)),
    isolated: now === 1 && (status === 0 || ready === 0),
    asked: collectorSeconds(view, instance),
  };
};

/** Right after the start too little is known of before; then it counts that it was up at all. */
const wasUpBefore = ({ before, values }: Reading): boolean =>
  Number.isNaN(before) ? values.some((value) => value > 0.5) : before > 0.5;

/** How long its collector took, as the agent of its host tells. */
const collectorSeconds = (view: View, instance: Entity): number | undefined => {
  const host = view.graph.entities.get(`host:${instance.place.host}`);
  if (host === undefined) return undefined;
  return view.last(host, 'coequal_collector_duration_seconds', { target: instance.name });
};

type SeenState = {
  readonly gateway: string;
  readonly site: string | undefined;
  readonly target: string;
  readonly state: string;
};

/** Newest states only: a gateway that is silent says nothing of now. */
const gatewayStates = (view: View): readonly SeenState[] =>
  view.graph.gateways.flatMap((gateway) => {
    if (view.silentFor(gateway) > silence) return [];
    const signals = view.signalsOf(gateway.key).get('coequal_gateway_instance_state') ?? [];
    return signals.flatMap(({ labels, values }) => {
      const target = targetOf(labels, view.owners);
      const state = labels['state'];
      if (target === undefined || state === undefined || newest(values) !== 1) return [];
      return [{ gateway: gateway.name, site: gateway.place.site, target, state }];
    });
  });

const newest = (values: Float64Array): number | undefined => {
  for (let row = values.length - 1; row >= Math.max(0, values.length - 4); row -= 1)
    if (Number.isFinite(values[row])) return values[row];
  return undefined;
};

const gatewayAccount = (view: View, gateway: Entity): GatewayAccount => {
  const silent = view.silentFor(gateway);
  const up = view.last(gateway, 'up');
  return {
    gateway,
    state: silent === Number.POSITIVE_INFINITY ? 'never' : up === 0 ? 'down' : silent > silence ? 'unheard' : 'answers',
    scrapeSeconds: view.last(gateway, 'scrape_duration_seconds'),
  };
};

const shrunkGroups = (view: View): ReadonlyMap<string, number> => {
  const shrunk = new Map<string, number>();
  for (const instance of view.graph.instances) {
    const size = view.read(instance, 'mysql_global_status_wsrep_cluster_size');
    const now = view.last(instance, 'mysql_global_status_wsrep_cluster_size');
    const { service } = instance.place;
    if (size === undefined || now === undefined || service === undefined || !(now < size.before)) continue;
    shrunk.set(service, Math.max(shrunk.get(service) ?? 0, size.before - now));
  }
  return shrunk;
};
