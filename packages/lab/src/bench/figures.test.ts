import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { figureOf, ratioOf, withinBars } from './figures.ts';

const runs = (values: readonly number[]) => figureOf({ name: 'x', unit: 'ms', values });

describe('a figure', () => {
  test('is the median of its runs beside the median of its peer', () => {
    const figure = figureOf({
      name: 'stall/kill/default',
      unit: 'ms',
      values: [560.04, 510, 700],
      peer: { name: 'preset stock', values: [6_200, 6_000, 6_100] },
      bar: 650,
      worstBar: 900,
    });
    expect(figure).toMatchObject({
      value: 560,
      spread: { runs: 3, median: 560, smallest: 510, largest: 700 },
      peer: 'preset stock',
      peer_value: 6_100,
      ratio: 0.092,
    });
    expect(withinBars(figure)).toBe(true);
  });

  test('of an even number of runs lies between the two in the middle', () => {
    expect(runs([700, 500]).value).toBe(600);
    expect(runs([1, 2, 4, 9]).value).toBe(3);
  });

  test('without a measurement is null, and has neither ratio nor verdict', () => {
    const figure = figureOf({ name: 'x', unit: 'ms', values: [], peer: { name: 'p', values: [1] }, bar: 5 });
    expect(figure).toMatchObject({ value: null, spread: null, ratio: null, peer_value: 1 });
    expect(withinBars(figure)).toBeNull();
  });

  test('has the documented keys of a line of --json, all of them always', () => {
    for (const key of ['name', 'value', 'unit', 'spread', 'peer', 'peer_value', 'ratio']) {
      expect(runs([])).toHaveProperty(key);
      expect(runs([1])).toHaveProperty(key);
    }
  });

  test('lies between the smallest and the largest of its runs', () => {
    const value = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 30 }), (values) => {
        const { value: median, spread } = runs(values);
        expect(spread?.runs).toBe(values.length);
        expect(median).toBeGreaterThanOrEqual(spread?.smallest ?? Number.NaN);
        expect(median).toBeLessThanOrEqual(spread?.largest ?? Number.NaN);
      }),
    );
  });
});

describe('bars', () => {
  test('hold the median and the worst apart', () => {
    const values = [500, 600, 950];
    expect(withinBars(figureOf({ name: 'x', unit: 'ms', values, bar: 650 }))).toBe(true);
    expect(withinBars(figureOf({ name: 'x', unit: 'ms', values, bar: 650, worstBar: 900 }))).toBe(false);
    expect(withinBars(figureOf({ name: 'x', unit: 'ms', values, bar: 550, worstBar: 1_000 }))).toBe(false);
    expect(withinBars(runs(values))).toBeNull();
  });
});

test('the ratio of runs in turn is the median of the pairs', () => {
  const values = [100, 400, 100];
  const peer = { name: 'p', values: [200, 400, 100], inTurn: true } as const;
  expect(figureOf({ name: 'x', unit: 'MB', values, peer }).ratio).toBe(1);
  expect(figureOf({ name: 'x', unit: 'MB', values, peer: { name: 'p', values: [200, 400, 100] } }).ratio).toBe(0.5);
  expect(figureOf({ name: 'x', unit: 'MB', values: [5], peer: { ...peer, values: [] } }).ratio).toBeNull();
});

test('a ratio by zero or nothing is none', () => {
  expect(ratioOf(5, 0)).toBeNull();
  expect(ratioOf(5, null)).toBeNull();
  expect(ratioOf(null, 5)).toBeNull();
  expect(ratioOf(5, 4)).toBe(1.25);
});
