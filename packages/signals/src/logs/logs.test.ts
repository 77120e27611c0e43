/** Lines of the programs we know and of none: severity, templates without values, changes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { knownChange } from './known.ts';
import { readLine } from './lines.ts';
import { maskLine } from './mask.ts';
import { LogReader } from './reader.ts';
import { Templates } from './templates.ts';

const place = { site: 'north', host: 'north-1', instance: 'bank-north' };
const reader = (style: 'auto' | 'mariadb' | 'postgres' | 'json' | 'plain' = 'auto') =>
  new LogReader({ log: '/var/log/error.log', style, place });
const templatesOf = (lines: readonly string[]): readonly string[] =>
  reader()
    .read(lines, 1_000)
    .events.flatMap((event) => (event.kind === 'log' ? [`${event.severity} ${event.count} ${event.template}`] : []));

test('lines of servers are told with their severity and without what varies', () => {
  expect(
    templatesOf([
      "2026-11-25 12:34:20 13 [Warning] Aborted connection 13 to db: 'unconnected' user: 'coequal_gateway' host: '10.77.1.101' (Got an error reading communication packets)",
      "2026-11-25 12:34:39 17 [Warning] Aborted connection 17 to db: 'bank' user: 'alice' host: '10.77.3.102' (Got an error reading communication packets)",
      "2026-11-25  9:34:40 18 [Warning] Access denied for user 'root'@'localhost' (using password: YES)",
      '2026-11-25T12:34:40.123456Z 0 [ERROR] [MY-012592] [InnoDB] Operating system error number 28 in a file operation.',
    ]),
  ).toEqual([
    'warning 2 Aborted connection <*> to db: <*> (Got an error reading communication packets)',
    'warning 1 Access denied for user <*> (using password: YES)',
    'error 1 [MY-<*>] [InnoDB] Operating system error number <*> in a file operation.',
  ]);
  expect(
    templatesOf([
      '2026-11-25 18:00:00.123 UTC [77] bank@app ERROR:  duplicate key value violates unique constraint "account_pkey"',
      '2026-11-25 18:00:00.123 UTC [77] bank@app DETAIL:  Key (owner)=(Alice Smith) already exists.',
      "2026-11-25 18:00:00.123 UTC [77] bank@app STATEMENT:  INSERT INTO account VALUES ('Alice Smith')",
      "\t\tON CONFLICT SET x = 'Bob'",
    ]),
  ).toEqual(['error 1 ERROR: duplicate key value violates unique constraint <*>']);
  expect(
    templatesOf([
      '{"at":"2026-11-25T12:00:00Z","level":"warn","event":"instance-state","instance":"bank-north","reason":"no answer for 712 ms"}',
      '{"level":50,"time":1,"pid":2,"msg":"cannot reach 10.0.0.5:3306"}',
    ]),
  ).toEqual(['warning 1 instance-state: no answer for <*> ms', 'error 1 cannot reach <*>']);
  expect(templatesOf(['Nov 25 12:00:00 host kernel: EXT4-fs error (device vda1): bad block 123456'])).toEqual([
    'error 1 Nov <*> <*> host kernel: EXT4-fs error (device vda1): bad block <*>',
  ]);
});

test('a deadlock that is dumped leaves no value behind', () => {
  const lines = [
    '2026-11-25 12:34:20 13 [Note] InnoDB: Transactions deadlock detected, dumping detailed information.',
    '*** (1) TRANSACTION:',
    "UPDATE account SET owner = 'Alice Smith' WHERE number = 4711",
    ' 0: len 11; hex 416c69636520536d697468; asc Alice Smith;;',
    '2026-11-25 12:34:20 13 [ERROR] mariadbd: Statement: INSERT INTO t VALUES (4711, Alice)',
  ];
  const told = JSON.stringify(reader().read(lines, 1_000).events);
  for (const secret of ['Alice', 'Smith', '4711', '416c']) expect(told).not.toContain(secret);
});

describe('values never survive in a template', () => {
  const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => `SECRET${text}SECRET`);
  test.each([
    (v: string) => `Duplicate entry '${v}' for key 'PRIMARY'`,
    (v: string) => `Error 'Duplicate entry '${v}' for key 'name'' on query. Query: 'INSERT INTO t VALUES ('${v}')'`,
    (v: string) => `Key (owner)=(${v}) already exists.`,
    (v: string) => `Failing row contains (1, ${v}, null).`,
    (v: string) => `Truncated incorrect DOUBLE value: "${v}"`,
    (v: string) => `Statement: UPDATE t SET a = ${v}`,
    (v: string) => `Data of ${'much text '.repeat(95)}, cut: '${v} ${v.repeat(40)}`,
    (v: string) => `Duplicate entry '${v}`,
    (v: string) => `Unknown column \`${v}\` in where`,
    (v: string) => ` 1: len 8; hex 475445; asc ${v};;`,
    (v: string) => `DATA TUPLE: 2 tuple fields; 0: len 8; hex 4754; asc ${v}`,
    (v: string) => `started with password=${v}`,
    (v: string) => `CREATE USER app IDENTIFIED BY ${v}`,
    (v: string) => `Authorization: Bearer ${v}`,
  ])('%#', (line) => {
    fc.assert(
      fc.property(value, (secret) => {
        expect(maskLine(line(secret))).not.toContain('SECRET');
      }),
    );
  });
});

test('identifiers, addresses, paths and numbers become one sign each', () => {
  expect(maskLine('found 925d8af9-c2e8-406a-9c52-b6b16de29e61:42 at 0-1-16,1-2-3 in /var/lib/mysql/ibdata1')).toBe(
    'found <*> at <*> in <*>',
  );
  expect(maskLine('from fe80::1 and 10.0.0.1:3306, see https://a.example/x?y=1 after 12.5 s at 0x7f8a')).toBe(
    'from <*> and <*>, see <*> after <*> s at <*>',
  );
  expect(maskLine("Can't open file 'x'")).toBe("Can't open file <*>");
});

describe('templates', () => {
  test('lines that differ in a word share one', () => {
    const templates = new Templates();
    expect(templates.templateOf('worker alpha of pool main has ended')).toBe('worker alpha of pool main has ended');
    expect(templates.templateOf('worker alpha of pool spare has ended')).toBe('worker alpha of pool <*> has ended');
    expect(templates.templateOf('something else entirely')).toBe('something else entirely');
    expect(templates.size).toBe(2);
  });

  test('are bounded, and the same for the same lines', () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', '<*>'), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(
          words.map((list) => list.join(' ')),
          { maxLength: 200 },
        ),
        (lines) => {
          const limits = { templates: 20, perLeaf: 3, words: 4 };
          const [one, other] = [new Templates(limits), new Templates(limits)];
          expect(lines.map((line) => one.templateOf(line))).toEqual(lines.map((line) => other.templateOf(line)));
          expect(one.size).toBeLessThanOrEqual(20);
        },
      ),
    );
  });
});

test('lines that tell of a change are changes', () => {
  const changes = reader('mariadb')
    .read(
      [
        '2026-11-25 12:34:09 0 [Note] WSREP: New COMPONENT: primary = yes, bootstrap = yes, my_idx = 1, memb_num = 3',
        '2026-11-25 12:34:10 2 [Note] WSREP: Synchronized with group, ready for connections',
        '2026-11-25 12:34:10 0 [Note] /usr/sbin/mariadbd: ready for connections.',
        '2026-11-25 12:39:10 0 [Note] /usr/sbin/mariadbd (initiated by: unknown): Normal shutdown',
      ],
      5_000,
    )
    .events.flatMap((event) => (event.kind === 'change' ? [event] : []));
  expect(changes.map(({ change, text }) => `${change}: ${text}`)).toEqual([
    'membership: the membership that bank-north sees: a primary component of 3',
    'restart: the start of bank-north',
    'stop: the stop of bank-north',
  ]);
  expect(changes[0]).toMatchObject({ place, atMs: 5_000, source: 'log' });
  const mysql = '[MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: 8.0';
  expect(knownChange(mysql, 'mariadb', 'x')?.change).toBe('restart');
  expect(knownChange('database system is ready to accept connections', 'postgres', 'x')?.change).toBe('restart');
  expect(knownChange('listening', 'json', 'g')).toEqual({ change: 'restart', text: 'the start of g' });
  expect(knownChange('listening', 'plain', 'g')).toBeUndefined();
});

test('a storm of lines is counted, and listed within bounds; what is read again is the same event', () => {
  const lines = Array.from({ length: 5_000 }, (_, index) => `w${'x'.repeat(index % 300)} ${'y '.repeat(index % 7)}end`);
  const storm = reader('plain');
  const { events } = storm.read(lines, 1);
  expect(events.length).toBeLessThanOrEqual(102);
  expect(events.reduce((sum, event) => sum + (event.kind === 'log' ? event.count : 0), 0)).toBe(5_000);
  expect(storm.counts()).toEqual({ error: 0, warning: 0, info: 5_000 });
  expect(
    reader('plain')
      .read(lines, 1)
      .events.map(({ id }) => id),
  ).toEqual(events.map(({ id }) => id));
});

test('no line whatever throws', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('auto', 'mariadb', 'postgres', 'json', 'plain'),
      (line, style) => {
        readLine(line, style);
        expect(maskLine(line)).not.toMatch(/\p{Cc}/u);
      },
    ),
  );
});
