import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Dialect, maskLiterals } from './mask.ts';

test.each([
  ['mysql', "SELECT * FROM t WHERE a = 'x' AND b = -12.5", 'SELECT * FROM t WHERE a = ? AND b = ?'],
  ['mysql', "INSERT INTO t1 VALUES (1, 'a'), (2, 'b'),(3,'c')", 'INSERT INTO t1 VALUES (?, …), …'],
  ['mysql', 'SELECT c FROM sbtest1 WHERE id IN (1,2,3)', 'SELECT c FROM sbtest1 WHERE id IN (?, …)'],
  ['mysql', "SET PASSWORD FOR 'ann'@'%' = PASSWORD('geheim')", 'SET PASSWORD FOR ?@? = PASSWORD(?)'],
  ['mysql', "SELECT x'4D79', 0x4D79, b'01', _utf8'abc', n'abc', 1e-5, .5", 'SELECT ?, …'],
  ['mysql', 'SELECT "it""s", \'it\'\'s\' FROM `a``b`', 'SELECT ?, … FROM `a``b`'],
  ['mysql', "UPDATE t SET a = 'unfinish", 'UPDATE t SET a = ?'],
  ['mysql', "SELECT /* ticket 4711 of Ann */ 1 -- Ann's\n, 'b' # and more", 'SELECT ?, …'],
  ['mysql', "SELECT /*!50000 'a*/b' */ AS c", 'SELECT ? AS c'],
  ['mysql', "SELECT 'a\\\\', 'b'", 'SELECT ?, …'],
  ['mysql', "SELECT 'a\\' OR b = 'secret'", 'SELECT ?'],
  ['mysql', 'SELECT 5--3, @user, @@global.x, t2.c3', 'SELECT ?--?, @user, @@global.x, t2.c3'],
  ['mysql', 'SELECT a FROM `half', 'SELECT a FROM'],
  ['postgres', 'SELECT "Name" FROM t WHERE a = $1 AND b = $$it\'s$$', 'SELECT "Name" FROM t WHERE a = $1 AND b = ?'],
  ['postgres', "SELECT $x$ 'a' $$ b $x$, E'c', U&'d' --'\n, 1", 'SELECT ?, …'],
  ['postgres', "CREATE USER a PASSWORD 'p'/* a /* b */ c */ LOGIN", 'CREATE USER a PASSWORD ? LOGIN'],
  ['postgres', 'SELECT $body$ cut', 'SELECT ?'],
  ['postgres', 'SELECT $bo', 'SELECT ?'],
] as const)('%s: %s', (dialect, text, expected) => {
  expect(maskLiterals(text, dialect)).toBe(expected);
});

test('is one line and never longer than it may be', () => {
  const long = maskLiterals(`SELECT ${'a_long_name,\n'.repeat(5_000)}`, 'mysql', 100);
  expect(long).toHaveLength(100);
  expect(long).not.toContain('\n');
});

describe('planted secrets', () => {
  const secret = 'Geheim77';
  const literalsOf: Readonly<Record<Dialect, readonly string[]>> = {
    mysql: [
      `'${secret}'`,
      `"${secret}"`,
      `'it''s ${secret}'`,
      `"say ""${secret}"`,
      `'a\\\\${secret}'`,
      `'a\\'${secret}'`,
      `'\n--${secret}'`,
      `'/*${secret}'`,
      `'*/#${secret}'`,
      `_utf8'${secret}'`,
      `/*${secret}*/ 1`,
      `1 -- ${secret}\n`,
      `1 #${secret}\n`,
      `/*!50000 '${secret}*/ ${secret}' */`,
    ],
    postgres: [
      `'${secret}'`,
      `E'a\\\\${secret}'`,
      `E'a\\'${secret}'`,
      `$$${secret}'$$`,
      `$t$${secret} $$ ${secret}$t$`,
      `'it''s $$ ${secret}'`,
      `U&'${secret}'`,
      `/* /* ${secret} */ ${secret} */ 1`,
      `1 --${secret}\n`,
    ],
  };
  const codeOf: Readonly<Record<Dialect, readonly string[]>> = {
    mysql: ['SELECT', ',', '=', 'a', '`b"\'`', '(', ')', ' - ', '5--3', 'AND', '\n', '@x', '12', '.', 'x'],
    postgres: ['SELECT', ',', '=', 'a', '"b\'"', '(', ')', ' - ', '$1', 'AND', '\n', '->', '12', '.', '#', 'x'],
  };

  test.each(['mysql', 'postgres'] as const)('never come out of %s, wherever the text is cut', (dialect) => {
    const part = fc.oneof(fc.constantFrom(...literalsOf[dialect]), fc.constantFrom(...codeOf[dialect]));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), fc.nat(), (parts, cut) => {
        const text = parts.join(' ');
        for (const shown of [text, text.slice(0, cut % (text.length + 1))])
          expect(maskLiterals(shown, dialect)).not.toMatch(/Gehe/);
      }),
      { numRuns: 3_000 },
    );
  });

  test('nor do arbitrary texts break it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.constantFrom('mysql', 'postgres'),
        (text, dialect) => {
          expect(maskLiterals(text, dialect as Dialect).length).toBeLessThanOrEqual(2_000);
        },
      ),
    );
  });
});
