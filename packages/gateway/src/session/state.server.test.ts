/**
 * What a session has set, and what the server remembers of its last statement: as with a direct connection, also behind a loss; what
 * cannot move, and says so; conflicts; clients that do not read. On a real service.
 */
import { encodeCommand } from '@coequal/mysql-wire';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient } from './testing/raw-client.ts';
import { briefly, eventually, openScene, rowsOf, type Scene, soon, succeeded } from './testing/scene.ts';
import { type Fault, sql, wrapEnd } from './testing/wires.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(54);
}, 120_000);
afterAll(() => scene?.close());
afterEach(() => expect(scene.logged).toEqual([]));

const after: Fault = { what: 'cut-after' };

const ask = async (client: RawClient, ...texts: readonly string[]): Promise<readonly string[]> => {
  const told: string[] = [];
  for (const text of texts) told.push(briefly(await soon(text, client.query(text))));
  return told;
};

/** The connection to the instance goes; the session is elsewhere with its next question. */
const lose = async (client: RawClient): Promise<void> => {
  const losses = scene.told('instance-lost').length;
  scene.wires.cut();
  await eventually('the loss', () => scene.told('instance-lost').length > losses);
  succeeded(await soon('an answer', client.query('DO 0')));
};

describe('what a session has set', () => {
  it.each([
    ['SET sql_mode = "ANSI_QUOTES,STRICT_ALL_TABLES", time_zone = "+05:30"', 'SELECT @@sql_mode, @@time_zone'],
    ['SET NAMES latin1 COLLATE latin1_german2_ci', 'SELECT @@character_set_results, @@collation_connection, HEX("ü")'],
    ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', 'SELECT @@tx_isolation'],
    ['SET sql_select_limit = 2', 'SELECT seq FROM seq_1_to_9'],
    ['SET group_concat_max_len = 7', 'SELECT GROUP_CONCAT(seq) FROM seq_1_to_9'],
    ['SET lc_time_names = "de_DE", div_precision_increment = 9', 'SELECT DATE_FORMAT("2026-03-01", "%M"), 1 / 7'],
    ['SET autocommit = 0', 'SELECT @@autocommit, @@in_transaction'],
    ['SET foreign_key_checks = OFF, unique_checks = OFF', 'SELECT @@foreign_key_checks, @@unique_checks'],
    ['SET NAMES utf8mb4 COLLATE utf8mb4_bin, sql_mode = ""', 'SELECT @@collation_connection, "a" = "A"'],
    ['SET collation_connection = latin2_bin', 'SELECT @@collation_connection, @@character_set_connection'],
    ['SET timestamp = 86400', 'SELECT UNIX_TIMESTAMP(), @@timestamp'],
    ['USE information_schema', 'SELECT DATABASE()'],
  ])('%s goes along', async (setting, question) => {
    const client = await scene.raw();
    const unset = await scene.direct();
    succeeded(await client.query(setting));
    succeeded(await unset.query(setting));
    await lose(client);
    expect(await ask(client, question)).toEqual(await ask(unset, question));
  });

  it('a schema that was chosen by COM_INIT_DB goes along', async () => {
    const client = await scene.raw();
    succeeded(await client.simple(encodeCommand.initDb('information_schema')));
    await lose(client);
    expect(await ask(client, 'SELECT DATABASE()')).toEqual(['rows information_schema']);
  });

  it('user variables go along with their types and character sets', async () => {
    const client = await scene.raw();
    const long = "REPEAT('schön ', 300)";
    await ask(
      client,
      `SET @int = -9223372036854775808, @unsigned = 18446744073709551615, @decimal = -1234567890.0123456789, @double = 1.5e300`,
      `SET @text = '夜明け \\' \\\\ "', @empty = '', @null = NULL, @latin = _latin1 x'fc'`,
      `SET @long = ${long}, @\`odd name\` = 1, @date = DATE '2026-02-28'`,
    );
    const names =
      'SELECT @int, @unsigned, @decimal, @double, @text, @empty, @null, @latin, @long, @`odd name`, @date, CHARSET(@latin), COLLATION(@text)';
    const whole = await client.bytes(names);
    await lose(client);
    expect((await soon('the variables', client.bytes(names))).equals(whole)).toBe(true);
  });

  it.each(["'🌄'", "x'00ff80'", "REPEAT('x', 3000)"])(
    'a user variable that the server does not show whole is counted at once, and told: %s',
    async (value) => {
      const client = await scene.raw();
      const counted = scene.told('not-replayable').length;
      succeeded(await client.query(`SET @v = ${value}`));
      await eventually('the count', () => scene.told('not-replayable').length > counted);
      scene.wires.cut();
      expect(await ask(client, 'SELECT @v')).toEqual(['error 1213 40001']);
      await soon('the end', client.gone());
    },
  );

  it('user variables that a statement has set on its way go along', async () => {
    const client = await scene.raw();
    await ask(client, 'SET @n = 0', 'SELECT @n := @n + seq FROM seq_1_to_4');
    await lose(client);
    expect(await ask(client, 'SELECT @n')).toEqual(['rows 10']);
  });

  it('is gone behind COM_RESET_CONNECTION, also when the instance is lost', async () => {
    const client = await scene.raw();
    await ask(client, 'SET @a = 1, sql_mode = ""', 'SET autocommit = 0');
    succeeded(await client.simple(encodeCommand.resetConnection()));
    const direct = await scene.direct();
    const question = 'SELECT @a, @@sql_mode, @@autocommit, DATABASE()';
    expect(await ask(client, question)).toEqual(await ask(direct, question));
    await lose(client);
    expect(await ask(client, question)).toEqual(await ask(direct, question));
  });

  it('is gone behind COM_CHANGE_USER, and the other user stays who it is', async () => {
    await scene.stand.administer(0, "CREATE USER other@'%' IDENTIFIED BY 'secret'");
    await scene.stand.administer(0, "GRANT SELECT ON bank.* TO other@'%'");
    const client = await scene.client();
    await client.query('SET @a = 1');
    await client.changeUser({ user: 'other', password: 'secret', database: 'bank' });
    const question = 'SELECT @a AS a, SUBSTRING_INDEX(CURRENT_USER(), "@", 1) AS user';
    expect((await client.query(question))[0]).toEqual([{ a: null, user: 'other' }]);
    scene.wires.cut();
    expect((await client.query(question))[0]).toEqual([{ a: null, user: 'other' }]);
    await expect(client.changeUser({ user: 'other', password: 'wrong' })).rejects.toMatchObject({ errno: 1045 });
  });
});

describe('what only one instance has', () => {
  it.each([
    ['temporary-table', 'CREATE TEMPORARY TABLE mine (id INT PRIMARY KEY)', 'DROP TEMPORARY TABLE mine'],
    ['named-lock', 'SELECT GET_LOCK("mine", 5)', null],
    ['handler', 'HANDLER open_here OPEN', null],
  ] as const)('%s: counted at once, told on a loss, and the connection ends', async (reason, statement, undo) => {
    await scene.run('CREATE TABLE IF NOT EXISTS open_here (id INT PRIMARY KEY)');
    const client = await scene.raw();
    const counted = scene.told('not-replayable').length;
    succeeded(await client.query(statement));
    expect(scene.told('not-replayable').slice(counted)).toEqual([
      expect.objectContaining({ scope: 'session', reason }),
    ]);
    if (undo !== null) succeeded(await client.query(undo));
    const losses = scene.told('instance-lost').length;
    scene.wires.cut();
    await eventually('the loss', () => scene.told('instance-lost').length > losses);
    expect(await ask(client, 'SELECT 1')).toEqual(['error 1213 40001']);
    await soon('the end', client.gone());
  });

  it('a lock that was released stands in nobody’s way', async () => {
    const client = await scene.raw();
    await ask(client, 'SELECT GET_LOCK("held", 5)', 'SELECT RELEASE_LOCK("held")');
    await lose(client);
    expect(await ask(client, 'SELECT 1')).toEqual(['rows 1']);
  });
});

describe('what the server remembers of a single write', () => {
  const statements = [
    'INSERT INTO # (v) VALUES ("a"), ("b"), ("c")',
    'INSERT IGNORE INTO # (id, v) VALUES (1, "again"), (50, "new")',
    'INSERT INTO # (id, v) VALUES (1, "x") ON DUPLICATE KEY UPDATE v = "changed"',
    'INSERT INTO # (id, v) VALUES (1, "again")',
    'UPDATE # SET v = "much too long for this column" WHERE id = 1',
    'UPDATE # SET v = v WHERE id = 50',
    'DELETE FROM # WHERE id > 1000',
    'REPLACE INTO # (id, v) VALUES (50, "replaced")',
    'DELETE FROM # WHERE id = 50',
  ];
  const questions = [
    'SELECT ROW_COUNT()',
    'SHOW WARNINGS',
    'SELECT @@warning_count',
    'SELECT @@error_count',
    'SHOW COUNT(*) WARNINGS',
    'SHOW ERRORS',
    'SELECT LAST_INSERT_ID()',
  ];

  it.each(questions)('%s is answered as by the instance', async (question) => {
    const [through, beside] = [
      await scene.table('id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10)'),
      await scene.table('id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10)'),
    ];
    const [client, direct] = [await scene.raw(), await scene.direct(0)];
    scene.prefer(scene.stand.settings.instances[0]?.name ?? null);
    // Without a strict mode there is something to warn of.
    for (const one of [client, direct]) succeeded(await one.query('SET sql_mode = "", insert_id = 1'));
    for (const statement of statements) {
      const seen = await ask(client, statement.replace('#', through), question);
      const expected = await ask(direct, statement.replace('#', beside), question);
      expect(seen, statement).toEqual(expected);
    }
    scene.prefer(null);
  });

  it('is known also where the answer itself was lost', async () => {
    const table = await scene.table('id INT PRIMARY KEY, v VARCHAR(3)');
    const client = await scene.raw();
    succeeded(await client.query('SET sql_mode = ""'));
    const trap = scene.wires.on(wrapEnd, after);
    expect(await ask(client, `INSERT INTO ${table} VALUES (1, "long"), (2, "b")`)).toEqual(['ok 2 0']);
    await soon('the fault', trap.sprung);
    expect(await ask(client, 'SELECT ROW_COUNT()')).toEqual(['rows 2']);
  });
});

describe('conflicts', () => {
  const contested = async (): Promise<string> => {
    const table = await scene.table('id INT PRIMARY KEY, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 0)`);
    return table;
  };

  it('are not seen where the client cannot tell', async () => {
    const table = await contested();
    scene.prefer(scene.stand.settings.instances[0]?.name ?? null);
    const client = await scene.raw();
    expect(await ask(client, 'BEGIN', `UPDATE ${table} SET v = v + 1 WHERE id = 1`)).toEqual(['ok 0 0', 'ok 1 0']);
    await scene.run(`UPDATE ${table} SET v = v + 10 WHERE id = 1`);
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['11']);
    scene.prefer(null);
  });

  it('are told where it has read what is no longer so, and nothing of it is left', async () => {
    const table = await contested();
    scene.prefer(scene.stand.settings.instances[0]?.name ?? null);
    const client = await scene.raw();
    expect(await ask(client, 'BEGIN', `SELECT v FROM ${table}`, `UPDATE ${table} SET v = v + 1`)).toEqual([
      'ok 0 0',
      'rows 0',
      'ok 1 0',
    ]);
    await scene.run(`UPDATE ${table} SET v = 10`);
    expect(await ask(client, 'COMMIT')).toEqual(['error 1213 40001']);
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['10']);
    expect(await ask(client, 'SELECT @@in_transaction')).toEqual(['rows 0']);
    scene.prefer(null);
  });
});

describe('watching only', () => {
  it('changes nothing: a loss is seen as without a gateway, and counted', async () => {
    const gateway = await scene.another({ observe: true });
    const table = await scene.table('id INT PRIMARY KEY');
    const client = await gateway.raw();
    expect(await ask(client, `INSERT INTO ${table} VALUES (1)`, 'SELECT 1')).toEqual(['ok 1 0', 'rows 1']);
    expect(gateway.wires.commands.map(({ text }) => text).filter((text) => /coequal|autocommit/.test(text))).toEqual(
      [],
    );
    gateway.wires.cut();
    await soon('the end', client.gone());
    expect(gateway.events).toContainEqual(expect.objectContaining({ event: 'instance-lost' }));
  });
});

describe('large things', () => {
  it('a client that does not read holds up its instance, and not the memory of the gateway', async () => {
    const client = await scene.raw();
    client.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    const text = 'SELECT seq, REPEAT("x", 1000) FROM seq_1_to_200000';
    const answer = client.bytes(text);
    await eventually('bytes that wait at the wire', () => scene.wires.waitingBytes() > 0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
    client.socket.resume();
    const bytes = await soon('all of it', answer);
    expect(bytes.length).toBeGreaterThan(200_000 * 1_000);
  });

  it('a value above 16 MiB goes both ways, and is sent again after a loss', async () => {
    const limit = 64 * 2 ** 20;
    const old = await scene.rows('SELECT @@GLOBAL.max_allowed_packet');
    for (const index of scene.stand.settings.instances.keys())
      await scene.stand.administer(index, `SET GLOBAL max_allowed_packet = ${limit}`);
    const gateway = await scene.another();
    const table = await scene.table('id INT PRIMARY KEY, v LONGBLOB');
    const client = await gateway.raw();
    const value = 'v'.repeat(20 * 2 ** 20);
    succeeded(await client.query('BEGIN'));
    const trap = gateway.wires.on(sql(/^INSERT/), after);
    expect(await ask(client, `INSERT INTO ${table} VALUES (1, '${value}')`)).toEqual(['ok 1 0']);
    await soon('the fault', trap.sprung);
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(rowsOf(await client.query(`SELECT v FROM ${table}`))).toEqual([value]);
    for (const index of scene.stand.settings.instances.keys())
      await scene.stand.administer(index, `SET GLOBAL max_allowed_packet = ${old[0]}`);
  });
});
