import { seededRandom } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { largestAmount, transfers } from './workload.ts';
import { zipf } from './zipf.ts';

const take = <T>(count: number, next: () => T): readonly T[] => Array.from({ length: count }, next);

describe('the workload', () => {
  const options = { seed: 1, site: 'north', process: 1, accounts: 100 };

  test('is the same for the same seed, site and process', () => {
    expect(take(50, transfers(options))).toEqual(take(50, transfers(options)));
  });

  test.each([
    ['seed', { seed: 2 }],
    ['site', { site: 'south' }],
    ['process', { process: 2 }],
  ])('is another for another %s', (_, change) => {
    expect(take(50, transfers({ ...options, ...change }))).not.toEqual(take(50, transfers(options)));
  });

  test('moves a positive amount between two different accounts that exist', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 2, max: 50 }),
        fc.double({ min: 0, max: 3, noNaN: true }),
        (seed, accounts, skew) => {
          for (const { from, to, amount } of take(50, transfers({ seed, site: 's', process: 0, accounts, skew }))) {
            expect(from).not.toBe(to);
            for (const account of [from, to])
              expect(account >= 1 && account <= accounts && Number.isInteger(account)).toBe(true);
            expect(amount >= 1 && amount <= largestAmount).toBe(true);
          }
        },
      ),
    );
  });
});

describe("Zipf's law", () => {
  test.each([0, 0.5, 1, 1.5])('holds for a skew of %d', (skew) => {
    const ranks = 20;
    const draws = 100_000;
    const random = seededRandom(42);
    const draw = zipf(ranks, skew);
    const counts = new Array<number>(ranks).fill(0);
    for (let index = 0; index < draws; index += 1) {
      const rank = draw(random);
      counts[rank] = (counts[rank] ?? 0) + 1;
    }
    const weights = counts.map((_, rank) => (rank + 1) ** -skew);
    const total = weights.reduce((a, b) => a + b, 0);
    // Pearson's chi-square; 43.8 is its 99.9th percentile for 19 degrees of freedom.
    const chiSquare = counts.reduce((sum, count, rank) => {
      const expected = (draws * (weights[rank] ?? 0)) / total;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    expect(chiSquare).toBeLessThan(43.8);
  });
});
