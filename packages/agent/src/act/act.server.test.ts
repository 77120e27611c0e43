/**
 * Every action on instances, on real servers of a real group. The order matters: each test leaves three members that serve, so that the next one
 * finds what it needs.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Action, actionTypes, type OrderState } from '@coequal/contract';
import { connectSql, type Sql, signal, startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import { serves } from '@coequal/estate';
import { silentLog, systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Healer } from './adapters/healer.ts';
import { openHolds } from './adapters/holds.ts';
import { instanceHands } from './adapters/instance.ts';
import { openJournal } from './adapters/journal-file.ts';
import { statementDigest } from './doings/session.ts';
import { Executor } from './executor.ts';
import type { HandsPorts, Holds, InstanceHands } from './ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-act-'));
const deadlineMs = 60_000;
let ground: Ground;
let hands: readonly InstanceHands[];
let holds: Holds;
let opened: Awaited<ReturnType<typeof openExecutor>>;
const told: OrderState[] = [];
let keys = 0;

const openExecutor = async (name: string) => {
  const journal = await openJournal(join(folder, name));
  const ports: HandsPorts = {
    instance: (wanted) => hands.find((one) => one.name === wanted),
    gateway: () => undefined,
    scripts: { find: () => undefined, check: async () => undefined, run: () => Promise.reject(new Error('none')) },
    holds,
    keep: async (key, text) => {
      kept.set(key, text);
      return { path: `/kept/${key}`, sha256: '0'.repeat(64) };
    },
  };
  const options = { ports, journal, allowed: new Set(actionTypes), clock: systemClock, log: silentLog };
  return { journal, executor: new Executor({ ...options, tell: (state) => told.push(state) }) };
};
const kept = new Map<string, string>();

const run = async (action: Action): Promise<OrderState> => {
  keys += 1;
  const key = `order-${String(keys).padStart(4, '0')}`;
  await opened.executor.take({ key, action, deadlineMs, by: 'tester' });
  const wait = { what: `the end of ${action.type}`, deadlineMs: deadlineMs + 10_000, everyMs: 20 };
  return until(systemClock, wait, () => told.find((state) => state.key === key && state.state === 'ended'));
};

const stateOf = async (index: number) => (await hands[index]?.observe())?.state;
const allServe = () =>
  until(systemClock, { what: 'three that serve', deadlineMs, everyMs: 50 }, async () => {
    const seen = await Promise.all(hands.map((one) => one.observe()));
    return seen.every(({ state, members }) => serves(state) && members === 3);
  });

const connected = async (index: number): Promise<Sql> => {
  const { account } = ground.options(index);
  return connectSql({ socketPath: `${ground.runFolder(index)}/sql.sock`, ...account(), database: 'bank' }, 10_000);
};
const idOf = async (sql: Sql): Promise<number> => Number((await sql.query('SELECT CONNECTION_ID() AS id'))[0]?.['id']);
const user = 'coequal_admin';

beforeAll(async () => {
  ground = await openGround(41);
  await startService(ground.drivers, ground.how);
  hands = ground.drivers.map((driver, index) => instanceHands(driver, ground.runFolder(index)));
  holds = await openHolds(join(folder, 'held.json'));
  opened = await openExecutor('journal');
});

afterAll(async () => {
  await opened?.journal.close();
  await ground?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('sessions', () => {
  it('a statement is ended, if it is still that one, and the session stays', async () => {
    const sql = await connected(0);
    const session = await idOf(sql);
    const text = 'SELECT SLEEP(300) AS s FROM DUAL WHERE 4711 = 4711';
    const running = sql.query(text, [], 60_000).then(
      () => 'ended',
      () => 'ended',
    );
    await until(systemClock, { what: 'the statement', deadlineMs }, async () => {
      const [row] = await (hands[0]?.ask('SELECT INFO AS info FROM information_schema.PROCESSLIST WHERE ID = ?', [
        session,
      ]) ?? []);
      return row?.['info'] === text;
    });
    const kill = { type: 'query-kill', instance: 'db-0', session, user } as const;
    expect(await run({ ...kill, statement: statementDigest('SELECT 1 FROM other') })).toMatchObject({
      outcome: 'refused',
    });
    // Another literal is the same statement: digests are of texts without them.
    const statement = statementDigest(text.replaceAll('4711', '12'));
    expect(await run({ ...kill, statement })).toMatchObject({ outcome: 'done' });
    expect(await running).toBe('ended');
    expect(await sql.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    sql.close();
  });

  it('one that is idle in its transaction is ended, one that is not is left alone', async () => {
    const sql = await connected(0);
    await sql.query('CREATE TABLE IF NOT EXISTS held (id INT PRIMARY KEY)');
    const session = await idOf(sql);
    const kill: Action = { type: 'session-kill', instance: 'db-0', session, user, statement: null };
    expect(await run(kill)).toMatchObject({ outcome: 'refused', words: expect.stringMatching(/not idle/) });
    await sql.query('START TRANSACTION');
    await sql.query('INSERT INTO held VALUES (1)');
    expect(await run({ ...kill, user: 'somebody' })).toMatchObject({ outcome: 'refused' });
    expect(await run(kill)).toMatchObject({ outcome: 'done' });
    await expect(sql.query('SELECT 1')).rejects.toThrow();
    sql.close();
    expect(await run(kill)).toMatchObject({ outcome: 'refused', words: expect.stringMatching(/no session/) });
  });
});

describe('settings', () => {
  it('are set, and set back by what the action gives as its way back', async () => {
    const [row] = (await hands[1]?.ask('SELECT @@GLOBAL.max_connections AS now')) ?? [];
    const expected = Number(row?.['now']);
    const set: Action = {
      type: 'setting-set',
      instance: 'db-1',
      setting: 'max_connections',
      value: expected + 7,
      expected,
    };
    const done = await run(set);
    expect(done).toMatchObject({ outcome: 'done', undo: { value: expected } });
    expect(await run(set)).toMatchObject({ outcome: 'refused' });
    expect(done.undo === undefined ? undefined : await run(done.undo)).toMatchObject({ outcome: 'done' });
  });

  it('a member is let behind, and waited for again', async () => {
    expect(await run({ type: 'instance-desync', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    expect(await stateOf(2)).toBe('donating');
    expect(await run({ type: 'instance-resync', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    await allServe();
  });
});

describe('diagnostics', () => {
  it('hold no literal and no secret', async () => {
    const sql = await connected(0);
    const busy = sql.query("SELECT SLEEP(20), 'Geheim77' AS planted", [], 30_000).catch(() => undefined);
    await until(
      systemClock,
      { what: 'the statement', deadlineMs },
      async () =>
        (await hands[0]?.ask("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP(20)%'"))
          ?.length === 1,
    );
    const state = await run({ type: 'diagnostics-collect', instance: 'db-0' });
    expect(state.outcome).toBe('done');
    const text = kept.get(state.key) ?? '';
    expect(text).toContain('SELECT SLEEP(?)');
    expect(text).not.toContain('Geheim77');
    expect(text).not.toContain(ground.options(0).account().password);
    sql.close();
    await busy;
  });
});

describe('instances', () => {
  it('one is ended in order, kept down, and started again', async () => {
    expect(await run({ type: 'instance-stop', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    expect(holds.has('db-2')).toBe(true);
    expect(await run({ type: 'instance-stop', instance: 'db-2' })).toMatchObject({ outcome: 'refused' });
    expect(await run({ type: 'instance-start', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    expect(holds.has('db-2')).toBe(false);
    await allServe();
  });

  it('one that hangs is isolated, and comes back', async () => {
    const process = hands[2]?.process();
    if (process === undefined) throw new Error('no process');
    signal(process, 'SIGSTOP');
    await until(systemClock, { what: 'the silence', deadlineMs }, async () => (await stateOf(2)) === 'silent');
    expect(await run({ type: 'instance-isolate', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    expect(await run({ type: 'instance-rejoin', instance: 'db-2' })).toMatchObject({ outcome: 'done' });
    await allServe();
  });

  it('one is restarted, and another process of the agent knows it again', async () => {
    const before = hands[1]?.process();
    expect(await run({ type: 'instance-restart', instance: 'db-1' })).toMatchObject({ outcome: 'done' });
    const after = hands[1]?.process();
    expect(after?.pid).not.toBe(before?.pid);
    const other = instanceHands(
      ground.driverLike(1, (options) => options),
      ground.runFolder(1),
    );
    expect(other.process()).toEqual({ pid: after?.pid, startTicks: after?.startTicks });
    await allServe();
  });

  it('one that crashed is started by the agent itself, and one that is held is not', async () => {
    const limits = { restarts: 2, withinMs: 600_000 };
    const { executor, journal } = opened;
    const healer = new Healer({
      instances: hands.slice(2),
      limits,
      executor,
      journal,
      holds,
      clock: systemClock,
      log: silentLog,
    });
    const process = hands[2]?.process();
    if (process === undefined) throw new Error('no process');
    signal(process, 'SIGKILL');
    healer.begin();
    await until(systemClock, { what: 'the healing', deadlineMs, everyMs: 50 }, () =>
      told.some(({ key, outcome }) => key.startsWith('heal-db-2') && outcome === 'done'),
    );
    await healer.end();
    expect(readFileSync(join(folder, 'journal'), 'utf8')).toContain('self-healing');
    await allServe();
  });

  it('one gives its data up and takes a whole copy', async () => {
    const state = await run({ type: 'instance-reprovision', instance: 'db-2' });
    expect(state).toMatchObject({ outcome: 'done', result: { aside: true } });
    await allServe();
    const [row] = (await ground.drivers[2]?.administer('SELECT COUNT(*) AS n FROM bank.held')) ?? [];
    expect(Number(row?.['n'])).toBe(0);
  });
});
