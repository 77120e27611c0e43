/** Canonical JSON: the vectors of RFC 8785, and the properties that make it fit for signing. */
import { codeOf } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './canonical.ts';

const codeOfThrown = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

/** The same value with the keys of every object in the opposite order. */
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
};

const jsonValue = fc.jsonValue({ stringUnit: 'grapheme' }).filter((value) => JSON.stringify(value).isWellFormed());

describe('canonical JSON', () => {
  test('writes the example of RFC 8785, section 3.2.2, to the letter', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('orders keys by their UTF-16 units, as in RFC 8785, section 3.2.3', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    const order = [...canonicalJson(value).matchAll(/:(\d)/g)].map((match) => match[1]);
    expect(order).toEqual(['2', '4', '6', '7', '1', '5', '3']);
  });

  test('means the same value', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        // Negative zero is the one number whose sign JSON drops.
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('does not depend on the order in which keys were set', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  test('is a fixed point: reading it and writing it again changes nothing', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  test.each([
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['a hole in a list', new Array(2)],
    ['NaN', Number.NaN],
    ['infinity', [Number.POSITIVE_INFINITY]],
    ['a bigint', 1n],
    ['a date', { at: new Date(0) }],
    ['a map', new Map()],
    ['a function', () => 1],
    ['half of a surrogate pair', 'a\ud83d'],
    ['half of a surrogate pair in a key', { '\ude00': 1 }],
    ['a key that is a symbol', { [Symbol('s')]: 1 }],
    ['a value that contains itself', cycle],
  ])('refuses %s', (_, value) => {
    expect(codeOfThrown(() => canonicalJson(value))).toBe('JSON_NOT_CANONICAL');
  });

  test('says where the value is that it refuses', () => {
    expect(() => canonicalJson({ a: [{ b: Number.NaN }] })).toThrow('$.a[0].b');
  });
});
