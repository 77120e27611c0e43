import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cut, combinedLoss, ruleSet } from './rules.ts';

const sites = [1, 2, 3];
const cut = (part: Partial<Cut> = {}): Cut => ({ site: 1, whole: false, oneWay: false, ...part });
/** The drops of a place, without the frame around them. */
const drops = (place: number, cuts: readonly Cut[]): readonly string[] =>
  ruleSet(place, sites, cuts, [])
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('ip saddr'));

describe('a cut database', () => {
  test('receives nothing from any other site, at its own addresses only', () => {
    expect(drops(1, [cut()])).toEqual([
      'ip saddr 10.77.2.0/24 ip daddr 10.77.1.1-10.77.1.8 drop',
      'ip saddr 10.77.3.0/24 ip daddr 10.77.1.1-10.77.1.8 drop',
    ]);
  });

  test('is not heard at any other site, and is at the hub', () => {
    expect(drops(2, [cut()])).toEqual(['ip saddr 10.77.1.1-10.77.1.8 drop']);
    expect(drops(0, [cut()])).toEqual([]);
  });

  test('still hears the others when the cut is one-way', () => {
    expect(drops(1, [cut({ oneWay: true })])).toEqual([]);
    expect(drops(3, [cut({ oneWay: true })])).toEqual(['ip saddr 10.77.1.1-10.77.1.8 drop']);
  });
});

test('a whole site that is cut off is not heard at the hub either', () => {
  expect(drops(0, [cut({ whole: true })])).toEqual(['ip saddr 10.77.1.0/24 drop']);
  expect(drops(1, [cut({ whole: true })])).toEqual([
    'ip saddr 10.77.0.0/24 drop',
    'ip saddr 10.77.2.0/24 drop',
    'ip saddr 10.77.3.0/24 drop',
  ]);
});

test('a cut between two sites does not touch the third', () => {
  const between = cut({ towards: [2], whole: true });
  expect(drops(1, [between])).toEqual(['ip saddr 10.77.2.0/24 drop']);
  expect(drops(3, [between])).toEqual([]);
  expect(drops(0, [between])).toEqual([]);
});

test('no cut at all leaves only the frame, and loopback always passes first', () => {
  expect(drops(1, [])).toEqual([]);
  expect(ruleSet(1, sites, [cut({ whole: true })], [])).toMatch(/accept;\n {4}iifname "lo" accept\n/);
});

test('nothing is ever rejected, and nobody forwards', () => {
  const any = fc.array(fc.record({ site: fc.constantFrom(...sites), whole: fc.boolean(), oneWay: fc.boolean() }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(any, fc.constantFrom(0, ...sites), (cuts, place) => {
      const text = ruleSet(place, sites, cuts, []);
      expect(text).not.toMatch(/reject/);
      expect(text).toMatch(/hook forward priority 0; policy drop;/);
      // A site is never kept from hearing itself.
      if (place > 0) expect(text).not.toMatch(new RegExp(`ip saddr 10\\.77\\.${place}\\.`));
    }),
  );
});

describe('loss', () => {
  const rule = (percent: number): string | undefined =>
    ruleSet(1, sites, [], [{ interface: 'site2', percent }])
      .split('\n')
      .find((line) => line.includes('site2'))
      ?.trim();

  test('is a chance for each packet that arrives over the link', () => {
    expect(rule(5)).toBe('iifname "site2" numgen random mod 10000 < 500 drop');
    expect(rule(0.001)).toBe('iifname "site2" numgen random mod 10000 < 1 drop');
  });

  test('of nothing is no rule, and of everything no chance', () => {
    expect(rule(0)).toBeUndefined();
    expect(rule(100)).toBe('iifname "site2" drop');
  });

  test('of both ends is that of either, not their sum', () => {
    expect(combinedLoss(50, 50)).toBe(75);
    expect(combinedLoss(0, 30)).toBeCloseTo(30);
    expect(combinedLoss(100, 30)).toBe(100);
  });
});
