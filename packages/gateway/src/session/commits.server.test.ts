/**
 * Everything that begins, ends or commits a transaction in another way than BEGIN and COMMIT, and what is told when an instance
 * is lost meanwhile, on a real service.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient } from './testing/raw-client.ts';
import { briefly, messageOf, openScene, rowsOf, type Scene, soon, succeeded } from './testing/scene.ts';
import { type Command, type Fault, outcomeRow, sql } from './testing/wires.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(52);
}, 120_000);
afterAll(() => scene?.close());
afterEach(() => expect(scene.logged).toEqual([]));

const before: Fault = { what: 'cut-before' };
const after: Fault = { what: 'cut-after' };
const faults = [
  ['before it reaches the instance', before],
  ['after the instance has carried it out', after],
] as const;

const asking = async (
  client: RawClient,
  text: string,
  fault: Fault,
  when: (command: Command) => boolean,
): Promise<string> => {
  const trap = scene.wires.on(when, fault);
  const answer = await soon(`the answer to ${text}`, client.query(text));
  await soon('the fault', trap.sprung);
  return briefly(answer);
};

/** Asks one after the other; what came, in a few words. */
const ask = async (client: RawClient, ...texts: readonly string[]): Promise<readonly string[]> => {
  const told: string[] = [];
  for (const text of texts) told.push(briefly(await soon(text, client.query(text))));
  return told;
};

const numbered = () => scene.table('id INT PRIMARY KEY');

describe('statements that commit by themselves', () => {
  it.each(faults)('DDL in flight, lost %s, is unknown and said to be', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    const trap = scene.wires.on(sql(/^ALTER/), fault);
    const answer = await client.query(`ALTER TABLE ${table} ADD COLUMN v INT`);
    await trap.sprung;
    expect(briefly(answer)).toBe('error 1105 08007');
    expect(messageOf(answer)).toMatch(/^Outcome unknown/);
    // The session goes on.
    expect(await ask(client, `INSERT INTO ${table} (id) VALUES (1)`)).toEqual(['ok 1 0']);
  });

  it('within a transaction: what was before is committed, and never sent again', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, `CREATE TABLE ${table}a (id INT PRIMARY KEY)`);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (2)`, 'ROLLBACK')).toEqual(['ok 1 0', 'ok 0 0']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('one that fails has committed all the same, and what follows stands for itself', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} (v) VALUES (1)`);
    expect(await ask(client, `CREATE TABLE ${table} (id INT PRIMARY KEY)`)).toEqual(['error 1050 42S01']);
    for (const [, fault] of faults)
      expect(await asking(client, `INSERT INTO ${table} (v) VALUES (2)`, fault, sql(/VALUES .2/))).toMatch(
        /^ok 1 [1-9]/,
      );
    await ask(client, 'ROLLBACK');
    expect(await scene.rows(`SELECT v FROM ${table} ORDER BY v`)).toEqual(['1', '2', '2']);
  });

  it.each(faults)('BEGIN within a transaction commits it, once, lost %s', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    expect(await asking(client, 'BEGIN', fault, outcomeRow)).toBe('ok 0 0');
    expect(await ask(client, `INSERT INTO ${table} VALUES (2)`, 'ROLLBACK')).toEqual(['ok 1 0', 'ok 0 0']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });

  it('BEGIN within a transaction, lost behind the outcome row, has begun', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    expect(await asking(client, 'START TRANSACTION', after, sql(/^START/))).toBe('ok 0 0');
    expect(await ask(client, `INSERT INTO ${table} VALUES (2)`, 'ROLLBACK')).toEqual(['ok 1 0', 'ok 0 0']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });
});

describe('autocommit', () => {
  it('switched on where it is on, within a transaction, commits nothing', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    await ask(client, 'SET autocommit=1', 'SET @@SESSION.autocommit=ON', 'ROLLBACK');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual([]);
  });

  it('switched off, whether it was on or off, commits nothing', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, 'SET autocommit=0');
    await ask(client, `INSERT INTO ${table} VALUES (2)`, 'SET autocommit=0', 'SET autocommit=OFF', 'ROLLBACK');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual([]);
  });

  it.each(faults)('switched on where it was off commits once, and is on afterwards, lost %s', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'SET autocommit=0', `INSERT INTO ${table} VALUES (1)`);
    expect(await asking(client, 'SET autocommit=1', fault, outcomeRow)).toBe('ok 0 0');
    expect(rowsOf(await client.query('SELECT @@autocommit'))).toEqual(['1']);
    await ask(client, `INSERT INTO ${table} VALUES (2)`, 'ROLLBACK');
    scene.wires.cut();
    expect(rowsOf(await client.query('SELECT @@autocommit'))).toEqual(['1']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it.each(faults)('in a session without it, COMMIT happens once, lost %s', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'SET autocommit=0');
    for (const id of [1, 2]) {
      await ask(client, `INSERT INTO ${table} VALUES (${id})`);
      expect(await asking(client, 'COMMIT', fault, outcomeRow)).toBe('ok 0 0');
    }
    await ask(client, `INSERT INTO ${table} VALUES (3)`);
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (4)`, 'ROLLBACK');
    expect(rowsOf(await client.query('SELECT @@autocommit'))).toEqual(['0']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('set to something that only the instance can work out is not guessed', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(
      client,
      'SET autocommit=0',
      'SET @one=1',
      `INSERT INTO ${table} VALUES (1)`,
      'SET autocommit=@one',
      'ROLLBACK',
    );
    await ask(client, `INSERT INTO ${table} VALUES (2)`);
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (3)`, 'ROLLBACK');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3']);
  });
});

describe('COMMIT that goes on or ends', () => {
  it.each(faults)('AND CHAIN commits once and is in a transaction again, lost %s', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    expect(await asking(client, 'COMMIT AND CHAIN', fault, outcomeRow)).toBe('ok 0 0');
    await ask(client, `INSERT INTO ${table} VALUES (2)`);
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (3)`, 'ROLLBACK');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });

  it('ROLLBACK AND CHAIN is in a transaction again', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(
      client,
      'BEGIN',
      `INSERT INTO ${table} VALUES (1)`,
      'ROLLBACK AND CHAIN',
      `INSERT INTO ${table} VALUES (2)`,
    );
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (3)`, 'COMMIT');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['2', '3']);
  });

  it.each(faults)('RELEASE commits once and ends the connection, lost %s', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    expect(await asking(client, 'COMMIT RELEASE', fault, outcomeRow)).toBe('ok 0 0');
    await soon('the end', client.gone());
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });

  it('with completion_type=CHAIN, COMMIT is in a transaction again', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, "SET completion_type='CHAIN'");
    expect(await ask(client, `INSERT INTO ${table} VALUES (0)`, 'BEGIN', `INSERT INTO ${table} VALUES (1)`)).toEqual([
      'ok 1 0',
      'ok 0 0',
      'ok 1 0',
    ]);
    expect(await asking(client, 'COMMIT', after, outcomeRow)).toBe('ok 0 0');
    await ask(client, `INSERT INTO ${table} VALUES (2)`);
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (3)`, 'ROLLBACK');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['0', '1']);
  });
});

describe('procedures', () => {
  const procedure = async (body: string): Promise<{ readonly table: string; readonly call: string }> => {
    const table = await numbered();
    await scene.run(`CREATE PROCEDURE p_${table}(n INT) BEGIN ${body.replaceAll('TABLE', table)} END`);
    return { table, call: `CALL p_${table}` };
  };

  it.each(faults)('one outside of a transaction, lost %s, is unknown', async (_, fault) => {
    const { table, call } = await procedure('INSERT INTO TABLE VALUES (n);');
    const client = await scene.raw();
    expect(await asking(client, `${call}(1)`, fault, sql(/^CALL p_/))).toBe('error 1105 08007');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual([fault === after ? '1' : '0']);
  });

  it('one that commits nothing belongs to the transaction and is sent again with it', async () => {
    const { table, call } = await procedure('INSERT INTO TABLE VALUES (n); SELECT COUNT(*) FROM TABLE;');
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, `${call}(2)`);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (3)`)).toEqual(['ok 1 0']);
    expect(await asking(client, 'COMMIT', before, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3']);
  });

  it('one that commits within: what was before it is never sent again', async () => {
    const { table, call } = await procedure(
      'INSERT INTO TABLE VALUES (n); COMMIT; START TRANSACTION; INSERT INTO TABLE VALUES (n + 1);',
    );
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, `${call}(2)`);
    expect(scene.told('not-replayable')).toContainEqual(expect.objectContaining({ reason: 'inner-commit' }));
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (9)`)).toEqual(['error 1213 40001']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('one that commits and then fails: what was before it is never sent again', async () => {
    const { table, call } = await procedure("INSERT INTO TABLE VALUES (n); COMMIT; SIGNAL SQLSTATE '45000';");
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`);
    expect(await ask(client, `${call}(2)`)).toEqual(['error 1644 45000']);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (3)`)).toEqual(['ok 1 0']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3']);
  });

  it('one that leaves a transaction open: what it did is not forgotten', async () => {
    const { table, call } = await procedure('START TRANSACTION; INSERT INTO TABLE VALUES (n);');
    const client = await scene.raw();
    await ask(client, `${call}(1)`, `SELECT * FROM ${table}`);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (2)`)).toEqual(['error 1213 40001']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual([]);
    await ask(client, `${call}(1)`, `SELECT * FROM ${table}`);
    expect(await asking(client, 'COMMIT', after, outcomeRow)).toBe('ok 0 0');
    await ask(client, `${call}(2)`, `SELECT * FROM ${table}`);
    expect(await asking(client, 'COMMIT', before, outcomeRow)).toBe('error 1213 40001');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });

  it('in a session without autocommit, one that is called first is not forgotten', async () => {
    const { table, call } = await procedure('INSERT INTO TABLE VALUES (n);');
    const client = await scene.raw();
    await ask(client, 'SET autocommit=0', `${call}(1)`, `INSERT INTO ${table} VALUES (2)`);
    scene.wires.cut();
    const [told] = await ask(client, 'COMMIT');
    const there = await scene.rows(`SELECT id FROM ${table}`);
    expect([told, there]).toEqual(told === 'ok 0 0' ? ['ok 0 0', ['1', '2']] : ['error 1213 40001', []]);
  });
});

describe('several statements in one text', () => {
  it.each(faults)('reads, lost %s, are simply read', async (_, fault) => {
    const client = await scene.raw();
    expect(await asking(client, 'SELECT 1; SELECT 2', fault, sql(/SELECT 2/))).toBe('rows 1; rows 2');
  });

  it.each(faults)('writes outside of a transaction, lost %s, are unknown', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    const text = `INSERT INTO ${table} VALUES (1); INSERT INTO ${table} VALUES (2)`;
    expect(await asking(client, text, fault, sql(/VALUES .2/))).toBe('error 1105 08007');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual([fault === after ? '2' : '0']);
  });

  it.each(faults)('writes within a transaction, lost %s, are sent again', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    const text = `INSERT INTO ${table} VALUES (1); INSERT INTO ${table} VALUES (2)`;
    expect(await asking(client, text, fault, sql(/VALUES .2/))).toBe('ok 1 0; ok 1 0');
    expect(await asking(client, 'COMMIT', fault, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it.each(faults)('with transaction control, lost %s, are unknown', async (_, fault) => {
    const table = await numbered();
    const client = await scene.raw();
    expect(await asking(client, `BEGIN; INSERT INTO ${table} VALUES (1); COMMIT`, fault, sql(/VALUES .1/))).toBe(
      'error 1105 08007',
    );
  });

  it('that begin a transaction: what they wrote is not forgotten', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, `BEGIN; INSERT INTO ${table} VALUES (1)`, `SELECT * FROM ${table}`);
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['error 1213 40001']);
    await ask(client, `BEGIN; INSERT INTO ${table} VALUES (2)`, `INSERT INTO ${table} VALUES (3)`);
    expect(await asking(client, 'COMMIT', after, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['2', '3']);
  });

  it('that commit one and begin another: the first is never sent again', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, `COMMIT; BEGIN; INSERT INTO ${table} VALUES (2)`);
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['error 1213 40001']);
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });
});

describe('other forms', () => {
  it('XA is refused by the instance', async () => {
    const client = await scene.raw();
    expect(await ask(client, "XA START 'x'", 'SELECT 1')).toEqual([expect.stringMatching(/^error 1235/), 'rows 1']);
  });

  it('savepoints are repeated with their transaction', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(
      client,
      'BEGIN',
      `INSERT INTO ${table} VALUES (1)`,
      'SAVEPOINT a',
      `INSERT INTO ${table} VALUES (2)`,
      'SAVEPOINT b',
    );
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (3)`, 'ROLLBACK TO b', 'RELEASE SAVEPOINT a')).toEqual([
      'ok 1 0',
      'ok 0 0',
      'ok 0 0',
    ]);
    expect(await asking(client, 'COMMIT', before, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('a read-only transaction is refused its writes after a loss, too', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'START TRANSACTION READ ONLY', `SELECT * FROM ${table}`);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (1)`, 'COMMIT')).toEqual(['error 1792 25006', 'ok 0 0']);
  });

  it('SET TRANSACTION holds for the next transaction, also behind a loss', async () => {
    const table = await numbered();
    const client = await scene.raw();
    await ask(client, 'SET TRANSACTION READ ONLY');
    scene.wires.cut();
    expect(await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1)`, 'COMMIT')).toEqual([
      'ok 0 0',
      'error 1792 25006',
      'ok 0 0',
    ]);
    expect(await ask(client, `INSERT INTO ${table} VALUES (1)`)).toEqual(['ok 1 0']);
  });

  it('PREPARE and EXECUTE as text: counted at once, told on a loss, and the connection ends', async () => {
    const table = await numbered();
    const client = await scene.raw();
    succeeded(await client.query(`PREPARE s FROM 'INSERT INTO ${table} VALUES (?)'`));
    expect(scene.told('not-replayable')).toContainEqual(expect.objectContaining({ reason: 'prepared-in-sql' }));
    await ask(client, 'SET @id = 1', 'EXECUTE s USING @id');
    scene.wires.cut();
    expect(await ask(client, 'SELECT 1')).toEqual(['error 1213 40001']);
    await soon('the end', client.gone());
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });
});
