/**
 * Servers that the bench starts itself, on loopback addresses and without a lab: three instances through the driver,
 * and a plain one, which is the same option file without Galera. All have the same programs, seed, certificates
 * and safety settings. They die with this process, and their folder goes with them.
 */
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  connectSql,
  errorLogPath,
  findPrograms,
  formatConfiguration,
  type GaleraDriver,
  type GaleraDriverOptions,
  galeraDriver,
  isAlive,
  type Launch,
  labPrograms,
  logFileBytes,
  makeSeed,
  newPassword,
  optionFile,
  type Programs,
  plantSeed,
  signalGroup,
  socketPath,
  startProcess,
} from '@coequal/engines';
import { type Estate, type Instance, type Placed, placedInstances, type Service } from '@coequal/estate';
import { fail, reasonOf, silentLog, until } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { type Authority, issueCertificate, makeAuthority, writeSecretFile } from '@coequal/trust';
import { estateOfSites, layOut } from '../estate.ts';
import { asOrdinaryUser, serverUserId } from '../network/namespaces.ts';
import { placesOf } from '../places.ts';
import { freePorts } from '../process/ports.ts';
import type { BenchTools } from './tools.ts';

export type Servers = {
  readonly folder: string;
  readonly estate: Estate;
  readonly service: Service;
  readonly instances: readonly Placed<Instance>[];
  readonly drivers: readonly GaleraDriver[];
  readonly optionsOf: (index: number) => GaleraDriverOptions;
  readonly authority: Authority;
  readonly launch: Launch;
  readonly administrator: { readonly user: string; readonly password: string };
  readonly owner: number | undefined;
  /** Puts fresh copies of the seed into data folders, which must be those of instances that do not run. */
  readonly plant: (dataFolders: readonly string[]) => Promise<void>;
};

/** Certificates for the length of a bench. */
const certificateDays = 2;

export const withServers = async <T>(tools: BenchTools, use: (servers: Servers) => Promise<T>): Promise<T> => {
  tools.signal.throwIfAborted();
  const folder = await makeFolder();
  const drivers: GaleraDriver[] = [];
  try {
    const servers = await openServers(folder, drivers, tools);
    return await use(servers);
  } finally {
    for (const driver of drivers) {
      await driver.fence();
      driver.close();
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
};

/** Named after this process, so that the next bench can tell the folders of those that died from those at work. */
const makeFolder = async (): Promise<string> => {
  const parent = `${placesOf(process.env, process.getuid?.() ?? -1).state}/bench`;
  await mkdir(parent, { recursive: true, mode: 0o755 });
  for (const name of await readdir(parent)) {
    const [pid = ''] = name.split('-');
    if (!existsSync(`/proc/${pid}`)) await rm(`${parent}/${name}`, { recursive: true, force: true });
  }
  const folder = await mkdtemp(`${parent}/${process.pid}-`);
  await chmod(folder, 0o755);
  return folder;
};

const openServers = async (folder: string, drivers: GaleraDriver[], tools: BenchTools): Promise<Servers> => {
  const { clock } = tools;
  const owner = serverUserId();
  const described = estateOfSites('bench', 3, 'default');
  const programs = await findPrograms(labPrograms(described), {
    cacheFolder: placesOf(process.env, process.getuid?.() ?? -1).cache,
    environment: process.env,
    clock,
    progress: tools.progress,
    signal: tools.signal,
  });
  const estate = await layOut(described, folder, {
    memoryFolder: `${folder}/memory`,
    address: (site, host) => `127.79.${site + 1}.${host + 1}`,
    ports: async (address) => {
      const [client = 0, group = 0, incremental = 0, transfer = 0] = await freePorts(address, 4);
      return { client, group, incremental, transfer };
    },
  });
  const [service] = estate.services;
  if (service === undefined) throw new Error('Bug: an estate without a service');
  const instances = placedInstances(estate, service);
  const administrator = { user: 'coequal_admin', password: newPassword() };
  const authority = await makeAuthority('Coequal bench', { days: certificateDays, clock });
  const launch: Launch = { wrap: dyingWithUs, environment: { ...programs.environment, LANG: 'C.UTF-8' } };
  const options: GaleraDriverOptions[] = [];
  for (const instance of instances) {
    const runFolder = `${folder}/run/${instance.name}`;
    for (const path of [runFolder, dirname(instance.dataFolder)]) await giveFolder(path, owner);
    options.push({
      estate,
      service,
      instance,
      members: instances,
      arbitrators: [],
      places: {
        runFolder,
        galeraLibrary: programs.galeraLibrary,
        pluginFolder: programs.pluginFolder,
        shareFolder: programs.shareFolder,
        baseFolder: dirname(dirname(need(programs, 'mariadbd'))),
        certificates: await certify(authority, instance, runFolder, owner, tools),
      },
      transferAccount: administrator,
      server: need(programs, 'mariadbd'),
      launch,
      account: () => administrator,
      ...(owner === undefined ? {} : { owner }),
      clock,
      log: silentLog,
    });
  }
  drivers.push(...options.map(galeraDriver));
  const seed = `${folder}/seed`;
  tools.progress('making a seed for the peers');
  await makeSeed(
    {
      launch,
      server: need(programs, 'mariadbd'),
      installer: need(programs, 'mariadb-install-db'),
      baseFolder: dirname(dirname(need(programs, 'mariadbd'))),
      shareFolder: programs.shareFolder,
      pluginFolder: programs.pluginFolder,
      ...(owner === undefined ? {} : { owner }),
    },
    {
      folder: seed,
      database: service.database,
      accounts: [{ ...administrator, host: 'localhost', rights: 'all' }],
      logFileBytes: logFileBytes(estate),
    },
  );
  return {
    folder,
    estate,
    service,
    instances,
    drivers,
    optionsOf: (index) => {
      const found = options[index];
      if (found === undefined) throw new Error(`Bug: no instance ${index}`);
      return found;
    },
    authority,
    launch,
    administrator,
    owner,
    plant: async (dataFolders) => {
      for (const path of dataFolders) await rm(path, { recursive: true, force: true });
      await plantSeed(seed, dataFolders, owner);
    },
  };
};

/** The kernel ends what we started when we are gone. Inside the change of user, which would undo the wish. */
const dyingWithUs = (argv: readonly string[]): readonly string[] =>
  asOrdinaryUser(['setpriv', '--pdeathsig', 'KILL', '--', ...argv]);

const need = (programs: Programs, name: Parameters<Programs['path']>[0]): string => {
  const path = programs.path(name);
  if (path === undefined) throw new Error(`Bug: ${name} was not asked for`);
  return path;
};

const giveFolder = async (path: string, owner: number | undefined): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o755 });
  if (owner !== undefined) await chown(path, owner, owner);
};

const certify = async (
  authority: Authority,
  instance: Placed<Instance>,
  runFolder: string,
  owner: number | undefined,
  { clock }: BenchTools,
) => {
  const own = owner === undefined ? undefined : { uid: owner, gid: owner };
  const { certificate, key } = await issueCertificate(
    authority,
    {
      commonName: instance.name,
      dnsNames: [instance.name],
      addresses: [instance.at.address],
      days: certificateDays,
      usage: 'both',
    },
    clock,
  );
  const paths = {
    authority: `${runFolder}/authority.pem`,
    certificate: `${runFolder}/certificate.pem`,
    key: `${runFolder}/key.pem`,
  };
  await writeSecretFile(paths.authority, authority.certificate, own);
  await writeSecretFile(paths.certificate, certificate, own);
  await writeSecretFile(paths.key, key, own);
  return paths;
};

export type Plain = {
  readonly pid: number;
  /** From the start of the process to its first answer. */
  readonly startedInMs: number;
  /** For the bank's clients. */
  readonly endpoint: Endpoint;
};

const plainStartDeadlineMs = 60_000;

/** A plain instance on a fresh copy of the seed while `use` runs, in place of the first of the three. */
export const withPlain = async <T>(
  servers: Servers,
  tools: BenchTools,
  use: (plain: Plain) => Promise<T>,
): Promise<T> => {
  const { clock, signal } = tools;
  const options = servers.optionsOf(0);
  const { runFolder } = options.places;
  await servers.plant([options.instance.dataFolder]);
  await writeFile(optionFile(runFolder), withoutGalera(formatConfiguration(options)), { mode: 0o600 });
  if (servers.owner !== undefined) await chown(optionFile(runFolder), servers.owner, servers.owner);
  const began = clock.monotonic();
  const argv = [options.server, `--defaults-file=${optionFile(runFolder)}`];
  const running = await startProcess(servers.launch, argv, `${runFolder}/output.log`);
  try {
    let last = '';
    const what = 'The first answer of a plain instance';
    await until(clock, { what, deadlineMs: plainStartDeadlineMs, everyMs: 5, signal, last: () => last }, async () => {
      if (isAlive(running)) {
        last = await silence(servers, runFolder);
        return last === '';
      }
      throw fail('ENGINE_REFUSED_START', {
        instance: 'The plain instance',
        reason: 'its process ended.',
        advice: `See ${errorLogPath(runFolder)}.`,
      });
    });
    const startedInMs = clock.monotonic() - began;
    return await use({ pid: running.pid, startedInMs, endpoint: await openAccount(servers, runFolder) });
  } finally {
    signalGroup(running, 'SIGKILL');
    await until(
      clock,
      { what: 'The end of a plain instance', deadlineMs: 10_000, everyMs: 10 },
      () => !isAlive(running),
    );
  }
};

/** The same option file but for what only Galera reads: all its settings, and no others, begin with `wsrep_`. */
export const withoutGalera = (configuration: string): string =>
  configuration
    .split('\n')
    .filter((line) => !line.startsWith('wsrep_'))
    .join('\n');

const administration = ({ administrator }: Servers, runFolder: string) => ({
  socketPath: socketPath(runFolder),
  ...administrator,
});

/** Why it does not answer; empty when it does. */
const silence = async (servers: Servers, runFolder: string): Promise<string> => {
  try {
    const sql = await connectSql(administration(servers, runFolder), 1_000);
    await sql.query('SELECT 1');
    sql.close();
    return '';
  } catch (error) {
    return reasonOf(error);
  }
};

/** The application's account, as the lab makes it. */
const openAccount = async (servers: Servers, runFolder: string): Promise<Endpoint> => {
  const { service, authority } = servers;
  const { instance } = servers.optionsOf(0);
  const account = { user: 'bank', password: newPassword().slice(0, 16) };
  const sql = await connectSql(administration(servers, runFolder), 5_000);
  try {
    await sql.query('CREATE USER ?@? IDENTIFIED BY ?', [account.user, '%', account.password]);
    await sql.query(`GRANT ALL ON \`${service.database}\`.* TO ?@?`, [account.user, '%']);
  } finally {
    sql.close();
  }
  return {
    instance: instance.name,
    site: instance.site.name,
    host: instance.at.address,
    port: instance.ports.client,
    ...account,
    database: service.database,
    authority: authority.certificate,
  };
};
