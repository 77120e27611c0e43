import { systemClock } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type StatementCounters, StatementMemory, type StatementRow } from './activity.ts';
import { Deadline, Link, type Session } from './adapters/link.ts';
import { RestartWatch } from './changes.ts';
import { Schedule } from './schedule.ts';
import { settingChanges } from './settings.ts';

describe('settings', () => {
  const rules = { varying: /^position$/, lists: { options: ';' } };
  const changed = (before: Record<string, string>, after: Record<string, string>): readonly string[] =>
    settingChanges(new Map(Object.entries(before)), new Map(Object.entries(after)), rules).map(({ text }) => text);

  test('that changed are told with both values; what varies, comes or goes is none', () => {
    expect(changed({ a: '1', position: '1', gone: 'x' }, { a: '', position: '2', new: 'y' })).toEqual([
      'the setting a changed from 1 to (empty)',
    ]);
    expect(changed({ a: 'x\ny' }, { a: 'z'.repeat(500) })[0]).toMatch(/^the setting a changed from x y to z{119}…$/);
  });

  test('that are lists are told by what changed in them', () => {
    expect(
      changed(
        { options: 'gcs.fc_limit = 16; gcache.size = 128M' },
        { options: 'gcs.fc_limit = 1; gcache.size = 128M' },
      ),
    ).toEqual(['the setting options, gcs.fc_limit, changed from 16 to 1']);
  });

  test('never show what a secret is', () => {
    const secrets = [
      'wsrep_sst_auth',
      'init_connect',
      'ssl_passphrase',
      'primary_conninfo',
      'archive_command',
      'validate_password_policy',
    ];
    for (const name of secrets)
      expect(changed({ [name]: 'geheim' }, { [name]: 'geheimer' })).toEqual([`the setting ${name} changed`]);
    expect(
      changed({ options: 'socket.ssl_password_file = a' }, { options: 'socket.ssl_password_file = b' })[0],
    ).not.toContain(' b');
  });
});

describe('statements', () => {
  const counters = (calls: number, seconds: number): StatementCounters => ({
    ...{ calls, seconds, lockSeconds: 0, rowsExamined: 0, rowsSent: 0, rowsChanged: 0 },
    ...{ errors: 0, withoutIndex: 0, temporaryTablesOnDisk: 0 },
  });
  const row = (key: string, calls: number, seconds: number, isNew = false): StatementRow => ({
    ...{ key, digest: key, database: undefined, isNew, counters: counters(calls, seconds) },
  });
  const told = (memory: StatementMemory, rows: readonly StatementRow[]): readonly string[] =>
    memory.step(rows).map(({ key, delta }) => `${key} ${delta.calls} ${delta.seconds}`);

  test('are told by what they took since the reading before, the dearest first', () => {
    const memory = new StatementMemory();
    expect(told(memory, [row('a', 10, 1), row('b', 10, 2)])).toEqual([]);
    expect(told(memory, [row('a', 12, 5), row('b', 11, 3)])).toEqual(['a 2 4', 'b 1 1']);
    expect(told(memory, [row('a', 12, 5)])).toEqual([]);
  });

  test('count whole when they are new or the server began anew, and not when they were only never seen', () => {
    const memory = new StatementMemory();
    told(memory, [row('a', 10, 8)]);
    expect(told(memory, [row('a', 1, 0.5), row('new', 3, 2, true), row('unseen', 1_000, 900)])).toEqual([
      'new 3 2',
      'a 1 0.5',
    ]);
    expect(told(memory, [row('unseen', 1_001, 901)])).toEqual(['unseen 1 1']);
  });
});

test('a restart is a new connection with an uptime below what must have passed, not a late reading or a clock that was set', () => {
  const watch = new RestartWatch();
  expect([watch.step(100, 0, 1), watch.step(101, 1_000, 1), watch.step(160, 61_900, 2)]).toEqual([false, false, false]);
  expect([watch.step(2, 63_000, 3), watch.step(3, 64_000, 3)]).toEqual([true, false]);
  // Longer away than it ran before.
  expect(watch.step(500, 1_064_000, 4)).toBe(true);
  expect([watch.step(20, 1_065_000, 4), watch.step(21, 1_066_000, 4)]).toEqual([false, false]);
});

describe('the schedule', () => {
  const tasks = [{ name: 'fast', everyMs: 0 }, ...['a', 'b', 'c', 'd'].map((name) => ({ name, everyMs: 10_000 }))];
  const names = (schedule: Schedule<(typeof tasks)[number]>, now: number): string =>
    schedule
      .due(now)
      .map((task) => {
        schedule.answered(task, now);
        return task.name;
      })
      .join(' ');

  test('spreads what comes seldom over readings', () => {
    const schedule = new Schedule(tasks);
    expect([0, 1_000, 2_000, 10_000, 11_000].map((now) => names(schedule, now))).toEqual([
      'fast a b c',
      'fast d',
      'fast',
      'fast a b c',
      'fast d',
    ]);
  });

  test('puts off what is refused, longer each time it was too dear, and keeps saying why', () => {
    const schedule = new Schedule(tasks.slice(0, 2));
    const [fast = { name: '', everyMs: 0 }, dear = { name: '', everyMs: 0 }] = tasks;
    schedule.refused(fast, 0, 'denied', false);
    schedule.refused(dear, 0, 'took too long', true);
    expect(schedule.problems()).toEqual(['fast: denied', 'a: took too long']);
    expect(schedule.due(39_000)).toEqual([]);
    expect(schedule.due(40_000)).toEqual([dear]);
    schedule.refused(dear, 40_000, 'took too long', true);
    expect(schedule.due(119_000)).toEqual([fast]);
    schedule.answered(fast, 119_000);
    expect(schedule.problems()).toEqual(['a: took too long']);
  });
});

describe('the link', () => {
  /** Time that the test moves. */
  const makeClock = () => {
    let now = 0;
    const pass = (ms: number): void => {
      now += ms;
    };
    return { ...systemClock, monotonic: () => now, pass };
  };
  const session = (query: Session['query']): Session => {
    let open = true;
    const end = (): void => {
      open = false;
    };
    const bytes = () => ({ sent: 0, received: 0 });
    return { query, leave: end, destroy: end, isOpen: () => open, bytes, refusalOf: () => undefined };
  };

  test('asks nothing while an answer is owed, and gives up after a while without a second connection', async () => {
    const clock = makeClock();
    const opened: string[] = [];
    const link = new Link({
      clock,
      isLogInRefused: () => false,
      open: async () => {
        opened.push('open');
        return session(() => new Promise(() => {}));
      },
    });
    expect(await link.ready(new Deadline(clock, 1_000))).toBeUndefined();
    expect(await link.ask('SELECT 1', [], new Deadline(clock, 5))).toMatchObject({ kind: 'silent' });
    expect(await link.ready(new Deadline(clock, 5))).toMatchObject({ kind: 'silent' });
    expect(opened).toHaveLength(1);
    clock.pass(11_000);
    expect(await link.ready(new Deadline(clock, 5))).toMatchObject({ kind: 'silent', seconds: 11 });
    expect(await link.ready(new Deadline(clock, 5))).toMatchObject({ kind: 'lost', reason: 'it does not answer' });
    clock.pass(1_000);
    expect(await link.ready(new Deadline(clock, 1_000))).toBeUndefined();
    expect([opened.length, link.figures()]).toMatchObject([2, { connects: 2, statements: 1, silences: 3 }]);
    await link.close();
    expect(await link.ready(new Deadline(clock, 5))).toEqual({ kind: 'lost', reason: 'closed' });
  });

  test('tries a refused log-in again after five seconds, then ten, and anything else sooner', async () => {
    const clock = makeClock();
    const tries: number[] = [];
    const attempts = async (isLogInRefused: boolean): Promise<readonly number[]> => {
      tries.length = 0;
      const start = clock.monotonic();
      const link = new Link({
        clock,
        isLogInRefused: () => isLogInRefused,
        open: async () => {
          tries.push(clock.monotonic() - start);
          throw new Error('no');
        },
      });
      for (let second = 0; second < 30; second += 1) {
        expect(await link.ready(new Deadline(clock, 1_000))).toEqual({ kind: 'lost', reason: 'no' });
        clock.pass(1_000);
      }
      return [...tries];
    };
    expect(await attempts(true)).toEqual([0, 5_000, 15_000]);
    expect((await attempts(false)).slice(0, 5)).toEqual([0, 1_000, 2_000, 3_000, 5_000]);
  });
});
