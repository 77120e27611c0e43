/** An instance is lost at every point of a transaction, before and after it has carried a request out, on a real service. */
import { encodeCommand, frame } from '@coequal/mysql-wire';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient } from './testing/raw-client.ts';
import { briefly, eventually, messageOf, openScene, rowsOf, type Scene, soon, succeeded } from './testing/scene.ts';
import { type Command, type Fault, outcomeRow, sql, wrapEnd } from './testing/wires.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(51);
}, 120_000);
afterAll(() => scene?.close());
afterEach(() => expect(scene.logged).toEqual([]));

const before: Fault = { what: 'cut-before' };
const after: Fault = { what: 'cut-after' };
const faults = [
  ['before it reaches the instance', before],
  ['after the instance has carried it out', after],
] as const;

/** Asks, with a fault on the way; answers when the fault has happened and the client has its answer. */
const asking = async (
  client: RawClient,
  text: string,
  fault: Fault,
  when: (command: Command) => boolean = sql(new RegExp(`^${text.slice(0, 12).replaceAll(/[()*]/g, '.')}`)),
): Promise<string> => {
  const trap = scene.wires.on(when, fault);
  const answer = await soon(`the answer to ${text}`, client.query(text));
  await soon('the fault', trap.sprung);
  return briefly(answer);
};

describe('between transactions', () => {
  it('a loss is not seen: the session goes on elsewhere', async () => {
    const table = await scene.table('id INT PRIMARY KEY');
    const client = await scene.raw();
    succeeded(await client.query(`INSERT INTO ${table} VALUES (1)`));
    scene.wires.cut();
    expect(briefly(await client.query(`INSERT INTO ${table} VALUES (2)`))).toBe('ok 1 0');
    scene.wires.cut();
    expect(rowsOf(await client.query(`SELECT id FROM ${table} ORDER BY id`))).toEqual(['1', '2']);
  });

  it('an idle session is back at an instance before it is asked for something', async () => {
    const client = await scene.raw();
    scene.wires.cut();
    await eventually('a new connection', () => scene.wires.count() > 0);
    expect(rowsOf(await client.query('SELECT 1'))).toEqual(['1']);
  });
});

describe('inside of a transaction', () => {
  const steps = ['BEGIN', 'SELECT', 'INSERT', 'UPDATE', 'SAVEPOINT', 'DELETE', 'ROLLBACK TO', 'COMMIT'] as const;
  const cases = steps.flatMap((at) => faults.map(([name, fault]) => [at, name, fault] as const));

  it.each(cases)('a loss with %s in flight, %s, is a pause', async (at, _, fault) => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 10), (2, 20)`);
    const client = await scene.raw();
    const texts = [
      'BEGIN',
      `SELECT v FROM ${table} WHERE id = 1`,
      `INSERT INTO ${table} (v) VALUES (30)`,
      `UPDATE ${table} SET v = v + 1 WHERE id = 1`,
      'SAVEPOINT here',
      `DELETE FROM ${table} WHERE id = 2`,
      'ROLLBACK TO here',
      'COMMIT',
    ];
    const trap = scene.wires.on(at === 'COMMIT' ? outcomeRow : sql(new RegExp(`^${at}`)), fault);
    const answers: string[] = [];
    for (const text of texts)
      answers.push(briefly(await soon(text, client.query(text))).replace(/(ok 1) [1-9]\d*/, '$1 key'));
    await trap.sprung;
    expect(answers).toEqual(['ok 0 0', 'rows 10', 'ok 1 key', 'ok 1 0', 'ok 0 0', 'ok 1 0', 'ok 0 0', 'ok 0 0']);
    expect(await scene.rows(`SELECT v FROM ${table} ORDER BY v`)).toEqual(['11', '20', '30']);
  });

  it.each(steps.slice(0, -1))('a loss while the client thinks, after %s, is not seen', async (at) => {
    const table = await scene.table('id INT PRIMARY KEY, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 10), (2, 20)`);
    const client = await scene.raw();
    const texts = [
      'BEGIN',
      `SELECT v FROM ${table} WHERE id = 1`,
      `INSERT INTO ${table} VALUES (3, 30)`,
      `UPDATE ${table} SET v = v + 1 WHERE id = 1`,
      'SAVEPOINT here',
      `DELETE FROM ${table} WHERE id = 2`,
      'ROLLBACK TO here',
      'COMMIT',
    ];
    for (const text of texts) {
      succeeded(await client.query(text));
      if (text.startsWith(at)) scene.wires.cut();
    }
    expect(await scene.rows(`SELECT v FROM ${table} ORDER BY v`)).toEqual(['11', '20', '30']);
  });

  it('a transaction whose repetition would show something else is told so, once, as 1213', async () => {
    const table = await scene.table('id INT PRIMARY KEY, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 10)`);
    const client = await scene.raw();
    succeeded(await client.query('BEGIN'));
    expect(rowsOf(await client.query(`SELECT v FROM ${table}`))).toEqual(['10']);
    await scene.run(`UPDATE ${table} SET v = 11`);
    const update = `UPDATE ${table} SET v = v + 1`;
    expect(await asking(client, update, before)).toBe('error 1213 40001');
    // Rolled back: the next statement stands for itself.
    expect(briefly(await client.query(update))).toBe('ok 1 0');
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['12']);
  });

  it('a rollback in flight is done either way', async () => {
    const table = await scene.table('id INT PRIMARY KEY');
    for (const [, fault] of faults) {
      const client = await scene.raw();
      succeeded(await client.query('BEGIN'));
      succeeded(await client.query(`INSERT INTO ${table} VALUES (1)`));
      expect(await asking(client, 'ROLLBACK', fault)).toBe('ok 0 0');
      expect(rowsOf(await client.query(`SELECT * FROM ${table}`))).toEqual([]);
    }
  });
});

describe('COMMIT in flight', () => {
  it.each(['COMMIT', 'COMMIT AND NO CHAIN', 'COMMIT WORK', 'commit'])(
    '%s happens once, whatever the instance did',
    async (text) => {
      for (const [, fault] of faults) {
        const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT');
        const client = await scene.raw();
        succeeded(await client.query('START TRANSACTION'));
        succeeded(await client.query(`INSERT INTO ${table} VALUES ()`));
        expect(await asking(client, text, fault, outcomeRow)).toBe('ok 0 0');
        expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
      }
    },
  );

  it('a flight that an instance wakes up with later does nothing any more', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT');
    const client = await scene.raw();
    succeeded(await client.query('BEGIN'));
    succeeded(await client.query(`INSERT INTO ${table} VALUES ()`));
    const trap = scene.wires.on(outcomeRow, { what: 'hold' });
    const answer = client.query('COMMIT');
    const { instance } = await trap.sprung;
    scene.leave(instance, 'silent');
    expect(briefly(await soon('the answer', answer))).toBe('ok 0 0');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
    await soon('the late flight', trap.release());
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
  });

  it('an instance that committed and fell silent is believed', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT');
    const client = await scene.raw();
    succeeded(await client.query('BEGIN'));
    succeeded(await client.query(`INSERT INTO ${table} VALUES ()`));
    const trap = scene.wires.on(outcomeRow, { what: 'silence' });
    const answer = client.query('COMMIT');
    const { instance } = await trap.sprung;
    scene.leave(instance, 'silent');
    expect(briefly(await soon('the answer', answer))).toBe('ok 0 0');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
    await trap.release();
  });

  it('the next transaction after a settled one is a transaction of its own', async () => {
    const table = await scene.table('id INT PRIMARY KEY');
    const client = await scene.raw();
    for (const id of [1, 2, 3, 4]) {
      succeeded(await client.query('BEGIN'));
      succeeded(await client.query(`INSERT INTO ${table} VALUES (${id})`));
      expect(await asking(client, 'COMMIT', id % 2 === 0 ? before : after, outcomeRow)).toBe('ok 0 0');
    }
    expect(await scene.rows(`SELECT id FROM ${table} ORDER BY id`)).toEqual(['1', '2', '3', '4']);
  });
});

describe('a single write in flight', () => {
  it('is there once, with the same counts and the number that was generated', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    const faultsOf = [
      [before, sql(/^INSERT/)],
      [after, sql(/^INSERT/)],
      [before, outcomeRow],
      [after, outcomeRow],
      [after, wrapEnd],
    ] as const;
    for (const [fault, when] of faultsOf) {
      const told = await asking(client, `INSERT INTO ${table} (v) VALUES (7), (8)`, fault, when);
      const id = Number(/^ok 2 (\d+)$/.exec(told)?.[1]);
      expect(told).toMatch(/^ok 2 [1-9]/);
      expect(await scene.rows(`SELECT v FROM ${table} WHERE id = ${id}`)).toEqual(['7']);
      expect(rowsOf(await client.query('SELECT LAST_INSERT_ID()'))).toEqual([String(id)]);
    }
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['10']);
  });

  it.each(faults)('an UPDATE lost %s changes once', async (_, fault) => {
    const table = await scene.table('id INT PRIMARY KEY, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 1), (2, 2), (3, 3)`);
    const client = await scene.raw();
    expect(await asking(client, `UPDATE ${table} SET v = v + 10 WHERE id < 3`, fault, outcomeRow)).toBe('ok 2 0');
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['11', '12', '3']);
    // Nothing was generated, so nothing is told, whatever was generated before.
    expect(rowsOf(await client.query('SELECT ROW_COUNT()'))).toEqual(['2']);
  });

  it.each([
    ['before the statement', before, sql(/^INSERT/)],
    ['after the statement', after, sql(/^INSERT/)],
    ['after its failure was recorded', after, outcomeRow],
  ] as const)('one that fails, lost %s, fails the same', async (_, fault, when) => {
    const table = await scene.table('id INT PRIMARY KEY');
    await scene.run(`INSERT INTO ${table} VALUES (1)`);
    const client = await scene.raw();
    expect(await asking(client, `INSERT INTO ${table} VALUES (1)`, fault, when)).toBe('error 1062 23000');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
  });

  it('one whose rows went down with the instance says that it was done, and not "try again"', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    const text = `INSERT INTO ${table} (v) VALUES (1) RETURNING id, v`;
    const trap = scene.wires.on(outcomeRow, after);
    const lost = await client.query(text);
    await trap.sprung;
    expect(briefly(lost)).toBe('error 1105 08007');
    expect(messageOf(lost)).toContain('has committed, but the rows of its answer are lost');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['1']);
    // Not carried out: then it simply is, and its rows are there.
    expect(await asking(client, text, before, outcomeRow)).toMatch(/^rows \d+ 1$/);
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['2']);
  });

  it('an instance that wakes up late does not do it a second time', async () => {
    const table = await scene.table('id INT PRIMARY KEY, v INT');
    await scene.run(`INSERT INTO ${table} VALUES (1, 0)`);
    const client = await scene.raw();
    for (const when of [sql(/^UPDATE/), outcomeRow]) {
      const trap = scene.wires.on(when, { what: 'hold' });
      const answer = client.query(`UPDATE ${table} SET v = v + 1`);
      const { instance } = await trap.sprung;
      scene.leave(instance, 'silent');
      expect(briefly(await soon('the answer', answer))).toBe('ok 1 0');
      await soon('the late flight', trap.release());
    }
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['2']);
  });
});

describe('a read in flight', () => {
  const big = 'SELECT seq, REPEAT(seq MOD 10, 100) AS text FROM seq_1_to_20000';

  it.each([0, 1, 3, 70, 1_000, 65_536, 1_000_000])('goes on at the right byte after %i bytes', async (bytes) => {
    const client = await scene.raw();
    const whole = await client.bytes(big);
    const trap = scene.wires.on(sql(/seq_1_to_20000/), { what: 'cut-within', bytes });
    const again = await soon('the rows', client.bytes(big));
    await trap.sprung;
    expect(again.equals(whole)).toBe(true);
  });

  it('inside of a transaction, too', async () => {
    const table = await scene.table('id INT PRIMARY KEY');
    const client = await scene.raw();
    const whole = await client.bytes(big);
    succeeded(await client.query('BEGIN'));
    succeeded(await client.query(`INSERT INTO ${table} VALUES (1)`));
    const trap = scene.wires.on(sql(/seq_1_to_20000/), { what: 'cut-within', bytes: 100_000 });
    const inside = await soon('the rows', client.bytes(big));
    await trap.sprung;
    // But for the flag in the last packet that says so.
    expect(inside.subarray(0, -9).equals(whole.subarray(0, -9))).toBe(true);
    succeeded(await client.query('COMMIT'));
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1']);
  });

  it('of several results goes on in the middle of a later one', async () => {
    const client = await scene.raw();
    const text = 'SELECT 1 AS one; SELECT seq FROM seq_1_to_5000; SELECT 3 AS three';
    const whole = await client.bytes(text);
    for (const bytes of [60, 90, 2_000, 40_000]) {
      const trap = scene.wires.on(sql(/seq_1_to_5000/), { what: 'cut-within', bytes });
      expect((await soon('the rows', client.bytes(text))).equals(whole)).toBe(true);
      await trap.sprung;
    }
  });

  it.each([
    ['between two rows', 'the client is told'],
    ['within a row', 'the connection ends'],
  ] as const)('that would go on with other data never does: cut %s, %s', async (where, what) => {
    const table = await scene.table('id INT PRIMARY KEY, v VARCHAR(1000)');
    await scene.run(`INSERT INTO ${table} SELECT seq, REPEAT('a', 1000) FROM seq_1_to_500`);
    const client = await scene.raw();
    const text = `SELECT id, v FROM ${table} ORDER BY id`;
    const whole = await client.bytes(text);
    const at = endOfRow(whole, 300);
    const trap = scene.wires.on(sql(/ORDER BY id/), {
      what: 'cut-within',
      bytes: where === 'within a row' ? at + 500 : at,
      // Only now: the rows that were shown so far are those of before.
      until: () => scene.run(`UPDATE ${table} SET v = REPEAT('b', 1000) WHERE id = 1`),
    });
    client.write(textPacket(text));
    await trap.sprung;
    if (what === 'the connection ends') {
      await soon('the end', client.gone());
      return;
    }
    const answer = await soon('the answer', client.answer('query'));
    expect(answer.subarray(0, at).equals(whole.subarray(0, at))).toBe(true);
    // Numbered on behind the rows, as a driver expects it.
    expect(answer[at + 3]).toBe((whole[at + 3] ?? 0) & 0xff);
    expect(answer.readUInt16LE(at + 5)).toBe(1213);
    expect(rowsOf(await client.query('SELECT 1'))).toEqual(['1']);
  });
});

const textPacket = (text: string): Buffer => frame(encodeCommand.query(text), 0);

/** Where the row with this number ends in the stream of an answer of two columns. */
const endOfRow = (answer: Buffer, row: number): number => {
  let at = 0;
  for (let packets = 0; packets < 3 + row; packets += 1) at += 4 + answer.readUIntLE(at, 3);
  return at;
};
