/** The ground for tests on the real store: found or fetched, in a folder and on a port of its own, gone at the end. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CompanionName,
  cacheFolderOf,
  type FoundCompanion,
  findCompanion,
  type RunningStores,
  runStores,
  type StoreSettings,
  usualRetentionDays,
} from '@coequal/engines';
import { silentLog, systemClock, until } from '@coequal/kernel';
import { encodeWithEnded } from '../remote/remote-write.ts';
import type { Sample } from '../sample.ts';
import { StoreClient } from './adapters/client.ts';

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};

export const companionForTest = (name: CompanionName): Promise<FoundCompanion> =>
  findCompanion(name, {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0),
    environment: process.env,
    clock: systemClock,
    progress: () => undefined,
  });

export const testFolder = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `coequal-${name}-`));

/** Settings of a small store below a folder. */
export const testStoreSettings = async (folder: string): Promise<StoreSettings> => ({
  name: 'fine',
  program: (await companionForTest('victoria-metrics')).files[0],
  folder: `${folder}/store`,
  address: '127.0.0.1',
  port: await freePort(),
  retentionDays: usualRetentionDays.coarse,
  memoryBytes: 60 * 2 ** 20,
  leaveFreeBytes: 10 * 2 ** 20,
});

export const testLaunch = {
  wrap: (argv: readonly string[]) => argv,
  environment: { PATH: process.env['PATH'] ?? '' },
};

export type TestStore = {
  readonly client: StoreClient;
  readonly url: string;
  readonly stores: RunningStores;
  /** Writes, and waits until questions see all of it. `ended`: series that end. */
  readonly add: (samples: readonly Sample[], ended?: readonly Sample[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

export const openTestStore = async (): Promise<TestStore> => {
  const folder = await testFolder('store');
  const settings = await testStoreSettings(folder);
  const stores = await runStores({ stores: [settings], launch: testLaunch, clock: systemClock, log: silentLog });
  const url = `http://127.0.0.1:${settings.port}`;
  const client = new StoreClient({ url, deadlineMs: 20_000, answerBytes: 64 * 2 ** 20 });
  await stores.stores[0]?.untilServing(60_000);
  let added = 0;
  const isVisible = async (): Promise<boolean> => {
    const page = await (await fetch(`${url}/metrics`)).text();
    const figure = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(page)?.[1] ?? Number.NaN);
    const pending = figure('vm_pending_rows\\{type="storage"\\}') + figure('vm_pending_rows\\{type="indexdb"\\}');
    return pending === 0 && figure('vm_rows_inserted_total\\{type="promremotewrite"\\}') >= added;
  };
  return {
    client,
    url,
    stores,
    add: async (samples, ended = []) => {
      for (let from = 0; from === 0 || from < samples.length; from += 20_000) {
        const body = encodeWithEnded(samples.slice(from, from + 20_000), from === 0 ? ended : []);
        const outcome = await client.write(body);
        if (outcome.outcome !== 'taken') throw new Error(outcome.what);
      }
      added += samples.length + ended.length;
      // Whoever asks for a new series before it can be found is told for seconds that it is not there.
      await until(systemClock, { what: 'samples to be found', deadlineMs: 60_000 }, isVisible);
    },
    close: async () => {
      client.close();
      await stores.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
