/** What kind of statement it is, and what it mentions: tables of statements, and properties over all bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, detail, flag, type Lexing, lexingOf, type StatementKind } from './classify.ts';
import { nameOfWord, word } from './words.ts';

const of = (sql: string, lexing?: Lexing) => classify(Buffer.from(sql), lexing);
const kindOf = (sql: string, lexing?: Lexing): StatementKind => of(sql, lexing).kind;

const namesIn = (bits: number, names: Readonly<Record<string, number>>): readonly string[] =>
  Object.keys(names)
    .filter((name) => (bits & (names[name] ?? 0)) !== 0)
    .sort();
const flagsOf = (sql: string, lexing?: Lexing): readonly string[] => namesIn(of(sql, lexing).flags, flag);
const detailsOf = (sql: string): readonly string[] => namesIn(of(sql).details ?? 0, detail);

const table: readonly (readonly [StatementKind, readonly string[]])[] = [
  [
    'read',
    [
      'SELECT 1',
      'select c from sbtest1 where id=123;',
      'SELECT 1;;  ; ',
      '(SELECT 1)',
      '((SELECT 1) UNION (SELECT 2)) ORDER BY 1',
      'SELECT * FROM t WHERE a IN (1,2) AND (b OR NOT (c)) AND EXISTS (SELECT 1) FOR UPDATE',
      'SELECT COUNT(*), MAX(a), NOW(), IF(a, b, c), COALESCE(a, 1) FROM t GROUP BY a HAVING (SUM(b) > 1)',
      'SELECT CAST(a AS DECIMAL(10,2)), CONVERT(a, CHAR(10)), ROW_NUMBER() OVER (PARTITION BY a ORDER BY (b)) FROM t',
      "SELECT GROUP_CONCAT(a ORDER BY b SEPARATOR ',') FROM t USE INDEX (x) JOIN u USING (id)",
      'WITH a AS (SELECT 1) SELECT * FROM a',
      'WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT n+1 FROM a) SELECT * FROM a FOR UPDATE',
      'VALUES (1,2),(3,4)',
      'SHOW TABLES',
      "SHOW VARIABLES LIKE 'a%'",
      'SHOW CREATE TABLE `insert`',
      'DESCRIBE t',
      'DESC t',
      'EXPLAIN UPDATE t SET a=1',
      'EXPLAIN INSERT INTO t VALUES (1)',
      'EXPLAIN FORMAT=JSON DELETE FROM t',
      'ANALYZE SELECT * FROM t',
      'ANALYZE FORMAT=JSON SELECT * FROM t',
      "HELP 'select'",
      'CHECKSUM TABLE t',
      "SIGNAL SQLSTATE '45000'",
      "SELECT GET_LOCK('a', 1)",
      'SELECT SLEEP(1)',
      'SELECT LAST_INSERT_ID(5)',
      'SELECT LASTVAL(s)',
      'SELECT PREVIOUS VALUE FOR s',
      'SELECT \'INSERT INTO t\', "INTO OUTFILE", `into` FROM `delete` -- INTO OUTFILE',
      "SELECT 'it''s', 'a\\' INTO @b', \"a\"\"b\"",
      'SELECT 1 /* INTO OUTFILE */ # INTO @a\n',
      'SELECT 1 --1',
      'SELECT a /*! STRAIGHT_JOIN */ FROM t',
      'SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1',
      '/* a */ SELECT 1',
      '-- nothing',
      '',
      ' ; ',
      "SELECT _utf8'a', N'b', x'41', 0x41, b'01', 1e5, 1.5e-3, .5",
      'SELECT a.b.c FROM a.b WHERE a.b.c = ?',
      'SELECT @a := @a + 1',
      'SET STATEMENT max_statement_time=1 FOR SELECT 1',
    ],
  ],
  [
    'write',
    [
      'INSERT INTO t VALUES (1)',
      'insert t set a=1',
      'INSERT INTO t (a, b) SELECT a, b FROM u ON DUPLICATE KEY UPDATE a=VALUES(a)',
      'INSERT INTO t VALUES (1) RETURNING id',
      'REPLACE INTO t VALUES (1)',
      'UPDATE t SET a=1',
      'DELETE FROM t',
      'DELETE t FROM t JOIN u USING (id)',
      'SELECT f(1)',
      'SELECT db.now()',
      'SELECT coequal.session()',
      'SELECT `abs`(1)',
      'SELECT "abs"(1)'.replaceAll('"', '`'),
      'SELECT now ()',
      'SELECT count (*) FROM t',
      'SELECT path(1)',
      'SELECT 1 INTO @a',
      "SELECT 1 INTO OUTFILE '/tmp/x'",
      "SELECT 1.INTO OUTFILE '/tmp/x'",
      'SELECT NEXT VALUE FOR s',
      'SELECT NEXTVAL(s)',
      'SELECT s.nextval',
      'SELECT SETVAL(s, 1)',
      'WITH a AS (SELECT 1) DELETE FROM t',
      'WITH a AS (SELECT 1) UPDATE t SET b=1',
      'WITH a AS (SELECT f()) SELECT 1',
      'WITH a (x, y) AS (SELECT 1, 2) SELECT 1',
      'EXPLAIN SELECT f()',
      'SHOW TABLES WHERE f()',
      'ANALYZE UPDATE t SET a=1',
      'ANALYZE FORMAT=JSON INSERT INTO t VALUES (1)',
      'DO SLEEP(1)',
      "LOAD DATA INFILE 'a' INTO TABLE t",
      'SET @a = f()',
      'SET @a = NEXTVAL(s)',
      'SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)',
      'SELECT 5abs(1)',
      'SELECT ö(1)',
      'SELECT f .5e(1)',
      'SELECT /*! f(1) */',
    ],
  ],
  ['load-local', ["LOAD DATA LOCAL INFILE 'a' INTO TABLE t", "LOAD XML CONCURRENT LOCAL INFILE 'a' INTO TABLE t"]],
  [
    'begin',
    [
      'BEGIN',
      'begin work',
      'BEGIN;',
      'BEGIN -- a',
      'START TRANSACTION',
      'START TRANSACTION READ ONLY',
      'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE',
    ],
  ],
  [
    'commit',
    ['COMMIT', 'commit work', 'COMMIT AND CHAIN', 'COMMIT AND NO CHAIN NO RELEASE', 'COMMIT WORK RELEASE', 'COMMIT ;'],
  ],
  ['rollback', ['ROLLBACK', 'ROLLBACK WORK AND CHAIN', 'rollback release', '/*!40000 ROLLBACK */']],
  ['savepoint', ['SAVEPOINT a', 'RELEASE SAVEPOINT a', 'ROLLBACK TO a', 'ROLLBACK WORK TO SAVEPOINT a']],
  [
    'set',
    [
      'SET autocommit=0',
      'SET NAMES utf8mb4',
      "SET @a = 1, @b := 'x'",
      'SET TRANSACTION ISOLATION LEVEL READ COMMITTED',
      'SET SESSION TRANSACTION READ ONLY',
      'SET GLOBAL max_connections = 10',
      'SET ROLE admin',
      "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
      'SET @a = (SELECT MAX(id) FROM t)',
      '/*!40101 SET NAMES utf8 */',
      'GET DIAGNOSTICS @a = ROW_COUNT',
      'SET SESSION wsrep_sync_wait = 0',
    ],
  ],
  ['use', ['USE bank', 'use `a b`']],
  [
    'ddl',
    [
      'CREATE TABLE t (id INT PRIMARY KEY)',
      'CREATE OR REPLACE TABLE t AS SELECT 1',
      'CREATE DEFINER=`a`@`%` VIEW v AS SELECT f()',
      'CREATE PROCEDURE p() SELECT 1',
      'CREATE DEFINER=a@b PROCEDURE p() BEGIN SELECT 1; SELECT 2; END',
      'CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a=1; END;',
      'ALTER TABLE t ADD COLUMN a INT',
      'DROP TABLE t',
      'TRUNCATE t',
      'RENAME TABLE a TO b',
      'GRANT ALL ON *.* TO a@b',
      "SET PASSWORD = PASSWORD('x')",
      'SET DEFAULT ROLE a',
      'ANALYZE TABLE t',
      'ANALYZE NO_WRITE_TO_BINLOG TABLE t',
      'FLUSH TABLES WITH READ LOCK',
      'LOCK TABLES t WRITE',
      'UNLOCK TABLES',
      'LOAD INDEX INTO CACHE t',
    ],
  ],
  [
    'temporary',
    ['CREATE TEMPORARY TABLE t (a INT)', 'CREATE OR REPLACE TEMPORARY TABLE t AS SELECT 1', 'DROP TEMPORARY TABLE t'],
  ],
  [
    'call',
    [
      'CALL p()',
      "EXECUTE IMMEDIATE 'DELETE FROM t'",
      'BEGIN NOT ATOMIC SELECT 1; COMMIT; END',
      'IF 1 THEN COMMIT; END IF',
      'SET autocommit = f()',
      "SELECT 'a",
      'SELECT `a',
      'SELECT 1 /* a',
      'SELECT 1 /*! a',
      'SELECT 1 \0',
      'SELECT `a\0b`',
      'SELECT 1 -- a\0 INTO @b\n',
      'SELECT 1.5e-- INTO @b\n',
      'SELECT [a] FROM t',
      'SELECT 1 /*!99999 INTO @a */',
      '/*!50700 SELECT */ DELETE FROM t',
      "/*M!120000 SET */ INSERT INTO t VALUES ('a')",
    ],
  ],
  ['sql-prepare', ["PREPARE s FROM 'SELECT 1'", 'EXECUTE s USING @a', 'DEALLOCATE PREPARE s', 'DROP PREPARE s']],
  ['kill', ['KILL 5', 'KILL HARD QUERY ID 5']],
  ['handler', ['HANDLER t OPEN', 'HANDLER t READ FIRST']],
  ['xa', ["XA START 'a'"]],
  [
    'admin',
    [
      'SHUTDOWN',
      "BINLOG 'abc'",
      'START SLAVE',
      'SELCT 1',
      'COMMIT 5',
      'COMMIT AND RELEASE',
      'COMMIT NO',
      'ROLLBACK AND',
      'START TRANSACTION WITH',
      'START TRANSACTION READ',
      '(DELETE FROM t)',
      '()',
      '123',
      'SET',
      'SET STATEMENT a=1',
      'RELEASE x',
      'ANALYZE',
      'LOAD',
    ],
  ],
  [
    'multi',
    [
      'SELECT 1; SELECT 2',
      'SELECT 1; -- comment',
      'INSERT INTO t VALUES (1); COMMIT',
      '; SELECT 1; SELECT 2',
      "SELECT ';'; DELETE FROM t",
      'CREATE PROCEDURE p() SELECT 1; SELECT 2',
      'SELECT 1 /*!99999 ; DELETE FROM t */',
      'a: BEGIN NOT ATOMIC SELECT 1; SELECT 2; END',
    ],
  ],
];

describe('a statement is', () => {
  test.each(table.flatMap(([kind, statements]) => statements.map((sql) => [kind, sql] as const)))(
    '%s: %s',
    (kind, sql) => {
      expect(kindOf(sql)).toBe(kind);
    },
  );

  test('named by its first keyword, and the names are few', () => {
    expect(
      ['SELECT 1', '(select 1)', ' /* a */ insert t set a=1', 'SELCT', '', '5', 'sum(1)'].map((sql) => of(sql).verb),
    ).toEqual(['SELECT', 'SELECT', 'INSERT', 'OTHER', 'NONE', 'OTHER', 'OTHER']);
  });
});

describe('flags tell', () => {
  test.each([
    ['SELECT @a, @@autocommit', ['systemVariables', 'userVariables']],
    ["SELECT GET_LOCK('a',1)", ['getLock']],
    ['DO RELEASE_ALL_LOCKS()', ['releaseLock']],
    ['SELECT ROW_COUNT(), FOUND_ROWS(), CONNECTION_ID()', ['connectionId', 'foundRows', 'rowCount']],
    ['SELECT row_count, found_rows FROM t', []],
    ['SELECT SQL_CALC_FOUND_ROWS * FROM t', ['calcFoundRows']],
    ['SHOW WARNINGS', ['diagnostics']],
    ['SHOW COUNT(*) ERRORS', ['diagnostics']],
    ['SELECT @@warning_count', ['diagnostics', 'systemVariables']],
    ['SELECT @@session . error_count', ['diagnostics', 'systemVariables']],
    ['SELECT LAST_INSERT_ID()', ['lastInsertId']],
    ['SELECT @@identity', ['lastInsertId', 'systemVariables']],
    ['SELECT @@session.last_insert_id', ['lastInsertId', 'systemVariables']],
    ['SELECT NOW(6)', ['now']],
    ['INSERT INTO t VALUES (CURRENT_TIMESTAMP)', ['now']],
    ['UPDATE t SET a=RAND(), b=UUID()', ['random', 'uuid']],
    ['SELECT * FROM t FOR UPDATE', ['forUpdate']],
    ['SELECT * FROM t LOCK IN SHARE MODE', ['forUpdate']],
    ['DELETE FROM t RETURNING id', ['returning']],
    ['SELECT coequal.session()', ['coequal']],
    ["SELECT `coequal`.`outcome`('a')", ['coequal']],
    ['SELECT /* coequal: guard a */ 1', ['guardComment']],
    ['ALTER TABLE t /*  COEQUAL: Allow-Blocking */ ADD a INT', ['blockingComment']],
    ['SELECT /* comment: guard a */ 1', []],
    ["SELECT '/* coequal: guard a */'", []],
    ['COMMIT AND CHAIN', ['chain']],
    ['ROLLBACK RELEASE', ['release']],
    ['COMMIT AND NO CHAIN NO RELEASE', []],
    ['START TRANSACTION READ ONLY', ['readOnly']],
    ['LOCK TABLES t WRITE', ['lockTables']],
    ['UNLOCK TABLES', ['unlockTables']],
    ['CREATE TEMPORARY TABLE a (b INT)', ['temporaryTable']],
    ["CREATE PROCEDURE p() BEGIN DO GET_LOCK('a', 1); END", ['transactionControl']],
  ])('%s', (sql, expected) => {
    expect(flagsOf(sql)).toEqual(expected);
  });

  test.each([
    'SET autocommit=0',
    'SET AUTOCOMMIT := 0',
    'SET @@autocommit=0',
    'SET SESSION autocommit=0',
    'SET LOCAL autocommit = OFF',
    'SET @@session.autocommit=0',
    'SET @@LOCAL . autocommit = 0',
    'SET `autocommit`=0',
    'SET @@`autocommit`=0',
    'SET @@session.`autocommit` = 0',
    "SET sql_mode='', autocommit=1",
    'SET /* a */ autocommit /* b */ = 1',
    'SET NAMES utf8, autocommit=1',
  ])('autocommit is set by %s', (sql) => {
    expect(flagsOf(sql)).toContain('setAutocommit');
  });

  test.each([
    ['SET @autocommit=0', ['literalUserVariables', 'userVariables']],
    ["SET @a=1, @b='x', @c=NULL, @d=-1.5, @e=_utf8'x', @f=x'41'", ['literalUserVariables', 'userVariables']],
    ['SET @a=1+1', ['userVariables']],
    ['SET @a=1, sql_mode=0', ['systemVariables', 'userVariables']],
    ['SET @a=@b', ['userVariables']],
    ['SET @a=NOW()', ['now', 'userVariables']],
    ['SET TRANSACTION READ ONLY', ['readOnly', 'setTransaction', 'systemVariables']],
    ['SET SESSION TRANSACTION READ ONLY', ['readOnly', 'systemVariables']],
    ['SET GLOBAL TRANSACTION READ WRITE', ['globalScope', 'systemVariables']],
    ['SET GLOBAL a=1', ['globalScope', 'systemVariables']],
    ['SET a=1, GLOBAL b=1', ['globalScope', 'systemVariables']],
    ['SET @@global.a=1', ['globalScope', 'systemVariables']],
    ['SET session_track_schema=0', ['setTracking', 'systemVariables']],
    ['SET @@session.session_track_system_variables="*"', ['setTracking', 'systemVariables']],
    ['SET SESSION wsrep_sync_wait=0', ['setWsrepSyncWait', 'systemVariables']],
    ['SET STATEMENT wsrep_sync_wait=0 FOR SELECT 1', ['systemVariables']],
  ])('%s', (sql, expected) => {
    expect(flagsOf(sql)).toEqual(expected);
  });

  test.each([
    ['SELECT 1; SELECT 2', ['onlyReads']],
    ['SELECT 1; -- a', ['onlyReads']],
    ['SELECT 1; INSERT INTO t VALUES (1)', []],
    ['INSERT INTO t VALUES (1); COMMIT', ['transactionControl']],
    ['SELECT 1; SET autocommit=1', ['setAutocommit', 'systemVariables', 'transactionControl']],
    ['SET @a=1; SELECT @a', ['userVariables']],
    ['SELECT 1; CALL p()', ['transactionControl']],
    ['SELECT 1; CREATE TEMPORARY TABLE a (b INT)', ['temporaryTable']],
    ["SELECT 1; SELECT 'a", []],
  ])('of several: %s', (sql, expected) => {
    expect(flagsOf(sql)).toEqual(expected);
  });

  test.each([
    ['SELECT @a := 1', ['assignsVariables']],
    ['SELECT 1 INTO @a', ['assignsVariables']],
    ['SET @a = f()', ['assignsVariables', 'unknownFunction']],
    ['CALL p(@a)', ['assignsVariables']],
    ['SELECT @a', []],
    ['SELECT LAST_INSERT_ID()', []],
    ['UPDATE t SET a = LAST_INSERT_ID(a + 1)', ['setsInsertId']],
    ['SELECT NEXT VALUE FOR s', ['sequence']],
    ['SELECT LASTVAL(s)', ['sequence']],
    ["SELECT 1 INTO OUTFILE 'a'", ['outfile']],
    ['SELECT @@hostname', ['instanceState']],
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT', ['consistentSnapshot']],
    ['COMMIT AND NO CHAIN NO RELEASE', ['noChain', 'noRelease']],
    ['SET NAMES utf8', ['setNames']],
    ['SET ROLE a', ['setRole']],
    ['SET STATEMENT a=1 FOR SELECT 1', ['setStatement']],
    ['SELECT f()', ['unknownFunction']],
    ["SELECT 'a", ['doubtful']],
  ])('in detail: %s', (sql, expected) => {
    expect(detailsOf(sql)).toEqual(expected);
  });
});

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
    ] as const) {
      expect(kindOf(text), text).toBe(kind);
    }
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
