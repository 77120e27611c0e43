/**
 * From the estate to what one gateway works with. Pure. Everything a gateway needs to know about others (instances,
 * distances, rules of its service) is resolved here once, so that nothing behind it reads the estate.
 */
import {
  type Estate,
  type Gateway,
  gatewayAddress,
  metricsAddress,
  type Placed,
  placedGateways,
  placedInstances,
  rttBetween,
  type Service,
  type ServiceGateway,
} from '@coequal/estate';
import { assert, fail } from '@coequal/kernel';
import type { GatewaySettings, InstanceTarget } from './settings.ts';

/** An instance whose distance nobody measured comes after all that are known. JSON has no infinity. */
export const unknownRttMs = 1_000_000;

/**
 * What the named gateway works with.
 * @param name the gateway; may be left out where the estate has only one
 * @throws GATEWAY_UNKNOWN, GATEWAY_NOT_NAMED: both say which gateways there are
 */
export const gatewaySettings = (
  estate: Estate,
  name: string | undefined,
  options: { readonly observe?: boolean } = {},
): GatewaySettings => {
  const { service, gateway } = find(estate, chosen(estate, name));
  const rules = service.gateway;
  assert(rules !== undefined, 'a parsed estate says how the gateways of a service log in');
  return {
    ...place(service, gateway),
    ...conduct(rules),
    observe: options.observe ?? false,
    instances: targets(estate, service, gateway.site.name),
    instanceTls: service.tls,
    ...(estate.audit === undefined ? {} : { audit: estate.audit }),
    limits: rules.limits,
  };
};

const chosen = (estate: Estate, name: string | undefined): string => {
  const [first, ...others] = estate.gateways;
  const known = estate.gateways.map((gateway) => gateway.name).join(', ');
  if (name === undefined) {
    if (first !== undefined && others.length === 0) return first.name;
    throw fail('GATEWAY_NOT_NAMED', { estate: estate.name, count: estate.gateways.length, known: known || 'none' });
  }
  if (!estate.gateways.some((gateway) => gateway.name === name))
    throw fail('GATEWAY_UNKNOWN', { name, estate: estate.name, known: known || 'none' });
  return name;
};

const find = (estate: Estate, name: string): { readonly service: Service; readonly gateway: Placed<Gateway> } => {
  for (const service of estate.services) {
    const gateway = placedGateways(estate, service).find((each) => each.name === name);
    if (gateway !== undefined) return { service, gateway };
  }
  throw fail('GATEWAY_UNKNOWN', { name, estate: estate.name, known: 'none on a known host' });
};

/** Where it stands and what it may touch there. */
const place = (service: Service, gateway: Placed<Gateway>) => ({
  name: gateway.name,
  site: gateway.site.name,
  service: service.name,
  preset: service.preset,
  database: service.database,
  listen: { host: gatewayAddress(gateway), port: gateway.port },
  metrics: { host: metricsAddress(gateway), port: gateway.metricsPort },
  stateFolder: gateway.stateFolder,
  workers: gateway.workers,
  ...(gateway.certificates === undefined ? {} : { tls: gateway.certificates }),
  // Only an address of its own is bound to: with that of the host the system chooses well by itself.
  ...(gateway.address === undefined ? {} : { localAddress: gateway.address }),
  proxyToInstances: gateway.proxyToInstances,
  proxyFrom: gateway.proxyFrom,
});

/** What its service asks of it. */
const conduct = (rules: ServiceGateway) => ({
  account: rules.account,
  profile: rules.profile,
  users: rules.users,
  guards: rules.guards,
  ...(rules.largeWrites === undefined ? {} : { largeWrites: rules.largeWrites }),
  ...(rules.schemaChanges === undefined ? {} : { schemaChangeBytes: rules.schemaChanges.aboveBytes }),
  ...(rules.credentials === undefined ? {} : { credentials: rules.credentials }),
});

/** Nearest first; equals in the order of the file. */
const targets = (estate: Estate, service: Service, site: string): readonly InstanceTarget[] =>
  placedInstances(estate, service)
    .map((instance) => ({
      name: instance.name,
      site: instance.site.name,
      host: instance.at.address,
      port: instance.ports.client,
      rttMs: rttBetween(estate, site, instance.site.name) ?? unknownRttMs,
    }))
    .sort((a, b) => a.rttMs - b.rttMs);
