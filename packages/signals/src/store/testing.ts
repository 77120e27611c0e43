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
} from '@coequal/engines';
import { silentLog, systemClock, until } from '@coequal/kernel';
import { encodeRemoteWrite } from '../remote/remote-write.ts';
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
  retentionDays: 365,
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
  /** Writes, and waits until a question sees the last of it. */
  readonly add: (samples: readonly Sample[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

export const openTestStore = async (): Promise<TestStore> => {
  const folder = await testFolder('store');
  const settings = await testStoreSettings(folder);
  const stores = await runStores({ stores: [settings], launch: testLaunch, clock: systemClock, log: silentLog });
  const url = `http://127.0.0.1:${settings.port}`;
  const client = new StoreClient({ url, deadlineMs: 20_000, answerBytes: 64 * 2 ** 20 });
  await stores.stores[0]?.untilServing(60_000);
  let marks = 0;
  return {
    client,
    url,
    stores,
    add: async (samples) => {
      marks += 1;
      const timeMs = Math.max(...samples.map((sample) => sample.timeMs));
      const mark: Sample = { name: 'coequal_test_mark', labels: [['mark', String(marks)]], value: marks, timeMs };
      for (let from = 0; from <= samples.length; from += 20_000) {
        const outcome = await client.write(encodeRemoteWrite([...samples.slice(from, from + 20_000), mark]));
        if (outcome.outcome !== 'taken') throw new Error(outcome.what);
      }
      await until(systemClock, { what: 'samples to be found', deadlineMs: 60_000 }, async () => {
        const answer = await client.instant(`coequal_test_mark{mark="${marks}"}`, timeMs);
        return answer.ok && answer.series.length === 1;
      });
    },
    close: async () => {
      client.close();
      await stores.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
