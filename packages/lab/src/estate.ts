/**
 * The lab's estate: made from a number of sites, or from a user's own file, with the addresses, ports and folders
 * that the lab can serve on this machine. What the file says of sites, hosts, presets and encryption is kept; sizes meant for
 * real machines are brought down to the lab's.
 */
import type { Arbitrator, Estate, Host, Instance, PresetName, Service, Site } from '@coequal/estate';
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
  return { version: 1, name, sites, links: [], services: [service], gateways: [], limits: labLimits };
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
  const limits = smallerOf(estate.limits, labLimits);
  return { ...estate, sites, services: [{ ...service, ...encryption, instances, arbitrators }], gateways: [], limits };
};

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
