import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Transaction } from './history.ts';
import { customersOf, longestPause, percentile, siteTimeline } from './timeline.ts';

const at = (ms: number, change: Partial<Transaction> = {}): Transaction => ({
  id: `t${ms}`,
  process: 'p',
  site: 'north',
  instance: 'north-1',
  invoke: ms * 1_000 - 2_000,
  complete: ms * 1_000,
  operations: [],
  outcome: 'ok',
  ...change,
});
const window = { startUs: 0, endUs: 10_000_000 };

describe('the timeline of a site', () => {
  test('counts each second by itself', () => {
    const timeline = siteTimeline(
      'north',
      [
        at(100),
        at(900),
        at(1_500, { outcome: 'fail', error: '1213' }),
        at(1_600, { outcome: 'fail', error: '1047' }),
        at(1_700, { outcome: 'fail', error: 'REFUSED' }),
        at(2_100, { outcome: 'info', error: '1180' }),
        at(2_200, { outcome: 'info', complete: null, error: 'NO_ANSWER' }),
        ...customersOf([at(500, { site: 'south' }), at(500, { via: 'gateway' })], 'north', 'direct'),
      ],
      window,
    );
    expect(timeline.seconds).toHaveLength(10);
    expect(timeline.seconds[0]).toEqual({
      second: 0,
      acknowledged: 2,
      conflicts: 0,
      errors: 0,
      inDoubt: 0,
      p50Ms: 2,
      p99Ms: 2,
    });
    expect(timeline.seconds[1]).toMatchObject({ acknowledged: 0, conflicts: 1, errors: 1, inDoubt: 0, p50Ms: null });
    expect(timeline.seconds[2]).toMatchObject({ errors: 1, inDoubt: 2 });
    expect(timeline).toMatchObject({ acknowledged: 2, errors: { '1047': 1, '1180': 1 } });
  });

  test('counts a move whenever a process turns up at another instance', () => {
    const moved = [
      at(1),
      at(2, { instance: 'south-1' }),
      at(3, { instance: 'south-1' }),
      at(4),
      at(5, { process: 'q', instance: 'south-1' }),
    ];
    expect(siteTimeline('north', moved, window).reconnects).toBe(2);
  });

  test('measures the longest pause, the one still open at the end included', () => {
    expect(siteTimeline('north', [at(1_000), at(1_400), at(9_900)], window).longestPause).toEqual({
      fromMs: 1_400,
      toMs: 9_900,
      ms: 8_500,
    });
    expect(siteTimeline('north', [at(1_000), at(1_400)], window).longestPause).toEqual({
      fromMs: 1_400,
      toMs: 10_000,
      ms: 8_600,
    });
    expect(siteTimeline('north', [], window).longestPause).toBeNull();
  });

  test('measures the pause around a fault alone', () => {
    const acks = [100_000, 3_000_000, 3_100_000, 3_700_000, 9_000_000];
    expect(longestPause(acks, { startUs: 3_200_000, endUs: 3_300_000 }, window)?.ms).toBe(600);
  });

  test('has a longest pause no shorter than any pair of neighbours', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9_999_999 }), { minLength: 2 }), (times) => {
        const acks = [...times].sort((a, b) => a - b);
        const gaps = acks.slice(1).map((time, index) => (time - (acks[index] ?? 0)) / 1_000);
        const open = (window.endUs - (acks.at(-1) ?? 0)) / 1_000;
        expect(longestPause(acks, window, window)?.ms).toBe(Math.max(open, ...gaps));
      }),
    );
  });

  test('takes percentiles by nearest rank', () => {
    expect([0.5, 0.99, 1].map((share) => percentile([1, 2, 3, 4], share))).toEqual([2, 4, 4]);
    expect(percentile([], 0.5)).toBeNull();
  });
});
