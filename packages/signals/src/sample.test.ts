import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Label, labelsOf, labelValue, quoted, seriesKey } from './sample.ts';

test('labels are sorted, empty ones are none, and a name given twice is refused', () => {
  expect(
    labelsOf([
      ['b', '2'],
      ['__proto__', 'x'],
      ['a', ''],
    ]),
  ).toEqual([
    ['__proto__', 'x'],
    ['b', '2'],
  ]);
  expect(
    labelsOf([
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ]),
  ).toBeUndefined();
  expect(labelValue([['a', '1']], 'a')).toBe('1');
  expect(labelValue([['a', '1']], 'b')).toBe('');
});

test('two series have one key only when they are the same', () => {
  const any = fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3, unit: 'binary' })), {
    maxLength: 3,
  });
  const flat = (name: string, labels: readonly Label[]): string => JSON.stringify([name, labels]);
  fc.assert(
    fc.property(fc.constantFrom('a', 'b'), any, fc.constantFrom('a', 'b'), any, (one, first, two, second) => {
      const [left, right] = [labelsOf(first) ?? [], labelsOf(second) ?? []];
      expect(seriesKey(one, left) === seriesKey(two, right)).toBe(flat(one, left) === flat(two, right));
    }),
  );
  expect(seriesKey('a', [['b', '1\n1,1:c2']])).not.toBe(
    seriesKey('a', [
      ['b', '1'],
      ['c', '2'],
    ]),
  );
});

test('foreign text in a message is short and prints as one line', () => {
  expect(quoted('a\u001b[31m\nb')).toBe('"a?[31m?b"');
  expect(quoted('x'.repeat(100))).toHaveLength(63);
});
