/**
 * The short packets with which a server answers: OK, ERR, EOF, the request for a local file, and what comes first
 * after COM_STMT_PREPARE. Payloads, without frames.
 *
 * With DEPRECATE_EOF a result ends with an OK packet whose header is 0xFE; `parseOk` reads both headers.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { type Capabilities, CLIENT, hasBase } from './capabilities.ts';
import { problemOf, type WireProblem } from './problem.ts';
import { STATUS } from './protocol.ts';
import { encodeSessionChanges, parseSessionChanges, type SessionChange } from './session-track.ts';

export type Ok = {
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  readonly status: number;
  readonly warnings: number;
  readonly info: Buffer;
  /** The session state information as it came; empty without SESSION_TRACK or without a change. */
  readonly sessionState: Buffer;
};

const empty = Buffer.alloc(0);

export const parseOk = (payload: Buffer, capabilities: Capabilities): Ok | WireProblem => {
  const reader = new ByteReader(payload);
  const header = reader.uint8();
  if (header !== 0x00 && header !== 0xfe) return problemOf('malformed', 'this is no OK packet');
  const affectedRows = reader.lenencBigint();
  const lastInsertId = reader.lenencBigint();
  const status = reader.uint16();
  const warnings = reader.uint16();
  if (reader.failed) return problemOf('truncated', 'the OK packet ends early');
  const tracked = hasBase(capabilities, CLIENT.SESSION_TRACK);
  const info = tracked ? trackedInfo(reader) : untrackedInfo(reader);
  const changed = tracked && (status & STATUS.SESSION_STATE_CHANGED) !== 0 && reader.remaining > 0;
  const sessionState = changed ? reader.lenencBytes() : empty;
  if (reader.failed) return problemOf('truncated', 'the OK packet ends early');
  return { affectedRows, lastInsertId, status, warnings, info, sessionState };
};

const trackedInfo = (reader: ByteReader): Buffer => (reader.remaining > 0 ? reader.lenencBytes() : empty);

/** Documented as the rest of the packet, sent by all servers with its length in front: both are read. */
const untrackedInfo = (reader: ByteReader): Buffer => {
  const rest = reader.rest();
  const inner = new ByteReader(rest);
  const text = inner.lenencBytes();
  return inner.failed || inner.remaining > 0 ? rest : text;
};

export const sessionChangesOf = ({ sessionState }: Ok): readonly SessionChange[] | WireProblem =>
  sessionState.length === 0 ? [] : parseSessionChanges(sessionState);

export type OkFields = {
  readonly affectedRows?: number | bigint;
  readonly lastInsertId?: number | bigint;
  readonly status: number;
  readonly warnings?: number;
  readonly info?: string;
  readonly changes?: readonly SessionChange[];
  /** 0xFE where it ends a result under DEPRECATE_EOF. */
  readonly header?: 0x00 | 0xfe;
};

export const encodeOk = (fields: OkFields, capabilities: Capabilities): Buffer => {
  const tracked = hasBase(capabilities, CLIENT.SESSION_TRACK);
  const { info = '', changes = [] } = fields;
  const changed = tracked && changes.length > 0;
  const status = changed ? fields.status | STATUS.SESSION_STATE_CHANGED : fields.status & ~STATUS.SESSION_STATE_CHANGED;
  const writer = new ByteWriter(64)
    .uint8(fields.header ?? 0x00)
    .lenencInt(fields.affectedRows ?? 0)
    .lenencInt(fields.lastInsertId ?? 0)
    .uint16(status)
    .uint16(Math.min(fields.warnings ?? 0, 0xffff));
  if (info !== '' || changed) writer.lenencText(info);
  if (changed) writer.lenencBytes(encodeSessionChanges(changes));
  return writer.take();
};

export type Err = {
  readonly number: number;
  /** HY000 where the server sent none, as it does before the handshake. */
  readonly sqlState: string;
  readonly message: string;
};

export const progressNumber = 0xffff;

/** MariaDB reports progress in packets that look like errors. They are no answer: more packets follow. */
export const isProgress = (payload: Buffer): boolean =>
  payload[0] === 0xff && payload[1] === 0xff && payload[2] === 0xff;

export const parseErr = (payload: Buffer): Err | WireProblem => {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== 0xff) return problemOf('malformed', 'this is no ERR packet');
  const number = reader.uint16();
  if (number === progressNumber) return problemOf('malformed', 'this is a report of progress, no error');
  const withState = payload[reader.position] === 0x23;
  if (withState) reader.skip(1);
  const sqlState = withState ? reader.fixed(5).toString('latin1') : 'HY000';
  const message = reader.rest().toString('utf8');
  return reader.failed ? problemOf('truncated', 'the ERR packet ends early') : { number, sqlState, message };
};

/** Messages longer than clients have room for are cut. */
const messageLimit = 511;

export const encodeErr = ({ number, sqlState, message }: Err): Buffer =>
  new ByteWriter(64)
    .uint8(0xff)
    .uint16(number)
    .uint8(0x23)
    .bytes(Buffer.from(sqlState.padEnd(5, '0').slice(0, 5), 'latin1'))
    .bytes(cut(Buffer.from(message, 'utf8'), messageLimit))
    .take();

/** Not within a character. */
const cut = (text: Buffer, limit: number): Buffer => {
  if (text.length <= limit) return text;
  let end = limit;
  while (end > 0 && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return text.subarray(0, end);
};

export type Progress = {
  readonly stage: number;
  readonly stages: number;
  /** In thousandths of a per cent. */
  readonly progress: number;
  readonly info: string;
};

export const parseProgress = (payload: Buffer): Progress | WireProblem => {
  if (!isProgress(payload)) return problemOf('malformed', 'this is no report of progress');
  const reader = new ByteReader(payload, 4);
  const stage = reader.uint8();
  const stages = reader.uint8();
  const progress = reader.uint24();
  const info = reader.lenencText();
  return reader.failed
    ? problemOf('truncated', 'the report of progress ends early')
    : { stage, stages, progress, info };
};

export type Eof = { readonly warnings: number; readonly status: number };

/** An EOF packet is shorter than this; a row that begins with 0xFE is longer. */
export const eofLimit = 9;

export const parseEof = (payload: Buffer): Eof | WireProblem => {
  if (payload[0] !== 0xfe || payload.length >= eofLimit) return problemOf('malformed', 'this is no EOF packet');
  const reader = new ByteReader(payload, 1);
  const warnings = reader.uint16();
  const status = reader.uint16();
  return reader.failed ? problemOf('truncated', 'the EOF packet ends early') : { warnings, status };
};

export const encodeEof = ({ warnings, status }: Eof): Buffer =>
  new ByteWriter(5).uint8(0xfe).uint16(Math.min(warnings, 0xffff)).uint16(status).take();

/** The name of the file that the server wants from the client (LOAD DATA LOCAL). */
export const parseLocalInfile = (payload: Buffer): Buffer | WireProblem =>
  payload[0] === 0xfb ? payload.subarray(1) : problemOf('malformed', 'this is no request for a local file');

export const encodeLocalInfile = (name: string): Buffer => new ByteWriter(64).uint8(0xfb).text(name).take();

export type Prepared = {
  readonly statement: number;
  readonly columns: number;
  readonly parameters: number;
  readonly warnings: number;
};

export const parsePrepareOk = (payload: Buffer): Prepared | WireProblem => {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== 0x00) return problemOf('malformed', 'this is no answer to COM_STMT_PREPARE');
  const statement = reader.uint32();
  const columns = reader.uint16();
  const parameters = reader.uint16();
  reader.skip(1);
  const warnings = reader.uint16();
  if (reader.failed) return problemOf('truncated', 'the answer to COM_STMT_PREPARE ends early');
  return { statement, columns, parameters, warnings };
};

export const encodePrepareOk = ({ statement, columns, parameters, warnings }: Prepared): Buffer =>
  new ByteWriter(12).uint8(0).uint32(statement).uint16(columns).uint16(parameters).uint8(0).uint16(warnings).take();
