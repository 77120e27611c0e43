/**
 * The lab's estate with everything that watches it: an agent on each host with a database, a platform and its stores. Agents send to
 * their own loopback, from where the lab carries it to the platform: that way stands for a management network, which a partition
 * of a database does not cut, and one of everything of a site does. Pure.
 */
import { type Agent, type Estate, type Host, placedInstances } from '@coequal/estate';

export type OperationsPlan = {
  readonly folder: string;
  /** As agents reach them, on the loopback of their site. */
  readonly platformPort: number;
  readonly storePort: number;
  readonly coarsePort: number;
  /** Of the agent of a site, on its loopback. */
  readonly agentPort: (site: string) => number;
  /** Block device of a site's volume, where it has one of its own. */
  readonly device: (site: string) => string | undefined;
  readonly mount: (site: string) => string;
  readonly rules: readonly string[];
  readonly account: { readonly user: string; readonly passwordFile: string };
  /** PEM file of the authority of the instances; undefined: no TLS. */
  readonly authority: string | undefined;
};

export const withOperations = (estate: Estate, plan: OperationsPlan): Estate => {
  const [service] = estate.services;
  const instances = service === undefined ? [] : placedInstances(estate, service);
  const agents = estate.sites.flatMap((site) =>
    site.hosts
      .filter((host) => instances.some(({ at }) => at.name === host.name))
      .map((host) => agentOf(estate, plan, site.name, host)),
  );
  const place = agents[0]?.host ?? '';
  const url = (port: number) => `http://127.0.0.1:${port}`;
  return {
    ...estate,
    agents,
    stores: [
      { kind: 'foreign', name: 'fine', class: 'fine', url: url(plan.storePort) },
      { kind: 'foreign', name: 'coarse', class: 'coarse', url: url(plan.coarsePort) },
    ],
    platforms: [
      {
        name: 'platform',
        host: place,
        address: '127.0.0.1',
        port: plan.platformPort,
        stateFolder: `${plan.folder}/platform`,
        store: 'fine',
        coarseStore: 'coarse',
        rules: plan.rules,
        webhooks: [],
        trustedProxies: [],
        knowledge: `${plan.folder}/knowledge.json`,
        liveMinutes: 15,
        liveSignals: 50_000,
        liveMemoryBytes: 96 * 2 ** 20,
      },
    ],
  };
};

const agentOf = (estate: Estate, plan: OperationsPlan, site: string, host: Host): Agent => {
  const device = plan.device(site);
  const databases = estate.services.flatMap(({ instances }) => instances).filter((each) => each.host === host.name);
  const gateways = estate.gateways.filter((each) => each.host === host.name);
  const { user, passwordFile } = plan.account;
  return {
    name: host.name,
    host: host.name,
    port: plan.agentPort(site),
    // Over the ways between the sites: from there the others compare clocks, and measure how long these ways take.
    timePort: plan.agentPort(site) + 1,
    stateFolder: agentFolder(plan.folder, host.name),
    wholeMachine: false,
    ...(device === undefined ? {} : { devices: [device] }),
    mounts: [plan.mount(site)],
    databaseAccount: {
      user,
      passwordFile,
      ...(plan.authority === undefined ? {} : { authority: plan.authority }),
    },
    databases: [],
    logs: [
      ...databases.map(({ name }) => ({
        path: `${plan.folder}/run/${name}/error.log`,
        format: 'mariadb' as const,
        instance: name,
      })),
      ...gateways.map(({ name }) => ({
        path: `${plan.folder}/run/${name}/gateway.log`,
        format: 'json' as const,
        gateway: name,
      })),
    ],
    scrapes: [],
    sendTo: {
      store: `http://127.0.0.1:${plan.storePort}`,
      platforms: [`http://127.0.0.1:${plan.platformPort}`],
    },
  };
};

export const agentFolder = (folder: string, host: string): string => `${folder}/agents/${host}`;
export const operationsFile = (folder: string): string => `${folder}/operations.yaml`;
