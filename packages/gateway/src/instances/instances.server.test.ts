/** Instances of a real service as a gateway sees them: health, outcomes, and the schema they are kept in. */
import { CoequalError, systemClock, until } from '@coequal/kernel';
import { makeAuthority } from '@coequal/trust';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Instances } from './adapters/open.ts';
import { outcomeKey, recordSurelyRefused, type Verdict } from './outcomes.ts';
import { type Client, gatewayUser, newSession, openStand, type Stand } from './testing.ts';

let stand: Stand;
let instances: Instances;
const clients: Client[] = [];
const client = async (index: number): Promise<Client> => {
  const made = await stand.client(index);
  clients.push(made);
  return made;
};
const nobody: ReadonlySet<string> = new Set();
const settle = (session: Buffer, epoch: number, sequence: number, avoid = nobody): Promise<Verdict> =>
  instances.outcomes.settle(session, epoch, sequence, { avoid, deadlineMs: 30_000 });
const record = 'CALL coequal.record(?, ?, ?)';
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => error,
  );
const outcomeOf = async (session: Buffer) => {
  const [row] = await stand.administer(
    0,
    `SELECT epoch, sequence, affected, insert_id FROM coequal.outcome WHERE session = X'${session.toString('hex')}'`,
  );
  return row === undefined
    ? undefined
    : Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value)]));
};
const isThere = async (id: number): Promise<boolean> =>
  (await stand.administer(1, `SELECT id FROM bank.t WHERE id = ${id}`)).length === 1;
let lastId = 1_000;
const newId = (): number => {
  lastId += 1;
  return lastId;
};

beforeAll(async () => {
  stand = await openStand(41);
  await stand.administer(
    0,
    'CREATE TABLE bank.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v TINYINT NOT NULL DEFAULT 0, u VARCHAR(3))',
  );
}, 120_000);
afterEach(() => {
  for (const each of clients.splice(0)) each.destroy();
});
afterAll(async () => {
  instances?.close();
  await stand?.close();
});

describe('the schema coequal', () => {
  it('is refused to an account that lacks rights, with the statements that an administrator must run', async () => {
    await stand.administer(0, "CREATE USER poor@'127.%' IDENTIFIED BY 'poor'");
    const refused = await codeOf(stand.open({}, { user: 'poor', password: 'poor' }));
    expect(refused).toBeInstanceOf(CoequalError);
    expect(refused).toMatchObject({ code: 'GATEWAY_SCHEMA_MISSING' });
    const advice = refused instanceof CoequalError ? refused.advice : '';
    const statements = advice
      .replace(/^[^:]*: /, '')
      .split(';')
      .map((one) => one.trim())
      .filter((one) => one !== '');
    expect(statements).toHaveLength(4);
    for (const statement of statements) await stand.administer(0, statement);
    (await stand.open({}, { user: 'poor', password: 'poor' })).close();
    // Made by another account of the service: it is used as it is, as long as that account is there.
    instances = await stand.open();
    await stand.administer(0, "DROP USER poor@'127.%'");
    instances.close();
    instances = await stand.open();
    const routines = await stand.administer(
      0,
      "SELECT DEFINER AS d FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'coequal'",
    );
    expect(routines.map(({ d }) => d)).toEqual([`${gatewayUser}@%`, `${gatewayUser}@%`]);
  });

  it('is usable by every account, and readable by none of them', async () => {
    const app = await client(0);
    expect(await app.ask('SELECT * FROM coequal.outcome')).toMatchObject({ errno: 1_142 });
    expect(await app.ask('SHOW CREATE PROCEDURE coequal.record')).toMatchObject({ errno: 1_305 });
    expect(await app.ask(record, [newSession(systemClock.now()), 0, 1])).toMatchObject({ errno: 0 });
  });
});

describe('a record', () => {
  const transactions: readonly (readonly [string, string, object])[] = [
    ['rows that changed', 'UPDATE t SET u = 1 WHERE id <= 2', { affected: 2 }],
    ['a generated number', "INSERT INTO t (u) VALUES ('a'), ('b')", { affected: 2 }],
    ['that its statement failed', 'INSERT INTO t (id) VALUES (1)', { affected: -1 }],
    ['that its statement answered with rows', 'SELECT 1', { affected: -2 }],
    ['a statement that does nothing', 'DO 1', { affected: 0 }],
  ];
  it.each(transactions)('tells %s', async (_, statement, expected) => {
    const app = await client(0);
    const session = newSession(systemClock.now());
    await app.ask('INSERT IGNORE INTO t (id) VALUES (1), (2)');
    await app.ask(record, [newSession(systemClock.now()), 0, 1]);
    await app.ask('SET @@SESSION.autocommit = 0');
    await app.ask(statement);
    expect(await app.ask(record, [session, 0, 7])).toMatchObject({ errno: 0 });
    expect(await app.ask('ROLLBACK')).toMatchObject({ errno: 0 });
    expect(await outcomeOf(session)).toMatchObject({ epoch: 0, sequence: 7, ...expected });
    if (statement.startsWith('INSERT INTO t (u)')) {
      const { rows } = await app.ask('SELECT LAST_INSERT_ID() AS id');
      expect(await outcomeOf(session)).toMatchObject({ insert_id: Number(rows[0]?.['id']) });
      expect(await isThere(Number(rows[0]?.['id']))).toBe(true);
    }
  });

  it('answers with the warnings of the statement, all of them', async () => {
    const app = await client(0);
    const session = newSession(systemClock.now());
    await app.ask(record, [session, 0, 1]);
    await app.ask("SET sql_mode = ''");
    await app.ask('INSERT INTO t (v, u) VALUES (1000, \'long "quoted" text\')');
    const { rows } = await app.ask(record, [session, 0, 2]);
    expect(rows).toEqual([
      { code: 1_264, message: "Out of range value for column 'v' at row 1", state: '22003' },
      { code: 1_265, message: "Data truncated for column 'u' at row 1", state: '01000' },
    ]);
    // What a client may have set does not change what a fence does.
    expect(await settle(session, 0, 2)).toMatchObject({ kind: 'committed', affected: 1n });
    expect(await app.ask(record, [session, 0, 3])).toMatchObject({ errno: 1_048 });
  });

  it('of a fenced session rolls the transaction back, and a COMMIT behind it commits nothing', async () => {
    const app = await client(0);
    const session = newSession(systemClock.now());
    expect(await settle(session, 0, 1)).toEqual({ kind: 'absent', epoch: 1, answeredElsewhere: false });
    const id = newId();
    await app.ask('BEGIN');
    expect(await app.ask(`INSERT INTO t (id) VALUES (${id})`)).toMatchObject({ errno: 0 });
    expect(await app.ask(record, [session, 0, 1])).toMatchObject({ errno: 1_048 });
    expect(recordSurelyRefused(1_048)).toBe(true);
    expect(await app.ask('COMMIT')).toMatchObject({ errno: 0 });
    expect(await isThere(id)).toBe(false);
    // With the epoch of the verdict it goes on.
    await app.ask('BEGIN');
    await app.ask(`INSERT INTO t (id) VALUES (${id})`);
    expect(await app.ask(record, [session, 1, 2])).toMatchObject({ errno: 0 });
    expect(await isThere(id)).toBe(true);
  });

  it('with guards makes two transactions that write different rows exclude each other, on one instance and on two', async () => {
    await stand.administer(0, 'CREATE TABLE bank.duty (who CHAR(1) PRIMARY KEY, here INT NOT NULL)');
    for (const [left, right] of [
      [0, 0],
      [0, 1],
    ] as const) {
      await stand.administer(0, "REPLACE INTO bank.duty VALUES ('a', 1), ('b', 1)");
      const both = [await client(left), await client(right)] as const;
      for (const each of both) {
        await each.ask('SET SESSION wsrep_sync_wait = 7');
        await each.ask('SET SESSION innodb_snapshot_isolation = ON');
        await each.ask('BEGIN');
        expect((await each.ask('SELECT SUM(here) AS n FROM duty')).rows).toEqual([{ n: '2' }]);
      }
      await both[0].ask("UPDATE duty SET here = 0 WHERE who = 'a'");
      await both[1].ask("UPDATE duty SET here = 0 WHERE who = 'b'");
      const answers = await Promise.all(
        both.map((each) =>
          each.ask('CALL coequal.record_guarded(?, ?, ?, ?)', [newSession(systemClock.now()), 0, 1, 'duty,other']),
        ),
      );
      const refused = answers.filter(({ errno }) => errno !== 0);
      expect(refused).toHaveLength(1);
      expect(recordSurelyRefused(refused[0]?.errno ?? 0)).toBe(true);
      for (const each of both) await each.ask('ROLLBACK');
    }
  });
});

describe('outcomes in doubt', () => {
  it('are settled as the data says, also when statements are killed at any moment', async () => {
    const app = await client(0);
    let done = false;
    const killing = (async () => {
      while (!done) await stand.administer(0, `KILL QUERY ${app.threadId}`);
    })();
    const counts = { acknowledged: 0, refused: 0, committed: 0, absent: 0 };
    const session = newSession(systemClock.now());
    let epoch = 0;
    try {
      for (let sequence = 1; sequence <= 150; sequence += 1) {
        const id = newId();
        while ((await app.ask('SET @@SESSION.autocommit = 0')).errno !== 0) await app.ask('DO 0');
        const inserted = await app.ask(`INSERT INTO t (id) VALUES (${id})`);
        const called = await app.ask(record, [session, epoch, sequence]);
        // Switching autocommit on commits what is open: only behind a ROLLBACK that was not killed itself.
        while ((await app.ask('ROLLBACK')).errno !== 0) await app.ask('DO 0');
        await app.ask('SET @@SESSION.autocommit = 1');
        const there = await isThere(id);
        if (called.errno === 0) {
          expect(there).toBe(inserted.errno === 0);
          counts.acknowledged += 1;
        } else if (recordSurelyRefused(called.errno)) {
          expect(there).toBe(false);
          counts.refused += 1;
        } else {
          const verdict = await settle(session, epoch, sequence);
          if (verdict.kind === 'undecided') throw new Error(verdict.reason);
          expect({ id, there: await isThere(id) }).toEqual({
            id,
            there: verdict.kind === 'committed' && inserted.errno === 0,
          });
          counts[verdict.kind] += 1;
          epoch = verdict.epoch;
        }
      }
    } finally {
      done = true;
      await killing;
    }
    expect(counts.acknowledged).toBeGreaterThan(0);
  });

  it('race with their fences on another instance, and both sides agree', async () => {
    const avoid = new Set(['db-0']);
    const app = await client(0);
    const kinds = new Set<string>();
    for (let trial = 0; trial < 60; trial += 1) {
      const id = newId();
      const session = newSession(systemClock.now());
      await app.ask('BEGIN');
      await app.ask(`INSERT INTO t (id) VALUES (${id})`);
      const called = app.ask(record, [session, 0, 1]);
      const verdict = await settle(session, 0, 1, avoid);
      const { errno } = await called;
      kinds.add(verdict.kind);
      expect({ trial, errno: errno === 0, there: await isThere(id) }).toEqual({
        trial,
        errno: verdict.kind === 'committed',
        there: verdict.kind === 'committed',
      });
      await app.ask('ROLLBACK');
    }
    expect(kinds).not.toContain('undecided');
  });

  it('are answered to applications, for ever, and the session does not do it again', async () => {
    const app = await client(1);
    const session = newSession(systemClock.now());
    const now = systemClock.now();
    await app.ask('BEGIN');
    await app.ask(`INSERT INTO t (id) VALUES (${newId()})`);
    expect(await app.ask(record, [session, 0, 1])).toMatchObject({ errno: 0 });
    const before = outcomeKey(session, 0, now);
    const after = outcomeKey(session, 1, now);
    expect(await instances.outcomes.ask(before)).toBe('committed');
    expect(await instances.outcomes.ask(after)).toBe('not committed');
    expect(await app.ask(record, [session, 0, 2])).toMatchObject({ errno: 1_048 });
    // The session hears that somebody was told that its write is not there.
    expect(await settle(session, 0, 2)).toMatchObject({ kind: 'absent', answeredElsewhere: true });
    expect(await instances.outcomes.ask(outcomeKey(newSession(now), 0, now))).toBe('not committed');
    expect(await instances.outcomes.ask(outcomeKey(newSession(now), 3, now - 30 * 3_600_000))).toBe('unknown');
    expect(await instances.outcomes.ask(session)).toBe('unknown');
  });
});

describe('an instance that hangs', () => {
  const untilState = (state: string) =>
    until(
      systemClock,
      { what: `db-0 ${state}`, deadlineMs: 60_000 },
      () => instances.directory.views().find(({ target }) => target.name === 'db-0')?.state === state,
    );

  it('loses its sessions; what hung in COMMIT is settled elsewhere and stays so when it wakes', async () => {
    const left: string[] = [];
    const stop = instances.directory.onLeave((name, reason, gentle) => left.push(`${name} ${reason} ${gentle}`));
    const apps = await Promise.all(Array.from({ length: 12 }, () => client(0)));
    const trials = apps.map((app) => ({ app, id: newId(), session: newSession(systemClock.now()) }));
    for (const { app, id } of trials) {
      await app.ask(record, [newSession(systemClock.now()), 0, 1]);
      await app.ask('BEGIN');
      await app.ask(`INSERT INTO t (id) VALUES (${id})`);
    }
    const calls = trials.slice(0, 6).map(({ app, session }) => app.ask(record, [session, 0, 1]));
    stand.signal(0, 'SIGSTOP');
    calls.push(...trials.slice(6).map(({ app, session }) => app.ask(record, [session, 0, 1])));
    const strangers = Array.from({ length: 300 }, () => newSession(systemClock.now()));
    const avoid = new Set(['db-0']);
    const [verdicts, others] = await Promise.all([
      Promise.all(trials.map(({ session }) => settle(session, 0, 1, avoid))),
      Promise.all(strangers.map((session) => settle(session, 0, 1, avoid))),
    ]);
    expect(others.every(({ kind }) => kind === 'absent')).toBe(true);
    await until(systemClock, { what: 'sessions told to leave', deadlineMs: 30_000 }, () => left.length > 0);
    expect(left).toEqual(['db-0 silent false']);
    expect(instances.directory.choose()?.name).toBe('db-1');
    stand.signal(0, 'SIGCONT');
    await untilState('serving');
    const answers = await Promise.all(calls);
    for (const [index, { id }] of trials.entries()) {
      const verdict = verdicts[index];
      expect(verdict?.kind).not.toBe('undecided');
      expect({ index, there: await isThere(id) }).toEqual({ index, there: verdict?.kind === 'committed' });
      if (verdict?.kind === 'absent') expect(answers[index]?.errno).not.toBe(0);
    }
    expect(instances.directory.choose()?.name).toBe('db-0');
    stop();
  });

  it('makes a question wait until another instance answers, and not for ever', async () => {
    stand.signal(0, 'SIGSTOP');
    try {
      expect(await settle(newSession(systemClock.now()), 0, 1)).toMatchObject({ kind: 'absent' });
      const alone = await instances.outcomes.settle(newSession(systemClock.now()), 0, 1, {
        avoid: nobody,
        deadlineMs: 1,
      });
      expect(['absent', 'undecided']).toContain(alone.kind);
      await untilState('silent');
    } finally {
      stand.signal(0, 'SIGCONT');
    }
    await untilState('serving');
  });
});

describe('the directory', () => {
  it('sends nobody to a drained instance while another serves, and tells its sessions to go gently', () => {
    const told: string[] = [];
    const stop = instances.directory.onLeave((name, reason, gentle) => told.push(`${name} ${reason} ${gentle}`));
    instances.directory.drain('db-0', true);
    expect(instances.directory.choose()?.name).toBe('db-1');
    expect(instances.directory.choose(new Set(['db-1', 'db-2']))?.name).toBe('db-0');
    instances.directory.drain('db-0', false);
    expect(instances.directory.choose()?.name).toBe('db-0');
    expect(told).toEqual(['db-0 drained true']);
    stop();
  });

  it('sends nobody where a session has just met trouble, until a later question was answered', async () => {
    instances.directory.saw('db-0', 'lost');
    expect(instances.directory.choose()?.name).toBe('db-1');
    await until(
      systemClock,
      { what: 'db-0 chosen again', deadlineMs: 30_000 },
      () => instances.directory.choose()?.name === 'db-0',
    );
  });

  it('sees that an instance is gone, and that it is back', async () => {
    const [first, second, third] = stand.ground.drivers;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no drivers');
    await third.fence();
    const state = () => instances.directory.views().find(({ target }) => target.name === 'db-2');
    await until(systemClock, { what: 'db-2 gone', deadlineMs: 30_000 }, () => state()?.state === 'gone');
    expect(state()?.weight).toBe(0);
    await third.start({ kind: 'join' });
    await third.untilServing(60_000);
    await until(systemClock, { what: 'db-2 serving', deadlineMs: 30_000 }, () => state()?.state === 'serving');
    expect(state()?.weight).toBeLessThan(1);
    await until(systemClock, { what: 'its full weight', deadlineMs: 30_000 }, () => state()?.weight === 1);
  });

  it('calls wrong passwords, foreign clusters and foreign certificates by their names', async () => {
    const limits = { silenceMs: 700, recoveryMs: 5_000 };
    const wrongPassword = await codeOf(stand.open({ limits }, { password: 'wrong' }));
    expect(wrongPassword).toMatchObject({
      code: 'GATEWAY_NO_INSTANCE',
      message: expect.stringContaining('refuses the account'),
    });
    const otherCluster = await codeOf(stand.open({ limits, service: 'shop' }));
    expect(otherCluster).toMatchObject({
      message: expect.stringContaining('belongs to the cluster bank, not to shop'),
    });
    const stranger = await makeAuthority('Somebody else', { days: 1, clock: systemClock });
    expect(await codeOf(stand.open({ limits }, { authority: stranger.certificate }))).toMatchObject({
      code: 'GATEWAY_NO_INSTANCE',
      message: expect.stringContaining('certificate'),
    });
  });
});

describe('what else is asked of instances', () => {
  it('removes rows that are too old to be asked about, and those of sessions that ended in order', async () => {
    const old = newSession(systemClock.now() - 30 * 3_600_000);
    const longLived = newSession(systemClock.now() - 30 * 3_600_000);
    const young = newSession(systemClock.now());
    const ended = newSession(systemClock.now());
    const rows = [
      [old, 30],
      [longLived, 1],
      [young, 0],
      [ended, 0],
    ] as const;
    for (const [session, hours] of rows)
      await stand.administer(
        0,
        `INSERT INTO coequal.outcome VALUES (X'${session.toString('hex')}', 0, 1, 0, 0, NULL, NOW(3) - INTERVAL ${hours} HOUR)`,
      );
    expect(await instances.outcomes.sweep()).toBe(1);
    expect(await outcomeOf(old)).toBeUndefined();
    instances.outcomes.forget(ended);
    await until(
      systemClock,
      { what: 'the row gone', deadlineMs: 30_000 },
      async () => (await outcomeOf(ended)) === undefined,
    );
    for (const session of [longLived, young]) expect(await outcomeOf(session)).toBeDefined();
  });

  it('knows accounts, and sizes of tables whatever their names', async () => {
    const rows = await instances.accountRows();
    const app = rows.find(({ user }) => user === 'app');
    expect(app).toMatchObject({ host: '%', priv: expect.stringContaining('mysql_native_password') });
    await stand.administer(0, 'CREATE TABLE bank.`tä-st$漢 x` (id INT PRIMARY KEY)');
    await stand.administer(0, 'CREATE TABLE bank.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3');
    expect(await instances.tableBytes('bank', 'tä-st$漢 x')).toBeGreaterThan(0);
    const whole = await instances.tableBytes('bank', 'parts');
    expect(whole).toBeGreaterThanOrEqual(3 * ((await instances.tableBytes('bank', 'tä-st$漢 x')) ?? 0));
    expect(await instances.tableBytes('bank', 'nothing')).toBeUndefined();
  });
});
