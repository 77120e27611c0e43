/** A companion fetched for real from the distribution's packages. Needs apt with its sources within reach. */
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { findCompanion } from './adapters/companion.ts';
import { programFolders } from './layout.ts';

const noApt = !programFolders('').some((folder) => existsSync(`${folder}/apt-get`));
const installed = existsSync('/usr/share/java/mariadb-java-client.jar');

const makeCache = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-companion-'));
  await chmod(folder, 0o755);
  return folder;
};

test.skipIf(noApt || installed)(
  'a companion is fetched once, whole, and found again',
  async () => {
    const cacheFolder = await makeCache();
    const told: string[] = [];
    const options = {
      ...{ cacheFolder, environment: process.env, clock: systemClock },
      progress: (text: string) => void told.push(text),
    };
    try {
      const found = await findCompanion('connector-j', options);
      expect(found.files.every((file) => file.startsWith(cacheFolder) && existsSync(file))).toBe(true);
      expect(told).toEqual(['fetching libmariadb-java']);
      expect(await findCompanion('connector-j', options)).toEqual(found);
      expect(told).toHaveLength(1);
      // Nothing half done, no lists, no packages.
      const [set = ''] = readdirSync(`${cacheFolder}/programs`);
      expect(readdirSync(`${cacheFolder}/programs/${set}`).sort()).toEqual(['root', 'stamp.json']);
    } finally {
      await rm(cacheFolder, { recursive: true });
    }
  },
  300_000,
);

test('a companion that no system has is an error that says what to install', async () => {
  const cacheFolder = await makeCache();
  const environment = { ...process.env, http_proxy: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9' };
  const options = { cacheFolder, environment, clock: systemClock, progress: () => undefined };
  try {
    const found = await findCompanion('keepalived', options).then(
      () => 'installed',
      (error: unknown) => error,
    );
    if (found !== 'installed') expect(found).toMatchObject({ advice: expect.stringContaining('keepalived') });
    expect(readdirSync(`${cacheFolder}/programs`)).toEqual([]);
  } finally {
    await rm(cacheFolder, { recursive: true });
  }
}, 300_000);
