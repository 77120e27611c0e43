/**
 * The lab's estate: made from a number of sites, or from a user's own file, with the addresses, ports and folders
 * that the lab can serve on this machine. What the file says of sites, hosts, presets and encryption is kept; sizes meant for
 * real machines are brought down to the lab's.
 */
import {
  type Arbitrator,
  type Estate,
  type Gateway,
  type GatewayLimits,
  type Host,
  type Instance,
  type LargeWriteRule,
  type PresetName,
  type Service,
  type ServiceGateway,
  type Site,
  silenceByPreset,
} from '@coequal/estate';
import { fail } from '@coequal/kernel';

const siteNames = ['north', 'south', 'west', 'east', 'centre', 'harbour', 'hill', 'lake', 'forest'];

/** An estate of so many equal sites; an even number gets a witness with an arbitrator, so that votes cannot tie. */
export const estateOfSites = (name: string, count: number, preset: PresetName): Estate => {
  if (!Number.isInteger(count) || count < 1 || count > siteNames.length) {
    throw fail('COMMAND_USAGE', {
      problem: `--sites takes a whole number from 1 to ${siteNames.length}, not ${count}.`,
      help: 'coequal lab up --help',
    });
  }
  const sites: Site[] = siteNames.slice(0, count).map((site) => ({ name: site, hosts: [labHost(`${site}-1`)] }));
  const witness = count % 2 === 0;
  if (witness) sites.push({ name: 'witness', hosts: [labHost('witness-1')] });
  const service: Service = {
    name: 'bank',
    engine: 'galera',
    architecture: 'multi-active',
    preset,
    database: 'bank',
    tls: true,
    stateTransfer: 'rsync',
    instances: siteNames.slice(0, count).map((site) => ({
      name: `${site}-db-1`,
      host: `${site}-1`,
      dataFolder: '/data',
      ports: standardPorts,
    })),
    arbitrators: witness ? [{ name: 'witness-vote', host: 'witness-1', groupPort: 4567 }] : [],
  };
  return {
    version: 1,
    name,
    sites,
    links: [],
    services: [service],
    externals: [],
    gateways: [],
    agents: [],
    platforms: [],
    stores: [],
    limits: labLimits,
  };
};

const labHost = (name: string): Host => ({ name, address: name, cpus: 1, memoryBytes: 2 ** 30 });

/** Small enough for three databases on a laptop. */
export const labLimits: Estate['limits'] = {
  connectionsPerInstance: 300,
  bufferPoolBytes: 64 * 2 ** 20,
  freeDiskBytes: 32 * 2 ** 20,
  galeraCacheBytes: 64 * 2 ** 20,
};

const smallerOf = (asked: Estate['limits'], most: Estate['limits']): Estate['limits'] => ({
  connectionsPerInstance: Math.min(asked.connectionsPerInstance, most.connectionsPerInstance),
  bufferPoolBytes: Math.min(asked.bufferPoolBytes, most.bufferPoolBytes),
  freeDiskBytes: Math.min(asked.freeDiskBytes, most.freeDiskBytes),
  galeraCacheBytes: Math.min(asked.galeraCacheBytes, most.galeraCacheBytes),
});

const standardPorts = { client: 3306, group: 4567, incremental: 4568, transfer: 4444 };

export type AddressPlan = {
  /** Where data in the clear may lie when a service is encrypted. */
  readonly memoryFolder: string;
  readonly address: (siteIndex: number, hostIndex: number) => string;
  /** Four ports for one instance at an address. */
  readonly ports: (address: string) => Promise<Instance['ports']>;
  /** Gateways of each site that has an instance; none unless told. */
  readonly gateways?: GatewayPlan;
  /** Round trips, by which gateways know the nearest instance; the estate's own links unless told. */
  readonly rttMs?: (a: string, b: string) => number;
  /** Connections that each instance accepts, where more are wanted than a lab usually allows. */
  readonly connectionsPerInstance?: number;
};

export type GatewayPlan = {
  readonly perSite: number;
  /** Sites and gateways count from 0. */
  readonly address: (siteIndex: number, gateway: number) => string;
  readonly port: (address: string) => Promise<number>;
  /** On the loopback that all gateways of a site share. */
  readonly metricsPort: (address: string, gateway: number) => Promise<number>;
};

/** Rewrites what binds an estate to real machines: addresses, ports and folders. */
export const layOut = async (estate: Estate, folder: string, plan: AddressPlan): Promise<Estate> => {
  const service = onlyService(estate);
  const addresses = new Map<string, string>();
  const sites = estate.sites.map((site, siteIndex) => ({
    ...site,
    hosts: site.hosts.map((host, hostIndex) => {
      const address = plan.address(siteIndex, hostIndex);
      addresses.set(host.name, address);
      return { ...host, address };
    }),
  }));
  const siteOf = (host: string) => sites.find(({ hosts }) => hosts.some(({ name }) => name === host))?.name ?? '';
  const instances: Instance[] = [];
  for (const instance of service.instances) {
    const dataFolder = `${folder}/sites/${siteOf(instance.host)}/${instance.name}`;
    const { cacheFolder: _, ...rest } = instance;
    instances.push({
      ...rest,
      dataFolder,
      // An encrypted service says where data in the clear may lie; in the lab that is memory.
      ...(service.encryption === undefined ? {} : { cacheFolder: `${plan.memoryFolder}/${instance.name}` }),
      ports: await plan.ports(addresses.get(instance.host) ?? ''),
    });
  }
  const arbitrators: Arbitrator[] = [];
  for (const arbitrator of service.arbitrators) {
    const ports = await plan.ports(addresses.get(arbitrator.host) ?? '');
    arbitrators.push({ ...arbitrator, groupPort: ports.group });
  }
  const encryption =
    service.encryption === undefined
      ? {}
      : { encryption: { keyFile: `${folder}/keys/data.keys`, safePaths: [plan.memoryFolder] } };
  const small = smallerOf(estate.limits, labLimits);
  const { connectionsPerInstance = small.connectionsPerInstance } = plan;
  const gateways = plan.gateways === undefined ? [] : await layOutGateways(sites, service, folder, plan.gateways);
  const { gateway: _, ...rest } = service;
  const conduct = gateways.length === 0 ? {} : { gateway: conductOf(service, folder) };
  return {
    ...estate,
    sites,
    links: plan.rttMs === undefined ? estate.links : linksOf(sites, plan.rttMs),
    services: [{ ...rest, ...encryption, ...conduct, instances, arbitrators }],
    gateways,
    limits: { ...small, connectionsPerInstance },
  };
};

const linksOf = (sites: readonly Site[], rttMs: (a: string, b: string) => number): Estate['links'] =>
  sites.flatMap(({ name: a }, index) =>
    sites.slice(index + 1).map(({ name: b }) => ({ between: [a, b] as const, rttMs: rttMs(a, b) })),
  );

export const gatewayAccount = 'coequal_gateway';
export const gatewayPasswordFile = (folder: string): string => `${folder}/gateway.password`;
export const gatewayRunFolder = (folder: string, name: string): string => `${folder}/run/${name}`;

/** On the site's first host with an instance, each with an address of its own. */
const layOutGateways = async (
  sites: readonly Site[],
  service: Service,
  folder: string,
  plan: GatewayPlan,
): Promise<readonly Gateway[]> => {
  const gateways: Gateway[] = [];
  for (const [siteIndex, site] of sites.entries()) {
    const host = site.hosts.find(({ name }) => service.instances.some((instance) => instance.host === name));
    if (host === undefined) continue;
    for (let number = 0; number < plan.perSite; number += 1) {
      const name = `${site.name}-gateway-${number + 1}`;
      const address = plan.address(siteIndex, number);
      const run = gatewayRunFolder(folder, name);
      gateways.push({
        name,
        host: host.name,
        service: service.name,
        port: await plan.port(address),
        address,
        metricsPort: await plan.metricsPort(address, number),
        workers: 1,
        // Sockets lie in it, whose paths are short.
        stateFolder: `${folder}/gw/${siteIndex + 1}-${number + 1}`,
        certificates: {
          authority: `${run}/authority.pem`,
          certificate: `${run}/certificate.pem`,
          key: `${run}/key.pem`,
        },
        proxyFrom: [],
        proxyToInstances: true,
      });
    }
  }
  return gateways;
};

/** What the user's estate asks of its gateways, with the lab's own account. Sealed passwords of real accounts are not the lab's. */
const conductOf = (service: Service, folder: string): ServiceGateway => {
  const { credentials: _, ...asked } = service.gateway ?? usualConduct(service.preset);
  return { ...asked, account: { user: gatewayAccount, passwordFile: gatewayPasswordFile(folder) } };
};

const usualConduct = (preset: PresetName): Omit<ServiceGateway, 'account'> => ({
  profile: 'real-time',
  users: [],
  guards: [],
  limits: { ...gatewayLimits, silenceMs: silenceByPreset[preset] },
});

/** As the estate file has them where it does not say. */
const gatewayLimits: Omit<GatewayLimits, 'silenceMs'> = {
  connections: 5_000,
  connectionsPerUser: 4_000,
  transactionBytes: 64 * 2 ** 20,
  replayBytes: 2 ** 30,
  idleMs: 0,
  statementMs: 0,
  slowClientMs: 60_000,
  handshakeMs: 10_000,
  recoveryMs: 30_000,
  failuresPerMinute: 30,
};

/** The same estate with another way of dealing with large writes; undefined: none. */
export const withLargeWrites = (estate: Estate, largeWrites: LargeWriteRule | undefined): Estate => ({
  ...estate,
  services: estate.services.map((service) => {
    if (service.gateway === undefined) return service;
    const { largeWrites: _, ...gateway } = service.gateway;
    return { ...service, gateway: { ...gateway, ...(largeWrites === undefined ? {} : { largeWrites }) } };
  }),
});

const onlyService = (estate: Estate): Service => {
  const [service, ...others] = estate.services;
  if (service === undefined || others.length > 0) {
    throw fail('COMMAND_USAGE', {
      problem: `The lab runs estates with one service; this one has ${estate.services.length}.`,
      help: 'coequal lab up --help',
    });
  }
  if (service.architecture !== 'multi-active') {
    throw fail('COMMAND_USAGE', {
      problem: `The lab runs multi-active services; ${service.name} is ${service.architecture}.`,
      help: 'coequal lab up --help',
    });
  }
  return service;
};
