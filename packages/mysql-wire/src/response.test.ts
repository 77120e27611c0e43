/** The scanner of answers: by bytes, and by properties over every way of cutting a stream into chunks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Capabilities, CLIENT, MARIADB, noCapabilities } from './capabilities.ts';
import { encodeColumn, textColumn } from './columns.ts';
import { frame, PacketWriter } from './framing.ts';
import { encodeEof, encodeErr, encodeLocalInfile, encodeOk, encodePrepareOk, parseOk } from './packets.ts';
import { STATUS } from './protocol.ts';
import { anySequence, heldLimit, type ResponseKind, ResponseScanner } from './response.ts';
import { AnswerWriter, answers, merged, progressPayload, scanAll } from './testing/answers.ts';
import { bytesOf, cut, cuts, hex, read } from './testing/bytes.ts';

const classic: Capabilities = { base: CLIENT.PROTOCOL_41, extended: 0 };
const modern: Capabilities = { base: CLIENT.PROTOCOL_41 | CLIENT.DEPRECATE_EOF, extended: 0 };

const scannerOf = (kind: ResponseKind, capabilities = classic): ResponseScanner => {
  const scanner = new ResponseScanner();
  scanner.start(kind, capabilities);
  return scanner;
};

/** Packets one after the other, numbered from 1. */
const stream = (...payloads: readonly Buffer[]): Buffer => {
  const writer = new PacketWriter(1);
  for (const payload of payloads) writer.begin().bytes(payload).end();
  return writer.take();
};

const shapeOf = (scanner: ResponseScanner, ...chunks: readonly Buffer[]): readonly string[] =>
  scanAll(scanner, chunks).map(({ type, bytes, last }) =>
    type === 'plain' ? `plain ${bytes.length}` : `${type}${last === true ? ' last' : ''}`,
  );

const column = encodeColumn(textColumn('a'), classic);
const eof = (status: number = STATUS.AUTOCOMMIT) => encodeEof({ warnings: 0, status });
const ok = (status: number = STATUS.AUTOCOMMIT) => encodeOk({ status }, classic);
const endOk = (status: number = STATUS.AUTOCOMMIT) => encodeOk({ status, header: 0xfe }, modern);
const failure = encodeErr({ number: 1317, sqlState: '70100', message: 'Query execution was interrupted' });

describe('answers that real servers give', () => {
  test('SELECT 1 as MariaDB sends it', () => {
    const bytes = hex(`
      01 00 00 01 01
      17 00 00 02 03 64 65 66 00 00 00 01 31 00 0c 3f 00 01 00 00 00 03 81 00 00 00 00
      05 00 00 03 fe 00 00 02 00
      02 00 00 04 01 31
      05 00 00 05 fe 00 00 22 00`);
    const scanner = scannerOf('query');
    const end = scanner.scan(bytes, 0);
    expect(end).toBe(bytes.length - 9);
    expect(scanner.event).toMatchObject({ type: 'eof', sequence: 5, status: 0x22, last: true, endsRows: true });
    expect(scanner.event?.raw).toEqual(bytes.subarray(-9));
    expect(scanner.rows).toBe(1);
    expect(scanner.done).toBe(false);
    scanner.accept();
    expect(scanner.done).toBe(true);
    expect(scanner.plainBytes).toBe(end);
  });

  test('an OK stands still until it is accepted', () => {
    const scanner = scannerOf('query');
    const bytes = hex('07 00 00 01 00 01 05 03 00 00 00');
    expect(scanner.scan(bytes, 0)).toBe(0);
    expect(scanner.scan(bytes, scanner.resumeAt)).toBe(bytes.length);
    expect(scanner.event).toMatchObject({ type: 'ok', status: 3, last: true, endsRows: false });
    expect(read(parseOk(scanner.event?.payload ?? Buffer.alloc(0), classic))).toMatchObject({
      affectedRows: 1n,
      lastInsertId: 5n,
    });
    scanner.accept();
    expect(scanner.event).toBeUndefined();
    expect(scanner.done).toBe(true);
  });

  test('it does not read behind the end of the answer', () => {
    const bytes = stream(ok());
    const scanner = scannerOf('simple');
    const both = Buffer.concat([bytes, bytes]);
    scanner.scan(both, 0);
    scanner.accept();
    expect(scanner.resumeAt).toBe(bytes.length);
    expect(scanner.scan(both, bytes.length)).toBe(bytes.length);
    expect(scanner.event).toBeUndefined();
    scanner.start('simple', classic);
    scanner.scan(both, bytes.length);
    expect(scanner.event?.type).toBe('ok');
  });
});

describe('results', () => {
  test('without and with DEPRECATE_EOF', () => {
    expect(shapeOf(scannerOf('query'), stream(Buffer.of(1), column, eof(), Buffer.of(1, 65), eof()))).toEqual([
      expect.stringMatching(/^plain/),
      'eof last',
    ]);
    expect(shapeOf(scannerOf('query', modern), stream(Buffer.of(1), column, Buffer.of(1, 65), endOk()))).toEqual([
      expect.stringMatching(/^plain/),
      'ok last',
    ]);
  });

  test('an error in the middle of rows ends the answer', () => {
    const scanner = scannerOf('query');
    const bytes = stream(Buffer.of(1), column, eof(), Buffer.of(1, 65), failure);
    expect(shapeOf(scanner, bytes).at(-1)).toBe('err last');
    expect(scanner.rows).toBe(1);
  });

  test('an error where a definition or their end was expected ends it too', () => {
    expect(shapeOf(scannerOf('query'), stream(Buffer.of(2), column, failure)).at(-1)).toBe('err last');
    expect(shapeOf(scannerOf('query'), stream(Buffer.of(1), column, failure)).at(-1)).toBe('err last');
  });

  test('several results go on while MORE_RESULTS_EXISTS is set', () => {
    const scanner = scannerOf('query');
    const more = STATUS.MORE_RESULTS_EXISTS;
    const bytes = stream(ok(more), Buffer.of(1), column, eof(more), Buffer.of(1, 65), eof(more), ok());
    expect(shapeOf(scanner, bytes)).toEqual(['ok', expect.stringMatching(/^plain/), 'eof', 'ok last']);
    expect(scanner.results).toBe(1);
  });

  test('a row that begins with 0xFE is no end when it is longer than an EOF', () => {
    const row = Buffer.concat([Buffer.of(0xfe), Buffer.alloc(8)]);
    const scanner = scannerOf('query');
    expect(shapeOf(scanner, stream(Buffer.of(1), column, eof(), row, eof()))).toEqual([
      expect.stringMatching(/^plain/),
      'eof last',
    ]);
    expect(scanner.rows).toBe(1);
  });

  test('a long OK with session state ends rows under DEPRECATE_EOF', () => {
    const tracking: Capabilities = { base: modern.base | CLIENT.SESSION_TRACK, extended: 0 };
    const value = 'x'.repeat(70_000);
    const changes = [{ kind: 'variable', name: 'sql_mode', value }] as const;
    const end = encodeOk({ status: 2, header: 0xfe, changes }, tracking);
    const bytes = stream(Buffer.of(1), column, end);
    expect(shapeOf(scannerOf('query', tracking), ...cut(bytes, [1_000])).at(-1)).toBe('ok last');
  });

  test('reports of progress are passed on, before and between rows', () => {
    const scanner = scannerOf('query');
    const bytes = stream(progressPayload, Buffer.of(1), column, eof(), Buffer.of(1, 65), progressPayload, eof());
    expect(shapeOf(scanner, bytes)).toEqual([expect.stringMatching(/^plain/), 'eof last']);
    expect(scanner.rows).toBe(1);
  });

  test('definitions that the client has already are left away (CACHE_METADATA)', () => {
    const caching: Capabilities = { base: classic.base, extended: MARIADB.CACHE_METADATA };
    const bytes = stream(Buffer.of(3, 0), eof(), Buffer.of(0, 0), eof());
    expect(shapeOf(scannerOf('execute', caching), bytes).at(-1)).toBe('eof last');
  });

  test('a cursor that was opened ends the answer after the definitions', () => {
    const opened = eof(STATUS.CURSOR_EXISTS);
    const scanner = scannerOf('execute');
    expect(shapeOf(scanner, stream(Buffer.of(1), column, opened))).toEqual([
      expect.stringMatching(/^plain/),
      'eof last',
    ]);
    expect(scanner.done).toBe(true);
  });

  test('a local file is asked for, and the answer goes on with any number', () => {
    const scanner = scannerOf('query');
    const request = stream(encodeLocalInfile('/tmp/x'));
    expect(shapeOf(scanner, request, frame(ok(), 9))).toEqual(['local-infile', 'ok last']);
  });
});

describe('commands with answers of their own', () => {
  test('a statement is prepared', () => {
    const scanner = scannerOf('prepare');
    const prepared = { statement: 3, columns: 1, parameters: 2, warnings: 0 };
    const bytes = stream(encodePrepareOk(prepared), column, column, eof(), column, eof());
    expect(shapeOf(scanner, bytes)).toEqual(['prepare-ok', expect.stringMatching(/^plain/)]);
    expect(scanner.prepared).toEqual(prepared);
    expect(scanner.done).toBe(true);
  });

  test('without parameters and columns the first packet is the last', () => {
    const bytes = stream(encodePrepareOk({ statement: 3, columns: 0, parameters: 0, warnings: 0 }));
    expect(shapeOf(scannerOf('prepare'), bytes)).toEqual(['prepare-ok last']);
  });

  test('rows are fetched from a cursor', () => {
    const scanner = scannerOf('fetch');
    const bytes = stream(Buffer.of(0, 0, 1), Buffer.of(0, 0, 2), eof(STATUS.CURSOR_EXISTS));
    expect(shapeOf(scanner, bytes)).toEqual(['plain 14', 'eof last']);
    expect(scanner.rows).toBe(2);
  });

  test('statistics are one text', () => {
    const scanner = scannerOf('statistics');
    expect(shapeOf(scanner, stream(Buffer.from('Uptime: 1')))).toEqual(['plain 13']);
    expect(scanner.done).toBe(true);
  });

  test('fields are listed to their end', () => {
    expect(shapeOf(scannerOf('field-list'), stream(column, column, eof()))).toEqual([
      expect.stringMatching(/^plain/),
      'eof last',
    ]);
  });

  test('an EOF is an answer to some commands, and an OK in its stead under DEPRECATE_EOF', () => {
    expect(shapeOf(scannerOf('simple'), stream(eof()))).toEqual(['eof last']);
    expect(shapeOf(scannerOf('simple', modern), stream(endOk()))).toEqual(['ok last']);
  });

  test('a change of user may take several steps', () => {
    const bytes = [frame(hex('fe 61 00 62 00'), 1), frame(hex('01 03'), 3), frame(ok(), 5)];
    expect(shapeOf(scannerOf('change-user'), ...bytes)).toEqual(['auth-switch', 'auth-more', 'ok last']);
  });

  test('nothing follows a command without an answer', () => {
    const scanner = scannerOf('none');
    expect(scanner.done).toBe(true);
    expect(scanner.scan(stream(ok()), 0)).toBe(0);
    expect(scanner.event).toBeUndefined();
  });
});

describe('packets of several frames', () => {
  const full = 0xff_ffff;
  const begin = stream(Buffer.of(1), column, eof());

  const withRow = (row: Buffer): { readonly bytes: Buffer; readonly plain: number } => {
    const frames = Math.floor(row.length / full) + 1;
    const rowBytes = frame(row, 4);
    const bytes = Buffer.concat([begin, rowBytes, frame(Buffer.of(1, 65), 4 + frames), frame(eof(), 5 + frames)]);
    return { bytes, plain: begin.length + rowBytes.length + 6 };
  };

  test.each([
    ['one byte below the limit', full - 1],
    ['exactly the limit, with an empty frame behind', full],
    ['one byte above', full + 1],
    ['two frames and an empty one', full * 2],
  ])('a row of %s is one row', (_, length) => {
    // The second frame begins with what would be an ERR, an EOF or an end, were it a packet.
    const row = Buffer.alloc(length, 0xfe);
    const { bytes, plain } = withRow(row);
    const scanner = scannerOf('query');
    expect(shapeOf(scanner, ...cut(bytes, [65_536, 1, 2, 3]))).toEqual([`plain ${plain}`, 'eof last']);
    expect(scanner.rows).toBe(2);
  });

  test.each([1, 2, 3, 4, 5])('the header of a continuation frame may be split, %i bytes before its end', (before) => {
    const row = Buffer.alloc(full + 9, 0xff);
    row[0] = 1;
    const { bytes, plain } = withRow(row);
    const at = begin.length + 4 + full + 5 - before;
    const scanner = scannerOf('query', classic);
    expect(shapeOf(scanner, bytes.subarray(0, at), bytes.subarray(at))).toEqual([`plain ${plain}`, 'eof last']);
  });

  test('under DEPRECATE_EOF a row of the longest kind that begins with 0xFE is a row', () => {
    const row = Buffer.alloc(full + 100, 0xfe);
    const bytes = Buffer.concat([stream(Buffer.of(1), column), frame(row, 3), frame(endOk(), 5)]);
    const scanner = scannerOf('query', modern);
    expect(shapeOf(scanner, bytes).at(-1)).toBe('ok last');
    expect(scanner.rows).toBe(1);
  });
});

describe('every way of cutting a stream into chunks', () => {
  test('gives the same events and the same plain bytes, all of them', () => {
    fc.assert(
      fc.property(answers, cuts, ({ kind, capabilities, parts, rows }, lengths) => {
        const scanner = new ResponseScanner();
        scanner.start(kind, capabilities);
        const all = Buffer.concat(parts.map(({ bytes }) => bytes));
        expect(scanAll(scanner, cut(all, lengths))).toEqual(merged(parts));
        expect(scanner.problem).toBeUndefined();
        expect(scanner.done).toBe(true);
        expect(scanner.rows).toBe(rows);
        const plain = parts.filter(({ type }) => type === 'plain').reduce((sum, { bytes }) => sum + bytes.length, 0);
        expect(scanner.plainBytes).toBe(plain);
        expect(scanner.heldBytes).toBe(0);
      }),
      { numRuns: 400 },
    );
  });

  test('passes plain bytes on as soon as they are known to be plain', () => {
    const scanner = scannerOf('query');
    const bytes = stream(Buffer.of(1), column, eof(), Buffer.from('\x50'.repeat(0x51)), eof());
    const start = bytes.length - 9;
    // A part of a row is passed on at once; of what may be the end, nothing.
    expect(scanner.scan(bytes.subarray(0, start - 40), 0)).toBe(start - 40);
    expect(scanner.scan(bytes.subarray(start - 40, start + 2), 0)).toBe(40);
    expect(scanner.resumeAt).toBe(42);
    expect(scanner.heldBytes).toBe(2);
    expect(scanner.scan(bytes.subarray(start + 2, start + 4), 0)).toBe(0);
    expect(scanner.scan(bytes.subarray(start + 4), 0)).toBe(0);
    expect(scanner.event?.raw).toEqual(bytes.subarray(start));
  });

  test('what had to be held and turned out plain is released once', () => {
    const scanner = scannerOf('query');
    const bytes = stream(Buffer.of(1), column, eof(), Buffer.of(1, 65), Buffer.of(1, 66), eof());
    const at = bytes.length - 9 - 6 + 3;
    expect(scanner.scan(bytes.subarray(0, at), 0)).toBe(at - 3);
    expect(scanner.scan(bytes.subarray(at), 0)).toBe(3);
    expect(scanner.released).toEqual(bytes.subarray(at - 3, at));
    scanner.accept();
    expect(scanner.scan(Buffer.alloc(0), 0)).toBe(0);
    expect(scanner.released).toHaveLength(0);
  });

  test('many answers on one connection, one after the other, with one scanner', () => {
    fc.assert(
      fc.property(fc.array(answers, { minLength: 2, maxLength: 4 }), cuts, (several, lengths) => {
        const scanner = new ResponseScanner();
        for (const { kind, capabilities, parts } of several) {
          scanner.start(kind, capabilities);
          expect(scanner.untouched).toBe(true);
          const chunks = cut(Buffer.concat(parts.map(({ bytes }) => bytes)), lengths);
          expect(scanAll(scanner, chunks)).toEqual(merged(parts));
        }
      }),
    );
  });
});

describe('garbage', () => {
  const kinds: readonly ResponseKind[] = [
    'query',
    'prepare',
    'execute',
    'fetch',
    'field-list',
    'statistics',
    'simple',
    'change-user',
  ];

  const frames = fc
    .array(
      fc.oneof(bytesOf({ max: 40 }), bytesOf({ min: 1, max: 3 }), fc.constant(Buffer.of(0xfe)), fc.constant(eof())),
      { maxLength: 20 },
    )
    .map((payloads) => stream(...payloads));

  test('never throws, never loses a byte silently, never holds more than its limit', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.boolean(),
        fc.oneof(frames, bytesOf({ max: 400 })),
        cuts,
        (kind, isModern, bytes, lengths) => {
          const scanner = scannerOf(kind, isModern ? modern : classic);
          const parts = scanAll(scanner, cut(bytes, lengths));
          const seen = Buffer.concat(parts.map((part) => part.bytes));
          // What was handed out is the beginning of the stream, unchanged.
          expect(bytes.subarray(0, seen.length)).toEqual(seen);
          expect(scanner.heldBytes).toBeLessThanOrEqual(heldLimit + 4);
          if (scanner.problem === undefined && !scanner.done) {
            expect(seen.length + scanner.heldBytes).toBe(bytes.length);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('a real answer with bytes changed or missing gives the same verdict however it is cut', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const kept = fc.double({ min: 0.2, max: 1, noNaN: true });
    fc.assert(
      fc.property(answers, cuts, changes, kept, ({ kind, capabilities, parts }, lengths, edits, share) => {
        const all = Buffer.concat(parts.map(({ bytes }) => bytes));
        for (const [at, value] of edits) all[at % all.length] = value;
        const bytes = all.subarray(0, Math.ceil(all.length * share));
        const whole = scannerOf(kind, capabilities);
        const split = scannerOf(kind, capabilities);
        const first = scanAll(whole, [bytes]);
        expect(scanAll(split, cut(bytes, lengths))).toEqual(first);
        expect([split.problem, split.done, split.rows]).toEqual([whole.problem, whole.done, whole.rows]);
        const seen = Buffer.concat(first.map((part) => part.bytes));
        expect(bytes.subarray(0, seen.length)).toEqual(seen);
      }),
      { numRuns: 500 },
    );
  });

  test('gives the same problem however it is cut', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), frames, cuts, (kind, bytes, lengths) => {
        const whole = scannerOf(kind);
        const split = scannerOf(kind);
        const first = scanAll(whole, [bytes]);
        expect(scanAll(split, cut(bytes, lengths))).toEqual(first);
        expect(split.problem).toEqual(whole.problem);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['an empty packet', 'query', hex('00 00 00 01'), 'malformed'],
    ['a column count of none', 'query', hex('01 00 00 01 fc'), 'malformed'],
    ['a column count with bytes behind it', 'query', hex('03 00 00 01 01 02 03'), 'malformed'],
    ['a definition that is an EOF', 'query', stream(Buffer.of(1), eof()), 'malformed'],
    ['a missing end of the definitions', 'query', stream(Buffer.of(1), column, Buffer.of(1, 65)), 'malformed'],
    ['an OK that ends early', 'query', hex('03 00 00 01 00 00 00'), 'truncated'],
    ['an EOF that ends early', 'simple', hex('01 00 00 01 fe'), 'truncated'],
    ['an answer to a preparation that ends early', 'prepare', hex('02 00 00 01 00 00'), 'truncated'],
    ['a result where none can be', 'simple', hex('01 00 00 01 05'), 'malformed'],
    ['a local file for a command without one', 'simple', hex('02 00 00 01 fb 61'), 'malformed'],
    [
      'a number that is not the next',
      'query',
      Buffer.concat([frame(Buffer.of(1), 1), frame(column, 3)]),
      'out-of-order',
    ],
    ['a packet of another answer', 'query', frame(ok(), 2), 'out-of-order'],
    ['an end that never ends', 'query', hex('00 00 20 01 00'), 'too-large'],
  ] as const)('%s is a problem', (_, kind, bytes, expected) => {
    const scanner = scannerOf(kind);
    scanAll(scanner, [bytes]);
    expect(scanner.problem?.problem).toBe(expected);
    expect(scanner.event).toBeUndefined();
    expect(scanner.scan(bytes, 0)).toBe(0);
    expect(scanner.heldBytes).toBe(0);
  });

  test('an ERR is believed whatever its number is: it is the last word of a server that hangs up', () => {
    expect(shapeOf(scannerOf('query'), frame(failure, 77))).toEqual(['err last']);
  });

  test('a packet that may be an end is held only as far as it has come', () => {
    const scanner = scannerOf('query', modern);
    scanAll(scanner, [stream(Buffer.of(1), column), hex('ff ff 0f 03 fe'), Buffer.alloc(1_000)]);
    expect(scanner.problem).toBeUndefined();
    expect(scanner.heldBytes).toBe(1_005);
  });

  test('the first frame may have any number where that is wanted', () => {
    const scanner = new ResponseScanner();
    scanner.start('simple', noCapabilities, anySequence);
    expect(shapeOf(scanner, frame(ok(), 200))).toEqual(['ok last']);
  });

  test('numbers go on from 255 to 0', () => {
    const writer = new AnswerWriter();
    writer.add('plain', Buffer.of(1));
    writer.add('plain', column);
    writer.add('plain', eof());
    for (let index = 0; index < 600; index += 1) writer.row(Buffer.of(1, 65));
    writer.add('eof', eof(), true);
    const scanner = scannerOf('query');
    expect(scanAll(scanner, cut(Buffer.concat(writer.parts.map(({ bytes }) => bytes)), [7]))).toEqual(
      merged(writer.parts),
    );
    expect(scanner.rows).toBe(600);
  });
});
