/** From what is seen to a named state: by tables, and for whatever may be seen. */
import { type InstanceState, serves } from '@coequal/estate';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Health,
  type HealthRules,
  type InstanceStatus,
  leaveAfter,
  type Observation,
  observe,
  returnShare,
  unseen,
  welcomes,
} from './health.ts';

const rules: HealthRules = {
  silenceMs: 700,
  slowMs: 250,
  steadyMs: 250,
  wakingMs: 1_000,
  rampMs: 5_000,
  alone: false,
  service: 'bank',
};

const well: InstanceStatus = {
  replicates: true,
  clusterName: 'bank',
  clusterStatus: 'Primary',
  stateComment: 'Synced',
  ready: true,
  members: 3,
  receiveQueue: 0,
  pausedNs: 0,
  readOnly: false,
};

const status = (atMs: number, change: Partial<InstanceStatus> = {}, tookMs = 1): Observation => ({
  kind: 'status',
  askedMs: atMs - tookMs,
  atMs,
  status: { ...well, ...change },
});
const beat = (atMs: number, tookMs = 1): Observation => ({
  kind: 'beat',
  askedMs: atMs - tookMs,
  atMs,
  readOnly: false,
});
const time = (atMs: number): Observation => ({ kind: 'time', atMs });
const refused = (atMs: number): Observation => ({ kind: 'refused', atMs, reason: 'Nobody listens.' });
const saw = (atMs: number, what: Extract<Observation, { kind: 'saw' }>['what']): Observation => ({
  kind: 'saw',
  atMs,
  what,
});

const after = (seen: readonly Observation[], from: Health = unseen(0), how = rules): Health =>
  seen.reduce((health, one) => observe(health, one, how), from);
const serving = after([status(10)]);

describe('what an instance says of itself', () => {
  test.each<[InstanceState, Partial<InstanceStatus>]>([
    ['serving', {}],
    ['isolated', { clusterStatus: 'non-Primary', members: 1 }],
    ['isolated', { clusterStatus: 'Disconnected', stateComment: 'Initialized' }],
    ['donating', { stateComment: 'Donor/Desynced' }],
    ['catching-up', { stateComment: 'Joined' }],
    ['joining', { stateComment: 'Joining: receiving State Transfer', ready: false }],
    ['joining', { ready: false }],
    ['foreign', { clusterName: 'shop' }],
    ['foreign', { replicates: false }],
  ])('%s: %o', (state, change) => {
    expect(after([status(10, change)]).state).toBe(state);
    expect(after([status(10, change)], serving).state).toBe(state);
  });

  test('a single instance needs no cluster', () => {
    const alone = { ...rules, alone: true };
    expect(after([status(10, { replicates: false, clusterStatus: 'Disconnected' })], unseen(0), alone).state).toBe(
      'serving',
    );
  });

  test('how long flow control paused it, between two looks, also when its counter begins anew', () => {
    const health = after([status(1_000, { pausedNs: 5e9 }), status(1_500, { pausedNs: 5.25e9 })]);
    expect(health.flowControl).toBeCloseTo(0.5);
    expect(after([status(2_000, { pausedNs: 0 })], health).flowControl).toBeCloseTo(0.5);
    expect(after([status(2_000, { pausedNs: 0 }), status(2_500)], health).flowControl).toBe(0);
  });
});

describe('silence', () => {
  test('is counted from the last answer, and beats are answers', () => {
    expect(after([time(709)], serving).state).toBe('serving');
    expect(after([time(710)], serving).state).toBe('silent');
    expect(after([beat(500), time(1_199)], serving).state).toBe('serving');
    expect(after([beat(500), time(1_200)], serving).state).toBe('silent');
    expect(after([saw(500, 'answered'), time(1_199)], serving).state).toBe('serving');
  });

  test('does not count the time in which this process stood still', () => {
    expect(after([{ kind: 'excuse', ms: 2_000 }, time(2_100)], serving).state).toBe('serving');
    expect(after([{ kind: 'excuse', ms: 2_000 }, time(2_710)], serving).state).toBe('silent');
  });

  test('of one that was never heard', () => {
    expect(after([time(699)]).state).toBe('starting');
    expect(after([time(700)]).state).toBe('silent');
  });

  test('does not turn one that is gone into one that hangs', () => {
    expect(after([refused(20), time(9_000)], serving).state).toBe('gone');
  });
});

describe('the way back', () => {
  test('from silence takes longer than it can be mistaken about being a member', () => {
    const silent = after([time(710)], serving);
    expect(after([beat(2_000)], silent).state).toBe('silent');
    const waking = after([status(2_000), status(2_500)], silent);
    expect(waking.state).toBe('silent');
    expect(after([status(2_999)], waking).state).toBe('silent');
    expect(after([status(3_000)], waking).state).toBe('serving');
    expect(after([status(2_600, { clusterStatus: 'non-Primary' }), status(2_999)], waking).state).toBe('isolated');
  });

  test('from anywhere else is short, and begins anew after every setback', () => {
    const gone = after([refused(100)], serving);
    expect(after([status(1_000), status(1_200)], gone).state).toBe('gone');
    expect(after([status(1_000), status(1_300)], gone).state).toBe('serving');
    expect(after([status(1_000), refused(1_100), status(1_200), status(1_300)], gone).state).toBe('gone');
  });

  test('gives sessions back little by little', () => {
    const back = after([refused(100), status(1_000), status(1_300)], serving);
    expect(returnShare(back, 1_300, rules)).toBe(0);
    expect(returnShare(back, 3_800, rules)).toBeCloseTo(0.5);
    expect(returnShare(back, 60_000, rules)).toBe(1);
    expect(returnShare(serving, 10, rules)).toBe(1);
    expect(returnShare(after([refused(100)], serving), 60_000, rules)).toBe(0);
  });
});

describe('pace', () => {
  test('three late answers in a row make it slow, three quick ones serving', () => {
    const late = [1_000, 2_000, 3_000].map((atMs) => beat(atMs, 300));
    expect(after(late.slice(0, 2), serving).state).toBe('serving');
    expect(after([...late.slice(0, 2), beat(2_100), ...late.slice(0, 2)], serving).state).toBe('serving');
    const slow = after(late, serving);
    expect(slow.state).toBe('slow');
    // In time, and not quick: no wavering.
    expect(
      after(
        [3_300, 3_600, 3_900, 4_200].map((atMs) => beat(atMs, 200)),
        slow,
      ).state,
    ).toBe('slow');
    expect(
      after(
        [3_100, 3_200].map((atMs) => status(atMs)),
        slow,
      ).state,
    ).toBe('slow');
    expect(
      after(
        [3_100, 3_200, 3_300].map((atMs) => status(atMs)),
        slow,
      ).state,
    ).toBe('serving');
  });
});

describe('what sessions see', () => {
  test('keeps new ones away until a question that was asked later is answered', () => {
    for (const what of ['refused', 'lost', 'silent'] as const) {
      const doubted = after([saw(100, what)], serving);
      expect(doubted.state).toBe('serving');
      expect(welcomes(doubted)).toBe(false);
      // Asked before the trouble, answered after it.
      expect(welcomes(after([beat(105, 10)], doubted))).toBe(false);
      expect(welcomes(after([beat(106, 1)], doubted))).toBe(true);
    }
  });

  test('that it refuses everything is believed at once, and disproved by its own word', () => {
    const isolated = after([saw(100, 'isolated')], serving);
    expect(isolated.state).toBe('isolated');
    expect(after([status(150), status(400)], isolated).state).toBe('serving');
  });
});

describe('sessions leave', () => {
  test.each<[Observation, object | undefined]>([
    [time(710), { reason: 'silent', gentle: false }],
    [refused(20), { reason: 'gone', gentle: false }],
    [
      { kind: 'unready', askedMs: 19, atMs: 20 },
      { reason: 'isolated', gentle: false },
    ],
    [status(20, { clusterName: 'shop' }), { reason: 'foreign', gentle: false }],
    [status(20, { stateComment: 'Donor/Desynced' }), { reason: 'donating', gentle: true }],
    [status(20, { stateComment: 'Joined' }), undefined],
    [beat(20), undefined],
    [saw(20, 'lost'), undefined],
  ])('%#', (seen, leave) => {
    expect(leaveAfter(serving, observe(serving, seen, rules))).toEqual(leave);
  });
});

describe('whatever is seen', () => {
  type Step = { readonly afterMs: number; readonly tookMs: number; readonly what: string };
  const steps: fc.Arbitrary<readonly Step[]> = fc.array(
    fc.record({
      afterMs: fc.integer({ min: 1, max: 400 }),
      tookMs: fc.integer({ min: 0, max: 400 }),
      what: fc.constantFrom(
        'status',
        'isolated',
        'donor',
        'beat',
        'unready',
        'refused',
        'lost',
        'answered',
        'time',
        'excuse',
      ),
    }),
    { maxLength: 80 },
  );
  const toObservation = ({ tookMs, what }: Step, atMs: number): Observation => {
    switch (what) {
      case 'status':
        return status(atMs, {}, tookMs);
      case 'isolated':
        return status(atMs, { clusterStatus: 'non-Primary' }, tookMs);
      case 'donor':
        return status(atMs, { stateComment: 'Donor/Desynced' }, tookMs);
      case 'beat':
        return beat(atMs, tookMs);
      case 'unready':
        return { kind: 'unready', askedMs: atMs - tookMs, atMs };
      case 'refused':
        return refused(atMs);
      case 'lost':
      case 'answered':
        return saw(atMs, what);
      case 'excuse':
        return { kind: 'excuse', ms: tookMs };
      default:
        return time(atMs);
    }
  };
  const unfold = (list: readonly Step[]): readonly Observation[] => {
    let atMs = 0;
    return list.map((step) => {
      atMs += step.afterMs;
      return toObservation(step, atMs);
    });
  };

  test('one that serves has been heard within the silence it may keep', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let health = unseen(0);
        let atMs = 0;
        for (const [index, seen] of unfold(list).entries()) {
          atMs += list[index]?.afterMs ?? 0;
          health = observe(observe(health, seen, rules), time(atMs), rules);
          if (serves(health.state)) expect(atMs - health.heardMs).toBeLessThan(rules.silenceMs);
        }
      }),
    );
  });

  test('one that was away serves again only after its own word, given for long enough', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let health = unseen(0);
        let awaySinceMs: number | undefined;
        for (const seen of unfold(list)) {
          const before = health;
          health = observe(health, seen, rules);
          const away = !serves(before.state) && before.state !== 'starting';
          if (away && serves(health.state)) {
            expect(seen.kind).toBe('status');
            if (seen.kind === 'status' && awaySinceMs !== undefined)
              expect(seen.atMs - awaySinceMs).toBeGreaterThanOrEqual(rules.steadyMs);
          }
          if (serves(before.state) && !serves(health.state) && 'atMs' in seen) awaySinceMs = seen.atMs;
        }
      }),
    );
  });

  test('sessions are told to go whenever what they ask would not be answered', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let health = unseen(0);
        for (const seen of unfold(list)) {
          const before = health;
          health = observe(health, seen, rules);
          const leave = leaveAfter(before, health);
          if (serves(before.state) && !serves(health.state)) expect(leave).toMatchObject({ gentle: false });
          else expect(leave?.gentle ?? true).toBe(true);
        }
      }),
    );
  });
});
