/**
 * What a client asks: every command as a value whose texts and bytes are views of the payload. A command that this
 * codec does not know is a value too (`other`): what to do with it is the caller's decision. Parsing looks only
 * at the fields in front; the parameters of prepared statements are in `statements.ts`.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { problemOf, type WireProblem } from './problem.ts';
import { COM } from './protocol.ts';
import type { ResponseKind } from './response.ts';

export type Command =
  | { readonly kind: 'query'; readonly sql: Buffer }
  | { readonly kind: 'prepare'; readonly sql: Buffer }
  | {
      readonly kind: 'execute';
      /** 0xFFFFFFFF: the statement prepared last (`lastPrepared`). */
      readonly statement: number;
      readonly cursor: number;
      readonly iterations: number;
    }
  | { readonly kind: 'bulk-execute'; readonly statement: number; readonly flags: number }
  | { readonly kind: 'long-data'; readonly statement: number; readonly parameter: number; readonly data: Buffer }
  | { readonly kind: 'fetch'; readonly statement: number; readonly rows: number }
  | { readonly kind: 'close'; readonly statement: number }
  | { readonly kind: 'reset'; readonly statement: number }
  | { readonly kind: 'quit' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'statistics' }
  | { readonly kind: 'debug' }
  | { readonly kind: 'process-info' }
  | { readonly kind: 'reset-connection' }
  | { readonly kind: 'init-db'; readonly database: Buffer }
  | { readonly kind: 'create-db'; readonly database: Buffer }
  | { readonly kind: 'drop-db'; readonly database: Buffer }
  | { readonly kind: 'field-list'; readonly table: Buffer; readonly wildcard: Buffer }
  | { readonly kind: 'set-option'; readonly multiStatements: boolean }
  | { readonly kind: 'kill'; readonly connection: number }
  /** Read it with `parseChangeUser`, which needs the capabilities. */
  | { readonly kind: 'change-user' }
  | { readonly kind: 'other'; readonly code: number };

export const parseCommand = (payload: Buffer): Command | WireProblem => {
  const code = payload[0];
  if (code === undefined) return problemOf('malformed', 'a command has no first byte');
  const reader = new ByteReader(payload, 1);
  const command = readCommand(code, reader);
  return reader.failed ? problemOf('truncated', `the command ${code} ends early`) : command;
};

const readCommand = (code: number, reader: ByteReader): Command | WireProblem => {
  switch (code) {
    case COM.QUERY:
      return { kind: 'query', sql: reader.rest() };
    case COM.STMT_PREPARE:
      return { kind: 'prepare', sql: reader.rest() };
    case COM.QUIT:
      return { kind: 'quit' };
    case COM.PING:
      return { kind: 'ping' };
    case COM.STATISTICS:
      return { kind: 'statistics' };
    case COM.DEBUG:
      return { kind: 'debug' };
    case COM.PROCESS_INFO:
      return { kind: 'process-info' };
    case COM.RESET_CONNECTION:
      return { kind: 'reset-connection' };
    case COM.CHANGE_USER:
      return { kind: 'change-user' };
    case COM.INIT_DB:
      return { kind: 'init-db', database: reader.rest() };
    case COM.CREATE_DB:
      return { kind: 'create-db', database: reader.rest() };
    case COM.DROP_DB:
      return { kind: 'drop-db', database: reader.rest() };
    case COM.FIELD_LIST:
      return { kind: 'field-list', table: reader.nulBytes(), wildcard: reader.rest() };
    case COM.PROCESS_KILL:
      return { kind: 'kill', connection: reader.uint32() };
    case COM.SET_OPTION:
      return readOption(reader.uint16());
    default:
      return readStatementCommand(code, reader);
  }
};

const readOption = (option: number): Command | WireProblem =>
  option === 0 || option === 1
    ? { kind: 'set-option', multiStatements: option === 0 }
    : problemOf('malformed', `there is no option ${option}`);

const readStatementCommand = (code: number, reader: ByteReader): Command => {
  switch (code) {
    case COM.STMT_EXECUTE:
      return { kind: 'execute', statement: reader.uint32(), cursor: reader.uint8(), iterations: reader.uint32() };
    case COM.STMT_BULK_EXECUTE:
      return { kind: 'bulk-execute', statement: reader.uint32(), flags: reader.uint16() };
    case COM.STMT_SEND_LONG_DATA:
      return { kind: 'long-data', statement: reader.uint32(), parameter: reader.uint16(), data: reader.rest() };
    case COM.STMT_FETCH:
      return { kind: 'fetch', statement: reader.uint32(), rows: reader.uint32() };
    case COM.STMT_CLOSE:
      return { kind: 'close', statement: reader.uint32() };
    case COM.STMT_RESET:
      return { kind: 'reset', statement: reader.uint32() };
    default:
      return { kind: 'other', code };
  }
};

const responseKinds: ReadonlyMap<number, ResponseKind> = new Map<number, ResponseKind>([
  [COM.QUERY, 'query'],
  [COM.PROCESS_INFO, 'query'],
  [COM.STMT_PREPARE, 'prepare'],
  [COM.STMT_EXECUTE, 'execute'],
  [COM.STMT_BULK_EXECUTE, 'execute'],
  [COM.STMT_FETCH, 'fetch'],
  [COM.FIELD_LIST, 'field-list'],
  [COM.STATISTICS, 'statistics'],
  [COM.CHANGE_USER, 'change-user'],
  [COM.QUIT, 'none'],
  [COM.STMT_CLOSE, 'none'],
  [COM.STMT_SEND_LONG_DATA, 'none'],
  [COM.INIT_DB, 'simple'],
  [COM.CREATE_DB, 'simple'],
  [COM.DROP_DB, 'simple'],
  [COM.REFRESH, 'simple'],
  [COM.SHUTDOWN, 'simple'],
  [COM.PROCESS_KILL, 'simple'],
  [COM.DEBUG, 'simple'],
  [COM.PING, 'simple'],
  [COM.STMT_RESET, 'simple'],
  [COM.SET_OPTION, 'simple'],
  [COM.RESET_CONNECTION, 'simple'],
  [COM.REGISTER_SLAVE, 'simple'],
]);

/** What follows a command, by its first byte. Undefined: not a command whose answer has an end that we know. */
export const responseKindOf = (code: number): ResponseKind | undefined => responseKinds.get(code);

/** The number of a statement in a command that has one, which the gateway overwrites where instances differ. */
export const setStatement = (payload: Buffer, statement: number): void => {
  payload.writeUInt32LE(statement >>> 0, 1);
};

const withText = (code: number, text: string | Uint8Array): Buffer => {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  return new ByteWriter(bytes.length + 1).uint8(code).bytes(bytes).take();
};

const withNumber = (code: number, number: number): Buffer => new ByteWriter(5).uint8(code).uint32(number).take();

/** Payloads of commands; `frame` with sequence 0 makes packets of them. */
export const encodeCommand = {
  query: (sql: string | Uint8Array): Buffer => withText(COM.QUERY, sql),
  prepare: (sql: string | Uint8Array): Buffer => withText(COM.STMT_PREPARE, sql),
  initDb: (database: string): Buffer => withText(COM.INIT_DB, database),
  close: (statement: number): Buffer => withNumber(COM.STMT_CLOSE, statement),
  reset: (statement: number): Buffer => withNumber(COM.STMT_RESET, statement),
  kill: (connection: number): Buffer => withNumber(COM.PROCESS_KILL, connection),
  fetch: (statement: number, rows: number): Buffer =>
    new ByteWriter(9).uint8(COM.STMT_FETCH).uint32(statement).uint32(rows).take(),
  longData: (statement: number, parameter: number, data: Uint8Array): Buffer =>
    new ByteWriter(data.length + 7)
      .uint8(COM.STMT_SEND_LONG_DATA)
      .uint32(statement)
      .uint16(parameter)
      .bytes(data)
      .take(),
  setOption: (multiStatements: boolean): Buffer =>
    new ByteWriter(3)
      .uint8(COM.SET_OPTION)
      .uint16(multiStatements ? 0 : 1)
      .take(),
  quit: (): Buffer => Buffer.of(COM.QUIT),
  ping: (): Buffer => Buffer.of(COM.PING),
  resetConnection: (): Buffer => Buffer.of(COM.RESET_CONNECTION),
} as const;
