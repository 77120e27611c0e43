/**
 * Sets the stage of a lab: network, hosts, volumes, certificates, accounts and one driver an instance; nothing
 * runs yet. What is made here is undone by `close`, or by the end of the daemon's processes.
 */
import { randomBytes } from 'node:crypto';
import { access, chown, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type ArbitratorDriver,
  arbitratorDriver,
  type GaleraDriver,
  galeraDriver,
  type InstancePlaces,
  type Launch,
  logFileBytes,
  makeSeed,
  newPassword,
  type Programs,
  plantSeed,
  type SeedTools,
} from '@coequal/engines';
import {
  formatEstate,
  type Gateway,
  type Placed,
  placedArbitrators,
  placedGateways,
  placedInstances,
  type Service,
  type Site,
} from '@coequal/estate';
import type { Clock, Log } from '@coequal/kernel';
import { type Authority, issueCertificate, makeAuthority, writeSecretFile } from '@coequal/trust';
import { type FakeClock, fakeClock, noClockReason } from '../clock/faketime.ts';
import { type LabDefinition, markOf } from '../definition.ts';
import { gatewayAccount, gatewayPasswordFile, gatewayRunFolder } from '../estate.ts';
import { type GatewayDriver, gatewayDriver } from '../gateways/driver.ts';
import { type LabHost, type LabHosts, openHosts } from '../hosts/cgroups.ts';
import { asOrdinaryUser, serverUserId } from '../network/namespaces.ts';
import type { LabNetwork } from '../network/network.ts';
import { estateFile, metricsSocket } from '../places.ts';
import { type LabVolume, makeVolume } from '../volumes/volumes.ts';
import { cachedSeed } from './seed-cache.ts';

export type StageSite = {
  readonly name: string;
  readonly drivers: readonly GaleraDriver[];
  readonly arbitrators: readonly ArbitratorDriver[];
  readonly gateways: readonly GatewayDriver[];
  readonly host: LabHost | null;
  readonly volume: LabVolume;
  readonly clock: FakeClock | null;
};

export type Account = { readonly user: string; readonly password: string };

export type Stage = {
  readonly service: Service;
  readonly sites: readonly StageSite[];
  readonly network: LabNetwork;
  readonly hosts: LabHosts;
  readonly authority: Authority;
  readonly authorityPath: string;
  /** The administrative account; its password changes once, when the service first serves. */
  readonly administrator: { current: Account };
  /** What the administrator's password becomes. */
  readonly administratorNext: Account;
  /** The account that people and the bank use. */
  readonly application: Account;
  /** The gateways' own account in the database. */
  readonly gateway: Account;
  /** Of whoever operates databases by hand; load faults use it. */
  readonly operator: Account;
  /** Of the agents that watch the instances. */
  readonly agent: Account;
  /** Why no clock can be set wrong, where none can. */
  readonly noClockReason: string;
  /** True: data of an earlier start was found and kept. */
  readonly kept: boolean;
  readonly close: () => Promise<void>;
};

export type StageTools = {
  readonly definition: LabDefinition;
  readonly programs: Programs;
  readonly network: LabNetwork;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string>>;
  readonly progress: (step: string) => void;
};

/** A site's volume: room for the data, the logs and a full transfer, sparse until used. */
const volumeBytes = 8 * 2 ** 30;
const certificateDays = 90;

export const setStage = async (tools: StageTools): Promise<Stage> => {
  const { definition, network, programs, log } = tools;
  const { estate, folder } = definition;
  const service = estate.services[0];
  if (service === undefined) throw new Error('Bug: a lab without a service');
  const owner = serverUserId();
  const hosts = await openHosts(definition.name, { log });
  tools.progress('certificates');
  const authority = await makeAuthority(`Coequal lab ${definition.name}`, {
    days: certificateDays,
    clock: tools.clock,
  });
  const authorityPath = `${folder}/authority.pem`;
  await writeSecretFile(authorityPath, authority.certificate, ownerOf(owner));
  const secrets = await loadSecrets(folder, definition.keep);
  if (estate.gateways.length > 0) {
    await writeSecretFile(gatewayPasswordFile(folder), `${secrets.gateway.password}\n`);
    await writeSecretFile(estateFile(folder), formatEstate(estate, 'The lab as its gateways see it.'));
  }
  const administrator = { current: secrets.administrator };
  if (service.encryption !== undefined) await makeKeys(service, owner);
  await makeFolderFor(`${folder}/run`, owner);
  await makeFolderFor(`${folder}/sites`, undefined);

  tools.progress('volumes');
  const instances = placedInstances(estate, service);
  const shared: Shared = { ...tools, service, authority, owner, hosts, administrator, secrets };
  const sites = await Promise.all(estate.sites.map((site) => setSite(shared, site)));
  const drivers = sites.flatMap((site) => site.drivers);
  const kept = definition.keep && (await holdsData(drivers));
  if (kept) administrator.current = secrets.administratorNext;
  else await plant(tools, service, administrator, owner, instances);
  for (const driver of drivers) await driver.prepare();
  return {
    service,
    sites,
    network,
    hosts,
    authority,
    authorityPath,
    administrator,
    administratorNext: secrets.administratorNext,
    application: secrets.application,
    gateway: secrets.gateway,
    operator: secrets.operator,
    agent: secrets.agent,
    noClockReason: noClockReason(programs),
    kept,
    close: async () => {
      for (const driver of drivers) driver.close();
      for (const site of sites) await site.volume.close();
      await network.close();
      await hosts.close();
      for (const path of service.encryption?.safePaths ?? []) await rm(path, { recursive: true, force: true });
    },
  };
};

type Shared = StageTools & {
  readonly service: Service;
  readonly authority: Authority;
  readonly owner: number | undefined;
  readonly hosts: LabHosts;
  readonly administrator: { readonly current: Account };
  readonly secrets: Secrets;
};

/** One site: its volume, its host, its clock and a driver for each of its instances and votes. */
const setSite = async (shared: Shared, site: Site): Promise<StageSite> => {
  const { definition, programs, network, owner, service } = shared;
  const { estate, folder } = definition;
  const volume = await makeVolume({
    folder: `${folder}/sites/${site.name}`,
    image: `${folder}/sites/${site.name}.image`,
    sizeBytes: volumeBytes,
    keep: definition.keep,
    programs,
    log: shared.log,
  });
  await makeFolderFor(`${folder}/sites/${site.name}`, owner);
  const host = await hostOf(shared, site);
  const clock = fakeClock(programs, `${folder}/run/${site.name}.clock`);
  const launch: Launch = {
    wrap: (argv) => network.enter(site.name, asOrdinaryUser([...underClock(clock), ...argv])),
    environment: { ...shared.environment, ...programs.environment, COEQUAL_LAB: markOf(definition) },
    ...(host === null ? {} : { started: (pid: number) => host.add(pid) }),
  };
  const members = placedInstances(estate, service);
  const votes = placedArbitrators(estate, service);
  const ours = <T extends { readonly site: { readonly name: string } }>(placed: readonly T[]) =>
    placed.filter((each) => each.site.name === site.name);
  const ownership = owner === undefined ? {} : { owner };
  const drivers = ours(members).map(async (instance) =>
    galeraDriver({
      estate,
      service,
      instance,
      members,
      arbitrators: votes,
      places: await placesOfMember(shared, instance),
      transferAccount: shared.secrets.administratorNext,
      server: need(programs, 'mariadbd'),
      launch,
      account: () => shared.administrator.current,
      ...ownership,
      proxyNetworks: estate.gateways.flatMap(({ address }) => address ?? []),
      clock: shared.clock,
      log: shared.log,
    }),
  );
  const gateways = ours(placedGateways(estate, service)).map((gateway, index) =>
    setGateway(shared, gateway, index + 1, launch),
  );
  const arbitrators = ours(votes).map(async (arbitrator) => {
    const { runFolder, certificates } = await placesOfMember(shared, arbitrator);
    return arbitratorDriver({
      service,
      arbitrator,
      members,
      arbitrators: votes,
      program: need(programs, 'garbd'),
      runFolder,
      ...(certificates === undefined ? {} : { certificates }),
      launch,
      ...ownership,
      clock: shared.clock,
    });
  });
  return {
    name: site.name,
    drivers: await Promise.all(drivers),
    arbitrators: await Promise.all(arbitrators),
    gateways: await Promise.all(gateways),
    host,
    volume,
    clock,
  };
};

/** A gateway of the site: run as whoever the lab is, since it needs the sources of this checkout. */
const setGateway = async (
  shared: Shared,
  gateway: Placed<Gateway>,
  number: number,
  launch: Launch,
): Promise<GatewayDriver> => {
  const { definition, network, authority, clock } = shared;
  const { folder } = definition;
  const site = gateway.site.name;
  const index = definition.estate.gateways.findIndex(({ name }) => name === gateway.name);
  const run = gatewayRunFolder(folder, gateway.name);
  await mkdir(run, { recursive: true, mode: 0o700 });
  await mkdir(gateway.stateFolder, { recursive: true, mode: 0o700 });
  const issued = await issueCertificate(
    authority,
    {
      commonName: gateway.name,
      dnsNames: [gateway.name, 'localhost'],
      addresses: [...new Set([gateway.address ?? gateway.at.address, '127.0.0.1'])],
      days: certificateDays,
      usage: 'both',
    },
    clock,
  );
  await writeSecretFile(`${run}/authority.pem`, authority.certificate);
  await writeSecretFile(`${run}/certificate.pem`, issued.certificate);
  await writeSecretFile(`${run}/key.pem`, issued.key);
  return gatewayDriver({
    gateway,
    site,
    number,
    estatePath: estateFile(folder),
    launch: { ...launch, wrap: (argv) => network.enter(site, [...argv]) },
    logPath: `${run}/gateway.log`,
    metrics:
      network.mode === 'full'
        ? { socketPath: metricsSocket(folder, index) }
        : { host: gateway.address ?? '', port: gateway.metricsPort },
    clock,
    log: shared.log,
  });
};

/** The site's cgroup, with its quota when quotas are enforced; null where this machine gives none. */
const hostOf = async ({ hosts, definition }: Shared, site: Site): Promise<LabHost | null> => {
  if (!hosts.available) return null;
  const size = definition.hosts ? site.hosts[0] : undefined;
  return hosts.host(site.name, {
    ...(size?.cpus === undefined ? {} : { cpus: size.cpus }),
    ...(size?.memoryBytes === undefined ? {} : { memoryBytes: size.memoryBytes }),
  });
};

/**
 * Only the server itself is preloaded: the library makes its files as the user it first runs as, and the programs
 * before it (which enter the site and drop rights) run as another.
 */
const underClock = (clock: FakeClock | null): readonly string[] =>
  clock === null ? [] : ['env', ...Object.entries(clock.environment).map(([name, value]) => `${name}=${value}`)];

const need = (programs: Programs, name: Parameters<Programs['path']>[0]): string => {
  const path = programs.path(name);
  if (path === undefined) throw new Error(`Bug: ${name} was not asked for`);
  return path;
};

const ownerOf = (owner: number | undefined) => (owner === undefined ? undefined : { uid: owner, gid: owner });

const makeFolderFor = async (path: string, owner: number | undefined): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o755 });
  if (owner !== undefined) await chown(path, owner, owner);
};

const placesOfMember = async (shared: Shared, member: Placed<{ readonly name: string }>): Promise<InstancePlaces> => {
  const { service, authority, owner } = shared;
  const { programs, definition, clock } = shared;
  const runFolder = `${definition.folder}/run/${member.name}`;
  await makeFolderFor(runFolder, owner);
  const base = {
    runFolder,
    galeraLibrary: programs.galeraLibrary,
    pluginFolder: programs.pluginFolder,
    shareFolder: programs.shareFolder,
    baseFolder: dirname(dirname(need(programs, 'mariadbd'))),
  };
  if (!service.tls) return base;
  const certificates = {
    authority: `${runFolder}/authority.pem`,
    certificate: `${runFolder}/certificate.pem`,
    key: `${runFolder}/key.pem`,
  };
  const issued = await issueCertificate(
    authority,
    {
      commonName: member.name,
      dnsNames: [member.name, 'localhost'],
      // People of this machine reach the instance through a loopback port.
      addresses: [...new Set([member.at.address, '127.0.0.1'])],
      days: certificateDays,
      usage: 'both',
    },
    clock,
  );
  await writeSecretFile(certificates.authority, authority.certificate, ownerOf(owner));
  await writeSecretFile(certificates.certificate, issued.certificate, ownerOf(owner));
  await writeSecretFile(certificates.key, issued.key, ownerOf(owner));
  return { ...base, certificates };
};

type Secrets = {
  readonly administrator: Account;
  readonly administratorNext: Account;
  readonly application: Account;
  readonly gateway: Account;
  readonly operator: Account;
  readonly agent: Account;
};

/** Passwords are made for every new lab; a kept one keeps them beside its data. */
const loadSecrets = async (folder: string, keep: boolean): Promise<Secrets> => {
  const path = `${folder}/secrets.json`;
  if (keep) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const saved = text === undefined ? undefined : parseSecrets(text);
    if (saved !== undefined) return saved;
  }
  const made: Secrets = {
    administrator: { user: 'coequal_admin', password: newPassword() },
    administratorNext: { user: 'coequal_admin', password: newPassword() },
    application: { user: 'bank', password: newPassword().slice(0, 16) },
    gateway: newGatewayAccount(),
    operator: newOperatorAccount(),
    agent: newAgentAccount(),
  };
  await writeSecretFile(path, JSON.stringify(made));
  return made;
};

const newGatewayAccount = (): Account => ({ user: gatewayAccount, password: newPassword() });
const newAgentAccount = (): Account => ({ user: 'coequal_agent', password: newPassword() });
const newOperatorAccount = (): Account => ({ user: 'operator', password: newPassword() });

const parseSecrets = (text: string): Secrets | undefined => {
  const value: unknown = JSON.parse(text);
  const isAccount = (account: unknown): account is Account =>
    typeof account === 'object' && account !== null && 'user' in account && 'password' in account;
  if (typeof value !== 'object' || value === null) return undefined;
  const found = new Map<string, unknown>(Object.entries(value));
  const [a, b, c] = [found.get('administrator'), found.get('administratorNext'), found.get('application')];
  if (!isAccount(a) || !isAccount(b) || !isAccount(c)) return undefined;
  const [gateway, operator, agent] = [found.get('gateway'), found.get('operator'), found.get('agent')];
  // Data from before labs had these: they get an account of this start.
  return {
    administrator: a,
    administratorNext: b,
    application: c,
    gateway: isAccount(gateway) ? gateway : newGatewayAccount(),
    operator: isAccount(operator) ? operator : newOperatorAccount(),
    agent: isAccount(agent) ? agent : newAgentAccount(),
  };
};

const makeKeys = async (service: Service, owner: number | undefined): Promise<void> => {
  const { encryption } = service;
  if (encryption === undefined) return;
  await makeFolderFor(dirname(encryption.keyFile), owner);
  const there = await access(encryption.keyFile).then(
    () => true,
    () => false,
  );
  if (!there) await writeSecretFile(encryption.keyFile, `1;${randomBytes(32).toString('hex')}\n`, ownerOf(owner));
  for (const path of encryption.safePaths) await makeFolderFor(path, owner);
};

const holdsData = async (drivers: readonly GaleraDriver[]): Promise<boolean> => {
  const positions = await Promise.all(drivers.map((driver) => driver.hasData()));
  return positions.some((has) => has);
};

/** The first data of a new lab. A dump is loaded into the first instance alone, so then only that one is planted. */
const plant = async (
  tools: StageTools,
  service: Service,
  administrator: { current: Account },
  owner: number | undefined,
  instances: readonly { readonly dataFolder: string }[],
): Promise<void> => {
  const { definition, programs } = tools;
  const seedTools: SeedTools = {
    launch: {
      wrap: (argv) => asOrdinaryUser([...argv]),
      environment: { ...tools.environment, ...programs.environment, COEQUAL_LAB: markOf(definition) },
    },
    server: need(programs, 'mariadbd'),
    installer: need(programs, 'mariadb-install-db'),
    baseFolder: dirname(dirname(need(programs, 'mariadbd'))),
    shareFolder: programs.shareFolder,
    pluginFolder: programs.pluginFolder,
    ...(owner === undefined ? {} : { owner }),
  };
  tools.progress('first data');
  const folders = instances.map(({ dataFolder }) => dataFolder);
  const planted = definition.loadPath === null ? folders : folders.slice(0, 1);
  if (service.encryption !== undefined) {
    const seed = `${definition.folder}/seed`;
    await makeSeed(seedTools, {
      folder: seed,
      database: service.database,
      accounts: [{ ...administrator.current, host: 'localhost', rights: 'all' }],
      logFileBytes: logFileBytes(definition.estate),
      encryptionKeyFile: service.encryption.keyFile,
    });
    await plantSeed(seed, planted, owner);
    await rm(seed, { recursive: true, force: true });
    return;
  }
  const seed = await cachedSeed(seedTools, definition, programs, service.database);
  administrator.current = seed.administrator;
  await plantSeed(seed.folder, planted, owner);
};
