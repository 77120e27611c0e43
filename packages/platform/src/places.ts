/**
 * Where things are, from the estate: names of labels become places, and places know what they have to do with each other. What the
 * estate does not name keeps the labels it came with.
 */
import type { Place } from '@coequal/contract';
import type { Estate } from '@coequal/estate';

export type EntityKind = 'site' | 'host' | 'service' | 'instance' | 'gateway';

export type Places = {
  readonly estate: Estate;
  readonly site: (name: string) => Place | undefined;
  readonly host: (name: string) => Place | undefined;
  readonly instance: (name: string) => Place | undefined;
  readonly gateway: (name: string) => Place | undefined;
  /** The place that labels name, as completely as the estate knows it. */
  readonly ofLabels: (labels: Readonly<Record<string, string>>) => Place;
  /** As complete as the estate knows it. */
  readonly complete: (place: Place) => Place;
  /** Services that have something at a place. */
  readonly servicesAt: (place: Place) => ReadonlySet<string>;
};

export const makePlaces = (estate: Estate): Places => {
  const sites = new Map<string, Place>();
  const hosts = new Map<string, Place>();
  const instances = new Map<string, Place>();
  const gateways = new Map<string, Place>();
  const servicesOfHost = new Map<string, Set<string>>();
  const servicesOfSite = new Map<string, Set<string>>();
  for (const site of estate.sites) {
    sites.set(site.name, { site: site.name });
    for (const host of site.hosts) hosts.set(host.name, { site: site.name, host: host.name });
  }
  const note = (at: Place, service: string): void => {
    if (at.host !== undefined) add(servicesOfHost, at.host, service);
    if (at.site !== undefined) add(servicesOfSite, at.site, service);
  };
  for (const service of [...estate.services, ...estate.externals])
    for (const instance of service.instances) {
      const at = { ...(hosts.get(instance.host) ?? { host: instance.host }), service: service.name };
      instances.set(instance.name, { ...at, instance: instance.name });
      note(at, service.name);
    }
  for (const gateway of estate.gateways) {
    const at = { ...(hosts.get(gateway.host) ?? { host: gateway.host }), service: gateway.service };
    gateways.set(gateway.name, { ...at, gateway: gateway.name });
    note(at, gateway.service);
  }
  const complete = (place: Place): Place => {
    const { gateway, instance, host, site, service } = place;
    const known =
      (gateway === undefined ? undefined : gateways.get(gateway)) ??
      (instance === undefined ? undefined : instances.get(instance)) ??
      (host === undefined ? undefined : hosts.get(host)) ??
      (site === undefined ? undefined : sites.get(site));
    return known === undefined ? place : { ...known, ...(service === undefined ? {} : { service }) };
  };
  const ofLabels = (labels: Readonly<Record<string, string>>): Place => {
    const { job, instance, gateway, host, site, service } = labels;
    const named = instance === undefined ? undefined : byJob(job, instance);
    const found = named ?? (gateway === undefined ? undefined : gateways.get(gateway));
    if (found !== undefined) return found;
    return complete({
      ...(site === undefined || site === '' ? {} : { site }),
      ...(host === undefined || host === '' ? {} : { host }),
      ...(service === undefined || service === '' ? {} : { service }),
    });
  };
  const byJob = (job: string | undefined, name: string): Place | undefined => {
    if (job === 'coequal_gateway') return gateways.get(name);
    if (job === 'node' || job === 'coequal_agent') return hosts.get(name);
    return instances.get(name) ?? gateways.get(name) ?? hosts.get(name);
  };
  return {
    estate,
    site: (name) => sites.get(name),
    host: (name) => hosts.get(name),
    instance: (name) => instances.get(name),
    gateway: (name) => gateways.get(name),
    ofLabels,
    complete,
    servicesAt: ({ service, host, site }) => {
      if (service !== undefined) return new Set([service]);
      if (host !== undefined) return servicesOfHost.get(host) ?? new Set();
      return (site === undefined ? undefined : servicesOfSite.get(site)) ?? new Set();
    },
  };
};

const add = (map: Map<string, Set<string>>, key: string, value: string): void => {
  map.set(key, (map.get(key) ?? new Set()).add(value));
};

/** The most particular thing that a place names. */
export const entityOf = (place: Place): { readonly kind: EntityKind; readonly name: string } | undefined => {
  if (place.gateway !== undefined) return { kind: 'gateway', name: place.gateway };
  if (place.instance !== undefined) return { kind: 'instance', name: place.instance };
  if (place.host !== undefined) return { kind: 'host', name: place.host };
  if (place.service !== undefined && place.site === undefined) return { kind: 'service', name: place.service };
  if (place.site !== undefined) return { kind: 'site', name: place.site };
  return place.service === undefined ? undefined : { kind: 'service', name: place.service };
};

/** `instance north-db-1`; `the estate` where nothing is named. */
export const placeWords = (place: Place): string => {
  const entity = entityOf(place);
  return entity === undefined ? 'the estate' : `${entity.kind} ${entity.name}`;
};

export const samePlace = (a: Place, b: Place): boolean => {
  const [one, other] = [entityOf(a), entityOf(b)];
  return one?.kind === other?.kind && one?.name === other?.name;
};

export type Nearness = 'same' | 'related' | 'neighbours' | 'apart';

/**
 * What two places have to do with each other. `related`: one is on the other, or they share a service, whose instances feel
 * each other's faults. `neighbours`: they share a site.
 */
export const nearness = (places: Places, a: Place, b: Place): Nearness => {
  if (samePlace(a, b)) return 'same';
  if (a.host !== undefined && a.host === b.host) return 'related';
  const services = places.servicesAt(a);
  for (const service of places.servicesAt(b)) if (services.has(service)) return 'related';
  if (a.site === undefined || a.site !== b.site) return 'apart';
  return isWholeSite(a) || isWholeSite(b) ? 'related' : 'neighbours';
};

const isWholeSite = ({ host, instance, gateway, service }: Place): boolean =>
  host === undefined && instance === undefined && gateway === undefined && service === undefined;
