/**
 * The real server against the classification: which words can be names of stored functions, and that a statement that
 * is called a read writes nothing, for thousands of odd statements.
 */
import { startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import fc from 'fast-check';
import { type Connection, createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classify, flag, type StatementKind } from './classify.ts';
import { harmlessCalls } from './words.ts';

let ground: Ground;
const connections: Connection[] = [];

/** `spaces`: whether the session ignores spaces before a function's parenthesis. */
const open = async (spaces: boolean): Promise<Connection> => {
  const { instance } = ground.options(0);
  const connection = await createConnection({
    host: instance.at.address,
    port: instance.ports.client,
    user: 'odd',
    password: 'odd',
    database: 'odd',
    flags: spaces ? [] : ['-IGNORE_SPACE'],
    multipleStatements: true,
    supportBigNumbers: true,
  });
  connections.push(connection);
  return connection;
};

type Answer = { readonly errno: number; readonly message: string; readonly rows: unknown };

const ask = async (connection: Connection, sql: string): Promise<Answer> => {
  try {
    const [rows] = await connection.query<never>(sql);
    return { errno: 0, message: '', rows };
  } catch (error) {
    const errno: unknown = Object(error).errno;
    if (typeof errno !== 'number') throw error;
    return { errno, message: String(Object(error).message), rows: undefined };
  }
};

const firstValue = (rows: unknown): unknown => Object.values(Object(Array.isArray(rows) ? rows[0] : undefined))[0];

beforeAll(async () => {
  ground = await openGround(62, {}, 1);
  await startService(ground.drivers, ground.how);
  const [driver] = ground.drivers;
  for (const sql of [
    'SET GLOBAL require_secure_transport = OFF',
    'SET GLOBAL log_bin_trust_function_creators = ON',
    "CREATE USER odd@'%' IDENTIFIED BY 'odd'",
    "GRANT ALL ON odd.* TO odd@'%'",
    'CREATE DATABASE odd',
    'CREATE TABLE odd.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT)',
    'CREATE TABLE odd.witness (id INT PRIMARY KEY AUTO_INCREMENT)',
    'CREATE SEQUENCE odd.s NOCACHE',
  ])
    await driver?.administer(sql);
});

afterAll(async () => {
  for (const connection of connections) connection.destroy();
  await ground.close();
});

describe('a word before a parenthesis', () => {
  it('that is called harmless reaches no stored function, whatever functions there are', async () => {
    const [spaces, none] = [await open(true), await open(false)];
    const reaches = async (connection: Connection, call: string): Promise<boolean> => {
      const { errno, message, rows } = await ask(connection, `SELECT ${call} AS x`);
      // 1318: a stored function was found, and takes another number of arguments.
      return String(firstValue(rows)) === '4711' || (errno === 1318 && message.includes('FUNCTION'));
    };
    for (const [words, sessions] of [
      [harmlessCalls.known, [spaces, none]],
      [harmlessCalls.adjacent, [spaces]],
    ] as const) {
      for (const name of words) {
        const made = await ask(spaces, `CREATE FUNCTION \`${name}\`() RETURNS INT NO SQL RETURN 4711`);
        // Of these there is one in the server's own table of functions already, or no such name can be.
        if (made.errno !== 0) continue;
        for (const session of sessions) {
          for (const call of [`${name}()`, `${name}(1)`, `${name} ()`])
            expect(await reaches(session, call), call).toBe(false);
        }
        if (words === harmlessCalls.adjacent) expect(await reaches(none, `${name}()`), name).toBe(false);
        await ask(spaces, `DROP FUNCTION \`${name}\``);
      }
    }
    // The probe can see one.
    await ask(spaces, 'CREATE FUNCTION path() RETURNS INT NO SQL RETURN 4711');
    expect(await reaches(spaces, 'path()')).toBe(true);
    await ask(spaces, 'DROP FUNCTION path');
  });
});

/** What lexers stumble over, around calls of functions that leave a trace. */
const blank = fc.constantFrom(
  ...[
    ' ',
    ' ',
    ' ',
    '',
    '\n',
    '\t',
    '/* a */',
    '/**/',
    '/*! */',
    '/*!50000 */',
    '/*M! */',
    '-- a\n',
    '# a\n',
    '/*!99999 */',
  ],
  ...[
    "/* ' */",
    '-- "\n',
    '/*!',
    '*/',
    '/*!99999',
    '/*M!110000',
    ';',
    '1.5e',
    '1.5e-- ',
    '1.',
    '.5',
    "'a'",
    '"a"',
    '\\',
    '@',
    '`',
  ],
);
const call = fc.constantFrom(
  ...[
    'f',
    'now',
    'abs',
    'count',
    'path',
    'pi',
    'odd.f',
    'odd.now',
    '`f`',
    '`now`',
    '"f"',
    'odd . pi',
    'uuid',
    '5f',
    'nextval',
  ],
);
const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(call, blank, fc.constantFrom('()', '(1)', '(s)', '( )')).map((parts) => parts.join('')),
  },
  { weight: 2, arbitrary: blank },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        '1',
        'a',
        't',
        's',
        ',',
        '+',
        '-',
        '(',
        ')',
        '*',
        ' FROM t ',
        ' WHERE ',
        ' AS x',
        ' INTO @a',
        ' AND ',
        ' NOT ',
        ' IN (1)',
      ],
      ...[
        ' UNION SELECT 1',
        ' INSERT INTO t VALUES (NULL, 1)',
        ' NEXT VALUE FOR s',
        ' DELETE FROM t',
        ' FOR UPDATE',
        ' LIMIT 1',
      ],
      ...[' SET @b = ', "'x'", '"y"', '`a`', 'x', '1e1', "N'a'", "x'41'", "_utf8'a'", ' IS NULL', '=', 'odd.t.a'],
    ),
  },
);
const verb = fc.constantFrom(
  ...[
    'SELECT ',
    'SELECT ',
    'SELECT ',
    'SELECT',
    'VALUES (1),(',
    '(SELECT ',
    'WITH w AS (SELECT 1) SELECT ',
    'EXPLAIN SELECT ',
  ],
  ...[
    'SHOW TABLES WHERE ',
    'ANALYZE SELECT ',
    'SET @c = ',
    'DO ',
    'SET STATEMENT max_statement_time=1 FOR SELECT ',
    'DESCRIBE ',
  ],
);
const soup = fc
  .tuple(verb, fc.array(piece, { maxLength: 7 }), fc.constantFrom('', '', ';', ')', ' -- a', ' */'))
  .map(([begin, pieces, end]) => `${begin}${pieces.join('')}${end}`);

/** Statements that are mostly well formed; `~` is where something odd may stand. */
const sound = fc
  .tuple(
    fc.constantFrom(
      ...[
        'SELECT~X',
        'SELECT~X~,~X',
        '(~SELECT~X~)',
        'WITH~w~AS~(~SELECT~X~)~SELECT~X',
        'VALUES~(~X~)',
        'DO~X',
        'SET~@c~=~X',
      ],
      ...[
        'SELECT~X~FROM~t~WHERE~X~LIMIT 1',
        'SELECT~X~AS~x',
        'SELECT~(~SELECT~X~)',
        'EXPLAIN~SELECT~X',
        'ANALYZE~SELECT~X',
      ],
      ...[
        'SHOW~TABLES~WHERE~X',
        'SELECT~X~;~SELECT~X',
        'INSERT~t~VALUES~(~NULL~,~X~)',
        'SELECT~X~INTO~@a',
        'SELECT~NEXT~VALUE~FOR~s',
      ],
      ...[
        'SET~STATEMENT~max_statement_time=1~FOR~SELECT~X',
        'SELECT~X~UNION~SELECT~X',
        'SELECT~X~/*!99999~,~X~*/',
        'SELECT~X~FOR~UPDATE',
      ],
      ...[
        'UPDATE~t~SET~a~=~X~LIMIT 1',
        'SELECT~X~/*!~,~X~*/',
        "SELECT~'~\\'~',~X~,~'\\\\'",
        'SELECT~X~FROM~t~ORDER~BY~X~LIMIT 1',
      ],
    ),
    fc.infiniteStream(
      fc.constantFrom(
        ...[
          '1',
          "'a'",
          '"b"',
          'NULL',
          'f()',
          'now()',
          'now ()',
          'abs(1)',
          'abs (1)',
          '`abs`(1)',
          'odd.f()',
          'odd . now()',
          'path()',
        ],
        ...[
          'count(1)',
          'count (1)',
          'pi()',
          '`pi`()',
          '5f()',
          'nextval(s)',
          'lastval(s)',
          'a',
          '@a',
          '@@autocommit',
          '1.5e1',
          '-.5',
          'uuid()',
        ],
        ...[
          'IF(1,2,3)',
          'CAST(1 AS CHAR(5))',
          "N'a'",
          '(1)',
          'NOT(1)',
          '1 IN (1)',
          'CASE WHEN 1 THEN(2)ELSE(3)END',
          '1.',
          'f/**/()',
        ],
      ),
    ),
    fc.infiniteStream(
      fc.constantFrom(' ', ' ', '\n', ' /* a */ ', '/*!*/ ', ' -- "\n', ' # (\n', ' /*!50000 */ ', " /* ' */ "),
    ),
  )
  .map(([template, values, blanks]) =>
    template.replaceAll(/[~X]/g, (mark) => String((mark === 'X' ? values : blanks).next().value)),
  );

describe('a statement that is called a read', () => {
  it('leaves no row behind, moves no sequence and opens no transaction', async () => {
    const trace = 'BEGIN INSERT INTO odd.witness VALUES (NULL); RETURN 1; END';
    const [spaces, none] = [await open(true), await open(false)];
    for (const name of ['f', 'now', 'path', 'pi', 'uuid', '5f'])
      expect((await ask(spaces, `CREATE FUNCTION \`${name}\`() RETURNS INT ${trace}`)).errno).toBe(0);
    for (const name of ['abs', 'count'])
      expect((await ask(spaces, `CREATE FUNCTION \`${name}\`(x INT) RETURNS INT ${trace}`)).errno).toBe(0);
    await ask(spaces, 'INSERT INTO t VALUES (NULL, 1)');
    const state = async (): Promise<string> => {
      const { rows } = await ask(
        spaces,
        'SELECT (SELECT COUNT(*) FROM witness), (SELECT COUNT(*) FROM t), (SELECT next_not_cached_value FROM s)',
      );
      return JSON.stringify(rows);
    };
    let before = await state();
    let reads = 0;
    let others = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(soup, sound), fc.boolean(), async (sql, ignoreSpace) => {
        const { kind, flags } = classify(Buffer.from(sql), { ignoreSpace });
        const isRead = kind === 'read' || (kind === 'multi' && (flags & flag.onlyReads) !== 0);
        const session = ignoreSpace ? spaces : none;
        const { errno } = await ask(session, sql);
        const open = await ask(session, 'SELECT @@in_transaction');
        const after = await state();
        const same = after === before && Number(firstValue(open.rows)) === 0;
        before = after;
        if (Number(firstValue(open.rows)) !== 0) await ask(session, 'ROLLBACK');
        if (errno === 0) {
          if (isRead) reads++;
          else others++;
        }
        expect(!isRead || same, sql).toBe(true);
      }),
      { numRuns: 2_000, interruptAfterTimeLimit: 60_000 },
    );
    // Not all of them were refused by the server.
    expect(Math.min(reads, others), `${reads} reads and ${others} others`).toBeGreaterThan(200);
  });
});

/** Statements around transactions; `~` is where something odd may stand. */
const around = fc
  .tuple(
    fc.constantFrom(
      ...[
        'COMMIT',
        'COMMIT~WORK',
        'COMMIT~AND~CHAIN',
        'COMMIT~AND~NO~CHAIN~NO~RELEASE',
        'ROLLBACK',
        'ROLLBACK~AND~CHAIN',
        'BEGIN',
      ],
      ...[
        'BEGIN~WORK',
        'START~TRANSACTION',
        'START~TRANSACTION~READ~WRITE',
        'SAVEPOINT~x',
        'ROLLBACK~TO~x',
        'RELEASE~SAVEPOINT~x',
      ],
      ...[
        'SET~autocommit~=~1',
        'SET~@@session~.~autocommit~=~1',
        'SET~`autocommit`~=~1',
        'SET~@@`autocommit`~=~1',
        'SET~@a~=~1,~autocommit~=~1',
      ],
      ...[
        'SET~NAMES~utf8mb4',
        'SET~SESSION~sql_mode~=~DEFAULT',
        'SET~SESSION~TRANSACTION~READ~WRITE',
        'SET~@a~=~(~SELECT~1~)',
        'SET~ROLE~NONE',
      ],
      ...[
        "SET~PASSWORD~=~PASSWORD(~'odd'~)",
        'SET~DEFAULT~ROLE~NONE',
        'SET~STATEMENT~max_statement_time=1~FOR~COMMIT',
        'SET~NAMES~utf8mb4,~@@autocommit=1',
      ],
      ...[
        'CREATE~TABLE~IF~NOT~EXISTS~u~(a~INT~PRIMARY~KEY)',
        'DROP~TABLE~IF~EXISTS~u',
        'TRUNCATE~witness',
        'ALTER~TABLE~witness~COMMENT~"a"',
      ],
      ...[
        'CREATE~TEMPORARY~TABLE~IF~NOT~EXISTS~v~(a~INT)~ENGINE=InnoDB',
        'DROP~TEMPORARY~TABLE~IF~EXISTS~v',
        'CREATE~OR~REPLACE~VIEW~w~AS~SELECT~1',
      ],
      ...[
        'ANALYZE~TABLE~t',
        'ANALYZE~SELECT~1',
        'CHECKSUM~TABLE~t',
        'CHECK~TABLE~t',
        'LOCK~TABLES~t~WRITE,~witness~WRITE',
        'UNLOCK~TABLES',
        'FLUSH~STATUS',
      ],
      ...[
        'HANDLER~t~OPEN',
        'HANDLER~t~CLOSE',
        'HELP~"select"',
        'SHOW~TABLES',
        'DESCRIBE~t',
        'USE~odd',
        'DO~1',
        'KILL~QUERY~1',
        'EXPLAIN~SELECT~1',
      ],
      ...[
        'PREPARE~p~FROM~"COMMIT"',
        'EXECUTE~p',
        'EXECUTE~IMMEDIATE~"COMMIT"',
        'CALL~done()',
        'BEGIN~NOT~ATOMIC~COMMIT;~END',
        'IF~1~THEN~COMMIT;~END~IF',
      ],
      ...[
        'SELECT~1;~COMMIT',
        'SELECT~1~/*!~;~COMMIT~*/',
        '/*!50000~COMMIT~*/',
        '/*!99999~SELECT~1~;~*/~COMMIT',
        'SIGNAL~SQLSTATE~"01000"',
        'GET~DIAGNOSTICS~@a=NUMBER',
      ],
      ...[
        'INSERT~t~VALUES~(NULL,1)',
        'UPDATE~t~SET~a=2~LIMIT 1',
        'DELETE~FROM~t~LIMIT 1',
        'REPLACE~t~VALUES~(NULL,1)',
        'OPTIMIZE~TABLE~t',
      ],
    ),
    fc.infiniteStream(
      fc.constantFrom(
        ' ',
        ' ',
        '\n',
        ' /* a */ ',
        ' /*! */ ',
        ' -- "\n',
        ' # (\n',
        ' /*!50000 */ ',
        " /* ' */ ",
        ' /*!99999 x */ ',
      ),
    ),
    fc.constantFrom('', '', ';', ' -- a', ' /* ; */'),
  )
  .map(([template, blanks, end]) => `${template.replaceAll('~', () => String(blanks.next().value))}${end}`);

/** Kinds that promise to leave the transaction as it is. */
const staying: ReadonlySet<StatementKind> = new Set(['read', 'write', 'savepoint', 'use', 'temporary', 'handler']);

describe('a statement that is said to end no transaction', () => {
  it('ends none', async () => {
    const session = await open(false);
    const onlooker = await open(false);
    for (const sql of ['CREATE TABLE mark (id INT PRIMARY KEY AUTO_INCREMENT)', 'CREATE PROCEDURE done() COMMIT'])
      expect((await ask(onlooker, sql)).errno).toBe(0);
    const marks = async (): Promise<number> =>
      Number(firstValue((await ask(onlooker, 'SELECT COUNT(*) FROM mark')).rows));
    let before = await marks();
    let stayed = 0;
    await fc.assert(
      fc.asyncProperty(around, async (sql) => {
        for (const one of [
          'SET autocommit = 1',
          'UNLOCK TABLES',
          'ROLLBACK',
          'BEGIN',
          'SAVEPOINT x',
          'INSERT INTO mark VALUES (NULL)',
        ])
          await ask(session, one);
        const { errno } = await ask(session, sql);
        const open = Number(firstValue((await ask(session, 'SELECT @@in_transaction')).rows)) === 1;
        const after = await marks();
        const { kind, flags } = classify(Buffer.from(sql));
        const stays =
          staying.has(kind) ||
          (kind === 'set' && (flags & flag.setAutocommit) === 0) ||
          (kind === 'multi' && (flags & flag.transactionControl) === 0);
        if (stays && errno === 0) stayed++;
        expect(!stays || (open && after === before), `${kind}: ${sql}`).toBe(true);
        before = after;
      }),
      { numRuns: 700, interruptAfterTimeLimit: 60_000 },
    );
    expect(stayed).toBeGreaterThan(200);
  });
});
