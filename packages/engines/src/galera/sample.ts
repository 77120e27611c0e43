/** A small service of three sites for tests: on paper for the option file, or on this machine's loopback addresses. */
import type { Estate, Instance, Placed, PresetName, Service } from '@coequal/estate';
import type { ConfigurationInput } from './configuration.ts';

export type SampleOptions = {
  readonly preset?: PresetName;
  readonly tls?: boolean;
  readonly encrypted?: boolean;
  readonly cacheFolder?: string;
};

export const sampleLimits: Estate['limits'] = {
  connectionsPerInstance: 100,
  bufferPoolBytes: 64 * 2 ** 20,
  freeDiskBytes: 32 * 2 ** 20,
  galeraCacheBytes: 32 * 2 ** 20,
};

/** An estate with one instance at each address, and the instances in their places. */
export const sampleEstate = (
  instances: readonly (Instance & { readonly address: string })[],
  service: Partial<Omit<Service, 'instances'>> = {},
): { readonly estate: Estate; readonly service: Service; readonly placed: readonly Placed<Instance>[] } => {
  const sites = instances.map(({ host, address }) => ({ name: `${host}-site`, hosts: [{ name: host, address }] }));
  const whole: Service = {
    name: 'bank',
    engine: 'galera',
    architecture: 'multi-active',
    preset: 'default',
    database: 'bank',
    tls: false,
    stateTransfer: 'rsync',
    arbitrators: [],
    ...service,
    instances: instances.map(({ address: _, ...instance }) => instance),
  };
  const placed = instances.map(({ address, ...instance }) => {
    const at = { name: instance.host, address };
    return { ...instance, at, site: { name: `${instance.host}-site`, hosts: [at] } };
  });
  const estate: Estate = {
    version: 1,
    name: 'sample',
    sites,
    links: [],
    services: [whole],
    externals: [],
    gateways: [],
    agents: [],
    platforms: [],
    stores: [],
    limits: sampleLimits,
  };
  return { estate, service: whole, placed };
};

export const sampleConfiguration = (options: SampleOptions = {}): ConfigurationInput => {
  const instances = [1, 2, 3].map((number) => ({
    name: `db-${number}`,
    host: `host-${number}`,
    address: `10.0.0.${number}`,
    dataFolder: `/srv/bank/${number}`,
    ports: { client: 3306, group: 4567, incremental: 4568, transfer: 4444 },
    ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
  }));
  const { estate, service, placed } = sampleEstate(instances, {
    preset: options.preset ?? 'default',
    tls: options.tls ?? true,
    ...(options.encrypted === true ? { encryption: { keyFile: '/etc/keys', safePaths: ['/dev/shm'] } } : {}),
  });
  const [instance] = placed;
  if (instance === undefined) throw new Error('Bug: no instance');
  return {
    estate,
    service,
    instance,
    members: placed,
    arbitrators: [],
    places: {
      runFolder: '/run/bank',
      galeraLibrary: '/usr/lib/galera/libgalera_smm.so',
      pluginFolder: '/usr/lib/mysql/plugin',
      shareFolder: '/usr/share/mysql',
      baseFolder: '/usr',
      ...(service.tls ? { certificates: { authority: '/c/a.pem', certificate: '/c/c.pem', key: '/c/k.pem' } } : {}),
    },
    transferAccount: { user: 'coequal_admin', password: 'secret' },
  };
};
