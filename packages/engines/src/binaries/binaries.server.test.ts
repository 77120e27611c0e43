/**
 * Programs fetched for real from the distribution's packages, on a system that stands as if it had none installed,
 * and what happens where that is not possible. Needs apt with its sources within reach.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoequalError, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FindOptions, findProgramsOn, type Programs, type System } from './adapters/find.ts';
import { labPrograms, type ProgramName } from './catalog.ts';
import { programFolders } from './layout.ts';

const need = labPrograms({ services: [{ stateTransfer: 'rsync', tls: true, arbitrators: [] }] });
const tools = programFolders('');
const bare: System = { installed: [], tools };
const noApt = !tools.some((folder) => existsSync(`${folder}/apt-get`));
const isRoot = process.getuid?.() === 0;
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const fetchDeadlineMs = 300_000;

let folder = '';
let programs: Programs;

const options = (cacheFolder: string, more: Partial<FindOptions> = {}): FindOptions => ({
  cacheFolder,
  environment: { ...process.env, CI: '' },
  clock: systemClock,
  progress: () => undefined,
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
  if (!noApt) programs = await findProgramsOn(bare, need, options(`${folder}/cache`));
}, fetchDeadlineMs);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const output = (program: ProgramName, args: readonly string[], prefix: readonly string[] = []): string => {
  const [first = '', ...rest] = [...prefix, programs.path(program) ?? '', ...args];
  return execFileSync(first, rest, { env: { ...programs.environment }, encoding: 'utf8', cwd: '/' });
};

const visible = (cache: string): readonly string[] =>
  readdirSync(`${cache}/programs`).filter((name) => !name.startsWith('.'));

describe.skipIf(noApt)('programs unpacked from the distribution (needs apt)', () => {
  test('are there, whole, and run', () => {
    expect(programs.source).toBe('unpacked');
    for (const name of need) expect(existsSync(programs.path(name) ?? ''), name).toBe(true);
    expect(output('mariadbd', ['--version'])).toContain(`${programs.versions['mariadb']}-MariaDB`);
    expect(output('rsync', ['--version'])).toContain('protocol version');
    expect(programs.versions['galera']).toMatch(/^26\.4\.\d+$/);
    const { galeraLibrary, pluginFolder, shareFolder } = programs;
    for (const path of [galeraLibrary, `${pluginFolder}/file_key_management.so`, `${shareFolder}/english/errmsg.sys`]) {
      expect(existsSync(path), path).toBe(true);
    }
  });

  test('make a data folder', () => {
    const base = programs.path('mariadbd')?.replace(/\/s?bin\/mariadbd$/, '');
    const places = [`--basedir=${base}`, `--datadir=${folder}/data`];
    const owner = isRoot ? ['--user=root'] : [];
    output('mariadb-install-db', ['--no-defaults', ...places, '--auth-root-authentication-method=normal', ...owner]);
    expect(readdirSync(`${folder}/data`)).toContain('mysql');
  });

  test.runIf(isRoot)('by root can be run by the user of the databases (needs root)', () => {
    expect(output('mariadbd', ['--version'], asNobody)).toContain('MariaDB');
  });

  test('are found the second time without fetching anything', async () => {
    const said: string[] = [];
    const withoutTools = { installed: [], tools: [] };
    const progress = (text: string) => said.push(text);
    const again = await findProgramsOn(withoutTools, need, options(`${folder}/cache`, { progress }));
    expect(said).toEqual([]);
    expect(again.path('mariadbd')).toBe(programs.path('mariadbd'));
  });

  test('are of one place: what is installed of the server without its parts is not used', async () => {
    await mkdir(`${folder}/half/bin`, { recursive: true });
    await symlink('/bin/true', `${folder}/half/bin/mariadbd`);
    const half = { installed: [`${folder}/half/bin`], tools };
    const found = await findProgramsOn(half, need, options(`${folder}/cache`));
    expect(found.path('mariadbd')).toBe(programs.path('mariadbd'));
  });

  test('leave what is installed in its place', async () => {
    await mkdir(`${folder}/own/bin`, { recursive: true });
    await symlink(programs.path('rsync') ?? '', `${folder}/own/bin/rsync`);
    const own = { installed: [`${folder}/own/bin`], tools };
    const found = await findProgramsOn(own, need, options(`${folder}/cache`));
    expect(found.path('rsync')).toBe(`${folder}/own/bin/rsync`);
  });

  test(
    'are unpacked anew when the server does not run any more',
    async () => {
      await rm(programs.shareFolder, { recursive: true });
      const said: string[] = [];
      const progress = (text: string) => said.push(text);
      programs = await findProgramsOn(bare, need, options(`${folder}/cache`, { progress }));
      expect(said.join('\n')).toContain('do not run any more');
      expect(existsSync(`${programs.shareFolder}/english/errmsg.sys`)).toBe(true);
    },
    fetchDeadlineMs,
  );

  test(
    'are whole or not there when their unpacking is killed',
    async () => {
      const cache = `${folder}/killed`;
      const arguments_ = JSON.stringify({ bare, need, cache });
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('./fetch-for-test.ts', import.meta.url)), arguments_],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      for await (const chunk of child.stdout) {
        if (String(chunk).includes('unpacking')) break;
      }
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      expect(visible(cache)).toEqual([]);
      const found = await findProgramsOn(bare, need, options(cache));
      expect(existsSync(found.galeraLibrary)).toBe(true);
      expect(visible(cache)).toHaveLength(1);
      expect(readdirSync(`${cache}/programs`).filter((name) => name.startsWith('.part-'))).toEqual([]);
    },
    fetchDeadlineMs,
  );
});

describe('where programs cannot be had', () => {
  const sourcesAt = async (address: string): Promise<FindOptions['environment']> => {
    await writeFile(`${folder}/sources.list`, `deb [trusted=yes] ${address} stable main\n`);
    // The last word on sources: apt reads this file first, so parts of the machine's own must be out of the way.
    await writeFile(
      `${folder}/apt.conf`,
      `Dir::Etc::sourcelist "${folder}/sources.list";\nDir::Etc::sourceparts "-";\n`,
    );
    return { PATH: process.env['PATH'], APT_CONFIG: `${folder}/apt.conf` };
  };

  test.skipIf(noApt)(
    'because the packages are out of reach: the error says why, and nothing is left',
    async () => {
      const cache = `${folder}/unreachable`;
      const environment = await sourcesAt('http://127.0.0.1:9/debian');
      const error = await rejection(findProgramsOn(bare, need, options(cache, { environment })));
      expect(error.code).toBe('PACKAGES_UNREACHABLE');
      expect(error.message).toContain('127.0.0.1');
      expect(error.advice).toContain('mariadb-server');
      expect(readdirSync(`${cache}/programs`)).toEqual([]);
    },
    120_000,
  );

  test('because the system has no apt: the error lists what to install', async () => {
    const cache = `${folder}/no-apt`;
    const error = await rejection(findProgramsOn({ installed: [], tools: [] }, need, options(cache)));
    expect(error.code).toBe('PROGRAM_MISSING');
    for (const word of ['apt-get install', 'mariadb-server', 'galera-4', 'rsync', 'stunnel4', 'docker run']) {
      expect(error.advice).toContain(word);
    }
    expect(readdirSync(`${cache}/programs`)).toEqual([]);
  });

  test('nobody is asked about installing where apt is missing, and a refusal is respected', async () => {
    const questions: string[] = [];
    const interactive = async (question: string): Promise<boolean> => {
      questions.push(question);
      return false;
    };
    await rejection(findProgramsOn({ installed: [], tools: [] }, need, options(`${folder}/asked`, { interactive })));
    expect(questions).toEqual([]);
    if (noApt || !isRoot) return;
    const environment = await sourcesAt('http://127.0.0.1:9/debian');
    await rejection(findProgramsOn(bare, need, options(`${folder}/asked`, { environment, interactive })));
    expect(questions).toHaveLength(1);
    expect(questions[0]).toContain('mariadb-server');
  }, 120_000);

  test.skipIf(isRoot)('because the cache cannot be written: the error names it', async () => {
    await mkdir(`${folder}/read-only`, { mode: 0o500 });
    const error = await rejection(findProgramsOn(bare, need, options(`${folder}/read-only/cache`)));
    expect(error.code).toBe('FOLDER_UNWRITABLE');
    expect(error.message).toContain('read-only');
  });
});
