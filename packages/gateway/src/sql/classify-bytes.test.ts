/** Where texts, names and comments end, byte by byte, and what holds whatever the bytes are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, flag, type Lexing, lexingOf, type StatementKind } from './classify.ts';
import { nameOfWord, word } from './words.ts';

const of = (sql: string, lexing?: Lexing) => classify(Buffer.from(sql), lexing);
const kindOf = (sql: string, lexing?: Lexing): StatementKind => of(sql, lexing).kind;

describe('texts end where the session says', () => {
  test.each<[string, Lexing, string, StatementKind]>([
    ['a backslash escapes a quote', {}, "SELECT 'a\\' INTO @b -- '", 'read'],
    ['a backslash is a character', { noBackslashEscapes: true }, "SELECT 'a\\' INTO @b -- '", 'write'],
    ['double quotes are a text', {}, 'SELECT "a\\" INTO @b -- "', 'read'],
    ['double quotes are a name', { ansiQuotes: true }, 'SELECT "a\\" INTO @b -- "', 'write'],
    ['a name in double quotes can be called', { ansiQuotes: true }, 'SELECT "abs"(1)', 'write'],
    ['a space before the parenthesis', { ignoreSpace: true }, 'SELECT count (*)', 'read'],
    ['a comment before the parenthesis', { ignoreSpace: true }, 'SELECT now/*!50000 */()', 'write'],
  ])('%s', (_, lexing, sql, kind) => {
    expect(kindOf(sql, lexing)).toBe(kind);
  });

  const bytes = (...parts: readonly (string | number)[]): Buffer =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part]))));

  test.each<[string, Buffer, Lexing, StatementKind]>([
    [
      'gbk: the second byte is no backslash',
      bytes("SELECT '", 0xbf, 0x5c, "' INTO @a"),
      { characters: 'gbk' },
      'write',
    ],
    ['latin1: it is one', bytes("SELECT '", 0xbf, 0x5c, "' INTO @a"), { characters: 'single' }, 'call'],
    [
      'sjis: half-width letters are one byte',
      bytes("SELECT '", 0xb1, 0x5c, "' INTO @a"),
      { characters: 'sjis' },
      'call',
    ],
    ['sjis: a name holds a backtick', bytes('SELECT `', 0x83, 0x60, '` INTO @a'), { characters: 'sjis' }, 'write'],
    [
      'big5: the second byte is no backslash',
      bytes("SELECT '", 0xa4, 0x5c, "' INTO @a"),
      { characters: 'big5' },
      'write',
    ],
    ['latin1: a space above 0x7f', bytes('SELECT 1 INTO', 0xa0, '@a'), { characters: 'single' }, 'write'],
    ['latin1: the end of a name is no function', bytes('SELECT ', 0xf6, 'abs(1)'), { characters: 'single' }, 'write'],
    ['utf8: nor is it in utf8', bytes('SELECT ', 0xc3, 0xb6, 'abs(1)'), {}, 'write'],
  ])('%s', (_, sql, lexing, kind) => {
    expect(classify(sql, lexing).kind).toBe(kind);
  });

  test('long texts are read like short ones', () => {
    const long = 'x'.repeat(500);
    for (const [text, kind] of [
      [`SELECT '${long}\\\\' INTO @a`, 'write'],
      [`SELECT '${long}\\' INTO @a`, 'call'],
      [`SELECT '${long}'' INTO @a' INTO @b`, 'write'],
      [`SELECT '${long}'' INTO @a'`, 'read'],
      [`SELECT '${long}\\'${long}', 'a' FROM t`, 'read'],
      [`SELECT "${long}\\"${long}" /* ${long} INTO @a */`, 'read'],
      [`SELECT '${long}`, 'call'],
      [`SELECT '${`${long}\\'`.repeat(20)}' INTO @a`, 'write'],
      [`SELECT '${`${long}''`.repeat(20)}' INTO @a`, 'write'],
      [`SELECT '${`${long}\\'`.repeat(20)} INTO @a`, 'call'],
      [`SELECT '${'x'.repeat(48)}\\'${'x'.repeat(46)}\\'' INTO @a`, 'write'],
      [`SELECT '${'x'.repeat(47)}''${'x'.repeat(46)}\\\\' INTO @a`, 'write'],
    ] as const) {
      expect(kindOf(text), text).toBe(kind);
    }
  });

  test('a text is read the same whatever its length', () => {
    const part = fc.constantFrom("\\'", "''", '\\\\', 'x'.repeat(47), 'x'.repeat(48), 'y', '"', '\\y');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.constantFrom("'", ''), (parts, end) => {
        // Long runs mean what one character means; only where the reading by hand stops is different.
        const text = (pieces: readonly string[]) => `SELECT '${pieces.join('')}${end} INTO @a`;
        const short = text(parts.map((one) => (one.startsWith('x') ? 'x' : one)));
        expect(kindOf(text(parts))).toBe(kindOf(short));
      }),
      { numRuns: 2_000 },
    );
  });

  test('what the session says is read from its variables', () => {
    expect(lexingOf('ANSI_QUOTES,NO_BACKSLASH_ESCAPES', 'utf8mb4')).toEqual({
      ansiQuotes: true,
      noBackslashEscapes: true,
      ignoreSpace: false,
      characters: 'utf8',
    });
    expect(['gbk', 'CP932', 'latin1', 'euckr'].map((name) => lexingOf('', name).characters)).toEqual([
      'gbk',
      'sjis',
      'single',
      'utf8',
    ]);
  });
});

const lexing = fc.record({
  noBackslashEscapes: fc.boolean(),
  ansiQuotes: fc.boolean(),
  ignoreSpace: fc.boolean(),
  characters: fc.constantFrom('utf8', 'single', 'gbk', 'big5', 'sjis'),
} as const);

/** Pieces that lexers stumble over. */
const piece = fc.constantFrom(
  ...[
    'SELECT',
    'INSERT',
    'INTO',
    'FOR',
    'UPDATE',
    'SET',
    'BEGIN',
    'COMMIT',
    'CREATE',
    'PROCEDURE',
    'WITH',
    'AS',
    'now',
  ],
  ...[
    "'",
    '"',
    '`',
    '\\',
    '@',
    '@@',
    '/*',
    '*/',
    '/*!',
    '/*M!',
    '/*!99999',
    '-- ',
    '--',
    '#',
    '\n',
    ';',
    '(',
    ')',
    ',',
  ],
  ...[
    '.',
    '=',
    ':=',
    '1',
    '1.5e',
    'e',
    '-',
    '\0',
    ' ',
    'x',
    'ö',
    '[',
    '*',
    '!',
    '?',
    'STATEMENT',
    'TRANSACTION',
    'READ',
  ],
);
const soup = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

describe('whatever the bytes', () => {
  test('there is an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), lexing, (bytes, how) => {
        expect(classify(Buffer.from(bytes), how).kind).toBeTypeOf('string');
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(soup, lexing, (sql, how) => {
        expect(kindOf(sql, how)).toBeTypeOf('string');
      }),
      { numRuns: 5_000 },
    );
  });

  test('the answer does not depend on what was asked before', () => {
    fc.assert(
      fc.property(soup, soup, lexing, (one, other, how) => {
        const alone = of(one, how);
        of(other, how);
        expect(of(one, how)).toEqual(alone);
      }),
      { numRuns: 2_000 },
    );
  });

  test('white space and comments in front change nothing', () => {
    fc.assert(
      fc.property(soup, fc.constantFrom(' ', '\n\t', '/* INTO */', '-- ;\n', '# (\n', '/**/'), (sql, blank) => {
        // In front of a comment that is already there, a space is what separates; behind a semicolon it would count.
        const bare = of(` ${sql}`);
        const prefixed = of(`${blank}${sql}`);
        expect({ ...prefixed }).toEqual({ ...bare });
      }),
      { numRuns: 2_000 },
    );
  });

  test('the contents of a text change nothing', () => {
    const text = fc.string({ unit: 'binary' }).map((one) => one.replaceAll(/['\\]/g, (found) => `${found}${found}`));
    fc.assert(
      fc.property(text, (content) => {
        expect(of(`SELECT '${content}', a FROM t`)).toEqual(of("SELECT '', a FROM t"));
        expect(of(`INSERT INTO t VALUES ('${content}')`)).toEqual(of("INSERT INTO t VALUES ('')"));
      }),
    );
  });

  test('what writes is never called a read, whatever stands around it', () => {
    const harmless = fc.constantFrom(' ', ' /* a */ ', '\n', ' -- x\n', ' /*! */ ', " /* ' */ ", ' # "\n');
    const writing = fc.constantFrom(
      "SELECT 1~INTO~OUTFILE~'a'",
      'SELECT~f~(1)',
      'SELECT~NEXT~VALUE~FOR~s',
      'INSERT~t~VALUES(1)',
      'WITH~a~AS~(SELECT 1)~DELETE~FROM~t',
      'SET~@a~=~f(1)',
      "SELECT 'a''b',~\"c\\\"d\",~f(1)",
      'SELECT~db~.~abs(1)',
      'SELECT 1;~DELETE~FROM~t',
      'EXPLAIN~SELECT~f(1)',
    );
    fc.assert(
      fc.property(writing, fc.infiniteStream(harmless), (sql, blanks) => {
        const written = sql.replaceAll('~', () => String(blanks.next().value));
        const { kind, flags } = of(written);
        expect(['write', 'call', 'admin', 'multi'], written).toContain(kind);
        expect(flags & flag.onlyReads, written).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('the numbers of words are their places in the table', () => {
  expect(Object.entries(word).map(([name, number]) => [name, nameOfWord(number)])).toEqual(
    Object.keys(word).map((name) => [name, name]),
  );
});
