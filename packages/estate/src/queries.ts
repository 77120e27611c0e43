/** Questions about an estate that its readers would otherwise each answer in their own way. All total and pure. */
import type { Arbitrator, Estate, Gateway, Host, Instance, Placed, Service, Site } from './model.ts';

export const siteNamed = (estate: Estate, name: string): Site | undefined =>
  estate.sites.find((site) => site.name === name);

export const serviceNamed = (estate: Estate, name: string): Service | undefined =>
  estate.services.find((service) => service.name === name);

/** A host with its site. */
export const hostNamed = (estate: Estate, name: string): { readonly site: Site; readonly at: Host } | undefined => {
  for (const site of estate.sites) {
    const at = site.hosts.find((host) => host.name === name);
    if (at !== undefined) return { site, at };
  }
  return undefined;
};

/** The service's instances with their hosts and sites, in the order of the file. */
export const placedInstances = (estate: Estate, service: Service): readonly Placed<Instance>[] =>
  placed(estate, service.instances);

/** The service's arbitrators with their hosts and sites, in the order of the file. */
export const placedArbitrators = (estate: Estate, service: Service): readonly Placed<Arbitrator>[] =>
  placed(estate, service.arbitrators);

export const placedGateways = (estate: Estate, service: Service): readonly Placed<Gateway>[] =>
  placed(
    estate,
    estate.gateways.filter((gateway) => gateway.service === service.name),
  );

/** Where applications reach a gateway: an address of its own, or that of its host. */
export const gatewayAddress = ({ address, at }: Placed<Gateway>): string => address ?? at.address;

/** Where a gateway shows its metrics: on loopback, and where its own address is one, on that. */
export const metricsAddress = (gateway: Placed<Gateway>): string => loopbackOf(gatewayAddress(gateway));

/** The loopback address on which things of a host listen for its own machine: its own where it has one. */
export const loopbackOf = (address: string): string => (address.startsWith('127.') ? address : '127.0.0.1');

/** What names no known host is left out; in a parsed estate there is none. */
const placed = <T extends { readonly host: string }>(estate: Estate, things: readonly T[]): readonly Placed<T>[] =>
  things.flatMap((thing) => {
    const place = hostNamed(estate, thing.host);
    return place === undefined ? [] : [{ ...thing, ...place }];
  });

/** Round trip time between two sites, ms: 0 within one site, undefined when the estate does not say. */
export const rttBetween = (estate: Estate, from: string, to: string): number | undefined =>
  from === to
    ? 0
    : estate.links.find(({ between: [a, b] }) => (a === from && b === to) || (a === to && b === from))?.rttMs;

/** Votes in a service's group: one for each instance and each arbitrator. */
export const votesOf = (service: Service): number => service.instances.length + service.arbitrators.length;

/** Votes of a service by site, in the order of the sites; sites without a vote are left out. */
export const votesBySite = (estate: Estate, service: Service): ReadonlyMap<string, number> => {
  const voters = [...placedInstances(estate, service), ...placedArbitrators(estate, service)];
  return new Map(
    estate.sites
      .map(({ name }): [string, number] => [name, voters.filter(({ site }) => site.name === name).length])
      .filter(([, votes]) => votes > 0),
  );
};

/** What a site's hosts cost in a month, by currency; hosts that do not say are left out. */
export const monthlyCost = (hosts: readonly Host[]): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>();
  for (const { cost } of hosts)
    if (cost !== undefined) sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.monthly);
  return sums;
};
