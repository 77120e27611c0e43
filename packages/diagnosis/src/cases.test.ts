import { codeOf } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCases } from './cases.ts';
import { madeUpCases, textOfCases } from './testing.ts';

const columns = '{"columns":["a","b"]}';
const one = (fields: string): string => `${columns}\n{"id":"x","causes":[],"rows":[[1,2],[3,null]]${fields}}\n`;

describe('labelled cases', () => {
  test('are read with their stretch, and what was not measured is NaN', () => {
    const [parsed] = parseCases(one(',"abnormal":[1],"machine":"m","kind":null'), 'f');
    expect(parsed).toMatchObject({
      id: 'x',
      causes: [],
      abnormal: { start: 1, end: 2 },
      machine: 'm',
      kind: undefined,
    });
    expect(parsed?.window.signals.map(({ name, values }) => [name, [...values]])).toEqual([
      ['a', [1, 3]],
      ['b', [2, Number.NaN]],
    ]);
  });

  test('of an injection are abnormal to the end, and of neither not at all', () => {
    expect(parseCases(one(',"inject":[1,2]'), 'f')[0]?.abnormal).toEqual({ start: 1, end: 2 });
    expect(parseCases(one(',"inject":[0]'), 'f')[0]?.abnormal).toEqual({ start: 0, end: 2 });
    expect(parseCases(one(',"inject":null'), 'f')[0]?.abnormal).toBeUndefined();
  });

  test('survive the way through text', () => {
    const cases = madeUpCases(1);
    expect(
      parseCases(textOfCases(cases), 'f').map(({ window, ...rest }) => [rest.id, rest.abnormal, window.signals]),
    ).toEqual(cases.map(({ window, ...rest }) => [rest.id, rest.abnormal, window.signals]));
  });

  test.each([
    ['', 1, 'the file is empty'],
    ['{"columns":[]}', 1, 'no list of names'],
    ['{"columns":["a","a"]}', 1, 'there twice'],
    [`${columns}\n{`, 2, 'not JSON'],
    [`${columns}\n\n[1]`, 3, 'not a JSON object'],
    [`${columns}\n{"causes":[],"rows":[[1,2]]}`, 2, '`id`'],
    [`${columns}\n{"id":"x","rows":[[1,2]]}`, 2, '`causes`'],
    [`${columns}\n{"id":"x","causes":[1],"rows":[[1,2]]}`, 2, '`causes`'],
    [`${columns}\n{"id":"x","causes":[],"rows":[]}`, 2, '`rows`'],
    [`${columns}\n{"id":"x","causes":[],"rows":[[1,2],[1]]}`, 2, 'row 1 has not 2 values'],
    [`${columns}\n{"id":"x","causes":[],"rows":[[1,"2"]]}`, 2, 'row 0, b: not a finite number'],
    [`${columns}\n{"id":"x","causes":[],"rows":[[1,1e999]]}`, 2, 'row 0, b: not a finite number'],
    [one(',"abnormal":[2]'), 2, '`abnormal`'],
    [one(',"abnormal":[0.5]'), 2, '`abnormal`'],
    [one(',"inject":"soon"'), 2, '`inject`'],
    [one(',"inject":[1,0]'), 2, '`inject`'],
    [one(',"machine":3'), 2, '`machine`'],
    [`${one('')}${one('').split('\n')[1]}`, 3, 'used before'],
  ])('are refused with line and reason: %s', (text, line, reason) => {
    expect(() => parseCases(text, 'cases.ndjson')).toThrow(`cases.ndjson, line ${line}:`);
    expect(() => parseCases(text, 'cases.ndjson')).toThrow(reason);
  });

  test('whatever the bytes, are cases or one error with its code', () => {
    const piece = fc.oneof(fc.json(), fc.string(), fc.constantFrom(columns, one('')));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), (lines) => {
        try {
          expect(Array.isArray(parseCases(lines.join('\n'), 'f'))).toBe(true);
        } catch (error) {
          expect(codeOf(error)).toBe('CASES_INVALID');
        }
      }),
    );
  });
});
