/** The collector on a real PostgreSQL server: beside the real exporter, what it sees of sessions and changes, and bad days. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { databaseDetail } from '@coequal/contract';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseCollector, DatabaseReadings } from '../../database.ts';
import { parseExposition } from '../../exposition/parse.ts';
import { labelsOf, labelValue, type Point, seriesKey } from '../../sample.ts';
import { postgresCollectorAccount } from '../grants.ts';
import { openPostgresCollector, type PostgresCollectorOptions } from './collector.ts';
import { freePort, openPostgres, type PostgresGround } from './ground.ts';

const account = { user: 'watch"er', password: "wa'tch\\ing" };
const secret = 'Geheim4711';
let ground: PostgresGround;
let collector: DatabaseCollector;
const opened: DatabaseCollector[] = [];
const clients: Client[] = [];

const collectorOf = (more: Partial<PostgresCollectorOptions> = {}): DatabaseCollector => {
  const made = openPostgresCollector({
    ...{
      host: ground.host,
      port: ground.port,
      ...account,
      instance: 'pg-1',
      deadlineMs: 10_000,
      processFolder: '/proc',
    },
    ...{ place: { site: 'north', instance: 'pg-1' }, clock: systemClock, ...more },
  });
  opened.push(made);
  return made;
};
const client = async (): Promise<Client> => {
  const made = await ground.client();
  clients.push(made);
  return made;
};
const pidOf = async (of: Client): Promise<number> =>
  Number((await of.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid);
const value = ({ points }: DatabaseReadings, name: string, label = '', text = ''): number | undefined =>
  points.find((one) => one.name === name && (label === '' || labelValue(one.labels, label) === text))?.value;
/** Readings until one shows it; changes in between are kept. */
const readUntil = async (what: string, seen: (readings: DatabaseReadings) => boolean): Promise<DatabaseReadings> => {
  const changes: DatabaseReadings['changes'][number][] = [];
  return await until(systemClock, { what, deadlineMs: 60_000, everyMs: 50 }, async () => {
    const readings = await collector.collect();
    changes.push(...readings.changes);
    return seen({ ...readings, changes }) ? { ...readings, changes } : undefined;
  });
};

beforeAll(async () => {
  ground = await openPostgres(['shared_preload_libraries=pg_stat_statements', 'track_io_timing=on', 'autovacuum=off']);
  const administrator = await client();
  for (const text of postgresCollectorAccount(account)) await administrator.query(text);
  await administrator.query('CREATE TABLE ledger (id int PRIMARY KEY, owner text, amount int NOT NULL DEFAULT 0)');
  await administrator.query("INSERT INTO ledger VALUES (1, 'a'), (2, 'b')");
  collector = collectorOf();
});

afterAll(async () => {
  for (const one of opened) await one.close();
  for (const one of clients) await one.end();
  await ground.close();
});

test('series, names and values are those of postgres_exporter', async () => {
  const cacheFolder = cacheFolderOf(process.env, process.getuid?.() ?? 0);
  const progress = (): void => undefined;
  const options = { cacheFolder, environment: process.env, clock: systemClock, progress };
  const found = await findCompanion('postgres-exporter', options);
  const port = await freePort();
  const target = `postgresql://postgres:${encodeURIComponent(ground.password)}@${ground.host}:${ground.port}/postgres?sslmode=disable`;
  const exporter = spawn(found.files[0], [`--web.listen-address=127.0.0.1:${port}`], {
    env: { ...process.env, ...found.environment, DATA_SOURCE_NAME: target },
    cwd: ground.folder,
    stdio: 'ignore',
  });
  const scrape = async (): Promise<Uint8Array | undefined> => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(20_000) });
      return new Uint8Array(await answer.arrayBuffer());
    } catch (error) {
      // It does not listen yet.
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  };
  const collectAll = async (): Promise<ReadonlyMap<string, Point>> => {
    const points = new Map<string, Point>();
    const own = collectorOf();
    for (let reading = 0; reading < 4; reading += 1) {
      const readings = await own.collect();
      expect(readings.problems).toEqual([]);
      for (const one of readings.points) points.set(seriesKey(one.name, one.labels), one);
    }
    await own.close();
    return points;
  };
  try {
    await until(systemClock, { what: 'postgres_exporter to answer', deadlineMs: 30_000 }, scrape);
    const before = await collectAll();
    const text = await scrape();
    const after = await collectAll();
    if (text === undefined) throw new Error('postgres_exporter answers no more');
    const { samples, problems } = parseExposition(text, { timeMs: 0, format: 'prometheus' });
    expect(problems).toEqual([]);
    // Their label `server` is our `instance`, which whoever sends adds.
    const theirs = samples
      .filter(({ name }) => /^pg_/.test(name) && !/^pg_(exporter|scrape)_/.test(name))
      .map((one) => ({ ...one, labels: labelsOf(one.labels.filter(([label]) => label !== 'server')) ?? [] }));
    // What is null in the server is NaN with them, and no point with us.
    const wanted = theirs.filter((one) => !Number.isNaN(one.value));
    expect(wanted.filter(({ name, labels }) => !before.has(seriesKey(name, labels)))).toEqual([]);
    const known = new Set(theirs.map(({ name, labels }) => seriesKey(name, labels)));
    const added =
      /^(coequal_|pg_(replication_|stat_replication|postmaster_start_time_seconds|stat_statements_|stat_user_tables_))/;
    const beyond = [...before].filter(([key, { name }]) => !known.has(key) && !added.test(name));
    expect(beyond.map(([key]) => key)).toEqual([]);
    // Who is connected, what he holds, and what is the oldest depends on the moment; their driver sets one setting for itself.
    const moving = /^pg_(stat_activity|locks_count|stat_database_numbackends|settings_extra_float_digits)/;
    let compared = 0;
    for (const one of wanted.filter(({ name }) => !moving.test(name))) {
      const key = seriesKey(one.name, one.labels);
      const [low = Number.NaN, high = Number.NaN] = [before.get(key)?.value, after.get(key)?.value];
      // Times of resets have milliseconds with us.
      const slack = Math.abs(one.value) * 1e-9 + (/stats_reset/.test(one.name) ? 1 : 0);
      compared += 1;
      const inside = one.value >= low - slack && one.value <= high + slack;
      expect([key, low, one.value, high, inside]).toEqual([key, low, one.value, high, true]);
    }
    expect(compared).toBeGreaterThan(300);
  } finally {
    exporter.kill();
    if (exporter.exitCode === null && exporter.signalCode === null) await once(exporter, 'exit');
  }
});

test('who blocks whom, with ages, its own cost, and no literal', async () => {
  const [holder, waiter] = [await client(), await client()];
  await readUntil('a first reading', ({ detail }) => (detail?.intervalMs ?? 0) > 0);
  await holder.query('BEGIN');
  await holder.query(`UPDATE ledger SET owner = '${secret}' WHERE id = 1`);
  const waiting = waiter.query(`UPDATE ledger SET owner = $$${secret}$$, amount = amount + 1 WHERE id = 1`);
  const readings = await readUntil('the wait', ({ detail }) => (detail?.waits.length ?? 0) > 0);
  const [blocking, blocked] = [await pidOf(holder), readings.detail?.waits[0]?.waiting];
  expect(databaseDetail.parse(readings.detail)).toEqual(readings.detail);
  expect(readings.detail?.waits).toEqual([{ waiting: blocked, blocking }]);
  expect(readings.detail?.blockers).toEqual([{ session: blocking, blocked: 1, inRing: false }]);
  expect(readings.detail?.sessions.map(({ id }) => id)).toEqual([blocking, blocked]);
  expect(readings.detail?.sessions[0]).toMatchObject({
    command: 'idle in transaction',
    user: 'postgres',
    database: 'postgres',
  });
  expect(readings.detail?.sessions[1]).toMatchObject({
    state: 'Lock: transactionid',
    statement: 'UPDATE ledger SET owner = ?, amount = amount + ? WHERE id = ?',
  });
  expect(value(readings, 'coequal_database_sessions', 'state', 'waiting')).toBe(1);
  expect(value(readings, 'coequal_database_sessions', 'state', 'idle_in_transaction')).toBe(1);
  expect(value(readings, 'coequal_collector_database_cpu_seconds_total')).toBeGreaterThan(0);
  await holder.query('COMMIT');
  await waiting;
  const after = await readUntil('the statement', ({ detail }) =>
    (detail?.statements ?? []).some(({ text }) => /amount \+/.test(text)),
  );
  expect(after.detail?.statements.find(({ text }) => /amount \+/.test(text))).toMatchObject({ calls: 1, rowsSent: 1 });
  expect(JSON.stringify([readings, after])).not.toContain('Geheim');
});

test('schema changes, accounts and settings are told, without their secrets', async () => {
  const administrator = await client();
  await readUntil('a first reading', ({ detail }) => (detail?.intervalMs ?? 0) > 0);
  await administrator.query('CREATE INDEX by_owner ON ledger (owner)');
  await administrator.query(`CREATE ROLE somebody PASSWORD '${secret}'`);
  await administrator.query('ALTER SYSTEM SET work_mem = 65536');
  await administrator.query(`ALTER SYSTEM SET archive_command = '${secret}'`);
  await administrator.query('SELECT pg_reload_conf()');
  const { changes } = await readUntil('the changes', (one) =>
    [/CREATE INDEX/, /CREATE ROLE/, /work_mem/].every((text) => one.changes.some((change) => text.test(change.text))),
  );
  expect(changes.find(({ change, text }) => change === 'ddl' && text.includes('INDEX'))?.text).toBe(
    'the schema change CREATE INDEX by_owner ON ledger (owner)',
  );
  expect(changes.find(({ change }) => change === 'account')?.text).toBe(
    'the account change CREATE ROLE somebody PASSWORD ?',
  );
  expect(changes.find(({ text }) => text.includes('work_mem'))).toMatchObject({
    change: 'setting',
    text: 'the setting work_mem changed from 4096 kB to 65536 kB',
    place: { site: 'north', instance: 'pg-1' },
  });
  expect(JSON.stringify(changes)).not.toContain('Geheim');
});

test('a hanging server is down within the deadline, with one connection; refusals are told in words', async () => {
  const short = collectorOf({ deadlineMs: 300 });
  await until(
    systemClock,
    { what: 'a first reading', deadlineMs: 60_000 },
    async () => value(await short.collect(), 'pg_up') === 1,
  );
  const administrator = await client();
  const { rows } = await administrator.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND state = 'idle' ORDER BY backend_start DESC LIMIT 1",
    [account.user],
  );
  const backend = Number(rows[0]?.pid);
  process.kill(backend, 'SIGSTOP');
  try {
    for (let reading = 0; reading < 3; reading += 1) {
      const readings = await short.collect();
      expect([value(readings, 'pg_up'), readings.detail]).toEqual([0, undefined]);
      expect(readings.problems).toEqual([expect.stringMatching(/^the database has not answered for \d+\.\d s$/)]);
      expect(value(readings, 'coequal_collector_database_connects_total')).toBe(1);
    }
  } finally {
    process.kill(backend, 'SIGCONT');
  }
  await until(
    systemClock,
    { what: 'an answer again', deadlineMs: 60_000 },
    async () => value(await short.collect(), 'pg_up') === 1,
  );
  const refused = await collectorOf({ port: await freePort() }).collect();
  expect([value(refused, 'pg_up'), refused.problems[0]]).toEqual([0, expect.stringContaining('ECONNREFUSED')]);
  const wrong = await collectorOf({ password: 'wrong' }).collect();
  expect([value(wrong, 'pg_up'), wrong.problems[0]]).toEqual([
    0,
    expect.stringContaining('password authentication failed'),
  ]);
});

test('an account without rights gets little, and says so; a restart is told once', async () => {
  const administrator = await client();
  await administrator.query("CREATE ROLE poor LOGIN PASSWORD 'poor'");
  await administrator.query('REVOKE ALL ON FUNCTION pg_stat_statements(boolean) FROM PUBLIC');
  const readings = await collectorOf({ user: 'poor', password: 'poor' }).collect();
  expect(value(readings, 'pg_up')).toBe(1);
  expect(readings.problems).toEqual([expect.stringMatching(/^statements: permission denied/)]);
  await ground.stop();
  expect(value(await collector.collect(), 'pg_up')).toBe(0);
  await ground.start();
  const back = await readUntil('the restart', ({ changes }) => changes.some(({ change }) => change === 'restart'));
  expect(back.changes.filter(({ change }) => change !== 'restart')).toEqual([]);
  expect(back.changes).toEqual([expect.objectContaining({ text: 'the restart of pg-1', change: 'restart' })]);
  expect(back.detail?.statements).toEqual([]);
});
