/** What a field may hold: inherited, its own, or secret; and values of rows taken out of texts. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  classified,
  makeMask,
  masked,
  mayHoldValues,
  mostOf,
  unclassifiedOf,
  withoutValues,
} from './classification.ts';

const inner = z.object({ name: z.string(), token: classified('secret', z.string()) });
const shape = classified(
  'sensitive',
  z.object({
    list: z.array(inner),
    by: z.record(z.string(), classified('secret', z.number())),
    text: mayHoldValues(z.string()).optional(),
    maybe: classified('secret', z.string()).nullable(),
    one: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('a'), what: z.string() }),
      z.object({ kind: z.literal('b'), what: classified('secret', z.string()) }),
    ]),
  }),
);
const value = (kind: 'a' | 'b') => ({
  ...{ list: [{ name: 'n', token: 't' }], by: { x: 1 }, text: "Duplicate entry '42' for key `id`", maybe: null },
  one: { kind, what: 'w' },
});

describe('a mask', () => {
  test('hides what is secret wherever it stands, and values in texts', () => {
    expect(makeMask(shape)?.(value('a'))).toEqual({
      ...{ list: [{ name: 'n', token: masked }], by: { x: masked }, maybe: null },
      ...{ text: "Duplicate entry '?' for key `id`", one: { kind: 'a', what: 'w' } },
    });
    expect(makeMask(shape)?.(value('b'))).toMatchObject({ one: { kind: 'b', what: masked } });
  });

  test('shows texts as they were written to whoever may see them, and secrets only where they are told', () => {
    expect(makeMask(shape, 'values')?.(value('a'))).toMatchObject({ text: value('a').text, list: [{ token: masked }] });
    expect(makeMask(shape, 'secrets')).toBeUndefined();
  });

  test('takes what has no class for secret, and says where that is', () => {
    const loose = z.object({ a: classified('public', z.string()), b: z.array(z.object({ c: z.string() })) });
    expect(makeMask(loose)?.({ a: 'x', b: [{ c: 'y' }] })).toEqual({ a: 'x', b: [{ c: masked }] });
    expect(unclassifiedOf(loose)).toEqual(['.b[].c']);
    expect([unclassifiedOf(shape), mostOf(shape), mostOf(loose)]).toEqual([[], 'secret', 'secret']);
    expect(mostOf(classified('public', z.object({ a: z.string() })))).toBe('public');
  });
});

describe('values in a text', () => {
  test.each([
    ["Duplicate entry '4711-Ann' for key 'PRIMARY'", "Duplicate entry '?' for key '?'"],
    ['UPDATE `t` SET a = "x""y", b = \'it\'\'s\'', 'UPDATE `t` SET a = "?", b = \'?\''],
    ["INSERT INTO t VALUES ('cut off in the mid", "INSERT INTO t VALUES ('?'"],
    ["a \\' in 'one \\' two' three", "a \\'?'one \\'?' three"],
    ['Key (id, name)=(42, Ann) already exists.', 'Key (id, name)=(?) already exists.'],
    ['Failing row contains (42, Ann, null).', 'Failing row contains (?).'],
    [' 0: len 4; hex 80000001; asc Ann ;;', ' 0: len 4; hex ?; asc ?;;'],
    ["It’s somebody’s, and Ann's disk is 97% full", "It’s somebody’s, and Ann's disk is 97% full"],
    ['rows scanned per query 5000 (before 10)', 'rows scanned per query 5000 (before 10)'],
  ])('%s', (text, shown) => expect(withoutValues(text)).toBe(shown));

  test('in quotes none is left, whatever stands around it', () => {
    const around = fc.stringMatching(/^[a-z `(),=.]{0,20}$/).map((text) => `${text} `);
    fc.assert(
      fc.property(around, around, fc.constantFrom("'", '"'), (before, after, quote) => {
        expect(withoutValues(`${before}${quote}Geheim77${quote}${after}`)).not.toContain('Geheim77');
        expect(withoutValues(`${before}${quote}Geheim77`)).not.toContain('Geheim77');
      }),
    );
  });

  test('takes no longer than the text is long', () => {
    for (const text of ["'".repeat(100_000), '\\'.repeat(100_000), ')=('.repeat(30_000), 'hex '.repeat(30_000)])
      expect(withoutValues(text).length).toBeLessThan(400_000);
  });
});
