/**
 * Ground for the conformance tests: a real service of three instances on loopback addresses of this machine, in a
 * temporary folder, ended and removed at the end whatever happened.
 */
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Service } from '@coequal/estate';
import { silentLog, systemClock } from '@coequal/kernel';
import { issueCertificate, makeAuthority, writeSecretFile } from '@coequal/trust';
import { cacheFolderOf, findPrograms, labPrograms, type Programs } from '../binaries/index.ts';
import { type GaleraDriver, type GaleraDriverOptions, galeraDriver } from './adapters/driver.ts';
import type { Launch } from './adapters/process.ts';
import { makeSeed, newPassword, plantSeed, type SeedTools } from './adapters/seed.ts';
import { logFileBytes } from './configuration.ts';
import type { Coordination } from './coordinator.ts';
import { sampleEstate } from './sample.ts';

export type Ground = {
  readonly folder: string;
  readonly programs: Programs;
  readonly launch: Launch;
  readonly owner: number | undefined;
  readonly drivers: readonly GaleraDriver[];
  readonly how: Coordination;
  readonly dataFolder: (index: number) => string;
  readonly runFolder: (index: number) => string;
  /** The same instance under other options, such as wrong credentials. */
  readonly driverLike: (index: number, change: (options: GaleraDriverOptions) => GaleraDriverOptions) => GaleraDriver;
  readonly options: (index: number) => GaleraDriverOptions;
  readonly close: () => Promise<void>;
};

/** As root the server runs as nobody: uid 0 breaks the transfer scripts. */
const owner = process.getuid?.() === 0 ? 65_534 : undefined;

export const openGround = async (
  network: number,
  service: Partial<Omit<Service, 'instances'>> = {},
  instances = 3,
): Promise<Ground> => {
  const folder = mkdtempSync('/tmp/coequal-');
  chmodSync(folder, 0o755);
  const placed = await Promise.all(
    Array.from({ length: instances }, async (_, index) => {
      const address = `127.78.${network}.${index + 1}`;
      const [client = 0, group = 0, incremental = 0, transfer = 0] = await freePorts(address, 4);
      const cacheFolder = service.encryption === undefined ? {} : { cacheFolder: `${folder}/memory/${index}` };
      return {
        name: `db-${index}`,
        host: `host-${index}`,
        address,
        dataFolder: `${folder}/${index}/data`,
        ports: { client, group, incremental, transfer },
        ...cacheFolder,
      };
    }),
  );
  const encryption =
    service.encryption === undefined
      ? {}
      : { encryption: { keyFile: `${folder}/data.keys`, safePaths: [`${folder}/memory`] } };
  const programs = await findPrograms(labPrograms(sampleEstate(placed, service).estate), {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? -1),
    environment: process.env,
    clock: systemClock,
    progress: () => undefined,
  });
  const sample = sampleEstate(placed, { tls: true, ...service, ...encryption });
  const launch: Launch = {
    wrap: (argv) =>
      owner === undefined ? argv : ['setpriv', `--reuid=${owner}`, `--regid=${owner}`, '--clear-groups', ...argv],
    environment: { ...programs.environment, LANG: 'C.UTF-8' },
  };
  const account = { user: 'coequal_admin', password: newPassword() };
  const server = need(programs, 'mariadbd');
  const baseFolder = dirname(dirname(server));
  const tools: SeedTools = {
    launch,
    server,
    installer: need(programs, 'mariadb-install-db'),
    baseFolder,
    shareFolder: programs.shareFolder,
    pluginFolder: programs.pluginFolder,
    ...(owner === undefined ? {} : { owner }),
  };
  const own = owner === undefined ? undefined : { uid: owner, gid: owner };
  if (sample.service.encryption !== undefined) {
    await writeSecretFile(sample.service.encryption.keyFile, `1;${'0f'.repeat(32)}\n`, own);
    for (const path of sample.service.encryption.safePaths) mkdirSync(path, { recursive: true, mode: 0o777 });
    chmodSync(`${folder}/memory`, 0o777);
  }
  const authority = await makeAuthority('Coequal test', { days: 1, clock: systemClock });
  const options = await Promise.all(
    sample.placed.map(async (instance, index): Promise<GaleraDriverOptions> => {
      const runFolder = `${folder}/${index}/run`;
      mkdirSync(runFolder, { recursive: true });
      const { certificate, key } = await issueCertificate(
        authority,
        {
          commonName: instance.name,
          dnsNames: [instance.name],
          addresses: [instance.at.address],
          days: 1,
          usage: 'both',
        },
        systemClock,
      );
      const certificates = {
        authority: `${runFolder}/authority.pem`,
        certificate: `${runFolder}/certificate.pem`,
        key: `${runFolder}/key.pem`,
      };
      await writeSecretFile(certificates.authority, authority.certificate, own);
      await writeSecretFile(certificates.certificate, certificate, own);
      await writeSecretFile(certificates.key, key, own);
      return {
        estate: sample.estate,
        service: sample.service,
        instance,
        members: sample.placed,
        arbitrators: sample.service.arbitrators.map((arbitrator) => ({
          ...arbitrator,
          at: { name: arbitrator.host, address: `127.78.${network}.100` },
          site: { name: 'witness', hosts: [] },
        })),
        places: {
          runFolder,
          galeraLibrary: programs.galeraLibrary,
          pluginFolder: programs.pluginFolder,
          shareFolder: programs.shareFolder,
          baseFolder,
          certificates,
        },
        transferAccount: account,
        server,
        launch,
        account: () => account,
        ...(owner === undefined ? {} : { owner }),
        clock: systemClock,
        log: silentLog,
      };
    }),
  );
  const drivers = options.map(galeraDriver);
  const close = async (): Promise<void> => {
    for (const driver of drivers) {
      await driver.fence();
      driver.close();
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    await makeSeed(tools, {
      folder: `${folder}/seed`,
      database: 'bank',
      accounts: [{ ...account, host: 'localhost', rights: 'all' }],
      logFileBytes: logFileBytes(sample.estate),
      ...(sample.service.encryption === undefined ? {} : { encryptionKeyFile: sample.service.encryption.keyFile }),
    });
    await plantSeed(
      `${folder}/seed`,
      placed.map(({ dataFolder }) => dataFolder),
      owner,
    );
    for (const driver of drivers) await driver.prepare();
  } catch (error) {
    await close();
    throw error;
  }
  const at = (index: number): GaleraDriverOptions => {
    const found = options[index];
    if (found === undefined) throw new Error(`Bug: no instance ${index}`);
    return found;
  };
  return {
    folder,
    programs,
    launch,
    owner,
    drivers,
    how: { service: 'bank', clock: systemClock, log: silentLog, serveDeadlineMs: 120_000 },
    dataFolder: (index) => `${folder}/${index}/data`,
    runFolder: (index) => `${folder}/${index}/run`,
    driverLike: (index, change) => galeraDriver(change(at(index))),
    options: at,
    close,
  };
};

const need = (programs: Programs, name: Parameters<Programs['path']>[0]): string => {
  const path = programs.path(name);
  if (path === undefined) throw new Error(`Bug: ${name} was asked for and is not there`);
  return path;
};

const freePorts = async (address: string, count: number): Promise<readonly number[]> => {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, address, () => resolve(server));
        }),
    ),
  );
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          const at = server.address();
          server.close(() => resolve(typeof at === 'object' && at !== null ? at.port : 0));
        }),
    ),
  );
};
