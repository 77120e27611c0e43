/**
 * The estate as a graph of entities: site → host → instance → service, gateways beside the instances they use. Names are those of
 * the estate file; an entity's key is its kind and its name, because a gateway may have the name of an instance.
 */
import type { Place } from '@coequal/contract';
import type { Estate } from '@coequal/estate';
import type { EntityKind } from '../causes.ts';

export type Entity = {
  readonly key: string;
  readonly kind: EntityKind;
  readonly name: string;
  readonly place: Place;
};

export type Graph = {
  readonly entities: ReadonlyMap<string, Entity>;
  readonly sites: readonly Entity[];
  readonly hosts: readonly Entity[];
  readonly instances: readonly Entity[];
  readonly gateways: readonly Entity[];
  readonly services: readonly Entity[];
  /** Steps between two entities: 0 the same, 1 neighbours; undefined: unrelated. */
  readonly steps: (from: string, to: string) => number | undefined;
};

export const keyOf = (kind: EntityKind, name: string): string => `${kind}:${name}`;

/** The most particular entity that a place names. */
export const keyOfPlace = (place: Place): string | undefined => {
  if (place.gateway !== undefined) return keyOf('gateway', place.gateway);
  if (place.instance !== undefined) return keyOf('instance', place.instance);
  if (place.host !== undefined) return keyOf('host', place.host);
  if (place.site !== undefined) return keyOf('site', place.site);
  return place.service === undefined ? undefined : keyOf('service', place.service);
};

export const graphOf = (estate: Estate): Graph => {
  const entities = new Map<string, Entity>();
  const links = new Map<string, Set<string>>();
  const add = (kind: EntityKind, name: string, place: Place): Entity => {
    const entity = { key: keyOf(kind, name), kind, name, place };
    entities.set(entity.key, entity);
    return entity;
  };
  const link = (a: string, b: string): void => {
    links.set(a, (links.get(a) ?? new Set()).add(b));
    links.set(b, (links.get(b) ?? new Set()).add(a));
  };
  const siteOfHost = new Map<string, string>();
  for (const site of estate.sites) {
    add('site', site.name, { site: site.name });
    for (const host of site.hosts) {
      siteOfHost.set(host.name, site.name);
      link(add('host', host.name, { site: site.name, host: host.name }).key, keyOf('site', site.name));
    }
  }
  const placeAt = (host: string, service: string): Place => {
    const site = siteOfHost.get(host);
    return site === undefined ? { host, service } : { site, host, service };
  };
  for (const service of [...estate.services, ...estate.externals]) {
    const key = add('service', service.name, { service: service.name }).key;
    for (const { name, host } of service.instances) {
      const instance = add('instance', name, { ...placeAt(host, service.name), instance: name }).key;
      link(instance, keyOf('host', host));
      link(instance, key);
    }
  }
  for (const { name, host, service } of estate.gateways) {
    const gateway = add('gateway', name, { ...placeAt(host, service), gateway: name }).key;
    link(gateway, keyOf('host', host));
    link(gateway, keyOf('service', service));
  }
  const distances = new Map<string, ReadonlyMap<string, number>>();
  const all = [...entities.values()];
  const ofKind = (wanted: EntityKind): readonly Entity[] => all.filter(({ kind }) => kind === wanted);
  return {
    entities,
    sites: ofKind('site'),
    hosts: ofKind('host'),
    instances: ofKind('instance'),
    gateways: ofKind('gateway'),
    services: ofKind('service'),
    steps: (from, to) => {
      const known = distances.get(from) ?? distancesFrom(from, links);
      distances.set(from, known);
      return known.get(to);
    },
  };
};

/** Farther than this things have nothing to do with each other. */
const farthest = 4;

const distancesFrom = (from: string, links: ReadonlyMap<string, ReadonlySet<string>>): ReadonlyMap<string, number> => {
  const found = new Map([[from, 0]]);
  let edge = [from];
  for (let steps = 1; steps <= farthest && edge.length > 0; steps += 1) {
    edge = edge.flatMap((key) => [...(links.get(key) ?? [])]).filter((key) => !found.has(key));
    for (const key of edge) found.set(key, steps);
  }
  return found;
};

/** Whether one place lies within another, or is it: an instance of a host, a host of a site, an instance of a service. */
export const isWithin = (inner: Place, outer: Place): boolean => {
  if (outer.gateway !== undefined) return inner.gateway === outer.gateway;
  if (outer.instance !== undefined) return inner.instance === outer.instance;
  if (outer.host !== undefined) return inner.host === outer.host;
  if (outer.site !== undefined) return inner.site === outer.site;
  return outer.service === undefined || inner.service === outer.service;
};
