/** Column definitions, as they come before rows and after COM_STMT_PREPARE. Payloads, without frames. */
import { ByteReader, ByteWriter } from './bytes.ts';
import { type Capabilities, hasExtended, MARIADB } from './capabilities.ts';
import { problemOf, type WireProblem } from './problem.ts';
import { COLLATION, TYPE } from './protocol.ts';

export type Column = {
  readonly schema: string;
  readonly table: string;
  readonly originalTable: string;
  readonly name: string;
  readonly originalName: string;
  /** MariaDB's extended metadata, as it came (for example the type `json` or `uuid`); empty without. */
  readonly extended: Buffer;
  readonly collation: number;
  /** The longest value, in bytes. */
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly decimals: number;
};

const empty = Buffer.alloc(0);

/** Bytes of the fixed part, which is preceded by its own length. */
const fixedBytes = 12;

export const parseColumn = (payload: Buffer, capabilities: Capabilities): Column | WireProblem => {
  const reader = new ByteReader(payload);
  reader.lenencBytes();
  const names = {
    schema: reader.lenencText(),
    table: reader.lenencText(),
    originalTable: reader.lenencText(),
    name: reader.lenencText(),
    originalName: reader.lenencText(),
  };
  const extended = hasExtended(capabilities, MARIADB.EXTENDED_METADATA) ? reader.lenencBytes() : empty;
  if (reader.lenencInt() < fixedBytes) return problemOf('malformed', 'a column definition has no fixed part');
  const fixed = {
    collation: reader.uint16(),
    length: reader.uint32(),
    type: reader.uint8(),
    flags: reader.uint16(),
    decimals: reader.uint8(),
  };
  reader.skip(2);
  return reader.failed ? problemOf('truncated', 'a column definition ends early') : { ...names, extended, ...fixed };
};

export const encodeColumn = (column: Column, capabilities: Capabilities): Buffer => {
  const writer = new ByteWriter(96)
    .lenencText('def')
    .lenencText(column.schema)
    .lenencText(column.table)
    .lenencText(column.originalTable)
    .lenencText(column.name)
    .lenencText(column.originalName);
  if (hasExtended(capabilities, MARIADB.EXTENDED_METADATA)) writer.lenencBytes(column.extended);
  return writer
    .lenencInt(fixedBytes)
    .uint16(column.collation)
    .uint32(column.length)
    .uint8(column.type)
    .uint16(column.flags)
    .uint8(column.decimals)
    .zeros(2)
    .take();
};

/** A column of text, of no table: what the gateway's own small results have. */
export const textColumn = (name: string): Column => ({
  schema: '',
  table: '',
  originalTable: '',
  name,
  originalName: '',
  extended: empty,
  collation: COLLATION.utf8mb4,
  length: 1_024,
  type: TYPE.VAR_STRING,
  flags: 0,
  decimals: 0,
});
