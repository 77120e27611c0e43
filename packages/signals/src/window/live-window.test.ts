import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Sample } from '../sample.ts';
import { LiveWindow, usualWindow, type WindowOptions } from './live-window.ts';

const small: WindowOptions = { seconds: 5, seriesLimit: 3, staleSeconds: 10, futureSeconds: 2 };
const at = (name: string, second: number, value: number): Sample => ({
  name,
  labels: [['host', 'a']],
  timeMs: second * 1_000 + 300,
  value,
});
const valuesOf = (window: LiveWindow, name: string, from: number, to: number): readonly number[] => [
  ...(window.read({ name }, from * 1_000, to * 1_000 + 999).columns[0]?.values ?? []),
];

test('values stand in their second, in whatever order they come, and the last of a second counts', () => {
  const window = new LiveWindow(small);
  window.ingest([at('a', 101, 1), at('a', 104, 4), at('a', 103, 3), at('a', 103, 33)], 104_500);
  expect(valuesOf(window, 'a', 100, 104)).toEqual([Number.NaN, 1, Number.NaN, 33, 4]);
});

test('unless told otherwise, a quarter of an hour is kept', () => {
  const window = new LiveWindow();
  window.ingest([at('a', 1_000, 1), at('a', 1_899, 2)], 1_899_000);
  expect(valuesOf(window, 'a', 0, 1_899)).toHaveLength(usualWindow.seconds);
  expect(valuesOf(window, 'a', 0, 1_899)[0]).toBe(1);
});

test('a ring does not show again what it held a round before', () => {
  const window = new LiveWindow(small);
  for (const second of [100, 101, 102, 103, 104]) window.ingest([at('a', second, second)], second * 1_000);
  window.ingest([at('a', 107, 107)], 107_000);
  expect(valuesOf(window, 'a', 103, 107)).toEqual([103, 104, Number.NaN, Number.NaN, 107]);
  window.ingest([at('a', 1_000, 1)], 1_000_000);
  expect(valuesOf(window, 'a', 996, 1_000)).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, 1]);
});

test('a clock that jumps back writes into the past, and what is too old or too new is counted', () => {
  const window = new LiveWindow(small);
  window.ingest([at('a', 104, 1), at('a', 102, 2), at('a', 99, 3), at('a', 200, 4)], 104_000);
  window.ingest([{ ...at('a', 1, 1), timeMs: Number.NaN }, at('a', -5, 1)], 104_000);
  expect(valuesOf(window, 'a', 100, 104)).toEqual([Number.NaN, Number.NaN, 2, Number.NaN, 1]);
  expect(window.losses()).toEqual({ full: 0, old: 2, future: 2, long: 0 });
});

test('new series push out those that nobody writes any more, and never live ones', () => {
  const window = new LiveWindow(small);
  window.ingest([at('a', 100, 1), at('b', 100, 1), at('c', 100, 1), at('d', 100, 1)], 100_000);
  expect([window.size, window.losses().full]).toEqual([3, 1]);
  window.ingest([at('a', 111, 2)], 111_000);
  window.ingest([at('d', 111, 1), at('e', 111, 1), at('f', 111, 1)], 111_000);
  expect([window.size, window.losses().full]).toEqual([3, 2]);
  expect(valuesOf(window, 'a', 111, 111)).toEqual([2]);
  expect(window.read({}, 0, 111_000).columns.map(({ name }) => name)).toEqual(['a', 'd', 'e']);
});

test('a handle writes its series, and says when that is gone', () => {
  const window = new LiveWindow(small);
  const series = window.seriesOf('a', [], 100_000);
  if (series === undefined) throw new Error('no room in an empty window');
  expect(window.write(series, 100_000, 7, 100_000)).toBe(true);
  expect(valuesOf(window, 'a', 100, 100)).toEqual([7]);
  window.ingest([at('b', 120, 1), at('c', 120, 1), at('d', 120, 1)], 120_000);
  expect(window.write(series, 120_000, 8, 120_000)).toBe(false);
});

test('a selection asks for names and labels, also for labels that are missing', () => {
  const window = new LiveWindow(small);
  const bare: Sample = { name: 'a', labels: [], timeMs: 100_000, value: 1 };
  window.ingest([at('a', 100, 1), at('b', 100, 1), bare], 100_000);
  const found = (labels: readonly (readonly [string, string])[]) =>
    window.read({ name: 'a', labels }, 100_000, 100_000).columns.map((column) => column.labels.length);
  expect(found([])).toEqual([1, 0]);
  expect(found([['host', 'a']])).toEqual([1]);
  expect(found([['host', '']])).toEqual([0]);
  expect(window.read({}, 100_000, 90_000).columns.every(({ values }) => values.length === 0)).toBe(true);
  expect(window.read({}, Number.NaN, 100_000).columns).toEqual([]);
});

test('a key that is far too long is refused and counted', () => {
  const window = new LiveWindow(small);
  window.ingest([{ ...at('a', 1, 1), labels: [['sql', 'x'.repeat(20_000)]] }], 1_000);
  expect([window.size, window.losses().long]).toEqual([0, 1]);
});

test('a window holds what a plain map of seconds would', () => {
  const writes = fc.array(fc.tuple(fc.integer({ min: 100, max: 130 }), fc.integer()), { maxLength: 40 });
  fc.assert(
    fc.property(writes, (list) => {
      const window = new LiveWindow(small);
      const model = new Map<number, number>();
      let newest = -1;
      for (const [second, value] of list) {
        window.ingest([at('a', second, value)], 200_000);
        if (second <= newest - small.seconds) continue;
        newest = Math.max(newest, second);
        model.set(second, value);
      }
      const expected = [0, 1, 2, 3, 4].map((index) => model.get(newest - 4 + index) ?? Number.NaN);
      if (newest >= 0) expect(valuesOf(window, 'a', newest - 4, newest)).toEqual(expected);
    }),
  );
});

test('a series that stands still needs no ring until its value changes, also when seconds are left out', () => {
  const window = new LiveWindow(small);
  for (const second of [100, 101, 102]) window.ingest([at('a', second, 7), at('b', second, second)], second * 1_000);
  expect(window.rings).toBe(1);
  expect(valuesOf(window, 'a', 99, 103)).toEqual([Number.NaN, 7, 7, 7, Number.NaN]);
  window.ingest([at('a', 105, 7)], 105_000);
  expect(window.rings).toBe(1);
  expect(valuesOf(window, 'a', 101, 105)).toEqual([7, 7, Number.NaN, Number.NaN, 7]);
  window.ingest([at('a', 106, 8)], 106_000);
  expect(window.rings).toBe(2);
  expect(valuesOf(window, 'a', 102, 106)).toEqual([7, Number.NaN, Number.NaN, 7, 8]);
});

test('when there is no room for a ring, the value that would need one is refused and counted', () => {
  const window = new LiveWindow({ ...small, ringLimit: 1 });
  window.ingest([at('a', 100, 1), at('a', 101, 2), at('b', 100, 1), at('b', 101, 2), at('b', 101, 1)], 101_000);
  expect(valuesOf(window, 'a', 100, 101)).toEqual([1, 2]);
  expect(valuesOf(window, 'b', 100, 101)).toEqual([1, 1]);
  expect([window.rings, window.losses().full]).toEqual([1, 1]);
});

test('with and without rings, a window gives what a plain table would', () => {
  const write = fc.record({
    name: fc.constantFrom('a', 'b'),
    second: fc.integer({ min: 100, max: 115 }),
    value: fc.constantFrom(1, 1, 1, 2),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
      const window = new LiveWindow(small);
      const table = new Map<string, Map<number, number>>();
      const newest = new Map<string, number>();
      for (const { name, second, value } of writes) {
        window.ingest([at(name, second, value)], 115_000);
        if (second <= (newest.get(name) ?? 0) - small.seconds) continue;
        newest.set(name, Math.max(newest.get(name) ?? 0, second));
        const own = table.get(name) ?? new Map<number, number>();
        table.set(name, own.set(second, value));
      }
      for (const [name, last] of newest) {
        const expected = [4, 3, 2, 1, 0].map((back) => table.get(name)?.get(last - back) ?? Number.NaN);
        expect(valuesOf(window, name, last - 4, last)).toEqual(expected);
        for (const series of window.seriesNamed(name))
          expect([4, 3, 2, 1, 0].map((back) => series.at(last - back))).toEqual(expected);
      }
    }),
  );
});
