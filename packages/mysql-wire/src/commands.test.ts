/** Commands and the parameters of prepared statements: bytes of real clients, round trips, and broken ones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, encodeCommand, parseCommand, responseKindOf, setStatement } from './commands.ts';
import { isProblem } from './problem.ts';
import { BULK, COM, CURSOR, lastPrepared, TYPE } from './protocol.ts';
import { encodeExecute, parameterTypesOf, parseBinding, withParameterTypes } from './statements.ts';
import { bytesOf, hex, problemIn, read } from './testing/bytes.ts';

const cases: readonly (readonly [string, string, Command])[] = [
  ['COM_QUIT', '01', { kind: 'quit' }],
  ['COM_INIT_DB', '02 62 61 6e 6b', { kind: 'init-db', database: Buffer.from('bank') }],
  ['COM_QUERY', '03 53 45 4c', { kind: 'query', sql: Buffer.from('SEL') }],
  ['COM_FIELD_LIST', '04 74 00 25', { kind: 'field-list', table: Buffer.from('t'), wildcard: Buffer.from('%') }],
  ['COM_CREATE_DB', '05 78', { kind: 'create-db', database: Buffer.from('x') }],
  ['COM_DROP_DB', '06 78', { kind: 'drop-db', database: Buffer.from('x') }],
  ['COM_STATISTICS', '09', { kind: 'statistics' }],
  ['COM_PROCESS_INFO', '0a', { kind: 'process-info' }],
  ['COM_PROCESS_KILL', '0c 0b 00 00 00', { kind: 'kill', connection: 11 }],
  ['COM_DEBUG', '0d', { kind: 'debug' }],
  ['COM_PING', '0e', { kind: 'ping' }],
  ['COM_CHANGE_USER', '11 61 00', { kind: 'change-user' }],
  ['COM_STMT_PREPARE', '16 53 45 4c', { kind: 'prepare', sql: Buffer.from('SEL') }],
  [
    'COM_STMT_EXECUTE',
    '17 ff ff ff ff 01 01 00 00 00',
    { kind: 'execute', statement: lastPrepared, cursor: CURSOR.READ_ONLY, iterations: 1 },
  ],
  [
    'COM_STMT_SEND_LONG_DATA',
    '18 02 00 00 00 01 00 61 62',
    { kind: 'long-data', statement: 2, parameter: 1, data: Buffer.from('ab') },
  ],
  ['COM_STMT_CLOSE', '19 02 00 00 00', { kind: 'close', statement: 2 }],
  ['COM_STMT_RESET', '1a 02 00 00 00', { kind: 'reset', statement: 2 }],
  ['COM_SET_OPTION on', '1b 00 00', { kind: 'set-option', multiStatements: true }],
  ['COM_SET_OPTION off', '1b 01 00', { kind: 'set-option', multiStatements: false }],
  ['COM_STMT_FETCH', '1c 02 00 00 00 0a 00 00 00', { kind: 'fetch', statement: 2, rows: 10 }],
  ['COM_RESET_CONNECTION', '1f', { kind: 'reset-connection' }],
  ['COM_STMT_BULK_EXECUTE', 'fa 02 00 00 00 80 00', { kind: 'bulk-execute', statement: 2, flags: BULK.SEND_TYPES }],
  ['COM_BINLOG_DUMP', '12 00', { kind: 'other', code: COM.BINLOG_DUMP }],
];

describe('a command', () => {
  test.each(cases)('%s', (_, text, expected) => {
    expect(read(parseCommand(hex(text)))).toEqual(expected);
  });

  test('its texts are views, not copies', () => {
    const payload = Buffer.from('\x03SELECT 1');
    const command = read(parseCommand(payload));
    expect(command.kind === 'query' && command.sql.buffer === payload.buffer).toBe(true);
  });

  test.each(['', '04 74', '0c 0b', '17 01 00 00 00 00', '18 01', '19', '1b 02 00', '1c 02 00 00 00 0a', 'fa 01'])(
    '"%s" is a problem',
    (text) => {
      expect(isProblem(parseCommand(hex(text)))).toBe(true);
    },
  );

  test('never throws, and never reads beyond its payload', () => {
    fc.assert(
      fc.property(bytesOf({ max: 40 }), (payload) => {
        const command = parseCommand(payload);
        if (!isProblem(command)) expect(typeof command.kind).toBe('string');
      }),
      { numRuns: 1_000 },
    );
  });

  test('that is written is read', () => {
    const written: readonly (readonly [Buffer, Command])[] = [
      [encodeCommand.query('SELECT 1'), { kind: 'query', sql: Buffer.from('SELECT 1') }],
      [encodeCommand.prepare('SELECT ?'), { kind: 'prepare', sql: Buffer.from('SELECT ?') }],
      [encodeCommand.initDb('bank'), { kind: 'init-db', database: Buffer.from('bank') }],
      [encodeCommand.close(0xffff_fffe), { kind: 'close', statement: 0xffff_fffe }],
      [encodeCommand.reset(7), { kind: 'reset', statement: 7 }],
      [encodeCommand.kill(7), { kind: 'kill', connection: 7 }],
      [encodeCommand.fetch(7, 100), { kind: 'fetch', statement: 7, rows: 100 }],
      [
        encodeCommand.longData(7, 2, Buffer.from('x')),
        { kind: 'long-data', statement: 7, parameter: 2, data: Buffer.from('x') },
      ],
      [encodeCommand.setOption(true), { kind: 'set-option', multiStatements: true }],
      [encodeCommand.setOption(false), { kind: 'set-option', multiStatements: false }],
      [encodeCommand.quit(), { kind: 'quit' }],
      [encodeCommand.ping(), { kind: 'ping' }],
      [encodeCommand.resetConnection(), { kind: 'reset-connection' }],
      [
        encodeExecute({ statement: 7, cursor: CURSOR.READ_ONLY }),
        { kind: 'execute', statement: 7, cursor: 1, iterations: 1 },
      ],
    ];
    for (const [payload, command] of written) expect(read(parseCommand(payload))).toEqual(command);
  });

  test('has an answer of a known kind, unless its end is not known', () => {
    expect(responseKindOf(COM.QUERY)).toBe('query');
    expect(responseKindOf(COM.STMT_BULK_EXECUTE)).toBe('execute');
    expect(responseKindOf(COM.STMT_CLOSE)).toBe('none');
    expect(responseKindOf(COM.SET_OPTION)).toBe('simple');
    expect(responseKindOf(COM.BINLOG_DUMP)).toBeUndefined();
  });

  test('gets the number that its statement has on another instance', () => {
    const payload = encodeExecute({ statement: 7, parameters: [1] });
    setStatement(payload, lastPrepared);
    expect(read(parseCommand(payload))).toMatchObject({ statement: lastPrepared });
  });
});

describe('parameters', () => {
  test('a null, a number, a text and bytes, byte by byte', () => {
    const payload = encodeExecute({ statement: 1, parameters: [null, 5, 'ab', Buffer.of(0, 1)] });
    expect(payload).toEqual(
      hex(`
      17 01 00 00 00 00 01 00 00 00
      01 01
      06 00 08 00 fd 00 fc 00
      05 00 00 00 00 00 00 00  02 61 62  02 00 01`),
    );
    expect(read(parseBinding(payload, 4))).toEqual({
      nulls: hex('01'),
      typesIncluded: true,
      types: hex('06 00 08 00 fd 00 fc 00'),
      values: hex('05 00 00 00 00 00 00 00 02 61 62 02 00 01'),
    });
  });

  test.each([
    [-1, TYPE.LONGLONG, 0x00, 'ff ff ff ff ff ff ff ff'],
    [1.5, TYPE.DOUBLE, 0x00, '00 00 00 00 00 00 f8 3f'],
    [-0, TYPE.DOUBLE, 0x00, '00 00 00 00 00 00 00 80'],
    [2 ** 60, TYPE.DOUBLE, 0x00, '00 00 00 00 00 00 b0 43'],
    [18_446_744_073_709_551_615n, TYPE.LONGLONG, 0x80, 'ff ff ff ff ff ff ff ff'],
    [-2n, TYPE.LONGLONG, 0x00, 'fe ff ff ff ff ff ff ff'],
  ])('%s has a type that holds it', (value, type, flag, bytes) => {
    expect(read(parseBinding(encodeExecute({ statement: 1, parameters: [value] }), 1))).toMatchObject({
      types: Buffer.of(type, flag),
      values: hex(bytes),
    });
  });

  const parameter = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.string(),
    bytesOf({ max: 300 }),
  );

  test('left away and put back they are the same execution', () => {
    fc.assert(
      fc.property(fc.array(parameter, { minLength: 1, maxLength: 20 }), (parameters) => {
        const count = parameters.length;
        const payload = encodeExecute({ statement: 3, parameters });
        const types = read(parameterTypesOf(payload, count));
        if (types === undefined) throw new Error('no types');
        const bitmap = 10 + Math.ceil(count / 8);
        const again = Buffer.concat([
          payload.subarray(0, bitmap),
          Buffer.of(0),
          payload.subarray(bitmap + 1 + count * 2),
        ]);
        expect(read(parameterTypesOf(again, count))).toBeUndefined();
        expect(read(withParameterTypes(again, count, types))).toEqual(payload);
        expect(read(withParameterTypes(payload, count, types))).toBe(payload);
      }),
    );
  });

  test('a statement without parameters is left as it is', () => {
    const payload = encodeExecute({ statement: 3 });
    expect(payload).toHaveLength(10);
    expect(read(parameterTypesOf(payload, 0))).toBeUndefined();
    expect(read(withParameterTypes(payload, 0, Buffer.alloc(0)))).toBe(payload);
  });

  test('types that do not fit, and executions that end early, are a problem', () => {
    const payload = encodeExecute({ statement: 3, parameters: [1, 2] });
    expect(problemIn(withParameterTypes(payload, 2, Buffer.alloc(2)))).toBe('malformed');
    expect(problemIn(parseBinding(payload.subarray(0, 13), 2))).toBe('truncated');
    expect(problemIn(parseBinding(payload.subarray(0, 8), 2))).toBe('malformed');
    expect(problemIn(withParameterTypes(Buffer.of(0x03), 1, Buffer.alloc(2)))).toBe('malformed');
  });

  test('nothing throws, whatever the payload', () => {
    fc.assert(
      fc.property(bytesOf({ max: 60 }), fc.nat(70_000), (bytes, count) => {
        const payload = Buffer.concat([Buffer.of(COM.STMT_EXECUTE), bytes]);
        parseBinding(payload, count);
        withParameterTypes(payload, count, Buffer.alloc(count * 2));
      }),
    );
  });
});
