/**
 * The kill test: one unmodified client at work through a gateway, and the same program at work directly at the
 * gateway's nearest instance, while that instance is killed, hangs and is cut off, and comes back each time. Both see the
 * same faults. Then the database says what of their acknowledged transactions is there, once.
 */
import { mkdir } from 'node:fs/promises';
import { connectSql, type Sql } from '@coequal/engines';
import { codeOf, until } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { authorityPathOf, certificateOf, instanceAt } from '../bench/gateway-places.ts';
import { type BenchLab, untilWhole, withWitness } from '../bench/lab.ts';
import type { BenchTools } from '../bench/tools.ts';
import type { Assignment, Ready } from './foreign.ts';
import { type Finished, type RunningForeign, runForeign } from './running.ts';
import { type Held, judge, type Verdict } from './verdict.ts';

export type KillResult = Verdict &
  Pick<Finished, 'longestPauseMs' | 'complaint' | 'cut'> & {
    /** The longest pause of each fault, from its beginning until all are whole again, ms. */
    readonly pauses: Readonly<Partial<Record<KillFault, number>>>;
  };

export type KillTest = {
  readonly ready: Ready;
  readonly site: string;
  readonly gateway: Endpoint;
  readonly folder: string;
  /** Two numbers that no other run of this lab has: through the gateway, and directly. */
  readonly runs: readonly [number, number];
};

const paceMs = 10;
const steadyCount = 30;
const stepDeadlineMs = 60_000;
const silenceMs = 20_000;

const tables = [
  'CREATE TABLE IF NOT EXISTS kill_account (id INT PRIMARY KEY, balance BIGINT NOT NULL)',
  `CREATE TABLE IF NOT EXISTS kill_entry
    (number BIGINT AUTO_INCREMENT PRIMARY KEY, run INT NOT NULL, n INT NOT NULL, KEY (run, n))`,
];

/** Makes the tables where they are missing, and the two accounts of each run. */
export const openKillTest = async (endpoint: Endpoint | undefined, runs: readonly number[]): Promise<void> => {
  await withSql(endpoint, async (sql) => {
    for (const table of tables) await sql.query(table);
    for (const run of runs) await sql.query('INSERT INTO kill_account VALUES (?, 0), (?, 0)', [2 * run, 2 * run + 1]);
  });
};

export type KillFault = 'kill' | 'hang' | 'partition' | 'stop';

export const killFaults = (lab: BenchLab): readonly KillFault[] =>
  lab.definition.mode === 'plain' ? ['kill', 'hang', 'stop'] : ['kill', 'hang', 'partition', 'stop'];

/** Runs the test of one client; answers through the gateway, and directly. */
export const killTest = async (
  lab: BenchLab,
  test: KillTest,
  tools: BenchTools,
): Promise<readonly [KillResult, KillResult]> => {
  await openKillTest(lab.reached[0], test.runs);
  const running: RunningForeign[] = [];
  try {
    for (const [index, endpoint] of [test.gateway, instanceAt(lab, test.site)].entries())
      running.push(await start(lab, test, endpoint, test.runs[index === 0 ? 0 : 1], tools));
    const [through] = running;
    if (through === undefined) throw new Error('Bug: no client was started');
    await advance(through, tools);
    const pauses: Partial<Record<KillFault, number>>[] = running.map(() => ({}));
    for (const client of running) client.pauseMs();
    for (const kind of killFaults(lab)) {
      await strike(lab, kind, test.site, through, tools);
      for (const [index, client] of running.entries()) {
        const found = pauses[index];
        if (found !== undefined) found[kind] = Math.round(client.pauseMs());
      }
    }
    const [first, second] = await Promise.all(running.map((client) => client.finish()));
    if (first === undefined || second === undefined) throw new Error('Bug: a client is missing');
    return [await judged(lab, test.runs[0], first, pauses[0]), await judged(lab, test.runs[1], second, pauses[1])];
  } finally {
    for (const client of running) client.kill();
  }
};

const start = async (
  lab: BenchLab,
  { ready, site, folder }: KillTest,
  endpoint: Endpoint,
  run: number,
  { clock }: BenchTools,
): Promise<RunningForeign> => {
  const assignment: Assignment = {
    endpoint,
    authorityPath: authorityPathOf(lab),
    certificate: certificateOf(lab),
    run,
    paceMs,
    folder: `${folder}/${run}`,
  };
  await mkdir(assignment.folder, { recursive: true });
  return await runForeign(ready, assignment, {
    enter: (argv) => lab.enter(site, argv),
    environment: process.env,
    clock,
  });
};

/** The fault, until the others have given the instance up and the client works; then back, until all are whole. */
const strike = async (
  lab: BenchLab,
  kind: KillFault,
  site: string,
  through: RunningForeign,
  tools: BenchTools,
): Promise<void> => {
  const { clock, signal } = tools;
  await lab.handle.fault({ kind, site });
  await withWitness(
    lab.reached.find((endpoint) => endpoint.site !== site),
    async (ask) => {
      const what = { what: `${site} given up`, deadlineMs: stepDeadlineMs, everyMs: 50, signal };
      await until(clock, what, async () => (await ask()).members < lab.sites.length);
    },
  );
  await advance(through, tools);
  await lab.handle.heal(site);
  await untilWhole(lab, tools);
  await advance(through, tools);
};

/** Until the client has so many more acknowledgements, or has ended, or is silent for too long: that is a finding too. */
export const advance = async (client: RunningForeign, { clock, signal }: BenchTools): Promise<void> => {
  const goal = client.acknowledged() + steadyCount;
  const what = { what: 'Transactions of a client', deadlineMs: silenceMs, everyMs: 20, signal };
  try {
    await until(clock, what, () => client.acknowledged() >= goal || !client.alive());
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) !== 'DEADLINE_PASSED') throw error;
  }
};

const judged = async (
  lab: BenchLab,
  run: number,
  finished: Finished,
  pauses: KillResult['pauses'] = {},
): Promise<KillResult> => {
  const held = await readHeld(lab.reached[0], run);
  const { longestPauseMs, complaint, cut } = finished;
  return { ...judge(finished.said, held, cut), longestPauseMs, complaint, cut, pauses };
};

/** Read from an instance that has applied everything acknowledged anywhere. */
export const readHeld = (endpoint: Endpoint | undefined, run: number): Promise<Held> =>
  withSql(endpoint, (sql) => heldOf(sql, run));

const heldOf = async (sql: Sql, run: number): Promise<Held> => {
  await sql.query('SET SESSION wsrep_sync_wait = 15');
  const entries = await sql.query('SELECT n, COUNT(*) AS times FROM kill_entry WHERE run = ? GROUP BY n', [run]);
  const accounts = await sql.query('SELECT id, balance FROM kill_account WHERE id IN (?, ?)', [2 * run, 2 * run + 1]);
  const balance = (id: number): number => Number(accounts.find((row) => Number(row['id']) === id)?.['balance'] ?? 0);
  return {
    entries: new Map(entries.map((row) => [Number(row['n']), Number(row['times'])])),
    inTransactions: balance(2 * run),
    alone: balance(2 * run + 1),
  };
};

const withSql = async <T>(endpoint: Endpoint | undefined, use: (sql: Sql) => Promise<T>): Promise<T> => {
  if (endpoint === undefined) throw new Error('Bug: no instance to ask');
  const sql = await connectSql(endpoint, 20_000);
  try {
    return await use(sql);
  } finally {
    sql.close();
  }
};
