/**
 * Programs fetched for real from the distribution's packages into a cache of their own, and what happens where
 * that is not possible. Needs apt and its sources; on other systems the tests say so and are skipped.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoequalError, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FindOptions, findPrograms, type Programs } from './adapters/find.ts';
import { labPrograms } from './catalog.ts';

const need = labPrograms({ services: [{ stateTransfer: 'rsync', tls: true, arbitrators: [] }] });
const noApt = !existsSync('/usr/bin/apt-get');
const isRoot = process.getuid?.() === 0;
const module = new URL('./adapters/find.ts', import.meta.url).pathname;

let folder = '';
let said: string[] = [];
let programs: Programs;

const options = (cacheFolder: string, more: Partial<FindOptions> = {}): FindOptions => ({
  cacheFolder,
  environment: { ...process.env, CI: '' },
  clock: systemClock,
  progress: (text) => said.push(text),
  ...more,
});

const rejection = async (promise: Promise<unknown>): Promise<CoequalError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CoequalError) return error;
  throw new Error('this was expected to fail with an error that has a code', { cause: error });
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-programs-'));
  await chmod(folder, 0o755);
  if (!noApt) programs = await findPrograms(need, options(`${folder}/cache`));
}, 300_000);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const versionOf = (name: 'mariadbd' | 'rsync', prefix: readonly string[] = []): string => {
  const [program = '', ...args] = [...prefix, programs.path(name) ?? '', '--version'];
  return execFileSync(program, args, { env: { ...programs.environment }, encoding: 'utf8', cwd: '/' });
};

describe.skipIf(noApt)('programs of the distribution (needs apt)', () => {
  test('are there, whole, and run', () => {
    for (const name of need) expect(existsSync(programs.path(name) ?? ''), name).toBe(true);
    expect(versionOf('mariadbd')).toContain(`${programs.versions['mariadb']}-MariaDB`);
    expect(versionOf('rsync')).toContain('protocol version');
    for (const path of [programs.galeraLibrary, `${programs.shareFolder}/english/errmsg.sys`, `${programs.pluginFolder}/file_key_management.so`]) {
      expect(existsSync(path), path).toBe(true);
    }
    expect(programs.versions['galera']).toMatch(/^26\.4\.\d+$/);
  });

  test('make a data folder that the server starts from', () => {
    const base = programs.path('mariadbd')?.replace(/\/s?bin\/mariadbd$/, '');
    const data = `${folder}/data`;
    const output = execFileSync(
      programs.path('mariadb-install-db') ?? '',
      ['--no-defaults', `--basedir=${base}`, `--datadir=${data}`, '--auth-root-authentication-method=normal', ...(isRoot ? ['--user=root'] : [])],
      { env: { ...programs.environment }, encoding: 'utf8' },
    );
    expect(output).toContain('OK');
    expect(readdirSync(data)).toContain('mysql');
  });

  test.runIf(isRoot)('that root fetched can be run by the user of the databases', () => {
    expect(versionOf('mariadbd', ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'])).toContain('MariaDB');
  });

  test('are found the second time without fetching anything', async () => {
    said = [];
    const again = await findPrograms(need, options(`${folder}/cache`, { environment: { PATH: process.env['PATH'] } }));
    expect(said).toEqual([]);
    expect(again.path('mariadbd')).toBe(programs.path('mariadbd'));
  });

  test.skipIf(noApt)('are of one place: a server without its parts is not taken for one', async () => {
    const bin = `${folder}/half/bin`;
    await mkdir(bin, { recursive: true });
    await symlink('/bin/true', `${bin}/mariadbd`);
    const found = await findPrograms(need, options(`${folder}/cache`, { environment: { PATH: bin } }));
    expect(found.path('mariadbd')).toBe(programs.path('mariadbd'));
  });
});

describe.skipIf(noApt || !unpacked())('an unpacked set', () => {
  test('is made anew when its server does not run any more', async () => {
    const cache = `${folder}/broken`;
    const set = await copyOf(cache);
    await rm(`${set}/root/usr/share/mysql`, { recursive: true, force: true });
    await rm(`${set}/root/usr/share/mariadb`, { recursive: true, force: true });
    const found = await findPrograms(need, options(cache));
    expect(existsSync(`${found.shareFolder}/english/errmsg.sys`)).toBe(true);
  }, 300_000);

  test('killed halfway leaves no half set, and the next one makes it', async () => {
    const cache = `${folder}/killed`;
    const script = `${folder}/fetch.mjs`;
    await writeFile(
      script,
      `import { findPrograms } from ${JSON.stringify(module)};
       const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };
       await findPrograms(${JSON.stringify(need)}, { cacheFolder: ${JSON.stringify(cache)}, environment: process.env, clock, progress: (text) => console.log(text) });`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CI: '' } });
    for await (const chunk of child.stdout) if (String(chunk).includes('unpacking')) break;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(readdirSync(`${cache}/programs`).filter((name) => !name.startsWith('.'))).toEqual([]);
    const found = await findPrograms(need, options(cache));
    expect(existsSync(found.galeraLibrary)).toBe(true);
    expect(readdirSync(`${cache}/programs`).filter((name) => name.startsWith('.part-'))).toEqual([]);
  }, 300_000);
});

describe('where programs cannot be had', () => {
  test.skipIf(noApt)('an unreachable source is named, and nothing is left', async () => {
    const environment = { PATH: process.env['PATH'], http_proxy: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9' };
    const cache = `${folder}/unreachable`;
    if (!isUnpackNeeded()) return;
    const error = await rejection(findPrograms(need, options(cache, { environment })));
    expect(error.code).toBe('PACKAGES_UNREACHABLE');
    expect(error.advice).toContain('mariadb-server');
    expect(readdirSync(`${cache}/programs`)).toEqual([]);
  }, 120_000);
});
