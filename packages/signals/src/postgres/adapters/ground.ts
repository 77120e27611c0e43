/**
 * Ground for tests: a real PostgreSQL server on a loopback address, in a temporary folder, ended and removed at the end whatever happened.
 * It refuses to run as root; then it runs as nobody.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { Client } from 'pg';

export type PostgresGround = {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly pid: () => number;
  readonly client: (database?: string) => Promise<Client>;
  readonly start: () => Promise<void>;
  /** In order; sessions are ended. */
  readonly stop: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const nobody = 65_534;
const asRoot = process.getuid?.() === 0;

export const openPostgres = async (settings: readonly string[]): Promise<PostgresGround> => {
  const cacheFolder = cacheFolderOf(process.env, process.getuid?.() ?? -1);
  const progress = (): void => undefined;
  const options = { cacheFolder, environment: process.env, clock: systemClock, progress };
  const { files, environment } = await findCompanion('postgresql', options);
  const [server, installer = ''] = files;
  const folder = mkdtempSync('/tmp/coequal-postgres-');
  chmodSync(folder, 0o755);
  const home = `${folder}/home`;
  mkdirSync(home, { mode: 0o700 });
  const password = 'administrator';
  writeFileSync(`${home}/password`, password, { mode: 0o600 });
  if (asRoot) for (const path of [home, `${home}/password`]) chownSync(path, nobody, nobody);
  const run = (argv: readonly string[]): ChildProcess => {
    const drop = asRoot ? ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : [];
    const [program = '', ...args] = [...drop, ...argv];
    const output = openSync(`${folder}/log`, 'a');
    return spawn(program, args, {
      env: { ...process.env, ...environment, LC_ALL: 'C.UTF-8' },
      cwd: '/',
      stdio: ['ignore', output, output],
    });
  };
  const data = `${home}/data`;
  const [code] = await once(
    run([
      installer,
      '-D',
      data,
      '-U',
      'postgres',
      '--auth=scram-sha-256',
      `--pwfile=${home}/password`,
      '-N',
      '-E',
      'UTF8',
    ]),
    'exit',
  );
  if (code !== 0) throw new Error(`initdb failed: ${readFileSync(`${folder}/log`, 'utf8')}`);
  const port = await freePort();
  const flags = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${home}`,
    'fsync=off',
    ...settings,
  ];
  let child: ChildProcess | undefined;
  const client = async (database = 'postgres'): Promise<Client> => {
    const made = new Client({ host: '127.0.0.1', port, user: 'postgres', password, database });
    // A server that stops ends it; the test that did so knows.
    made.on('error', () => undefined);
    await made.connect();
    return made;
  };
  const start = async (): Promise<void> => {
    child = run([server, '-D', data, ...flags.flatMap((flag) => ['-c', flag])]);
    await until(systemClock, { what: 'PostgreSQL to serve', deadlineMs: 60_000 }, async () => {
      try {
        await (await client()).end();
        return true;
      } catch (error) {
        if (child?.exitCode !== null) throw new Error(readFileSync(`${folder}/log`, 'utf8'), { cause: error });
        return false;
      }
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    ending.kill('SIGCONT');
    ending.kill(signal);
    await once(ending, 'exit');
  };
  const close = async (): Promise<void> => {
    await end('SIGQUIT');
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  const ground = { folder, host: '127.0.0.1', port, password, client, start, close };
  return { ...ground, pid: () => child?.pid ?? -1, stop: () => end('SIGINT') };
};

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};
