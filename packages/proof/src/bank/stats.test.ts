import { describe, expect, test } from 'vitest';
import { makeStats } from './stats.ts';

describe('the figures of a site', () => {
  test('count by kind', () => {
    const stats = makeStats();
    stats.acknowledged('a', 0, 1_000);
    stats.conflict();
    stats.refused();
    stats.error('1047');
    stats.error('1047');
    stats.inDoubt();
    stats.reconnected();
    expect(stats.report(2_000)).toMatchObject({
      acknowledged: 1,
      conflicts: 1,
      refused: 1,
      errors: { '1047': 2 },
      inDoubt: 1,
      reconnects: 1,
      recentAcked: ['a'],
    });
    expect(stats.report(3_000).recentAcked).toEqual([]);
  });

  test('know the longest pause, the one going on included', () => {
    const stats = makeStats();
    expect(stats.report(5_000_000)).toMatchObject({ longestPauseMs: 0, sinceAckMs: null });
    stats.acknowledged('a', 0, 6_000_000);
    stats.acknowledged('b', 0, 6_400_000);
    expect(stats.report(6_500_000)).toMatchObject({ longestPauseMs: 400, sinceAckMs: 100 });
    expect(stats.report(7_500_000)).toMatchObject({ longestPauseMs: 1_100, sinceAckMs: 1_100 });
  });

  test('give percentiles of the last second within a tenth', () => {
    const stats = makeStats();
    for (let ms = 1; ms <= 100; ms += 1) stats.acknowledged(`t${ms}`, 0, ms * 1_000);
    const { p50Ms, p99Ms, perSecond } = stats.report(200_000);
    expect(perSecond).toBe(100);
    expect(p50Ms).toBeGreaterThanOrEqual(50);
    expect(p50Ms).toBeLessThanOrEqual(55.1);
    expect(p99Ms).toBeGreaterThanOrEqual(99);
    expect(p99Ms).toBeLessThanOrEqual(109);
    for (let quarter = 0; quarter < 3; quarter += 1) expect(stats.report(300_000).p50Ms).toBe(p50Ms);
    expect(stats.report(300_000)).toMatchObject({ perSecond: 0, p50Ms: null, p99Ms: null });
  });

  test('stay small', () => {
    const stats = makeStats();
    for (let index = 0; index < 1_000; index += 1) stats.acknowledged(`t${index}`, 0, index);
    expect(stats.report(1_000).recentAcked).toHaveLength(8);
  });
});
