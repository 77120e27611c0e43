/** Rounds with sources of ours that are slow, broken or hang, on a clock of ours; and when rounds begin. */
import { silentLog, systemClock, until } from '@coequal/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rounds } from './rounds.ts';
import { phaseOf, untilNext } from './schedule.ts';
import type { Collected, Source } from './source.ts';

const sample = (name: string) => ({ name, labels: [], value: 1, timeMs: 0 });
const source = (collector: string, collect: Source['collect'], more: Partial<Source> = {}): Source => ({
  collector,
  target: '',
  everyMs: 1_000,
  deadlineMs: 60_000,
  collect,
  close: async () => undefined,
  ...more,
});
const told = (name: string): Collected => ({ samples: [sample(name)] });
const rounds = (sources: readonly Source[], waitMs = 60_000, clock = systemClock) =>
  new Rounds({ sources, clock, log: silentLog, waitMs });
/** A clock that stands until it is moved, and whose sleeps are real. */
const movable = () => {
  let now = 0;
  return {
    clock: { ...systemClock, monotonic: () => now },
    pass: (ms: number): void => {
      now += ms;
    },
  };
};

test('a source that fails is down and its neighbour is not', async () => {
  const both = rounds([
    source('good', async () => told('a')),
    source('bad', async () => {
      throw new Error('no such thing');
    }),
    source('worse', () => {
      throw new Error('at once');
    }),
  ]);
  expect((await both.run(5)).samples.map(({ name }) => name)).toEqual(['a']);
  expect(both.states().map(({ collector, up, failed }) => [collector, up, failed])).toEqual([
    ['good', true, 0],
    ['bad', false, 1],
    ['worse', false, 1],
  ]);
});

test('a source that hangs is down after its deadline, is told to stop, and is not asked again before it has ended', async () => {
  const { clock, pass } = movable();
  let asked = 0;
  let stopped = false;
  const end = Promise.withResolvers<Collected>();
  const hanging = rounds(
    [
      source(
        'hanging',
        (_, signal) => {
          asked += 1;
          signal.addEventListener('abort', () => {
            stopped = true;
          });
          return asked === 1 ? end.promise : Promise.resolve(told('late'));
        },
        { deadlineMs: 5 },
      ),
      source('quick', async () => told('quick')),
    ],
    60_000,
    clock,
  );
  expect((await hanging.run(0)).samples.map(({ name }) => name)).toEqual(['quick']);
  expect({ stopped, up: hanging.states()[0]?.up }).toEqual({ stopped: true, up: false });
  pass(1_000);
  await hanging.run(1_000);
  expect(asked).toBe(1);
  end.resolve(told('too late'));
  await end.promise;
  pass(1_000);
  const { samples } = await until(systemClock, { what: 'a reading again', deadlineMs: 30_000 }, async () => {
    pass(1_000);
    const round = await hanging.run(3_000);
    return round.samples.some(({ name }) => name === 'late') && round;
  });
  // What came after its deadline is nobody's.
  expect(samples.map(({ name }) => name)).not.toContain('too late');
  expect(hanging.states()[0]?.up).toBe(true);
});

test('what is late for its round comes with the next one', async () => {
  const { clock, pass } = movable();
  const late = Promise.withResolvers<Collected>();
  let asked = 0;
  const slow = rounds(
    [
      source('slow', () => {
        asked += 1;
        return asked === 1 ? late.promise : new Promise(() => undefined);
      }),
    ],
    1,
    clock,
  );
  expect((await slow.run(0)).samples).toEqual([]);
  late.resolve({ ...told('slow'), events: [] });
  await late.promise;
  pass(1_000);
  const found = await until(systemClock, { what: 'the reading', deadlineMs: 30_000 }, async () => {
    const { samples } = await slow.run(1_000);
    return samples.length > 0 && samples;
  });
  expect(found.map(({ name }) => name)).toEqual(['slow']);
});

test('sources are asked as often as they say', async () => {
  const { clock, pass } = movable();
  const counts = [0, 0];
  const two = rounds(
    [1_000, 5_000].map((everyMs, index) =>
      source(
        `s${index}`,
        async () => {
          counts[index] = (counts[index] ?? 0) + 1;
          return { samples: [] };
        },
        { everyMs },
      ),
    ),
    60_000,
    clock,
  );
  for (let second = 0; second < 10; second += 1) {
    await two.run(second * 1_000);
    // Rounds are a little early or late.
    pass(second % 2 === 0 ? 990 : 1_010);
  }
  expect(counts).toEqual([10, 2]);
});

test('every second has one round, at the same place in it, whatever the clock does', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.array(
        fc.record({
          late: fc.integer({ min: 0, max: 340 }),
          jump: fc.constantFrom(0, 0, 0, 0, -90_000, 3_600_000, -400),
        }),
      ),
      (name, steps) => {
        const phase = phaseOf(name);
        expect(phase).toBeGreaterThanOrEqual(150);
        expect(phase).toBeLessThan(650);
        let now = 1_700_000_000_123;
        let second = Math.floor(now / 1_000);
        for (const { late, jump } of steps) {
          const wait = untilNext(now, phase, second);
          expect(wait).toBeGreaterThanOrEqual(0);
          // At most one second is missed when a clock goes back by less than a second.
          expect(wait).toBeLessThanOrEqual(2_400);
          now += wait + late;
          const at = Math.floor(now / 1_000);
          expect(at).not.toBe(second);
          expect(now - at * 1_000).toBe(phase + late);
          second = at;
          now += jump;
        }
      },
    ),
  );
});
