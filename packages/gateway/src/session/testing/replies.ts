/**
 * Reads what a client gets, packet by packet and to the last byte of each, by the protocol's own rules: the answer to
 * every command whole, its frames numbered one after the other. Independent of the scanner that the relay uses.
 */
import {
  type Capabilities,
  CLIENT,
  type Column,
  hasBase,
  isProblem,
  type Packet,
  parseBinaryRow,
  parseColumn,
  parseEof,
  parseErr,
  parseOk,
  parsePrepareOk,
  parseTextRow,
  STATUS,
  type WireProblem,
} from '@coequal/mysql-wire';

export type Result =
  | {
      readonly kind: 'ok';
      readonly status: number;
      readonly affected: number;
      readonly insertId: number;
      readonly warnings: number;
    }
  | {
      readonly kind: 'rows';
      readonly status: number;
      readonly rows: readonly (readonly (string | null)[])[];
    }
  | { readonly kind: 'err'; readonly number: number; readonly sqlState: string; readonly message: string }
  | { readonly kind: 'text' }
  | { readonly kind: 'prepared'; readonly statement: number };

export type ReplyKind = 'query' | 'execute' | 'prepare' | 'simple' | 'text' | 'fetch';

export type Reading = {
  readonly kind: ReplyKind;
  readonly capabilities: Capabilities;
  /** The server asks for a file; the client answers behind this number. */
  readonly file: (sequence: number) => number;
};

class Malformed extends Error {}

/** Wherever a packet may be, an ERR may be in its place, and ends the answer. */
class Ended extends Error {
  readonly result: Result;
  constructor(result: Result) {
    super('an error');
    this.result = result;
  }
}

const read = <Value>(value: Value | WireProblem): Value => {
  if (isProblem(value)) throw new Malformed(`${value.problem}: ${value.reason}`);
  return value;
};

/** Takes packets until the answer has ended. Throws what is wrong with it. */
export function* readReply(reading: Reading): Generator<undefined, readonly Result[], Packet> {
  const results: Result[] = [];
  try {
    return yield* readResults(reading, results);
  } catch (error) {
    if (error instanceof Ended) return [...results, error.result];
    throw error;
  }
}

function* readResults(reading: Reading, results: Result[]): Generator<undefined, readonly Result[], Packet> {
  const { kind, capabilities } = reading;
  const deprecateEof = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
  let expected = 1;
  const next = function* (): Generator<undefined, Buffer, Packet> {
    const packet = yield;
    if (packet.firstSequence !== expected)
      throw new Malformed(`a frame has number ${packet.firstSequence} instead of ${expected}`);
    expected = (packet.sequence + 1) & 0xff;
    if (packet.payload.length === 0) throw new Malformed('an empty packet');
    if (packet.payload[0] === 0xff) throw new Ended(errorOf(packet.payload));
    return packet.payload;
  };
  const definitions = function* (count: number): Generator<undefined, Column[], Packet> {
    const columns: Column[] = [];
    while (columns.length < count) columns.push(read(parseColumn(yield* next(), capabilities)));
    if (count > 0 && !deprecateEof) lastStatus = read(parseEof(yield* next())).status;
    return columns;
  };
  let lastStatus = 0;
  const rowsUntilEnd = function* (
    columns: readonly Pick<Column, 'type' | 'flags'>[],
    binary: boolean,
  ): Generator<undefined, Result, Packet> {
    const rows: (readonly (string | null)[])[] = [];
    for (;;) {
      const payload = yield* next();
      if (payload[0] === 0xfe && payload.length < (deprecateEof ? 0xff_ffff : 9))
        return { kind: 'rows', status: endStatus(payload, capabilities, deprecateEof), rows };
      rows.push(rowOf(payload, columns, binary));
    }
  };

  for (;;) {
    if (kind === 'fetch') return [yield* rowsUntilEnd(fetchedColumns, true)];
    const first = yield* next();
    if (kind === 'text') return [{ kind: 'text' }];
    if (kind === 'prepare') {
      const told = read(parsePrepareOk(first));
      yield* definitions(told.parameters);
      yield* definitions(told.columns);
      return [{ kind: 'prepared', statement: told.statement }];
    }
    if (first[0] === 0xfb) {
      expected = (reading.file(expected) + 1) & 0xff;
      continue;
    }
    if (first[0] === 0x00) {
      const result = okOf(first, capabilities);
      results.push(result);
      if ((result.status & STATUS.MORE_RESULTS_EXISTS) === 0) return results;
      continue;
    }
    if (kind === 'simple') throw new Malformed('a simple command is answered with rows');
    const count = first[0] ?? 0;
    if (first.length !== 1 || count > 20) throw new Malformed('an answer begins with no known packet');
    const columns = yield* definitions(count);
    // A cursor: its rows come when they are fetched.
    if (!deprecateEof && kind === 'execute' && (lastStatus & STATUS.CURSOR_EXISTS) !== 0)
      return [{ kind: 'rows', status: lastStatus, rows: [] }];
    const result = yield* rowsUntilEnd(columns, kind === 'execute');
    results.push(result);
    if (result.kind !== 'rows' || (result.status & STATUS.MORE_RESULTS_EXISTS) === 0) return results;
  }
}

/** The only cursor of the simulation has these; rows that are fetched come without definitions. */
const fetchedColumns: readonly Pick<Column, 'type' | 'flags'>[] = [
  { type: 8, flags: 0 },
  { type: 8, flags: 0 },
  { type: 0xfd, flags: 0 },
];

const rowOf = (
  payload: Buffer,
  columns: readonly Pick<Column, 'type' | 'flags'>[],
  binary: boolean,
): readonly (string | null)[] =>
  binary
    ? read(parseBinaryRow(payload, columns)).map((value) => (value === null ? null : String(value)))
    : read(parseTextRow(payload, columns.length)).map((value) => value?.toString('utf8') ?? null);

const errorOf = (payload: Buffer): Result => ({ kind: 'err', ...read(parseErr(payload)) });

const okOf = (payload: Buffer, capabilities: Capabilities): Extract<Result, { kind: 'ok' }> => {
  const ok = read(parseOk(payload, capabilities));
  if (!hasBase(capabilities, CLIENT.SESSION_TRACK) && (ok.status & STATUS.SESSION_STATE_CHANGED) !== 0)
    throw new Malformed('session tracking for a client that has not asked for it');
  if (ok.info.length > 0) throw new Malformed('a text where there is none');
  return {
    kind: 'ok',
    status: ok.status,
    affected: Number(ok.affectedRows),
    insertId: Number(ok.lastInsertId),
    warnings: ok.warnings,
  };
};

const endStatus = (payload: Buffer, capabilities: Capabilities, deprecateEof: boolean): number =>
  deprecateEof ? okOf(payload, capabilities).status : read(parseEof(payload)).status;
