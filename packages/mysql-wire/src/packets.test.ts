/** The short packets of servers, and what they report of the session. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Capabilities, CLIENT, noCapabilities } from './capabilities.ts';
import {
  encodeEof,
  encodeErr,
  encodeLocalInfile,
  encodeOk,
  encodePrepareOk,
  isProgress,
  parseEof,
  parseErr,
  parseLocalInfile,
  parseOk,
  parsePrepareOk,
  parseProgress,
  sessionChangesOf,
} from './packets.ts';
import { STATUS } from './protocol.ts';
import { SERVER_ERROR } from './server-errors.ts';
import { encodeSessionChanges, parseSessionChanges, type SessionChange } from './session-track.ts';
import { bytesOf, hex, problemIn, read, shortText } from './testing/bytes.ts';

const tracking: Capabilities = { base: CLIENT.PROTOCOL_41 | CLIENT.SESSION_TRACK, extended: 0 };

const change: fc.Arbitrary<SessionChange> = fc.oneof(
  fc.record({ kind: fc.constant('variable' as const), name: shortText, value: fc.string({ maxLength: 400 }) }),
  fc.record({ kind: fc.constant('schema' as const), name: shortText }),
  fc.record({ kind: fc.constant('state-changed' as const), changed: fc.boolean() }),
  fc.record({ kind: fc.constant('gtids' as const), text: shortText }),
  fc.record({ kind: fc.constant('transaction-characteristics' as const), statements: shortText }),
  fc.record({ kind: fc.constant('transaction-state' as const), text: shortText }),
  fc.record({ kind: fc.constant('unknown' as const), type: fc.integer({ min: 6, max: 255 }) }),
);

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe('an OK packet', () => {
  test('with everything a session reports, as MariaDB sends it', () => {
    const payload = hex(
      `00 01 fc 39 30 03 40 02 00 00 3d
      01 05 04 62 61 6e 6b
      00 0f 0a 61 75 74 6f 63 6f 6d 6d 69 74 03 4f 46 46
      00 11 09 6c 61 73 74 5f 67 74 69 64 06 30 2d 31 2d 31 36
      02 01 31
      04 02 01 53
      05 09 08 54 5f 5f 5f 77 5f 5f 5f`,
    );
    const ok = read(parseOk(payload, tracking));
    expect(ok).toMatchObject({ affectedRows: 1n, lastInsertId: 12_345n, warnings: 2, info: Buffer.alloc(0) });
    expect(ok.status).toBe(STATUS.IN_TRANS | STATUS.AUTOCOMMIT | STATUS.SESSION_STATE_CHANGED);
    expect(read(sessionChangesOf(ok))).toEqual([
      { kind: 'schema', name: 'bank' },
      { kind: 'variable', name: 'autocommit', value: 'OFF' },
      { kind: 'variable', name: 'last_gtid', value: '0-1-16' },
      { kind: 'state-changed', changed: true },
      { kind: 'transaction-characteristics', statements: 'S' },
      { kind: 'transaction-state', text: 'T___w___' },
    ]);
  });

  test('a change of state may come with a length of its own', () => {
    const changed = [{ kind: 'state-changed', changed: true }];
    for (const text of ['02 01 31', '02 02 01 31']) expect(read(parseSessionChanges(hex(text)))).toEqual(changed);
    expect(read(parseSessionChanges(hex('02 01 30')))).toEqual([{ kind: 'state-changed', changed: false }]);
  });

  test('several variables may come in one entry', () => {
    expect(read(parseSessionChanges(hex('00 08 01 61 01 31 01 62 01 32')))).toEqual([
      { kind: 'variable', name: 'a', value: '1' },
      { kind: 'variable', name: 'b', value: '2' },
    ]);
  });

  test('without session tracking the text may come with its length or without', () => {
    const plain = hex('00 00 00 02 00 00 00');
    expect(read(parseOk(Buffer.concat([plain, hex('03 61 62 63')]), noCapabilities)).info.toString()).toBe('abc');
    expect(read(parseOk(Buffer.concat([plain, Buffer.from('Rows matched')]), noCapabilities)).info.toString()).toBe(
      'Rows matched',
    );
    expect(read(parseOk(plain, tracking))).toMatchObject({ info: Buffer.alloc(0), sessionState: Buffer.alloc(0) });
  });

  test('comes back as it was written', () => {
    fc.assert(
      fc.property(
        uint64,
        uint64,
        fc.nat(0xffff),
        fc.nat(0xffff),
        shortText,
        fc.array(change, { maxLength: 6 }),
        fc.boolean(),
        (affectedRows, lastInsertId, status, warnings, info, changes, ends) => {
          const fields = {
            affectedRows,
            lastInsertId,
            status,
            warnings,
            info,
            changes,
            header: ends ? (0xfe as const) : (0x00 as const),
          };
          const ok = read(parseOk(encodeOk(fields, tracking), tracking));
          expect(ok).toMatchObject({ affectedRows, lastInsertId, warnings });
          expect(ok.info.toString()).toBe(info);
          expect(read(sessionChangesOf(ok))).toEqual(changes);
          const quiet = read(parseOk(encodeOk(fields, noCapabilities), noCapabilities));
          expect(quiet.info.toString()).toBe(info);
          expect(quiet.status & STATUS.SESSION_STATE_CHANGED).toBe(0);
          expect(quiet.sessionState).toHaveLength(0);
        },
      ),
    );
  });

  test.each([
    ['of another kind', '01 00 00 02 00 00 00', 'malformed'],
    ['that ends early', '00 00 00 02', 'truncated'],
    ['whose text is longer than the packet', '00 00 00 02 00 00 00 05 61', 'truncated'],
    ['whose session state is longer than the packet', '00 00 00 02 40 00 00 00 05 61', 'truncated'],
  ])('%s is a problem', (_, text, expected) => {
    expect(problemIn(parseOk(hex(text), tracking))).toBe(expected);
  });

  test('session state that lies about its lengths is a problem', () => {
    for (const text of ['00 05 01 61', '01 02 05 61', '00 03 01 61 05', '05']) {
      expect(problemIn(parseSessionChanges(hex(text)))).toBe('malformed');
    }
    expect(read(parseSessionChanges(encodeSessionChanges([])))).toEqual([]);
  });
});

describe('an ERR packet', () => {
  test('has a number, a state and a message', () => {
    const payload = hex('ff bd 04 23 34 30 30 30 31 44 65 61 64');
    expect(read(parseErr(payload))).toEqual({ number: 1213, sqlState: '40001', message: 'Dead' });
    expect(encodeErr({ ...SERVER_ERROR.lockDeadlock, message: 'Dead' })).toEqual(payload);
  });

  test('before the handshake has no state', () => {
    expect(read(parseErr(hex('ff 10 04 54 6f 6f')))).toEqual({ number: 1040, sqlState: 'HY000', message: 'Too' });
  });

  test('that is cut short is a problem, and one of progress is no error', () => {
    expect(problemIn(parseErr(hex('ff 10')))).toBe('truncated');
    expect(problemIn(parseErr(hex('ff 10 04 23 34 30')))).toBe('truncated');
    expect(problemIn(parseErr(hex('00')))).toBe('malformed');
    const progress = hex('ff ff ff 01 01 02 10 27 00 04 63 6f 70 79');
    expect(isProgress(progress)).toBe(true);
    expect(problemIn(parseErr(progress))).toBe('malformed');
    expect(read(parseProgress(progress))).toEqual({ stage: 1, stages: 2, progress: 10_000, info: 'copy' });
    expect(problemIn(parseProgress(progress.subarray(0, 8)))).toBe('truncated');
    expect(problemIn(parseProgress(hex('ff 10 04')))).toBe('malformed');
  });

  test('cuts long messages between characters', () => {
    const { message } = read(parseErr(encodeErr({ number: 1105, sqlState: 'HY000', message: '数'.repeat(400) })));
    expect(message).toBe('数'.repeat(170));
  });

  test('every error of the table has a number of two bytes and a state of five characters', () => {
    for (const { number, sqlState } of Object.values(SERVER_ERROR)) {
      expect(number).toBeGreaterThan(1_000);
      expect(number).toBeLessThan(0xffff);
      expect(sqlState).toMatch(/^[0-9A-Z]{5}$/);
    }
  });
});

describe('other short packets', () => {
  test('an EOF has warnings and a status', () => {
    expect(read(parseEof(hex('fe 03 00 22 00')))).toEqual({ warnings: 3, status: 0x22 });
    expect(encodeEof({ warnings: 3, status: 0x22 })).toEqual(hex('fe 03 00 22 00'));
    expect(encodeEof({ warnings: 70_000, status: 2 })).toEqual(hex('fe ff ff 02 00'));
    expect(problemIn(parseEof(hex('fe 03 00')))).toBe('truncated');
    expect(problemIn(parseEof(hex('fe 00 00 00 00 00 00 00 00')))).toBe('malformed');
    expect(problemIn(parseEof(hex('00')))).toBe('malformed');
  });

  test('a request for a local file names it', () => {
    expect(read(parseLocalInfile(encodeLocalInfile('/tmp/rows.csv'))).toString()).toBe('/tmp/rows.csv');
    expect(problemIn(parseLocalInfile(hex('00')))).toBe('malformed');
  });

  test('a prepared statement has a number and two counts', () => {
    const payload = hex('00 07 00 00 00 02 00 01 00 00 03 00');
    const prepared = { statement: 7, columns: 2, parameters: 1, warnings: 3 };
    expect(read(parsePrepareOk(payload))).toEqual(prepared);
    expect(encodePrepareOk(prepared)).toEqual(payload);
    expect(problemIn(parsePrepareOk(payload.subarray(0, 9)))).toBe('truncated');
    expect(problemIn(parsePrepareOk(hex('ff')))).toBe('malformed');
  });

  test('none of the parsers throws, whatever it gets', () => {
    fc.assert(
      fc.property(bytesOf({ max: 80 }), fc.constantFrom(0x00, 0x01, 0xfb, 0xfe, 0xff), (tail, first) => {
        for (const payload of [tail, Buffer.concat([Buffer.of(first), tail])]) {
          for (const parse of [
            parseErr,
            parseEof,
            parseLocalInfile,
            parsePrepareOk,
            parseProgress,
            parseSessionChanges,
          ])
            parse(payload);
          parseOk(payload, tracking);
          parseOk(payload, noCapabilities);
        }
      }),
      { numRuns: 500 },
    );
  });
});
