/** The collector beside a real group of three: what it sees of sessions and changes, and what it does when the server misbehaves. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { databaseDetail } from '@coequal/contract';
import { startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import { systemClock, until } from '@coequal/kernel';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseCollector, DatabaseReadings } from '../../database.ts';
import { labelValue } from '../../sample.ts';
import { collectorAccount } from '../grants.ts';
import { type MariadbCollectorOptions, openMariadbCollector } from './collector.ts';

const account = { user: 'coequal_monitor', host: '%', password: "m'on\\itor" };
const secret = 'Geheim4711';
let ground: Ground;
let collectors: readonly DatabaseCollector[] = [];
const opened: { close: () => unknown }[] = [];

const optionsOf = (index: number, more: Partial<MariadbCollectorOptions> = {}): MariadbCollectorOptions => {
  const { instance } = ground.options(index);
  return {
    host: instance.at.address,
    port: instance.ports.client,
    user: account.user,
    password: () => account.password,
    authority: readFileSync(`${ground.runFolder(index)}/authority.pem`, 'utf8'),
    serverName: instance.name,
    instance: instance.name,
    place: { site: `site-${index}`, service: 'bank', instance: instance.name },
    clock: systemClock,
    deadlineMs: 5_000,
    processFolder: '/proc',
    ...more,
  };
};
const collectorOf = (index: number, more: Partial<MariadbCollectorOptions> = {}): DatabaseCollector => {
  const collector = openMariadbCollector(optionsOf(index, more));
  opened.push(collector);
  return collector;
};
const client = async (index: number) => {
  const { instance } = ground.options(index);
  const connection = await createConnection({
    host: instance.at.address,
    port: instance.ports.client,
    user: 'tester',
    password: 'tester',
    database: 'bank',
    ssl: { ca: readFileSync(`${ground.runFolder(index)}/authority.pem`, 'utf8') },
  });
  // A server that is killed ends it; the test that did so knows.
  connection.on('error', () => undefined);
  opened.push({ close: () => connection.destroy() });
  return connection;
};
const collect = (index: number): Promise<DatabaseReadings> => {
  const collector = collectors[index];
  if (collector === undefined) throw new Error(`no collector ${index}`);
  return collector.collect();
};
const value = ({ points }: DatabaseReadings, name: string, label = '', text = ''): number | undefined =>
  points.find((one) => one.name === name && (label === '' || labelValue(one.labels, label) === text))?.value;
/** Readings until one shows it. What changed in between is kept, because a change is told once. */
const readUntil = async (
  what: string,
  index: number,
  seen: (readings: DatabaseReadings) => boolean,
): Promise<DatabaseReadings> => {
  const changes: DatabaseReadings['changes'][number][] = [];
  return await until(systemClock, { what, deadlineMs: 60_000, everyMs: 100 }, async () => {
    const readings = await collect(index);
    changes.push(...readings.changes);
    return seen({ ...readings, changes }) ? { ...readings, changes } : undefined;
  });
};
const pidOf = (index: number): number => ground.drivers[index]?.process()?.pid ?? -1;

beforeAll(async () => {
  ground = await openGround(63, {}, 3);
  await startService(ground.drivers, ground.how);
  const administer = async (text: string): Promise<void> => {
    await ground.drivers[0]?.administer(text);
  };
  for (const text of collectorAccount('mariadb', account)) await administer(text);
  await administer("CREATE USER tester@'%' IDENTIFIED BY 'tester'");
  await administer("GRANT ALL ON *.* TO tester@'%' WITH GRANT OPTION");
  await administer('CREATE TABLE bank.ledger (id INT PRIMARY KEY, owner VARCHAR(300), amount INT NOT NULL DEFAULT 0)');
  await administer("INSERT INTO bank.ledger VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)");
  await until(systemClock, { what: 'the rows everywhere', deadlineMs: 30_000 }, async () => {
    const rows = await ground.drivers[1]?.administer('SELECT COUNT(*) AS c FROM bank.ledger').catch(() => []);
    return Number(rows?.[0]?.['c']) === 3;
  });
  collectors = ground.drivers.map((_, index) => collectorOf(index));
});

afterAll(async () => {
  for (const one of opened) await one.close();
  await ground.close();
});

test('says what it sees, its own cost, and nothing that its account may not', async () => {
  const first = await collect(0);
  const second = await readUntil('everything once', 0, ({ problems }) => problems.length === 0);
  expect([value(first, 'mysql_up'), first.problems, second.problems]).toEqual([1, [], []]);
  expect(value(first, 'mysql_global_status_wsrep_cluster_size')).toBe(3);
  expect(value(first, 'mysql_global_variables_max_connections')).toBeGreaterThan(0);
  expect(value(second, 'coequal_collector_database_cpu_seconds_total')).toBeGreaterThan(0);
  expect(value(second, 'coequal_collector_database_connects_total')).toBe(1);
  expect(databaseDetail.parse(second.detail)).toEqual(second.detail);
  expect(second.families.find(({ name }) => name === 'mysql_global_status_commands_total')?.type).toBe('counter');
  await readUntil(
    'the size of a table',
    0,
    (one) => value(one, 'mysql_info_schema_table_size', 'table', 'ledger') !== undefined,
  );
});

test('an idle transaction that others wait for is the blocker, by name and age, and no literal leaves', async () => {
  const [holder, waiter] = [await client(0), await client(0)];
  await holder.query('START TRANSACTION');
  await holder.query(`UPDATE ledger SET owner = '${secret}' WHERE id = 1`);
  const waiting = waiter.query(
    `UPDATE ledger SET owner = '${secret}${'x'.repeat(200)}', amount = amount + 1 WHERE id = 1`,
  );
  const readings = await readUntil('the wait', 0, ({ detail }) => (detail?.waits.length ?? 0) > 0);
  const { detail } = readings;
  const [blocking, blocked] = [holder.threadId, waiter.threadId];
  expect(detail?.waits).toEqual([{ waiting: blocked, blocking }]);
  expect(detail?.blockers).toEqual([{ session: blocking, blocked: 1, inRing: false }]);
  expect(detail?.sessions.map(({ id }) => id)).toEqual([blocking, blocked]);
  expect(detail?.sessions[0]).toMatchObject({
    command: 'Sleep',
    rowsLocked: 1,
    rowsChanged: 1,
    user: 'tester',
    database: 'bank',
  });
  expect(detail?.sessions[1]?.statement).toBe('UPDATE ledger SET owner = ?, amount = amount + ? WHERE id = ?');
  expect(value(readings, 'coequal_database_sessions', 'state', 'idle_in_transaction')).toBe(1);
  expect(value(readings, 'coequal_database_sessions', 'state', 'waiting')).toBe(1);
  expect(value(readings, 'coequal_database_most_blocked_by_one')).toBe(1);
  await holder.query('COMMIT');
  await waiting;
  const after = await readUntil('the statement among the active ones', 0, ({ detail: now }) =>
    (now?.statements ?? []).some(({ text }) => text.includes('amount')),
  );
  expect(JSON.stringify([readings, after])).not.toContain('Geheim');
  const update = after.detail?.statements.find(({ text }) => text.includes('amount'));
  expect(update).toMatchObject({ calls: 1, rowsChanged: 1, database: 'bank' });
  expect(update?.seconds).toBeGreaterThan(0);
});

test('a schema change that waits is blocked by whoever uses the table, and blocks who comes after', async () => {
  const [reader, changer, late] = [await client(0), await client(0), await client(0)];
  // On one member by itself: a schema change of the group rolls back whoever uses the table, and waits for nobody.
  await changer.query('SET SESSION wsrep_on = OFF');
  await changer.query('CREATE TABLE only_here (id INT PRIMARY KEY)');
  await reader.query('START TRANSACTION');
  await reader.query('SELECT * FROM only_here');
  const changing = changer.query('ALTER TABLE only_here ADD COLUMN note VARCHAR(10), ALGORITHM=COPY');
  await readUntil('the schema change to wait', 0, ({ detail }) => (detail?.waits.length ?? 0) > 0);
  const reading = late.query('SELECT COUNT(*) FROM only_here');
  const { detail } = await readUntil('the queue behind it', 0, ({ detail }) => (detail?.waits.length ?? 0) > 1);
  expect(detail?.waits).toEqual(
    expect.arrayContaining([
      { waiting: changer.threadId, blocking: reader.threadId },
      { waiting: late.threadId, blocking: changer.threadId },
    ]),
  );
  expect(detail?.blockers[0]).toEqual({ session: reader.threadId, blocked: 2, inRing: false });
  await reader.query('COMMIT');
  await Promise.all([changing, reading]);
});

test('a schema change, an account and a setting are told, the first two once for the whole group', async () => {
  for (const index of [0, 1]) await readUntil('an end of what was before', index, ({ changes }) => changes.length >= 0);
  const connection = await client(1);
  const told = (text: RegExp) => (readings: DatabaseReadings) => readings.changes.some((one) => text.test(one.text));
  await connection.query('CREATE INDEX by_owner ON ledger (owner)');
  await connection.query('DROP INDEX by_owner ON ledger');
  await connection.query(`CREATE USER somebody IDENTIFIED BY '${secret}'`);
  await connection.query('SET GLOBAL innodb_flush_log_at_trx_commit = 2');
  await connection.query(`SET GLOBAL init_connect = 'SELECT "${secret}"'`);
  const [here, there] = await Promise.all([
    readUntil(
      'the changes here',
      1,
      (one) => told(/init_connect/)(one) && told(/CREATE USER/)(one) && told(/DROP INDEX/)(one),
    ),
    readUntil('the changes there', 0, (one) => told(/CREATE USER/)(one) && told(/DROP INDEX/)(one)),
  ]);
  const drop = [here, there].map(({ changes }) => changes.find(({ text }) => text.includes('DROP INDEX')));
  expect(drop[0]).toMatchObject({
    change: 'ddl',
    text: 'the schema change DROP INDEX `by_owner` ON `ledger`',
    place: { service: 'bank' },
    source: 'performance_schema',
  });
  // The same half minute, or the next one when the cut lay between.
  expect(drop[1]?.id.replace(/\d+$/, '')).toBe(drop[0]?.id.replace(/\d+$/, ''));
  expect(here.changes.filter(({ text }) => text.includes('CREATE INDEX'))).toHaveLength(1);
  expect(here.changes.find(({ text }) => text.includes('innodb_flush'))).toMatchObject({
    text: 'the setting innodb_flush_log_at_trx_commit changed from 1 to 2',
    place: { site: 'site-1', service: 'bank', instance: 'db-1' },
  });
  expect(there.changes.filter(({ change }) => change === 'setting')).toEqual([]);
  expect(JSON.stringify([here, there])).not.toContain('Geheim');
});

test('a server that hangs is down within the deadline, gets no second connection, and is up again by itself', async () => {
  const collector = collectorOf(1, { deadlineMs: 300 });
  await until(
    systemClock,
    { what: 'a first reading', deadlineMs: 60_000 },
    async () => value(await collector.collect(), 'mysql_up') === 1,
  );
  process.kill(pidOf(1), 'SIGSTOP');
  try {
    for (let reading = 0; reading < 4; reading += 1) {
      const readings = await collector.collect();
      expect([value(readings, 'mysql_up'), readings.detail]).toEqual([0, undefined]);
      expect(readings.problems).toEqual([expect.stringMatching(/^the database has not answered for \d+\.\d s$/)]);
      expect(value(readings, 'coequal_collector_database_connects_total')).toBe(1);
    }
    // One that begins while it hangs, too.
    const late = collectorOf(1, { deadlineMs: 300 });
    expect(value(await late.collect(), 'mysql_up')).toBe(0);
  } finally {
    process.kill(pidOf(1), 'SIGCONT');
  }
  const back = await until(systemClock, { what: 'an answer again', deadlineMs: 60_000, everyMs: 50 }, async () => {
    const readings = await collector.collect();
    return value(readings, 'mysql_up') === 1 ? readings : undefined;
  });
  expect(value(back, 'coequal_collector_database_connects_total')).toBe(1);
});

test('refused ports, wrong passwords and wrong certificates are a problem in words, tried ever less often', async () => {
  const closed = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
  const refused = await collectorOf(0, { host: '127.0.0.1', port: closed }).collect();
  expect([value(refused, 'mysql_up'), refused.problems[0]]).toEqual([0, expect.stringContaining('ECONNREFUSED')]);
  const other = await collectorOf(0, { serverName: 'another' }).collect();
  expect([value(other, 'mysql_up'), other.problems[0]]).toEqual([0, expect.stringMatching(/altnames|does not match/i)]);
  // A certificate may be for an address, and then it must be for that one.
  const address = ground.options(0).instance.at.address;
  expect(value(await collectorOf(0, { serverName: address }).collect(), 'mysql_up')).toBe(1);
  const elsewhere = await collectorOf(0, { serverName: '127.99.99.99' }).collect();
  expect([value(elsewhere, 'mysql_up'), elsewhere.problems[0]]).toEqual([0, expect.stringContaining('127.99.99.99')]);
  const connection = await client(0);
  const failed = async (): Promise<number> => {
    const [rows] = await connection.query("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'");
    return Number((rows as { Value: string }[])[0]?.Value);
  };
  const before = await failed();
  const wrong = collectorOf(0, { password: 'wrong' });
  for (let reading = 0; reading < 5; reading += 1) {
    const readings = await wrong.collect();
    expect([value(readings, 'mysql_up'), readings.problems[0]]).toEqual([0, expect.stringContaining('Access denied')]);
  }
  expect((await failed()) - before).toBe(1);
});

test('one that is closed says goodbye', async () => {
  const connection = await client(0);
  const aborted = async (): Promise<string> => {
    const [rows] = await connection.query("SHOW GLOBAL STATUS LIKE 'Aborted_clients'");
    return String((rows as { Value: string }[])[0]?.Value);
  };
  const before = await aborted();
  const collector = collectorOf(0);
  expect(value(await collector.collect(), 'mysql_up')).toBe(1);
  await collector.close();
  expect(await aborted()).toBe(before);
  expect(await collector.collect()).toMatchObject({ problems: ['no connection: closed'], detail: undefined });
});

test('a privilege that is taken away is a problem of what needed it; the rest goes on', async () => {
  const connection = await client(0);
  await connection.query(`REVOKE PROCESS ON *.* FROM '${account.user}'@'%'`);
  await connection.query(`REVOKE SELECT ON performance_schema.* FROM '${account.user}'@'%'`);
  // Global rights count from the next connection.
  const collector = collectorOf(0);
  const readings = await collector.collect();
  expect(value(readings, 'mysql_up')).toBe(1);
  expect(readings.problems.join('\n')).toMatch(/transactions: .*PROCESS/);
  expect(readings.problems.join('\n')).toMatch(/statements: .*denied/);
  expect(value(readings, 'mysql_global_status_threads_connected')).toBeGreaterThan(0);
  // Nothing rather than zeros.
  expect(value(readings, 'coequal_database_sessions')).toBeUndefined();
  await connection.query(`GRANT PROCESS ON *.* TO '${account.user}'@'%'`);
  await connection.query(`GRANT SELECT ON performance_schema.* TO '${account.user}'@'%'`);
});

test('a member that lost its group still answers, and says so', async () => {
  await readUntil('the group of three', 0, (one) => value(one, 'mysql_global_status_wsrep_cluster_size') === 3);
  for (const index of [1, 2]) process.kill(pidOf(index), 'SIGSTOP');
  try {
    const lost = await readUntil('the loss', 0, ({ changes }) => changes.some(({ change }) => change === 'membership'));
    expect(lost.changes.find(({ change }) => change === 'membership')?.text).toBe('db-0 lost its group');
    const { points, problems, detail } = await collect(0);
    expect(points.find(({ name }) => name === 'mysql_up')?.value).toBe(1);
    expect(points.find(({ name }) => name === 'mysql_global_status_wsrep_cluster_status')?.value).toBe(0);
    expect([problems, detail?.instance]).toEqual([[], 'db-0']);
  } finally {
    for (const index of [1, 2]) process.kill(pidOf(index), 'SIGCONT');
  }
  await readUntil('the group again', 0, (one) => value(one, 'mysql_global_status_wsrep_cluster_size') === 3);
});

test('a member that is stopped leaves; one that comes back has restarted, with counters that begin anew', async () => {
  await readUntil('a reading', 1, (one) => value(one, 'mysql_up') === 1);
  await readUntil('the group of three', 0, (one) => value(one, 'mysql_global_status_wsrep_cluster_size') === 3);
  await ground.drivers[1]?.stop(30_000);
  const left = await readUntil('the group of two', 0, ({ changes }) =>
    changes.some(({ change }) => change === 'membership'),
  );
  expect(left.changes.find(({ change }) => change === 'membership')).toMatchObject({
    text: expect.stringMatching(/^the group went from 3 to 2 members; 127\.78\.63\.2:\d+ left$/),
    place: { service: 'bank' },
  });
  expect(value(await collect(1), 'mysql_up')).toBe(0);
  await ground.drivers[1]?.start({ kind: 'join' });
  const back = await readUntil('the restart', 1, ({ changes }) => changes.some(({ change }) => change === 'restart'));
  expect(back.changes.find(({ change }) => change === 'restart')).toMatchObject({
    text: 'the restart of db-1',
    place: { instance: 'db-1' },
  });
  // What the server counted since it began is no burst.
  expect(back.detail?.statements ?? []).toEqual([]);
  expect(back.changes.filter(({ change }) => change === 'ddl' || change === 'setting')).toEqual([]);
});
