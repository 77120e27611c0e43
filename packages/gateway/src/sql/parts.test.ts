/** What the gateway reads out of statements: tables, KILL, comments, questions, assignments; and what it rewrites. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alterTargets,
  guardNames,
  killTarget,
  limitOf,
  meansBlocking,
  outcomeQuestion,
  quoteBytes,
  quoteName,
  quoteText,
  rewriteRowCount,
  setAssignments,
  showWarnings,
  tablesWritten,
  updateOrDeleteShape,
} from './parts.ts';

const sql = (text: string): Buffer => Buffer.from(text);

describe('tables that are written', () => {
  const names = (text: string): readonly string[] =>
    tablesWritten(sql(text)).map(({ schema, table }) => (schema === undefined ? table : `${schema}.${table}`));

  test.each([
    ['INSERT INTO t VALUES (1)', ['t']],
    ['INSERT IGNORE t SET a=1', ['t']],
    ['insert low_priority into bank . `a b` (x, y) select 1, 2 from u', ['bank.a b']],
    ['REPLACE `we``ird` VALUES (1)', ['we`ird']],
    ['INSERT INTO 2024_orders VALUES (1)', ['2024_orders']],
    ['UPDATE t SET a=1', ['t']],
    ['UPDATE LOW_PRIORITY IGNORE t AS x SET x.a=(SELECT 1 FROM u)', ['t']],
    ['UPDATE t, bank.u SET t.a=u.a', ['t', 'bank.u']],
    ['UPDATE t x JOIN u y ON x.a=y.a AND f(1, 2) LEFT JOIN v USING (b, c) SET x.a=1', ['t', 'u', 'v']],
    ['UPDATE (t, u) JOIN (SELECT 1 FROM w) z SET t.a=1', ['t', 'u']],
    ['UPDATE t USE INDEX (a, b) STRAIGHT_JOIN u SET t.a=1 WHERE t.b IN (SELECT 1 FROM v)', ['t', 'u']],
    ['DELETE FROM t WHERE a=1', ['t']],
    ['DELETE QUICK FROM t', ['t']],
    ['DELETE a, b FROM t a JOIN u b ON a.x=b.x WHERE a.y=1', ['t', 'u']],
    ['DELETE FROM t.*, bank.u.* USING t INNER JOIN u USING (a)', ['t', 'bank.u', 'u']],
    ['DELETE FROM t RETURNING id', ['t']],
    ['WITH a AS (SELECT 1 FROM u) UPDATE t SET a=1', ['t']],
    ['ANALYZE FORMAT=JSON UPDATE t SET a=1', ['t']],
    ['SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)', ['t']],
    ["LOAD DATA LOCAL INFILE 'a' REPLACE INTO TABLE bank.t (a, @b)", ['bank.t']],
    ['TRUNCATE TABLE t', ['t']],
    ['INSERT INTO t VALUES (1); UPDATE u SET a=1; SELECT 1', ['t', 'u']],
    ['BEGIN NOT ATOMIC IF 1 THEN INSERT INTO t VALUES (1); ELSE DELETE FROM u; END IF; END', ['t', 'u']],
    ['INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)', ['t']],
    ['/* a */ INSERT /*! INTO */ t VALUES (CASE WHEN 1 THEN REPLACE(1, 2, 3) ELSE INSERT(1, 2, 3, 4) END)', ['t']],
    ["SELECT 'INSERT INTO t'", []],
    ['INSERT', []],
    ['UPDATE', []],
    ['DELETE FROM', []],
  ])('%s', (text, expected) => {
    expect(names(text)).toEqual(expected);
  });
});

describe('tables that a change would rebuild', () => {
  const named = (text: string): readonly string[] =>
    alterTargets(sql(text)).map(
      ({ schema, table, instant }) => `${schema === undefined ? '' : `${schema}.`}${table}${instant ? ' at once' : ''}`,
    );

  test.each([
    ['ALTER TABLE t ADD COLUMN a INT', ['t']],
    ['ALTER ONLINE IGNORE TABLE IF EXISTS bank.`t` ENGINE=InnoDB', ['bank.t']],
    ['ALTER TABLE t ADD a INT, ALGORITHM=INSTANT', ['t at once']],
    ['ALTER TABLE t ADD a INT, algorithm instant, LOCK=NONE', ['t at once']],
    ['ALTER TABLE t ADD INDEX (a), ALGORITHM=NOCOPY', ['t']],
    ['ALTER TABLE t ADD a INT DEFAULT (1) COMMENT "ALGORITHM=INSTANT"', ['t']],
    ['CREATE INDEX i ON t (a)', ['t']],
    ['CREATE OR REPLACE UNIQUE INDEX IF NOT EXISTS i USING BTREE ON bank.t (a) ALGORITHM=INPLACE', ['bank.t']],
    ['DROP INDEX i ON t ALGORITHM=INSTANT', ['t at once']],
    ['OPTIMIZE NO_WRITE_TO_BINLOG TABLE t, bank.u', ['t', 'bank.u']],
    ['SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE t FORCE', ['t']],
    ['ALTER USER a IDENTIFIED BY "b"', []],
    ['CREATE TABLE t (a INT, INDEX (a))', []],
    ['CREATE USER index_owner', []],
    ['DROP TABLE t', []],
    ['ALTER TABLE', []],
  ])('%s', (text, expected) => {
    expect(named(text)).toEqual(expected);
  });
});

describe('the shape of what can be done in pieces', () => {
  test('is one table and a condition', () => {
    expect(
      updateOrDeleteShape(sql("UPDATE bank.t AS x SET a = a + 1, b = ';' WHERE c IN (1, 2) AND (d = 1);")),
    ).toEqual({
      verb: 'UPDATE',
      schema: 'bank',
      table: 't',
      alias: 'x',
      head: "UPDATE bank.t AS x SET a = a + 1, b = ';'",
      where: 'c IN (1, 2) AND (d = 1)',
    });
    expect(updateOrDeleteShape(sql('DELETE FROM t'))).toEqual({ verb: 'DELETE', table: 't', head: 'DELETE FROM t' });
    expect(updateOrDeleteShape(sql('DELETE FROM t WHERE a=1 -- b'))).toMatchObject({ where: 'a=1' });
  });

  test.each([
    'UPDATE t, u SET t.a=1',
    'UPDATE t JOIN u USING (a) SET t.a=1',
    'UPDATE t SET a=1 LIMIT 5',
    'UPDATE t SET a=1 ORDER BY b',
    'UPDATE t SET a=1 WHERE b=1 LIMIT 1',
    'UPDATE t SET a=(SELECT 1)',
    'UPDATE t SET a=@b:=@b+1',
    'UPDATE t SET a=LAST_INSERT_ID(a+1)',
    'DELETE FROM t WHERE a IN (SELECT a FROM u)',
    'DELETE FROM t RETURNING a',
    'DELETE t FROM t JOIN u',
    'UPDATE t SET a=1 WHERE b=1; COMMIT',
    'UPDATE t SET a=1 WHERE ',
    'INSERT INTO t VALUES (1)',
    'UPDATE',
  ])('is not %s', (text) => {
    expect(updateOrDeleteShape(sql(text))).toBeUndefined();
  });
});

describe('KILL means', () => {
  test.each([
    ['KILL 5', { what: 'connection', soft: false, id: 5 }],
    ['KILL 2147483649;', { what: 'connection', soft: false, id: 2_147_483_649 }],
    ['kill soft query 5', { what: 'query', soft: true, id: 5 }],
    ['KILL HARD CONNECTION /* a */ 5', { what: 'connection', soft: false, id: 5 }],
    ['KILL QUERY ID 5', { what: 'query', soft: false }],
    ['KILL USER a', { what: 'connection', soft: false }],
    ['KILL CONNECTION_ID()', { what: 'connection', soft: false }],
    ['KILL 5 + 1', { what: 'connection', soft: false }],
    ['KILL', { what: 'connection', soft: false }],
    ['SELECT 1', undefined],
  ])('%s', (text, expected) => {
    expect(killTarget(sql(text))).toEqual(expected);
  });
});

describe('comments', () => {
  test('name guards', () => {
    expect(guardNames(sql('/* coequal: guard a */ UPDATE t SET a=1 /*Coequal: GUARD b, c\n d*/'))).toEqual([
      ...['a', 'b', 'c', 'd'],
    ]);
    expect(guardNames(sql("SELECT '/* coequal: guard a */' /* guard b */ -- coequal: guard c"))).toEqual([]);
  });

  test('say that blocking is meant', () => {
    expect(meansBlocking(sql('ALTER TABLE t FORCE /* coequal: allow-blocking */'))).toBe(true);
    expect(meansBlocking(sql('ALTER TABLE t FORCE /* coequal: allow-blocking? */'))).toBe(false);
    expect(meansBlocking(sql("ALTER TABLE t COMMENT '/* coequal: allow-blocking */'"))).toBe(false);
  });
});

describe('a question for an outcome', () => {
  test.each([
    ['SELECT coequal.session()', { kind: 'session', column: 'coequal.session()' }],
    ['select `coequal` . Session ( ) as `my key`;', { kind: 'session', column: 'my key' }],
    ["SELECT coequal.outcome('ab')", { kind: 'outcome', key: 'ab', column: "coequal.outcome('ab')" }],
    ["SELECT coequal.outcome(x'ab') o", { kind: 'outcome', key: 'ab', column: 'o' }],
    ['SELECT coequal.outcome(0xab)', { kind: 'outcome', key: 'ab', column: 'coequal.outcome(0xab)' }],
    ['SELECT coequal.outcome("a\\"b")', { kind: 'outcome', key: 'a"b', column: 'coequal.outcome("a\\"b")' }],
    ['SELECT coequal.outcome()', undefined],
    ["SELECT coequal.session('a')", undefined],
    ['SELECT coequal.session(), 1', undefined],
    ['SELECT coequal.outcome(@a)', undefined],
    ['SELECT * FROM coequal.outcome', undefined],
    ['SELECT coequal.other()', undefined],
    ['SELECT session()', undefined],
  ])('%s', (text, expected) => {
    expect(outcomeQuestion(sql(text))).toEqual(expected);
  });
});

describe('a question for warnings', () => {
  test.each([
    ['SHOW WARNINGS', 'warnings'],
    ['show errors limit 5', 'errors'],
    ['SHOW COUNT(*) WARNINGS', 'count-warnings'],
    ['SHOW COUNT( * ) ERRORS;', 'count-errors'],
    ['SELECT @@warning_count', 'warning_count'],
    ['SELECT @@session.error_count', 'error_count'],
    ['SELECT @@local . warning_count', 'warning_count'],
    ['SELECT @@warning_count, 1', undefined],
    ['SELECT @@warning_count + 1', undefined],
    ['SHOW WARNINGS WHERE 1', undefined],
    ['SHOW TABLES', undefined],
    ['SHOW COUNT(1) ERRORS', undefined],
  ])('%s', (text, expected) => {
    expect(showWarnings(sql(text))).toBe(expected);
  });

  test('may be for a part of them', () => {
    expect(limitOf(sql('SHOW WARNINGS LIMIT 5'))).toEqual({ offset: 0, count: 5 });
    expect(limitOf(sql('SHOW WARNINGS LIMIT 2, 5'))).toEqual({ offset: 2, count: 5 });
    expect(limitOf(sql('SHOW WARNINGS'))).toBeUndefined();
  });
});

describe('ROW_COUNT() is replaced', () => {
  const five = 'CAST(5 AS SIGNED)';
  test.each([
    ['SELECT ROW_COUNT()', `SELECT ${five} AS \`ROW_COUNT()\``],
    ['SELECT row_count ( ) ;', `SELECT ${five} AS \`row_count ( )\` ;`],
    ['SELECT ROW_COUNT() AS n', `SELECT ${five} AS n`],
    ['SELECT ROW_COUNT() n', `SELECT ${five} n`],
    ["SELECT ROW_COUNT() 'n'", `SELECT ${five} 'n'`],
    ['SELECT 1, ROW_COUNT()+1, LAST_INSERT_ID()', `SELECT 1, ${five}+1 AS \`ROW_COUNT()+1\`, LAST_INSERT_ID()`],
    ['SELECT IF(ROW_COUNT(), 1, 2) FROM t', `SELECT IF(${five}, 1, 2) AS \`IF(ROW_COUNT(), 1, 2)\` FROM t`],
    ['SELECT (SELECT ROW_COUNT()) x', `SELECT (SELECT ${five}) x`],
    ['SET @a = ROW_COUNT()', `SET @a = ${five}`],
    ['INSERT INTO t VALUES (ROW_COUNT())', `INSERT INTO t VALUES (${five})`],
    ["SELECT 'ROW_COUNT()', `ROW_COUNT` /* ROW_COUNT() */", "SELECT 'ROW_COUNT()', `ROW_COUNT` /* ROW_COUNT() */"],
    ['SELECT db.ROW_COUNT()', 'SELECT db.ROW_COUNT()'],
    ['SELECT ROW_COUNT()\nLIMIT 1', `SELECT ${five} AS \`ROW_COUNT()\`\nLIMIT 1`],
  ])('%s', (text, expected) => {
    expect(rewriteRowCount(sql(text), 5n).toString()).toBe(expected);
  });

  test('also when it was an error', () => {
    expect(rewriteRowCount(sql('SELECT -ROW_COUNT()'), -1n).toString()).toBe(
      'SELECT -CAST(-1 AS SIGNED) AS `-ROW_COUNT()`',
    );
  });

  test('and nothing else is touched, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.concat([sql("SELECT '"), Buffer.from(bytes.map((byte) => byte | 0x80)), sql("'")]);
        expect(rewriteRowCount(text, 1n)).toEqual(text);
      }),
    );
  });
});

test('what SET sets', () => {
  const text =
    "SET autocommit=0, SESSION a := (SELECT 1, 2), GLOBAL b='x,y', @@global.c=1, @@session.`D`=2, @@e=3, @`f`=4, @G:=5, NAMES utf8";
  expect(setAssignments(sql(text))).toEqual([
    { scope: 'session', name: 'autocommit', value: '0' },
    { scope: 'session', name: 'a', value: '(SELECT 1, 2)' },
    { scope: 'global', name: 'b', value: "'x,y'" },
    { scope: 'global', name: 'c', value: '1' },
    { scope: 'session', name: 'd', value: '2' },
    { scope: 'session', name: 'e', value: '3' },
    { scope: 'user', name: 'f', value: '4' },
    { scope: 'user', name: 'g', value: '5' },
  ]);
  expect(setAssignments(sql('SET NAMES utf8'))).toEqual([]);
  expect(setAssignments(sql('SELECT 1'))).toEqual([]);
});

test('literals and names are safe whatever is in them', () => {
  expect(quoteText("a'\\")).toBe("_utf8mb4 X'61275c'");
  expect(quoteText('')).toBe("''");
  expect(quoteBytes(Buffer.of(0, 255))).toBe("X'00ff'");
  expect(quoteName('a`b')).toBe('`a``b`');
});

test('there is an answer to every text', () => {
  const piece = fc.constantFrom(
    ...[
      'SELECT ',
      'INSERT ',
      'UPDATE ',
      'DELETE ',
      'FROM ',
      'SET ',
      'INTO ',
      'ALTER ',
      'TABLE ',
      'INDEX ',
      'ON ',
      'KILL ',
      'SHOW ',
    ],
    ...[
      'USING ',
      'JOIN ',
      'WHERE ',
      'ROW_COUNT',
      '(',
      ')',
      ',',
      '.',
      '@',
      '@@',
      '=',
      ':=',
      '`a`',
      "'b'",
      '1',
      'x ',
      ';',
      '/*',
      '*/',
    ],
    ...[
      'STATEMENT ',
      'FOR ',
      'LIMIT ',
      'coequal',
      'session',
      'WITH ',
      'BEGIN ',
      '/* coequal: guard x */',
      "'",
      '`',
      '\0',
    ],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = sql(pieces.join(''));
      for (const ask of [tablesWritten, alterTargets, guardNames, setAssignments])
        expect(ask(text)).toBeInstanceOf(Array);
      for (const ask of [updateOrDeleteShape, killTarget, outcomeQuestion, showWarnings, limitOf]) ask(text);
      expect(rewriteRowCount(text, 1n)).toBeInstanceOf(Buffer);
    }),
    { numRuns: 3_000 },
  );
});
