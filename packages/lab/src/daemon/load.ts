/**
 * Loads a user's own dump into the first instance before the others join, so that whatever the dump holds is the
 * same on all of them at the start, and says which of its tables Galera will not replicate from then on.
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { GaleraDriver, Programs } from '@coequal/engines';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import type { Account } from './stage.ts';

export type LoadTools = {
  readonly programs: Programs;
  readonly driver: GaleraDriver;
  readonly socket: string;
  readonly administrator: Account;
  readonly database: string;
  readonly environment: Readonly<Record<string, string>>;
};

/** Loads the dump, and returns a warning for every table that will not be replicated faithfully. */
export const loadDump = async (path: string, tools: LoadTools): Promise<readonly string[]> => {
  const { driver } = tools;
  const [mode] = await driver.administer('SELECT @@GLOBAL.wsrep_mode AS mode');
  // Strict replication would refuse the very tables that the warnings are about.
  await driver.administer("SET GLOBAL wsrep_mode=''");
  try {
    await runClient(path, tools);
  } finally {
    await driver.administer('SET GLOBAL wsrep_mode=?', [String(mode?.['mode'] ?? '')]);
  }
  return findUnfit(driver);
};

const runClient = async (path: string, tools: LoadTools): Promise<void> => {
  const client = tools.programs.path('mariadb');
  if (client === undefined) {
    throw fail('PROGRAM_MISSING', { programs: 'mariadb', advice: 'Install the package mariadb-client.' });
  }
  const child = spawn(
    client,
    [
      '--no-defaults',
      `--socket=${tools.socket}`,
      `--user=${tools.administrator.user}`,
      '--binary-mode',
      '--default-character-set=utf8mb4',
      tools.database,
    ],
    {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...tools.environment, ...tools.programs.environment, MYSQL_PWD: tools.administrator.password },
    },
  );
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-1_000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const source = createReadStream(path);
  const feeding = path.endsWith('.gz') ? pipeline(source, createGunzip(), child.stdin) : pipeline(source, child.stdin);
  const feedFailure = await feeding.then(
    () => undefined,
    (error: unknown) => error,
  );
  const status = await ended;
  if (status !== 0)
    throw fail('LOAD_FAILED', { path, reason: complaint.trim().split('\n').at(-1) ?? `status ${status}` });
  // The client closing its input early is told by its status; everything else is the file's own fault.
  if (feedFailure !== undefined && codeOf(feedFailure) !== 'EPIPE') {
    throw fail('LOAD_FAILED', { path, reason: reasonOf(feedFailure) });
  }
};

const systemSchemas = ['mysql', 'sys', 'performance_schema', 'information_schema'];

const findUnfit = async (driver: GaleraDriver): Promise<readonly string[]> => {
  const places = systemSchemas.map(() => '?').join(', ');
  const engines = await driver.administer(
    `SELECT table_schema AS s, table_name AS t, engine AS e FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (${places}) AND engine <> 'InnoDB' ORDER BY s, t`,
    systemSchemas,
  );
  const keyless = await driver.administer(
    `SELECT t.table_schema AS s, t.table_name AS t FROM information_schema.tables t
     LEFT JOIN information_schema.table_constraints c
       ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY'
     WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN (${places}) AND c.constraint_name IS NULL ORDER BY s, t`,
    systemSchemas,
  );
  return [
    ...engines.map(
      ({ s, t, e }) =>
        `${s}.${t} uses ${e}: what is written to it from now on stays at the site that wrote it (the server only warns). Convert it: ALTER TABLE ${s}.${t} ENGINE=InnoDB`,
    ),
    ...keyless.map(
      ({ s, t }) =>
        `${s}.${t} has no primary key: its changes replicate slowly, and its rows may lie in another order at each site. Add one: ALTER TABLE ${s}.${t} ADD PRIMARY KEY (…)`,
    ),
  ];
};
