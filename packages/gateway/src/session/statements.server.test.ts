/**
 * Prepared statements with everything they leave on an instance, files that are loaded, and values that a repetition has to draw
 * again, while instances are lost, on a real service.
 */
import {
  CURSOR,
  encodeCommand,
  encodeExecute,
  errPacket,
  frame,
  lastPrepared,
  type Parameter,
  TYPE,
} from '@coequal/mysql-wire';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient, Result } from './testing/raw-client.ts';
import { briefly, openScene, rowsOf, type Scene, soon, succeeded } from './testing/scene.ts';
import { type Command, type Fault, outcomeRow, sql } from './testing/wires.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(53);
}, 120_000);
afterAll(() => scene?.close());
afterEach(() => expect(scene.logged).toEqual([]));

const before: Fault = { what: 'cut-before' };
const after: Fault = { what: 'cut-after' };
const faults = [
  ['before it reaches the instance', before],
  ['after the instance has carried it out', after],
] as const;

const ask = async (client: RawClient, ...texts: readonly string[]): Promise<readonly string[]> => {
  const told: string[] = [];
  for (const text of texts) told.push(briefly(await soon(text, client.query(text))));
  return told;
};

const lost = async (
  answer: () => Promise<readonly Result[]>,
  fault: Fault,
  when: (command: Command) => boolean,
): Promise<string> => {
  const trap = scene.wires.on(when, fault);
  const told = await soon('the answer', answer());
  await soon('the fault', trap.sprung);
  return briefly(told);
};

/** An execution without its types, as drivers send it when they have not changed. */
const withoutTypes = (id: number, values: readonly Parameter[]): Buffer => {
  const whole = encodeExecute({ statement: id, parameters: values });
  const nulls = (values.length + 7) >> 3;
  const bare = Buffer.concat([
    whole.subarray(0, 10 + nulls),
    Buffer.of(0),
    whole.subarray(10 + nulls + 1 + values.length * 2),
  ]);
  return frame(bare, 0);
};

describe('prepared statements', () => {
  it.each(faults)('PREPARE and EXECUTE, lost %s', async (_, fault) => {
    const table = await scene.table('id INT PRIMARY KEY, v VARCHAR(20)');
    const client = await scene.raw();
    const trap = scene.wires.on(({ code, text }) => code === 'prepare' && text.startsWith('INSERT'), fault);
    const insert = await soon('the preparation', client.prepare(`INSERT INTO ${table} VALUES (?, ?)`));
    await trap.sprung;
    expect(insert).toMatchObject({ parameters: 2, columns: 0 });
    expect(await lost(() => client.execute(insert.id, [1, 'a']), fault, sql(/^INSERT/))).toBe('ok 1 0');
    expect(await lost(() => client.execute(insert.id, [2, 'b']), fault, outcomeRow)).toBe('ok 1 0');
    const select = await client.prepare(`SELECT v FROM ${table} WHERE id < ? ORDER BY id`);
    expect(await lost(() => client.execute(select.id, [9]), fault, sql(/^SELECT v/))).toBe('rows a, b');
    await ask(client, 'BEGIN');
    succeeded(await client.execute(insert.id, [3, 'c']));
    scene.wires.cut();
    expect(briefly(await client.execute(select.id, [9]))).toBe('rows a, b, c');
    expect(await lost(() => client.query('COMMIT'), fault, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3']);
  });

  it('an instance that refuses to prepare it again, because it waits for the others, is left', async () => {
    const client = await scene.raw();
    const { id } = await client.prepare('SELECT 7 AS seven');
    scene.wires.cut();
    const late = errPacket({ number: 1205, sqlState: 'HY000', message: 'Lock wait timeout exceeded' }, 1);
    const trap = scene.wires.on(({ code, text }) => code === 'prepare' && /seven/.test(text), {
      what: 'answer',
      bytes: late,
    });
    expect(briefly(await soon('the rows', client.execute(id)))).toBe('rows 7');
    await soon('the fault', trap.sprung);
  });

  it('a preparation that is lost within a transaction is answered once', async () => {
    const client = await scene.raw();
    await ask(client, 'BEGIN', 'SELECT 1');
    const trap = scene.wires.on(({ code, text }) => code === 'prepare' && text.startsWith('SELECT ?'), {
      what: 'cut-within',
      bytes: 16,
    });
    const prepared = await soon('the preparation', client.prepare('SELECT ? AS a, ? AS b'));
    await trap.sprung;
    expect(briefly(await client.execute(prepared.id, ['x', 'y']))).toBe('rows x y');
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
  });

  it('types that were left out are put back on the next instance, each execution with its own', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40)');
    const client = await scene.raw();
    const { id } = await client.prepare(`INSERT INTO ${table} (v) VALUES (?)`);
    succeeded(await client.execute(id, [1.5]));
    scene.wires.cut();
    client.write(withoutTypes(id, [2.5]));
    succeeded(await soon('the answer', client.executed()));
    await ask(client, 'BEGIN');
    client.write(withoutTypes(id, [3.5]));
    succeeded(await client.executed());
    succeeded(await client.execute(id, ['four']));
    client.write(withoutTypes(id, ['five']));
    succeeded(await client.executed());
    scene.wires.cut();
    client.write(withoutTypes(id, ['six']));
    succeeded(await soon('the answer', client.executed()));
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(await scene.rows(`SELECT v FROM ${table} ORDER BY id`)).toEqual([
      '1.5',
      '2.5',
      '3.5',
      'four',
      'five',
      'six',
    ]);
  });

  it('a statement that was closed within the transaction is prepared again for its repetition', async () => {
    const table = await scene.table('id INT PRIMARY KEY');
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    const { id } = await client.prepare(`INSERT INTO ${table} VALUES (?)`);
    succeeded(await client.execute(id, [1]));
    client.write(frame(encodeCommand.close(id), 0));
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (2)`, 'COMMIT')).toEqual(['ok 1 0', 'ok 0 0']);
    expect(briefly(await client.execute(id, [3]))).toBe('error 1243 HY000');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('number -1 means the last one, also behind a loss', async () => {
    const client = await scene.raw();
    await client.prepare('SELECT 1');
    await client.prepare('SELECT 2');
    expect(briefly(await client.execute(lastPrepared))).toBe('rows 2');
    scene.wires.cut();
    expect(briefly(await client.execute(lastPrepared))).toBe('rows 2');
  });

  it('several executions in one command are one write', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    const { id } = await client.prepare(`INSERT INTO ${table} (v) VALUES (?)`);
    const bulk = (types: boolean, ...values: readonly number[]): Buffer => {
      const head = Buffer.alloc(7);
      head[0] = 0xfa;
      head.writeUInt32LE(id, 1);
      head.writeUInt16LE(types ? 128 : 0, 5);
      const rows = values.map((value) => {
        const row = Buffer.alloc(5);
        row.writeInt32LE(value, 1);
        return row;
      });
      return frame(Buffer.concat([head, ...(types ? [Buffer.of(TYPE.LONG, 0)] : []), ...rows]), 0);
    };
    const send = (bytes: Buffer) => {
      client.write(bytes);
      return client.executed();
    };
    expect(await lost(() => send(bulk(true, 1, 2, 3)), after, outcomeRow)).toMatch(/^ok 3 [1-9]/);
    expect(await lost(() => send(bulk(true, 4, 5)), before, outcomeRow)).toMatch(/^ok 2 [1-9]/);
    expect(await scene.rows(`SELECT v FROM ${table} ORDER BY v`)).toEqual(['1', '2', '3', '4', '5']);
  });
});

describe('long data', () => {
  const parts = ['one ', 'two ', 'three'];
  const send = (client: RawClient, id: number): void => {
    for (const part of parts) client.write(frame(encodeCommand.longData(id, 0, Buffer.from(part)), 0));
  };
  /** The first parameter is in long data: its place is empty. */
  const execution = (id: number): Buffer => {
    const payload = Buffer.concat([encodeExecute({ statement: id }), Buffer.of(0, 1, TYPE.BLOB, 0)]);
    return frame(payload, 0);
  };

  it.each(faults)('of a single write, lost %s, arrives once', async (_, fault) => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v TEXT');
    const client = await scene.raw();
    const { id } = await client.prepare(`INSERT INTO ${table} (v) VALUES (?)`);
    const when = [sql(/^INSERT/), outcomeRow, ({ code }: Command) => code === 'long-data'];
    for (const one of when) {
      send(client, id);
      client.write(execution(id));
      const trap = scene.wires.on(one, fault);
      // The trap may be behind the first pieces already; then it waits for the next round.
      succeeded(await soon('the answer', client.executed()));
      scene.wires.cut();
      send(client, id);
      client.write(execution(id));
      succeeded(await soon('the answer', client.executed()));
      await soon('the fault', trap.sprung);
    }
    expect(new Set(await scene.rows(`SELECT v FROM ${table}`))).toEqual(new Set(['one two three']));
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['6']);
  });

  it.each(faults)('within a transaction, lost %s, arrives once', async (_, fault) => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v TEXT');
    const client = await scene.raw();
    const { id } = await client.prepare(`INSERT INTO ${table} (v) VALUES (?)`);
    await ask(client, 'BEGIN', `SELECT * FROM ${table}`);
    send(client, id);
    expect(
      await lost(
        () => {
          client.write(execution(id));
          return client.executed();
        },
        fault,
        sql(/^INSERT/),
      ),
    ).toMatch(/^ok 1/);
    send(client, id);
    scene.wires.cut();
    client.write(execution(id));
    succeeded(await soon('the answer', client.executed()));
    scene.wires.cut();
    expect(await lost(() => client.query('COMMIT'), fault, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['one two three', 'one two three']);
  });

  it('that was reset is gone', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v TEXT');
    const client = await scene.raw();
    const { id } = await client.prepare(`INSERT INTO ${table} (v) VALUES (?)`);
    send(client, id);
    succeeded(await client.simple(encodeCommand.reset(id)));
    scene.wires.cut();
    send(client, id);
    client.write(execution(id));
    succeeded(await soon('the answer', client.executed()));
    expect(await scene.rows(`SELECT v FROM ${table}`)).toEqual(['one two three']);
  });
});

describe('cursors', () => {
  const column = [{ type: TYPE.LONGLONG, flags: 0 }];
  const open = async (client: RawClient, text: string): Promise<number> => {
    const { id } = await client.prepare(text);
    const [opened] = succeeded(await client.execute(id, [], CURSOR.READ_ONLY));
    expect(opened).toMatchObject({ status: expect.arrayContaining(['CURSOR_EXISTS']) });
    return id;
  };
  const fetch = async (client: RawClient, id: number, rows: number): Promise<string> => {
    const got = await soon('the rows', client.fetch(id, rows, column));
    return 'rows' in got ? `${got.rows.flat().join(' ')}${got.last ? ' end' : ''}` : `error ${got.error.number}`;
  };
  const numbers = 'SELECT CAST(seq AS SIGNED) FROM seq_1_to_6';

  it.each([true, false])('go on elsewhere, client with DEPRECATE_EOF: %s', async (deprecateEof) => {
    const client = await scene.raw(deprecateEof ? {} : { without: 0x0100_0000 });
    const id = await open(client, numbers);
    expect(await fetch(client, id, 2)).toBe('1 2');
    scene.wires.cut();
    expect(await fetch(client, id, 2)).toBe('3 4');
    const trap = scene.wires.on(({ code }) => code === 'fetch', after);
    expect(await fetch(client, id, 9)).toBe('5 6 end');
    await trap.sprung;
    expect(rowsOf(await client.query('SELECT 1'))).toEqual(['1']);
  });

  it('within a transaction go on with it', async () => {
    const table = await scene.table('id BIGINT PRIMARY KEY');
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1), (2), (3), (4)`);
    const id = await open(client, `SELECT id FROM ${table} ORDER BY id`);
    expect(await fetch(client, id, 1)).toBe('1');
    scene.wires.cut();
    expect(await fetch(client, id, 2)).toBe('2 3');
    await ask(client, `INSERT INTO ${table} VALUES (5)`);
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['5']);
  });

  it('whose rows have changed meanwhile tell so', async () => {
    const table = await scene.table('id BIGINT PRIMARY KEY');
    await scene.run(`INSERT INTO ${table} VALUES (1), (2), (3)`);
    const client = await scene.raw();
    const id = await open(client, `SELECT id FROM ${table} ORDER BY id`);
    expect(await fetch(client, id, 1)).toBe('1');
    await scene.run(`DELETE FROM ${table} WHERE id = 1`);
    scene.wires.cut();
    expect(await fetch(client, id, 1)).toBe('error 1213');
    expect(rowsOf(await client.query('SELECT 1'))).toEqual(['1']);
  });

  it('that outlive their transaction go on, and a loss of theirs is told to whoever asks for more', async () => {
    const table = await scene.table('id BIGINT PRIMARY KEY');
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1), (2), (3), (4)`);
    const id = await open(client, `SELECT id FROM ${table} ORDER BY id`);
    expect(await fetch(client, id, 1)).toBe('1');
    await ask(client, 'COMMIT');
    expect(await fetch(client, id, 1)).toBe('2');
    // What has nothing to do with it goes on.
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (5)`, `SELECT COUNT(*) FROM ${table}`)).toEqual([
      'ok 1 0',
      'rows 5',
    ]);
    expect(await fetch(client, id, 1)).toBe('error 1213');
    succeeded(await client.execute(id, [], CURSOR.READ_ONLY));
    expect(await fetch(client, id, 9)).toBe('1 2 3 4 5 end');
  });

  it('a write beside an open cursor is there once, and the cursor goes on', async () => {
    const table = await scene.table('id BIGINT PRIMARY KEY');
    const client = await scene.raw();
    const id = await open(client, numbers);
    expect(await fetch(client, id, 2)).toBe('1 2');
    expect(await lost(() => client.query(`INSERT INTO ${table} VALUES (1)`), after, outcomeRow)).toBe('ok 1 0');
    expect(await lost(() => client.query(`INSERT INTO ${table} VALUES (2)`), before, outcomeRow)).toBe('ok 1 0');
    expect(await fetch(client, id, 9)).toBe('3 4 5 6 end');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2']);
  });

  it('that were reset are closed, and lose nothing', async () => {
    const client = await scene.raw();
    const id = await open(client, numbers);
    succeeded(await client.simple(encodeCommand.reset(id)));
    scene.wires.cut();
    expect(await ask(client, 'SELECT 1')).toEqual(['rows 1']);
  });
});

describe('LOAD DATA LOCAL', () => {
  const load = (table: string) => `LOAD DATA LOCAL INFILE 'x' INTO TABLE ${table} FIELDS TERMINATED BY ','`;
  const file = [Buffer.from('1,a\n2,b\n'), Buffer.from('3,c\n')];
  const filed = () => scene.table('id INT PRIMARY KEY, v VARCHAR(2000)');

  it.each([
    ['before the file is asked for', before, sql(/^LOAD/)],
    ['in the middle of the file', before, ({ code, text }: Command) => code === 'file' && text.startsWith('3')],
    ['behind the file', after, sql(/^LOAD/)],
    ['before the outcome row', before, outcomeRow],
    ['after the outcome row', after, outcomeRow],
  ] as const)('a single one, lost %s, loads once', async (_, fault, when) => {
    const table = await filed();
    const client = await scene.raw();
    expect(await lost(() => client.query(load(table), file), fault, when)).toBe('ok 3 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3']);
    expect(await ask(client, 'SELECT 1')).toEqual(['rows 1']);
  });

  it.each(faults)('within a transaction sends its file again, COMMIT lost %s', async (_, fault) => {
    const table = await filed();
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    expect(await lost(() => client.query(load(table), file), fault, sql(/^LOAD/))).toBe('ok 3 0');
    scene.wires.cut();
    await ask(client, `INSERT INTO ${table} VALUES (4, 'd')`);
    expect(await lost(() => client.query('COMMIT'), fault, outcomeRow)).toBe('ok 0 0');
    expect(await scene.rows(`SELECT id FROM ${table}`)).toEqual(['1', '2', '3', '4']);
  });

  it('that is refused by the instance is refused', async () => {
    const client = await scene.raw();
    expect(briefly(await client.query(load('nowhere'), file))).toMatch(/^error 1146/);
    expect(await ask(client, 'SELECT 1')).toEqual(['rows 1']);
  });

  it('too large to keep: counted at once, and told when it is lost', async () => {
    const small = await scene.another({ limits: { transactionBytes: 10_000 } });
    const table = await filed();
    const client = await small.raw();
    const large = Array.from({ length: 20 }, (_, index) => Buffer.from(`${index},${'x'.repeat(1_000)}\n`));
    await ask(client, 'BEGIN');
    expect(briefly(await client.query(load(table), large))).toBe('ok 20 0');
    expect(small.events).toContainEqual(expect.objectContaining({ event: 'not-replayable', reason: 'too-large' }));
    small.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['error 1213 40001']);
    // A single one: absent for certain, and its file is gone.
    const trap = small.wires.on(outcomeRow, before);
    expect(briefly(await soon('the answer', client.query(load(table), large)))).toBe('error 1213 40001');
    await trap.sprung;
    const second = small.wires.on(outcomeRow, after);
    expect(briefly(await soon('the answer', client.query(load(table), large)))).toBe('ok 20 0');
    await second.sprung;
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table}`)).toEqual(['20']);
  });
});

describe('values that are drawn', () => {
  it('NOW(), RAND() and generated keys are the same in a repetition', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v DOUBLE, at DATETIME');
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    const [first] = rowsOf(await client.query('SELECT NOW(), RAND(), RAND()'));
    const inserted = await ask(
      client,
      `INSERT INTO ${table} (v, at) VALUES (RAND(), NOW())`,
      `INSERT INTO ${table} (v, at) VALUES (RAND(), NOW()), (RAND(), NOW()), (RAND(), NOW())`,
    );
    const seen = rowsOf(await client.query(`SELECT * FROM ${table} ORDER BY id`));
    scene.wires.cut();
    // Also at an instance whose own numbers are others.
    expect(rowsOf(await client.query(`SELECT * FROM ${table} ORDER BY id`))).toEqual(seen);
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(await scene.rows(`SELECT * FROM ${table} ORDER BY id`)).toEqual(seen);
    expect([first, inserted.length, seen.length]).toEqual([expect.any(String), 2, 4]);
  });

  it('several rows of one INSERT get the same keys again', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    const [told = ''] = await ask(client, `INSERT INTO ${table} (v) VALUES (1), (2), (3)`);
    const [increment = ''] = rowsOf(await client.query('SELECT @@auto_increment_increment'));
    const key = Number(told.split(' ')[2]);
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} (v) VALUES (4)`, 'COMMIT')).toEqual([
      expect.stringMatching(/^ok 1/),
      'ok 0 0',
    ]);
    expect(await scene.rows(`SELECT id FROM ${table} WHERE v < 4 ORDER BY id`)).toEqual(
      [0, 1, 2].map((step) => String(key + step * Number(increment))),
    );
  });

  it('a key that the client named itself leaves nothing behind for the next INSERT', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    await ask(client, 'BEGIN', `INSERT INTO ${table} VALUES (1000, 1)`, `UPDATE ${table} SET v = LAST_INSERT_ID(2000)`);
    scene.wires.cut();
    const [told = ''] = await ask(client, `INSERT INTO ${table} (v) VALUES (2)`);
    expect(Number(told.split(' ')[2])).toBeGreaterThan(1_000);
    expect(Number(told.split(' ')[2])).toBeLessThan(1_010);
    await ask(client, 'COMMIT');
    expect(await scene.rows(`SELECT COUNT(*) FROM ${table} WHERE id < 1010`)).toEqual(['2']);
  });

  it('LAST_INSERT_ID() is what it was, between transactions and within', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    const [told = ''] = await ask(client, `INSERT INTO ${table} (v) VALUES (1)`);
    const key = told.split(' ')[2];
    scene.wires.cut();
    expect(rowsOf(await client.query('SELECT LAST_INSERT_ID()'))).toEqual([key]);
    await ask(
      client,
      'BEGIN',
      `INSERT INTO ${table} (v) VALUES (LAST_INSERT_ID())`,
      `INSERT INTO ${table} (v) VALUES (LAST_INSERT_ID())`,
    );
    scene.wires.cut();
    await ask(client, 'COMMIT');
    const rows = await scene.rows(`SELECT id, v FROM ${table} ORDER BY id`);
    const [, second = '', third = ''] = rows;
    expect(second.split(' ')[1]).toBe(key);
    expect(third.split(' ')[1]).toBe(second.split(' ')[0]);
  });

  it('INSERT … RETURNING with a generated key is repeated with it', async () => {
    const table = await scene.table('id INT PRIMARY KEY AUTO_INCREMENT, v INT');
    const client = await scene.raw();
    await ask(client, 'BEGIN');
    const rows = rowsOf(await client.query(`INSERT INTO ${table} (v) VALUES (1), (2) RETURNING id, v`));
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(await scene.rows(`SELECT id, v FROM ${table} ORDER BY id`)).toEqual(rows);
  });

  it('UUID() cannot be drawn again: the transaction is told so where it was seen', async () => {
    const table = await scene.table('id INT PRIMARY KEY, v VARCHAR(40)');
    const client = await scene.raw();
    await ask(client, 'BEGIN', 'SELECT UUID()');
    scene.wires.cut();
    expect(await ask(client, `INSERT INTO ${table} VALUES (1, 'x')`)).toEqual(['error 1213 40001']);
    expect(await scene.rows(`SELECT * FROM ${table}`)).toEqual([]);
  });

  it('rows in another order are other rows', async () => {
    const table = await scene.table('id INT PRIMARY KEY, v INT, KEY (v)');
    await scene.run(`INSERT INTO ${table} VALUES (1, 3), (2, 2), (3, 1)`);
    const client = await scene.raw();
    // An order that is another one on every instance.
    await ask(client, 'BEGIN', `SELECT id FROM ${table} ORDER BY (id + @@auto_increment_offset) MOD 3`);
    const at = scene.wires.commands.at(-1)?.instance ?? '';
    scene.wires.refuse(at, true);
    scene.wires.cut();
    expect(await ask(client, `UPDATE ${table} SET v = 9`)).toEqual(['error 1213 40001']);
    scene.wires.refuse(at, false);
  });

  it('the clock goes on behind a repetition, also behind one that was refused', async () => {
    const client = await scene.raw();
    await ask(client, 'BEGIN', 'SELECT NOW()', 'SELECT UUID()');
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['error 1213 40001']);
    await ask(client, 'BEGIN', 'SELECT NOW()');
    scene.wires.cut();
    expect(await ask(client, 'COMMIT')).toEqual(['ok 0 0']);
    expect(rowsOf(await client.query('SELECT SLEEP(0.02), NOW(6) = NOW(6), SYSDATE(3) - NOW(3) > 100'))).toEqual([
      '0 1 0',
    ]);
    const first = rowsOf(await client.query('SELECT NOW(6)'));
    expect(rowsOf(await client.query('SELECT NOW(6)'))).not.toEqual(first);
  });
});
