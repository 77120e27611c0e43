import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { momentsOf, quantileOf, robustOf, signedLog, sortedFinite, sortedSample } from './statistics.ts';

const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const withGaps = fc.array(fc.oneof(value, fc.constant(Number.NaN)), { maxLength: 100 });

describe('statistics', () => {
  test('skip what was not measured', () => {
    fc.assert(
      fc.property(withGaps, (values) => {
        const kept = values.filter((each) => !Number.isNaN(each)).sort((a, b) => a - b);
        expect([...sortedFinite(values)]).toEqual(kept.map((each) => expect.closeTo(each)));
        expect(momentsOf(values)).toMatchObject({ count: kept.length });
      }),
    );
  });

  test('have quantiles between neighbours', () => {
    expect(quantileOf(Float64Array.of(1, 2, 4), 0.5)).toBe(2);
    expect(quantileOf(Float64Array.of(1, 2, 4), 0.75)).toBe(3);
    expect(quantileOf(new Float64Array(), 0.5)).toBeNaN();
  });

  test('take deviations as they are defined', () => {
    expect(momentsOf([2, 4, 4, 4, 5, 5, 7, 9, Number.NaN])).toEqual({ count: 8, mean: 5, deviation: 2 });
    expect(momentsOf([])).toEqual({ count: 0, mean: 0, deviation: 0 });
  });

  test('are not moved by a wild value, and see no variation where there is none', () => {
    const steady = Array.from({ length: 40 }, (_, index) => index % 5);
    const wild = robustOf([...steady, 1e9]);
    expect(wild.median).toBe(robustOf(steady).median);
    expect(wild.scale).toBeCloseTo(robustOf(steady).scale, 1);
    expect(robustOf([3, 3, 3])).toEqual({ median: 3, scale: 0 });
  });

  test('of many values are near those of all', () => {
    const values = Array.from({ length: 3_000 }, (_, index) => (index * 7_919) % 3_000);
    expect(Math.abs(quantileOf(sortedSample(values), 0.5) - 1_500)).toBeLessThan(300);
    expect(sortedSample(values).length).toBeLessThan(100);
  });

  test('of logarithms keep sign and order', () => {
    fc.assert(
      fc.property(
        value,
        value,
        (a, b) => Math.sign(signedLog(a) - signedLog(b)) === Math.sign(a - b) || Math.abs(a - b) < 1e-6,
      ),
    );
  });
});
