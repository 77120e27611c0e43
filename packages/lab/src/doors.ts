/**
 * Where the instances and gateways of a lab are found: their own addresses and ports, and the ports of this machine that are
 * carried to them. In plain mode both are the same.
 */
import type { Estate } from '@coequal/estate';
import type { LabDefinition, OperationsPorts } from './definition.ts';
import type { GatewayPlan } from './estate.ts';
import { gatewayAddress, plainGatewayAddress } from './network/addresses.ts';
import { freePorts } from './process/ports.ts';

const firstMetricsPort = 13_306;

export const gatewayPlan = (mode: 'full' | 'plain', perSite: number): GatewayPlan => {
  if (mode === 'full')
    return {
      perSite,
      address: (site, gateway) => gatewayAddress(site + 1, gateway + 1),
      port: async () => 3_306,
      metricsPort: async (_, gateway) => firstMetricsPort + gateway,
    };
  const free = async (address: string): Promise<number> => (await freePorts(address, 1))[0] ?? 0;
  return {
    perSite,
    address: (site, gateway) => plainGatewayAddress(site + 1, gateway + 1),
    port: free,
    metricsPort: free,
  };
};

export const chooseForwards = async (estate: Estate, mode: 'full' | 'plain'): Promise<LabDefinition['forwards']> => {
  const instances = estate.services[0]?.instances ?? [];
  if (mode === 'plain') {
    const hosts = estate.sites.flatMap((site) => site.hosts);
    return instances.map(({ name, host, ports }) => ({
      instance: name,
      host: hosts.find((each) => each.name === host)?.address ?? '',
      port: ports.client,
    }));
  }
  const ports = await freePorts('127.0.0.1', instances.length);
  return instances.map(({ name }, index) => ({ instance: name, host: '127.0.0.1', port: ports[index] ?? 0 }));
};

export const chooseGatewayForwards = async (
  { gateways }: Estate,
  mode: 'full' | 'plain',
): Promise<LabDefinition['gatewayForwards']> => {
  if (mode === 'plain')
    return gateways.map(({ name, address = '', port, metricsPort }) => ({
      gateway: name,
      host: address,
      port,
      metricsPort,
    }));
  const ports = await freePorts('127.0.0.1', 2 * gateways.length);
  return gateways.map(({ name }, index) => ({
    gateway: name,
    host: '127.0.0.1',
    port: ports[2 * index] ?? 0,
    metricsPort: ports[2 * index + 1] ?? 0,
  }));
};

/** In full mode every site and the hub have a loopback of their own, and the usual ports are free on it. */
export const chooseOperationsPorts = async (estate: Estate, mode: 'full' | 'plain'): Promise<OperationsPorts> => {
  const sites = estate.sites.map(({ name }) => name);
  if (mode === 'full') {
    const [forwardPort = 0] = await freePorts('127.0.0.1', 1);
    const agentPorts = Object.fromEntries(sites.map((site) => [site, 9_361]));
    return { platformPort: 9_620, storePort: 8_428, coarsePort: 8_429, agentPorts, forwardPort };
  }
  const [platformPort = 0, storePort = 0, coarsePort = 0, ...others] = await freePorts('127.0.0.1', 3 + sites.length);
  const agentPorts = Object.fromEntries(sites.map((site, index) => [site, others[index] ?? 0]));
  return { platformPort, storePort, coarsePort, agentPorts, forwardPort: platformPort };
};
