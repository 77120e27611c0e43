/** Conversations with a real server: every kind of answer is followed to its end, under all sets of capabilities. */
import { startService } from '@coequal/engines';
import { type Ground, openGround } from '@coequal/engines/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteWriter } from './bytes.ts';
import { CLIENT, hasExtended, MARIADB } from './capabilities.ts';
import { parseColumn } from './columns.ts';
import { encodeCommand, responseKindOf } from './commands.ts';
import { parseErr, parseOk, sessionChangesOf } from './packets.ts';
import { BULK, COM, CURSOR, lastPrepared, STATUS, TYPE } from './protocol.ts';
import { parseBinaryRow, parseTextRow } from './rows.ts';
import { encodeExecute, parameterTypesOf, withParameterTypes } from './statements.ts';
import { read } from './testing/bytes.ts';
import { type Heard, type Where, WireClient } from './testing/client.ts';

let ground: Ground;
const clients: WireClient[] = [];

const account = { user: 'wire', password: 'a native password' };
const signing = { user: 'wire_ed', password: 'a signing password' };

const open = async (more: Partial<Where> = {}): Promise<WireClient> => {
  const { instance } = ground.options(0);
  const client = await WireClient.open({ ...account, host: instance.at.address, port: instance.ports.client, ...more });
  clients.push(client);
  return client;
};

const query = (client: WireClient, sql: string): Promise<Heard> => client.ask(encodeCommand.query(sql), 'query');

const errorIn = ({ events }: Heard): number => {
  const last = events.at(-1);
  return last?.type === 'err' ? read(parseErr(last.payload)).number : 0;
};

/** The values of a result's rows as texts: what is plain, without the count, the definitions and their end. */
const valuesOf = ({ plain, rows }: Heard, columns: number): readonly (readonly (string | undefined)[])[] =>
  plain.slice(plain.length - rows).map((row) => read(parseTextRow(row, columns)).map((value) => value?.toString()));

beforeAll(async () => {
  ground = await openGround(60, {}, 1);
  await startService(ground.drivers, ground.how);
  const [driver] = ground.drivers;
  for (const sql of [
    'SET GLOBAL require_secure_transport = OFF',
    'SET GLOBAL local_infile = ON',
    'SET GLOBAL max_allowed_packet = 67108864',
    `CREATE USER wire IDENTIFIED BY '${account.password}'`,
    'GRANT ALL ON *.* TO wire',
    "INSTALL SONAME 'auth_ed25519'",
    `CREATE USER wire_ed IDENTIFIED VIA ed25519 USING PASSWORD('${signing.password}')`,
    'CREATE TABLE bank.numbers (id INT PRIMARY KEY, text VARCHAR(100))',
    `CREATE PROCEDURE bank.several() BEGIN SELECT 1; SELECT id FROM bank.numbers LIMIT 2; END`,
    'CREATE PROCEDURE bank.doubled(IN a INT, OUT b INT) BEGIN SELECT a; SET b = a * 2; END',
    "INSERT INTO bank.numbers SELECT seq, CONCAT('text ', seq) FROM bank.seq_1_to_3000",
  ])
    await driver?.administer(sql);
});

afterAll(async () => {
  for (const client of clients) client.close();
  await ground.close();
});

describe('logging in', () => {
  it('with a native password, in the clear and over TLS', async () => {
    for (const tls of [false, true]) {
      const client = await open({ tls, database: 'bank' });
      expect(client.greeting.serverVersion).toContain('MariaDB');
      expect(client.greeting.scramble).toHaveLength(20);
      const heard = await query(client, "SELECT CONNECTION_ID(), DATABASE(), CURRENT_USER(), @@ssl_cipher <> ''");
      expect(valuesOf(heard, 4)[0]?.slice(0, 3)).toEqual([String(client.greeting.connectionId), 'bank', 'wire@%']);
    }
  });

  it('with ed25519, after the server asks for it', async () => {
    const client = await open(signing);
    expect(valuesOf(await query(client, 'SELECT CURRENT_USER()'), 1)).toEqual([['wire_ed@%']]);
  });

  it('is refused with 1045 for another password', async () => {
    await expect(open({ password: 'wrong' })).rejects.toThrow('ERR 1045');
    await expect(open({ ...signing, password: 'wrong' })).rejects.toThrow('ERR 1045');
  });

  it('as somebody else on the same connection, whatever the method', async () => {
    const client = await open();
    for (const other of [signing, account]) {
      const heard = await client.changeUser(other);
      expect(heard.events.at(-1)).toMatchObject({ type: 'ok', last: true });
      expect(valuesOf(await query(client, 'SELECT USER()'), 1)[0]?.[0]).toMatch(new RegExp(`^${other.user}@`));
    }
    expect(errorIn(await client.changeUser({ user: 'wire', password: 'wrong' }))).toBe(1045);
  });
});

describe.each([
  ['everything', { base: 0, extended: 0 }],
  ['EOF packets', { base: CLIENT.DEPRECATE_EOF, extended: 0 }],
  ['nothing of MariaDB’s own', { base: CLIENT.DEPRECATE_EOF, extended: 0xffff_ffff }],
  ['no session tracking', { base: CLIENT.SESSION_TRACK, extended: 0 }],
])('with %s', (_, flags) => {
  const openSo = (): Promise<WireClient> => open({ without: flags, database: 'bank' });

  it('queries, several at once, and errors among them', async () => {
    const client = await openSo();
    const heard = await query(client, 'SELECT * FROM numbers ORDER BY id');
    expect(heard.rows).toBe(3_000);
    expect(valuesOf(heard, 2)[2_999]).toEqual(['3000', 'text 3000']);
    const several = await query(client, "SELECT 1; DO 1; SELECT id FROM numbers LIMIT 5; SET @a = 'x'; SELECT nothing");
    expect(several.events.map(({ last }) => last)).toEqual([false, false, false, false, true]);
    expect(several.rows).toBe(6);
    expect(errorIn(several)).toBe(1_054);
    const called = await query(client, 'CALL several()');
    expect(called.rows).toBe(3);
    expect(called.events.at(-1)).toMatchObject({ type: 'ok', last: true });
  });

  it('prepared statements, with parameters, cursors, long data and types left away', async () => {
    const client = await openSo();
    const prepared = await client.ask(
      encodeCommand.prepare('SELECT id, text, ? FROM numbers WHERE id <= ?'),
      'prepare',
    );
    expect(prepared.scanner.prepared).toMatchObject({ columns: 3, parameters: 2 });
    const statement = prepared.scanner.prepared?.statement ?? 0;
    const execute = encodeExecute({ statement, parameters: ['x', 10] });
    const heard = await client.ask(execute, 'execute');
    expect(heard.rows).toBe(10);
    // The second time a server that may leave the definitions away does so.
    const again = await client.ask(execute, 'execute');
    expect(again.rows).toBe(10);
    const types = read(parameterTypesOf(execute, 2)) ?? Buffer.alloc(0);
    const bare = Buffer.concat([execute.subarray(0, 11), Buffer.of(0), execute.subarray(12 + types.length)]);
    expect((await client.ask(bare, 'execute')).rows).toBe(10);
    const other = await client.ask(
      encodeCommand.prepare('SELECT id, text, ? FROM numbers WHERE id <= ? + 0'),
      'prepare',
    );
    const restored = read(withParameterTypes(bare, 2, types));
    restored.writeUInt32LE(other.scanner.prepared?.statement ?? 0, 1);
    expect((await client.ask(restored, 'execute')).rows).toBe(10);
    client.send(encodeCommand.longData(statement, 0, Buffer.from('long ')));
    client.send(encodeCommand.longData(statement, 0, Buffer.from('data')));
    const long = await client.ask(encodeExecute({ statement, parameters: [Buffer.alloc(0), 1] }), 'execute');
    expect(long.plain.at(-1)?.includes('long data')).toBe(true);
    expect((await client.ask(encodeCommand.reset(statement), 'simple')).events[0]?.type).toBe('ok');
    client.send(encodeCommand.close(statement));
    expect(errorIn(await client.ask(execute, 'execute'))).toBe(1_243);
  });

  it('calls of procedures with a parameter that comes back, and many rows of parameters at once', async () => {
    const client = await openSo();
    const prepare = async (sql: string): Promise<number> =>
      (await client.ask(encodeCommand.prepare(sql), 'prepare')).scanner.prepared?.statement ?? 0;
    const call = await prepare('CALL doubled(?, ?)');
    const called = await client.ask(encodeExecute({ statement: call, parameters: [21, 0] }), 'execute');
    const [first, out, end] = called.events;
    expect([first?.endsRows, out?.endsRows, end?.endsRows]).toEqual([true, true, false]);
    expect((out?.status ?? 0) & STATUS.PS_OUT_PARAMS).toBe(STATUS.PS_OUT_PARAMS);
    expect(end).toMatchObject({ type: 'ok', last: true });
    if (!hasExtended(client.capabilities, MARIADB.STMT_BULK_OPERATIONS)) return;
    const insert = await prepare('INSERT INTO numbers VALUES (?, ?)');
    const bulk = new ByteWriter().uint8(COM.STMT_BULK_EXECUTE).uint32(insert).uint16(BULK.SEND_TYPES);
    bulk.uint8(TYPE.LONG).uint8(0).uint8(TYPE.VAR_STRING).uint8(0);
    for (const id of [6_001, 6_002]) bulk.uint8(0).uint32(id).uint8(0).lenencText('bulk');
    const inserted = await client.ask(bulk.take(), responseKindOf(COM.STMT_BULK_EXECUTE) ?? 'none');
    expect(read(parseOk(inserted.events[0]?.payload ?? Buffer.alloc(0), client.capabilities)).affectedRows).toBe(2n);
    await query(client, 'DELETE FROM numbers WHERE id > 5000');
  });

  it('an error in the middle of rows', async () => {
    const client = await openSo();
    const sql = 'SET STATEMENT max_statement_time = 0.02 FOR SELECT a.id, b.text FROM numbers a, numbers b';
    const heard = await query(client, sql);
    expect(errorIn(heard)).toBe(1_969);
    expect(heard.events).toHaveLength(1);
    expect(valuesOf(await query(client, 'SELECT 1'), 1)).toEqual([['1']]);
  });

  it('cursors', async () => {
    const client = await openSo();
    const prepared = await client.ask(encodeCommand.prepare('SELECT id FROM numbers ORDER BY id'), 'prepare');
    const statement = prepared.scanner.prepared?.statement ?? 0;
    const opened = await client.ask(encodeExecute({ statement, cursor: CURSOR.READ_ONLY }), 'execute');
    expect(opened.rows).toBe(0);
    expect(opened.events).toHaveLength(1);
    expect((opened.events[0]?.status ?? 0) & STATUS.CURSOR_EXISTS).toBe(STATUS.CURSOR_EXISTS);
    const fetched = await client.ask(encodeCommand.fetch(statement, 2_999), 'fetch');
    expect(fetched.rows).toBe(2_999);
    const rest = await client.ask(encodeCommand.fetch(statement, 100), 'fetch');
    expect(rest.rows).toBe(1);
    expect((rest.events[0]?.status ?? 0) & STATUS.LAST_ROW_SENT).toBe(STATUS.LAST_ROW_SENT);
  });

  it('a local file, small commands, and lists of fields', async () => {
    const client = await openSo();
    const load = encodeCommand.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE numbers");
    const loaded = await client.ask(load, 'query', [Buffer.from('5001\ta\n50'), Buffer.from('02\tb\n')]);
    expect(loaded.events.map(({ type }) => type)).toEqual(['local-infile', 'ok']);
    expect(read(parseOk(loaded.events[1]?.payload ?? Buffer.alloc(0), client.capabilities)).affectedRows).toBe(2n);
    await query(client, 'DELETE FROM numbers WHERE id > 5000');
    const simple = [
      encodeCommand.ping(),
      encodeCommand.initDb('bank'),
      encodeCommand.setOption(false),
      encodeCommand.setOption(true),
      encodeCommand.resetConnection(),
    ];
    for (const command of simple) expect((await client.ask(command, 'simple')).events[0]?.last).toBe(true);
    expect(errorIn(await client.ask(encodeCommand.kill(0x7fff_ffff), 'simple'))).toBe(1_094);
    const statistics = await client.ask(Buffer.of(9), 'statistics');
    expect(statistics.plain[0]?.toString()).toMatch(/^Uptime/);
    await client.ask(encodeCommand.initDb('bank'), 'simple');
    const fields = await client.ask(Buffer.from('\x04numbers\0'), 'field-list');
    expect(fields.plain.map((each) => read(parseColumn(each, client.capabilities)).name)).toEqual(['id', 'text']);
    expect((await client.ask(Buffer.of(10), 'query')).rows).toBeGreaterThan(0);
  });

  it('rows and commands of more than one frame', async () => {
    const client = await openSo();
    const heard = await query(client, "SELECT REPEAT('x', 16777300), 1 UNION ALL SELECT 'y', 2");
    expect(heard.rows).toBe(2);
    expect(heard.plain.at(-2)?.length).toBe(16_777_300 + 9 + 2);
    const sql = `SELECT LENGTH('${'z'.repeat(17_000_000)}')`;
    expect(valuesOf(await query(client, sql), 1)).toEqual([['17000000']]);
  });
});

describe('what a session reports', () => {
  it('variables, schema, transactions and the last GTID', async () => {
    const client = await open();
    await query(client, "SET session_track_system_variables = '*', session_track_transaction_info = 'CHARACTERISTICS'");
    await query(client, 'SET session_track_schema = ON, session_track_state_change = ON');
    const changes = async (sql: string) => {
      const payload = (await query(client, sql)).events.at(-1)?.payload ?? Buffer.alloc(0);
      return read(sessionChangesOf(read(parseOk(payload, client.capabilities))));
    };
    expect(await changes("SET sql_mode = 'ANSI'")).toContainEqual(
      expect.objectContaining({ kind: 'variable', name: 'sql_mode' }),
    );
    expect(await changes('USE bank')).toContainEqual({ kind: 'schema', name: 'bank' });
    const begun = await changes('START TRANSACTION READ ONLY');
    expect(begun).toContainEqual({ kind: 'transaction-characteristics', statements: 'START TRANSACTION READ ONLY;' });
    expect(begun.find(({ kind }) => kind === 'transaction-state')).toMatchObject({
      text: expect.stringMatching(/^T.{7}$/),
    });
    await query(client, 'COMMIT');
    expect(await changes('SET @a = 1')).toContainEqual({ kind: 'state-changed', changed: true });
  });
});

describe('values', () => {
  it('of the binary protocol are what the text protocol says', async () => {
    const client = await open({ database: 'bank' });
    const sql =
      "SELECT -5 AS a, 18446744073709551615 AS b, 1.25e0 AS c, CAST('1.50' AS DECIMAL(5,2)) AS d, " +
      "TIMESTAMP'2026-11-25 13:05:09.123456' AS e, DATE'2026-11-25' AS f, CAST('-25:02:03' AS TIME) AS g, NULL AS h, 'ä' AS i";
    const [texts] = valuesOf(await query(client, sql), 9);
    expect(texts).toEqual([
      '-5',
      '18446744073709551615',
      '1.25',
      '1.50',
      '2026-11-25 13:05:09.123456',
      '2026-11-25',
      '-25:02:03',
      undefined,
      'ä',
    ]);
    // This server may leave definitions away: it sends them with the preparation and not again.
    const prepared = await client.ask(encodeCommand.prepare(sql), 'prepare');
    const columns = prepared.plain.map((each) => read(parseColumn(each, client.capabilities)));
    const { plain } = await client.ask(encodeExecute({ statement: lastPrepared }), 'execute');
    const values = read(parseBinaryRow(plain.at(-1) ?? Buffer.alloc(0), columns));
    expect(values.map((value) => value?.toString())).toEqual(texts);
    expect(hasExtended(client.capabilities, MARIADB.EXTENDED_METADATA)).toBe(true);
  });
});
