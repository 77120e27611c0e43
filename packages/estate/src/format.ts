/**
 * An estate as the text of an estate file. What `parseEstate` makes of the text is equal to the estate
 * (a property test holds it to that), so a program may write the file that people read.
 */
import { stringify } from 'yaml';
import type { AuditPlan, Estate, GatewayLimits, Host, Instance, Limits, Service, ServiceGateway } from './model.ts';
import type { LdapDirectory, MetricStore, OidcProvider, Platform } from './model-platform.ts';
import { formatAgent } from './to-agents.ts';
import { formatExternal } from './to-external.ts';

/** YAML text. Nothing is left to defaults that may change, except lists that are empty. */
export const formatEstate = (estate: Estate, comment?: string): string => {
  const file = {
    version: estate.version,
    name: estate.name,
    sites: estate.sites.map(({ name, hosts }) => ({ name, hosts: hosts.map(formatHost) })),
    ...(estate.links.length === 0
      ? {}
      : { links: estate.links.map(({ between, rttMs }) => ({ between, rtt: `${rttMs}ms` })) }),
    services: [...estate.services.map(formatService), ...estate.externals.map(formatExternal)],
    ...(estate.gateways.length === 0 ? {} : { gateways: estate.gateways }),
    ...(estate.agents.length === 0 ? {} : { agents: estate.agents.map(formatAgent) }),
    ...(estate.platforms.length === 0 ? {} : { platforms: estate.platforms.map(formatPlatform) }),
    ...(estate.stores.length === 0 ? {} : { stores: estate.stores.map(formatStore) }),
    ...(estate.audit === undefined ? {} : { audit: formatAudit(estate.audit) }),
    limits: formatLimits(estate.limits),
  };
  const heading = comment === undefined ? '' : comment.replaceAll(/^/gm, '# ').replaceAll(/ +$/gm, '');
  return `${heading === '' ? '' : `${heading}\n`}${stringify(file, { lineWidth: 120, aliasDuplicateObjects: false })}`;
};

const formatAudit = ({ checkpointMs, ...audit }: AuditPlan): object => ({
  ...audit,
  checkpointEvery: `${checkpointMs}ms`,
});

const formatHost = ({ memoryBytes, ...host }: Host): object => ({
  ...host,
  ...(memoryBytes === undefined ? {} : { memory: exactSize(memoryBytes) }),
});

const formatService = ({ arbitrators, instances, encryption, gateway, ...service }: Service): object => ({
  ...service,
  ...(encryption === undefined ? {} : { encryption }),
  instances: instances.map(formatInstance),
  ...(arbitrators.length === 0 ? {} : { arbitrators }),
  ...(gateway === undefined ? {} : { gateway: formatServiceGateway(gateway) }),
});

const formatServiceGateway = (gateway: ServiceGateway): object => ({
  account: gateway.account,
  profile: gateway.profile,
  ...(gateway.users.length === 0 ? {} : { users: gateway.users }),
  ...(gateway.guards.length === 0 ? {} : { guards: gateway.guards }),
  ...(gateway.largeWrites === undefined
    ? {}
    : { largeWrites: { above: exactSize(gateway.largeWrites.aboveBytes), rule: gateway.largeWrites.rule } }),
  ...(gateway.schemaChanges === undefined
    ? {}
    : { schemaChanges: { above: exactSize(gateway.schemaChanges.aboveBytes) } }),
  ...(gateway.credentials === undefined ? {} : { credentials: gateway.credentials }),
  limits: formatGatewayLimits(gateway.limits),
});

const formatGatewayLimits = (limits: GatewayLimits): object => ({
  connections: limits.connections,
  connectionsPerUser: limits.connectionsPerUser,
  transaction: exactSize(limits.transactionBytes),
  replay: exactSize(limits.replayBytes),
  idle: `${limits.idleMs}ms`,
  statement: `${limits.statementMs}ms`,
  slowClient: `${limits.slowClientMs}ms`,
  handshake: `${limits.handshakeMs}ms`,
  recovery: `${limits.recoveryMs}ms`,
  silence: `${limits.silenceMs}ms`,
  failuresPerMinute: limits.failuresPerMinute,
});

const formatInstance = ({ name, host, dataFolder, cacheFolder, ports }: Instance): object => ({
  name,
  host,
  dataFolder,
  ...(cacheFolder === undefined ? {} : { cacheFolder }),
  ports,
});

const formatPlatform = ({ liveMemoryBytes, ldap, oidc, ...platform }: Platform): object => ({
  ...platform,
  ...(ldap === undefined ? {} : { ldap: polled(ldap) }),
  ...(oidc === undefined ? {} : { oidc: polled(oidc) }),
  liveMemory: exactSize(liveMemoryBytes),
});

const polled = ({ pollMs, roles, ...directory }: LdapDirectory | OidcProvider): object => ({
  ...directory,
  roles: roles.map(({ group, role, services, sites }) => ({
    ...{ group, role },
    ...(services === '*' ? {} : { services }),
    ...(sites === '*' ? {} : { sites }),
  })),
  pollEvery: `${pollMs}ms`,
});

const formatStore = (store: MetricStore): object => {
  if (store.kind !== 'own') {
    const { kind: _, ...rest } = store;
    return rest;
  }
  const { kind: _, retentionMs, memoryBytes, freeDiskBytes, ...rest } = store;
  return {
    ...rest,
    retention: `${retentionMs}ms`,
    ...(memoryBytes === undefined ? {} : { memory: exactSize(memoryBytes) }),
    ...(freeDiskBytes === undefined ? {} : { freeDisk: exactSize(freeDiskBytes) }),
  };
};

const formatLimits = (limits: Limits): object => ({
  connectionsPerInstance: limits.connectionsPerInstance,
  bufferPool: exactSize(limits.bufferPoolBytes),
  freeDisk: exactSize(limits.freeDiskBytes),
  galeraCache: exactSize(limits.galeraCacheBytes),
});

/** The largest unit in which the size is a whole number: rounding would change the estate. */
const exactSize = (bytes: number): string => {
  const unit = [
    { name: 'GiB', size: 2 ** 30 },
    { name: 'MiB', size: 2 ** 20 },
    { name: 'KiB', size: 2 ** 10 },
  ].find(({ size }) => bytes >= size && bytes % size === 0);
  return unit === undefined ? `${bytes}B` : `${bytes / unit.size}${unit.name}`;
};
