/** The decisions around workers and what is shown of them: pure functions. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Counters, seededRandom } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseGatewayArguments } from './arguments.ts';
import { isConnectionId, lowestConnectionId, makeConnectionIds, slotCount, slotOf } from './connection-ids.ts';
import { parseCall } from './control-lines.ts';
import { makeAccountCounts } from './counts.ts';
import { type GatewayEvent, logEvent } from './events.ts';
import { makeGatewayMetrics } from './gateway-metrics.ts';
import { parseFromWorker, parseToWorker } from './messages.ts';
import { leastBusy, nextSlot, pauseBeforeStart } from './pool-rules.ts';
import { instanceStatuses, type Reported, ratesBetween, stateOf, totalsOf } from './status.ts';
import { makeSupervisorMetrics } from './supervisor-metrics.ts';
import { revivedError, toldError } from './told-error.ts';

describe('numbers of sessions', () => {
  test('are the gateway’s own, name their worker and are never given twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: slotCount - 1 }), fc.integer(), (slot, seed) => {
        const used = new Set<number>();
        const next = makeConnectionIds(slot, seededRandom(seed), (id) => used.has(id));
        for (let i = 0; i < 200; i += 1) {
          const id = next();
          expect(isConnectionId(id)).toBe(true);
          expect(slotOf(id)).toBe(slot);
          expect(used.has(id)).toBe(false);
          used.add(id);
        }
      }),
    );
  });

  test('begin again after the last one, and skip what lives', () => {
    const next = makeConnectionIds(
      0,
      { next: () => 0, below: (below) => below - 2 },
      (id) => id === lowestConnectionId,
    );
    expect([next(), next()]).toEqual([lowestConnectionId + 2 ** 23 - 1, lowestConnectionId + 1]);
  });

  test('of instances are none of ours', () => {
    for (const id of [0, 1, lowestConnectionId - 1, 2 ** 32, -1]) expect(isConnectionId(id)).toBe(false);
  });
});

describe('workers', () => {
  test('the one with the fewest connections gets the next', () => {
    expect(leastBusy([])).toBeUndefined();
    expect(leastBusy([3, 1, 1].map((open, slot) => ({ open, slot })))?.slot).toBe(1);
  });

  test('numbers are taken in turn, and none that lives', () => {
    expect(nextSlot(-1, new Set())).toBe(0);
    expect(nextSlot(3, new Set([4, 5]))).toBe(6);
    expect(nextSlot(slotCount - 1, new Set([0]))).toBe(1);
  });

  test('the first deaths are made good at once, further ones within a minute with longer and longer pauses', () => {
    const at = (times: readonly number[]) => pauseBeforeStart(times, 100_000);
    expect([at([]), at([99_000]), at([99_000, 99_100, 99_200])]).toEqual([0, 0, 0]);
    expect(at([99_000, 99_100, 99_200, 99_300])).toBe(1_000);
    expect(at([99_000, 99_100, 99_200, 99_300, 99_400, 99_500])).toBe(4_000);
    expect(at(Array.from({ length: 40 }, () => 99_000))).toBe(15_000);
    expect(at(Array.from({ length: 40 }, () => 1_000))).toBe(0);
  });
});

test('accounts are counted over all workers, as a plain count would', () => {
  const action = fc.record({
    what: fc.constantFrom('admit' as const, 'rejoin' as const, 'leave' as const, 'drop' as const),
    worker: fc.nat(2),
    user: fc.constantFrom('a', 'b'),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), fc.integer({ min: 0, max: 4 }), (actions, limit) => {
      const counts = makeAccountCounts();
      let model: { worker: number; user: string }[] = [];
      for (const { what, worker, user } of actions) {
        const has = model.filter((one) => one.user === user).length;
        if (what === 'admit') {
          const expected = limit === 0 || has < limit;
          expect(counts.admit(worker, user, limit)).toBe(expected);
          if (expected) model.push({ worker, user });
        } else if (what === 'rejoin') {
          counts.rejoin(worker, user);
          model.push({ worker, user });
        } else if (what === 'leave') {
          counts.leave(worker, user);
          const at = model.findIndex((one) => one.worker === worker && one.user === user);
          if (at >= 0) model.splice(at, 1);
        } else {
          counts.dropWorker(worker);
          model = model.filter((one) => one.worker !== worker);
        }
        for (const name of ['a', 'b']) expect(counts.of(name)).toBe(model.filter((one) => one.user === name).length);
      }
    }),
  );
});

describe('what comes in', () => {
  test.each([
    ['status', {}, { method: 'status' }],
    ['restart', { deadlineMs: 5 }, { method: 'restart', deadlineMs: 5 }],
    ['drain', { on: true }, { method: 'drain', instance: null, on: true, deadlineMs: null }],
    ['kill', { id: 7, what: 'query' }, { method: 'kill', id: 7, what: 'query' }],
    ['kill', { id: 7 }, { method: 'kill', id: 7, what: 'connection' }],
  ])('the call %s %j is understood', (method, params, call) => {
    expect(parseCall(method, params)).toEqual(call);
  });

  test.each([
    [undefined, {}],
    ['shutdown', {}],
    ['drain', {}],
    ['drain', { on: 'yes' }],
    ['kill', { id: 'all' }],
    ['restart', { deadlineMs: -1 }],
    ['restart', { deadlineMs: 'soon' }],
  ])('the call %j %j is refused', (method, params) => {
    expect(() => parseCall(method, params)).toThrow(expect.objectContaining({ code: 'COMMAND_USAGE' }));
  });

  test('anything is a call or refused, a message or none, and never a bug', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (method, params) => {
        try {
          parseCall(method, params);
        } catch (error) {
          expect(error).toMatchObject({ code: 'COMMAND_USAGE' });
        }
        parseToWorker(params);
        parseFromWorker(params);
      }),
    );
  });

  test('errors pass between processes by their code', () => {
    try {
      parseGatewayArguments(['--name']);
    } catch (error) {
      const again = revivedError(JSON.parse(JSON.stringify(toldError(error))), (reason) => new Error(reason));
      expect(again).toMatchObject({ code: 'COMMAND_USAGE', message: String(error).replace(/^\w+: /, '') });
    }
    expect(revivedError(toldError(new Error('odd')), (reason) => new Error(`x ${reason}`)).message).toBe('x odd');
    expect(revivedError(null, (reason) => new Error(reason)).message).toBe('an unknown error');
  });
});

describe('what is shown', () => {
  const reported = (
    change: Partial<Reported> & { serves?: boolean; drained?: boolean; generation?: number },
  ): Reported => ({
    slot: 0,
    pid: 1,
    generation: change.generation ?? 1,
    state: change.state ?? 'serving',
    open: 0,
    report: {
      counters: [],
      instances: [
        {
          target: { name: 'bank-north', site: 'north', host: 'h', port: 1, rttMs: 0 },
          state: change.serves === false ? 'silent' : 'serving',
          serves: change.serves ?? true,
          reason: '',
          sinceMs: 1.4,
          drained: change.drained ?? false,
          weight: 1,
        },
      ],
      connections: 0,
      sessions: { working: 0, inTransaction: 0, notReplayable: 0 },
      residentBytes: 1,
      stallMs: 0,
    },
  });

  test('it serves when a worker does and sees an instance that does', () => {
    expect(stateOf('serving', [reported({})])).toBe('serving');
    expect(stateOf('serving', [reported({ serves: false })])).toBe('no-instance');
    expect(stateOf('serving', [reported({ drained: true })])).toBe('no-instance');
    expect(stateOf('serving', [reported({ state: 'starting' })])).toBe('no-worker');
    expect(stateOf('serving', [])).toBe('no-worker');
    expect(stateOf('drained', [reported({})])).toBe('drained');
  });

  test('the newest worker speaks for the instances', () => {
    const seen = instanceStatuses([reported({ serves: false }), reported({ generation: 2 })], []);
    expect(seen).toMatchObject([{ name: 'bank-north', state: 'serving', sinceMs: 1, answerMs: null, sessions: 0 }]);
    expect(instanceStatuses([], [])).toEqual([]);
  });

  test('totals are those of the counters that sessions keep', () => {
    const counters = new Counters();
    const metrics = makeGatewayMetrics(counters);
    const bank = metrics.user('bank');
    const audit = metrics.user('audit');
    bank.requests.add(5);
    audit.requests.add(2);
    bank.committed.add(3);
    bank.rolledBack.add();
    bank.replays('same');
    audit.replays('different');
    metrics.pause(bank, 0.4);
    metrics.pause(audit, 0.7);
    bank.losses('silent');
    bank.notReplayableSessions('temporary-table');
    audit.notReplayableTransactions('temporary-table');
    metrics.outcomes('committed');
    metrics.logins('ok');
    expect(totalsOf(counters.snapshot())).toMatchObject({
      requests: 7,
      committed: 3,
      rolledBack: 1,
      losses: 1,
      pauses: 2,
      longestPauseMs: 700,
      replays: { same: 1, different: 1 },
      outcomes: { committed: 1 },
      notReplayable: { 'temporary-table': 2 },
      logins: { ok: 1 },
      conflicts: {},
    });
    expect(totalsOf([])).toMatchObject({ requests: 0, longestPauseMs: 0, replays: {} });
  });

  test('rates need two moments', () => {
    const sample = { atMs: 0, requests: 100, transactions: 10 };
    expect(ratesBetween(undefined, sample)).toBeNull();
    expect(ratesBetween(sample, sample)).toBeNull();
    expect(ratesBetween(sample, { atMs: 2_000, requests: 300, transactions: 11 })).toEqual({
      requests: 100,
      transactions: 0.5,
    });
  });

  test('an event is a line with its level; long texts of strangers are cut', () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const event: GatewayEvent = {
      event: 'login-refused',
      user: 'u'.repeat(5_000),
      client: '192.0.2.7',
      reason: 'wrong password',
      errorCode: 1045,
    };
    logEvent(log, event);
    logEvent(log, { event: 'worker-ended', worker: 0, pid: 1, how: 'SIGKILL', expected: false });
    expect(lines[0]).toEqual([
      'warn',
      'login-refused',
      { user: `${'u'.repeat(199)}…`, client: '192.0.2.7', reason: 'wrong password', errorCode: 1045 },
    ]);
    expect(lines[1]).toMatchObject(['error', 'worker-ended', {}]);
  });
});

describe('the operator’s guide', () => {
  const guide = readFileSync(fileURLToPath(new URL('../../../../docs/gateway.md', import.meta.url)), 'utf8');

  test('explains every metric, with its labels, and no other', () => {
    const counters = new Counters();
    const metrics = makeGatewayMetrics(counters);
    metrics.user('bank');
    metrics.instance('bank-north');
    const own = makeSupervisorMetrics({ name: 'n', site: 's', service: 'b', version: '1', startedAt: 0 });
    const now = { workers: 1, deaths: 0, linesDropped: 0, instances: [] };
    const real = [...counters.snapshot(), ...own.snapshot(now)].map(
      ({ name, labels }) => `${name} ${labels.map((label) => `\`${label}\``).join(', ')}`,
    );
    const told = [...guide.matchAll(/^\| `(coequal_gateway_\w+)` \| ([^|]*?) *\|/gm)].map(
      ([, name, labels]) => `${name} ${labels}`,
    );
    expect(told.sort()).toEqual([...new Set(real)].sort());
  });

  test('names every event', () => {
    const source = readFileSync(fileURLToPath(new URL('./events.ts', import.meta.url)), 'utf8');
    const names = new Set([...source.matchAll(/readonly event: '([a-z-]+)'/g)].map(([, name]) => name ?? ''));
    expect(names.size).toBeGreaterThan(15);
    for (const name of names) expect(guide).toContain(`\`${name}\``);
  });
});
