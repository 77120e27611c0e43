/** Definitions, rows and whole results: bytes of servers, round trips, and broken ones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Capabilities, CLIENT, MARIADB, noCapabilities } from './capabilities.ts';
import { type Column, encodeColumn, parseColumn, textColumn } from './columns.ts';
import { frame, PacketReader } from './framing.ts';
import { parseErr, parseOk } from './packets.ts';
import { isProblem } from './problem.ts';
import { COLLATION, COLUMN, STATUS, TYPE } from './protocol.ts';
import { ResponseScanner } from './response.ts';
import { encodeTextResult, errPacket, okPacket } from './results.ts';
import { encodeTextRow, parseBinaryRow, parseTextRow } from './rows.ts';
import { scanAll } from './testing/answers.ts';
import { bytesOf, hex, problemIn, read, shortText } from './testing/bytes.ts';

const extended: Capabilities = { base: CLIENT.PROTOCOL_41, extended: MARIADB.EXTENDED_METADATA };

describe('a column definition', () => {
  test('of SELECT 1', () => {
    const payload = hex('03 64 65 66 00 00 00 01 31 00 0c 3f 00 01 00 00 00 03 81 00 00 00 00');
    const column = {
      ...textColumn('1'),
      collation: COLLATION.binary,
      length: 1,
      type: TYPE.LONG,
      flags: COLUMN.NOT_NULL | COLUMN.BINARY,
    };
    expect(read(parseColumn(payload, noCapabilities))).toEqual(column);
    expect(encodeColumn(column, noCapabilities)).toEqual(payload);
  });

  const columns: fc.Arbitrary<Column> = fc.record({
    schema: shortText,
    table: shortText,
    originalTable: shortText,
    name: shortText,
    originalName: shortText,
    extended: bytesOf({ max: 20 }),
    collation: fc.nat(0xffff),
    length: fc.nat(0xffff_ffff),
    type: fc.nat(255),
    flags: fc.nat(0xffff),
    decimals: fc.nat(255),
  });

  test('comes back as it was written, with MariaDB’s extended metadata too', () => {
    fc.assert(
      fc.property(columns, (column) => {
        expect(read(parseColumn(encodeColumn(column, extended), extended))).toEqual(column);
        expect(read(parseColumn(encodeColumn(column, noCapabilities), noCapabilities))).toEqual({
          ...column,
          extended: Buffer.alloc(0),
        });
      }),
    );
  });

  test('that ends early is a problem', () => {
    const payload = encodeColumn(textColumn('a'), noCapabilities);
    for (let length = 0; length < payload.length; length += 1) {
      expect(isProblem(parseColumn(payload.subarray(0, length), noCapabilities))).toBe(true);
    }
  });
});

describe('a row of text', () => {
  test('comes back as it was written, nulls and bytes included', () => {
    fc.assert(
      fc.property(fc.array(fc.option(bytesOf({ max: 400 }), { nil: null }), { maxLength: 8 }), (values) => {
        expect(read(parseTextRow(encodeTextRow(values), values.length))).toEqual(values);
      }),
    );
  });

  test('with more or fewer values than columns is a problem', () => {
    expect(problemIn(parseTextRow(hex('01 41 01 42'), 1))).toBe('malformed');
    expect(problemIn(parseTextRow(hex('01 41'), 2))).toBe('malformed');
    expect(problemIn(parseTextRow(hex('05 41'), 1))).toBe('malformed');
    expect(encodeTextRow(['ä', null])).toEqual(hex('02 c3 a4 fb'));
  });
});

describe('a binary row', () => {
  const of = (type: number, flags = 0) => ({ type, flags });

  test.each([
    ['TINY', of(TYPE.TINY), '80', -128],
    ['TINY UNSIGNED', of(TYPE.TINY, COLUMN.UNSIGNED), '80', 128],
    ['SHORT', of(TYPE.SHORT), 'ff ff', -1],
    ['YEAR', of(TYPE.YEAR, COLUMN.UNSIGNED), 'ea 07', 2026],
    ['LONG', of(TYPE.LONG), '00 00 00 80', -2_147_483_648],
    ['LONG UNSIGNED', of(TYPE.LONG, COLUMN.UNSIGNED), 'ff ff ff ff', 4_294_967_295],
    ['INT24', of(TYPE.INT24), 'ff ff ff ff', -1],
    ['LONGLONG', of(TYPE.LONGLONG), 'fe ff ff ff ff ff ff ff', -2],
    ['a large LONGLONG', of(TYPE.LONGLONG), 'ff ff ff ff ff ff ff 7f', 9_223_372_036_854_775_807n],
    ['LONGLONG UNSIGNED', of(TYPE.LONGLONG, COLUMN.UNSIGNED), 'ff ff ff ff ff ff ff ff', 18_446_744_073_709_551_615n],
    ['FLOAT', of(TYPE.FLOAT), '00 00 c0 3f', 1.5],
    ['DOUBLE', of(TYPE.DOUBLE), '00 00 00 00 00 00 04 c0', -2.5],
    ['NEWDECIMAL', of(TYPE.NEWDECIMAL), '04 31 2e 32 30', Buffer.from('1.20')],
    ['VAR_STRING', of(TYPE.VAR_STRING), '02 68 69', Buffer.from('hi')],
    ['DATE', of(TYPE.DATE), '04 ea 07 0b 19', '2026-11-25'],
    ['an empty DATE', of(TYPE.DATE), '00', '0000-00-00'],
    ['an empty DATETIME', of(TYPE.DATETIME), '00', '0000-00-00 00:00:00'],
    ['DATETIME at midnight', of(TYPE.DATETIME), '04 ea 07 0b 19', '2026-11-25 00:00:00'],
    ['DATETIME', of(TYPE.DATETIME), '07 ea 07 0b 19 0d 05 09', '2026-11-25 13:05:09'],
    [
      'TIMESTAMP with microseconds',
      of(TYPE.TIMESTAMP),
      '0b ea 07 0b 19 0d 05 09 40 e2 01 00',
      '2026-11-25 13:05:09.123456',
    ],
    ['an empty TIME', of(TYPE.TIME), '00', '00:00:00'],
    ['TIME', of(TYPE.TIME), '08 00 00 00 00 00 01 02 03', '01:02:03'],
    ['TIME below zero, above a day', of(TYPE.TIME), '0c 01 01 00 00 00 01 02 03 01 00 00 00', '-25:02:03.000001'],
  ])('%s', (_, column, value, expected) => {
    expect(read(parseBinaryRow(hex(`00 00 ${value}`), [column]))).toEqual([expected]);
  });

  test('has its nulls in a bitmap, two bits to the right', () => {
    const columns = Array.from({ length: 9 }, () => of(TYPE.TINY));
    // Columns 0, 5 and 8 are null: bits 2, 7 and 10.
    expect(read(parseBinaryRow(hex('00 84 04 01 02 03 04 06 07'), columns))).toEqual([
      null,
      1,
      2,
      3,
      4,
      null,
      6,
      7,
      null,
    ]);
  });

  test('that ends early or goes on is a problem', () => {
    expect(problemIn(parseBinaryRow(hex('00 00'), [of(TYPE.LONG)]))).toBe('malformed');
    expect(problemIn(parseBinaryRow(hex('00 00 01 02'), [of(TYPE.TINY)]))).toBe('malformed');
    expect(problemIn(parseBinaryRow(hex('01 00 01'), [of(TYPE.TINY)]))).toBe('malformed');
    expect(problemIn(parseBinaryRow(hex('00 00 07 ea 07'), [of(TYPE.DATETIME)]))).toBe('malformed');
  });

  test('never throws', () => {
    fc.assert(
      fc.property(
        bytesOf({ max: 60 }),
        fc.array(fc.record({ type: fc.nat(255), flags: fc.nat(0xffff) }), { maxLength: 6 }),
        (bytes, columns) => {
          parseBinaryRow(Buffer.concat([Buffer.of(0), bytes]), columns);
          parseTextRow(bytes, columns.length);
          parseColumn(bytes, extended);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a whole result', () => {
  const base = fc.constantFrom(CLIENT.PROTOCOL_41, (CLIENT.PROTOCOL_41 | CLIENT.DEPRECATE_EOF) >>> 0);
  const more = fc.constantFrom(
    0,
    MARIADB.CACHE_METADATA,
    MARIADB.EXTENDED_METADATA,
    MARIADB.CACHE_METADATA | MARIADB.EXTENDED_METADATA,
  );

  test('is one that the scanner follows to its end, under all capabilities', () => {
    fc.assert(
      fc.property(
        base,
        more,
        fc.array(fc.array(fc.option(shortText, { nil: null }), { minLength: 2, maxLength: 2 }), { maxLength: 9 }),
        (low, high, rows) => {
          const capabilities: Capabilities = { base: low, extended: high };
          const bytes = encodeTextResult(
            { columns: ['a', textColumn('b')], rows, status: STATUS.AUTOCOMMIT, warnings: 1 },
            capabilities,
          );
          const scanner = new ResponseScanner();
          scanner.start('query', capabilities);
          const parts = scanAll(scanner, [bytes]);
          expect(parts.at(-1)).toMatchObject({ last: true });
          expect(Buffer.concat(parts.map((part) => part.bytes))).toEqual(bytes);
          expect(scanner.rows).toBe(rows.length);
          expect(scanner.done).toBe(true);
        },
      ),
    );
  });

  test('has the packets that a client reads', () => {
    const reader = new PacketReader(1_000);
    reader.push(encodeTextResult({ columns: ['n'], rows: [['1'], [null]], status: 2 }, noCapabilities, 3));
    const payloads: Buffer[] = [];
    for (let next = reader.next(); next !== undefined; next = reader.next()) payloads.push(read(next).payload);
    expect(payloads[0]).toEqual(Buffer.of(1));
    expect(read(parseColumn(payloads[1] ?? Buffer.alloc(0), noCapabilities)).name).toBe('n');
    expect(payloads.slice(2)).toEqual([hex('fe 00 00 02 00'), hex('01 31'), hex('fb'), hex('fe 00 00 02 00')]);
  });

  test('an OK and an ERR are one packet each', () => {
    const ok = okPacket({ status: 2, affectedRows: 3 }, noCapabilities, 4);
    expect(ok).toEqual(hex('07 00 00 04 00 03 00 02 00 00 00'));
    expect(read(parseOk(ok.subarray(4), noCapabilities)).affectedRows).toBe(3n);
    const err = errPacket({ number: 1047, sqlState: '08S01', message: 'x' });
    expect(err).toEqual(frame(err.subarray(4), 1));
    expect(read(parseErr(err.subarray(4))).number).toBe(1047);
  });
});
