import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allPairs, parseRtt } from './rtt.ts';

const sites = ['north', 'south', 'west'];

const figures = (text: string, names = sites): readonly number[] => {
  const parsed = parseRtt(text, names);
  if (!parsed.ok) throw new Error(parsed.problem);
  return allPairs(names).map(([a, b]) => parsed.rttMs(a, b));
};
const problem = (text: string, names = sites): string => {
  const parsed = parseRtt(text, names);
  return parsed.ok ? '' : parsed.problem;
};

describe('one figure', () => {
  test('holds for every pair', () => {
    expect(figures('5ms')).toEqual([5, 5, 5]);
    expect(figures(' 0.5 s ')).toEqual([500, 500, 500]);
    expect(figures('0')).toEqual([0, 0, 0]);
  });

  test('that is none is named, with what would be right', () => {
    expect(problem('fast')).toBe(
      '"fast" is not a round trip time; write 5ms, two-cities, or pairs such as north-south=5ms.',
    );
    expect(problem('-5ms')).toMatch(/not a round trip time/);
    expect(problem('5constructor')).toMatch(/not a round trip time/);
    expect(problem('')).toMatch(/not a round trip time/);
    expect(problem('1h')).toMatch(/more than 2000 ms/);
  });
});

describe('two cities', () => {
  test('have two sites near each other and the rest far', () => {
    expect(figures('two-cities')).toEqual([2, 30, 30]);
  });

  test('need a third site', () => {
    expect(problem('two-cities', ['north', 'south'])).toMatch(/at least three sites/);
  });
});

describe('a matrix', () => {
  test('names every pair in any order', () => {
    expect(figures('west-north=30ms, north-south=5ms,south-west=31ms')).toEqual([5, 30, 31]);
  });

  test('takes names with dashes', () => {
    expect(figures('a-b-c=7ms', ['a-b', 'c'])).toEqual([7]);
  });

  test.each([
    ['north-south=5ms', 'No round trip time is given for north-west, south-west.'],
    ['north-east=5ms', '"north-east" is not a pair of sites; the pairs are north-south, north-west, south-west.'],
    ['north-north=5ms', '"north-north" is not a pair of sites; the pairs are north-south, north-west, south-west.'],
    ['north-south=5ms,south-north=6ms', 'The pair north-south is given twice.'],
    ['north-south=', '"north-south=" is not of the form SITE-SITE=5ms.'],
    ['north-south=5ms=6ms', '"north-south=5ms=6ms" is not of the form SITE-SITE=5ms.'],
    ['north-south=soon', '"soon" is not a round trip time; write 5ms, two-cities, or pairs such as north-south=5ms.'],
  ])('such as %s is refused', (text, expected) => {
    expect(problem(text)).toBe(expected);
  });
});

test('what is read is symmetric, finite, and zero from a site to itself', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/), { minLength: 2, maxLength: 5 });
  const matrix = names.chain((list) =>
    fc.tuple(...allPairs(list).map(() => fc.integer({ min: 0, max: 2_000 }))).map((ms) => ({
      list,
      ms,
      text: allPairs(list)
        .map(([a, b], index) => `${b}-${a}=${ms[index]}ms`)
        .join(','),
    })),
  );
  fc.assert(
    fc.property(matrix, ({ list, ms, text }) => {
      expect(figures(text, list)).toEqual(ms);
      const parsed = parseRtt(text, list);
      for (const a of list) {
        for (const b of list) {
          const there = parsed.ok ? parsed.rttMs(a, b) : Number.NaN;
          expect(there).toBe(parsed.ok ? parsed.rttMs(b, a) : 0);
          if (a === b) expect(there).toBe(0);
        }
      }
    }),
  );
});

test('whatever is typed is either read or answered with a sentence', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseRtt(text, sites);
      if (parsed.ok) expect(Number.isFinite(parsed.rttMs('north', 'south'))).toBe(true);
      else expect(parsed.problem).toMatch(/\.$/);
    }),
  );
});
