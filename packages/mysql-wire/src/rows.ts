/**
 * Rows into values and back, for the gateway's own small queries and answers. The rows of clients are never decoded
 * (`response.ts`).
 *
 * In the text protocol every value is its text. In the binary protocol integers are numbers where they are exact
 * and bigints above, floats are numbers, dates and times are texts as the server writes them, and everything
 * else is its bytes.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Column } from './columns.ts';
import { problemOf, type WireProblem } from './problem.ts';
import { COLUMN, TYPE } from './protocol.ts';

/** One row of the text protocol: for each column its bytes, or null. Views of the payload. */
export const parseTextRow = (payload: Buffer, columns: number): readonly (Buffer | null)[] | WireProblem => {
  const reader = new ByteReader(payload);
  const values: (Buffer | null)[] = [];
  for (let index = 0; index < columns && !reader.failed; index += 1) values.push(reader.nullableBytes());
  return reader.failed || reader.remaining > 0
    ? problemOf('malformed', `a row does not hold ${columns} values`)
    : values;
};

export const encodeTextRow = (values: readonly (string | Uint8Array | null)[]): Buffer => {
  const writer = new ByteWriter(128);
  for (const value of values) {
    if (value === null) writer.uint8(0xfb);
    else if (typeof value === 'string') writer.lenencText(value);
    else writer.lenencBytes(value);
  }
  return writer.take();
};

export type BinaryValue = null | number | bigint | string | Buffer;

/** The bit of a column in a row's null bitmap is two to the right of its index. */
const nullOffset = 2;

export const parseBinaryRow = (
  payload: Buffer,
  columns: readonly Pick<Column, 'type' | 'flags'>[],
): readonly BinaryValue[] | WireProblem => {
  const reader = new ByteReader(payload);
  if (reader.uint8() !== 0) return problemOf('malformed', 'this is no row of the binary protocol');
  const nulls = reader.fixed((columns.length + nullOffset + 7) >> 3);
  const values: BinaryValue[] = [];
  for (const [index, column] of columns.entries()) {
    if (reader.failed) break;
    const bit = index + nullOffset;
    const isNull = ((nulls[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
    values.push(isNull ? null : readBinary(reader, column.type, (column.flags & COLUMN.UNSIGNED) !== 0));
  }
  return reader.failed || reader.remaining > 0
    ? problemOf('malformed', `a row does not hold ${columns.length} values`)
    : values;
};

const readBinary = (reader: ByteReader, type: number, unsigned: boolean): BinaryValue => {
  switch (type) {
    case TYPE.TINY:
      return sign(reader.uint8(), 8, unsigned);
    case TYPE.SHORT:
    case TYPE.YEAR:
      return sign(reader.uint16(), 16, unsigned);
    case TYPE.LONG:
    case TYPE.INT24:
      return sign(reader.uint32(), 32, unsigned);
    case TYPE.LONGLONG:
      return exact(unsigned ? reader.uint64() : BigInt.asIntN(64, reader.uint64()));
    case TYPE.FLOAT:
      return fromFour(reader.fixed(4));
    case TYPE.DOUBLE:
      return fromEight(reader.fixed(8));
    case TYPE.DATE:
    case TYPE.NEWDATE:
      return readDate(reader, false);
    case TYPE.DATETIME:
    case TYPE.TIMESTAMP:
      return readDate(reader, true);
    case TYPE.TIME:
      return readTime(reader);
    case TYPE.NULL:
      return null;
    default:
      return reader.lenencBytes();
  }
};

const sign = (value: number, bits: number, unsigned: boolean): number =>
  unsigned || value < 2 ** (bits - 1) ? value : value - 2 ** bits;

const exact = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

const fromFour = (bytes: Buffer): number => (bytes.length === 4 ? bytes.readFloatLE() : 0);
const fromEight = (bytes: Buffer): number => (bytes.length === 8 ? bytes.readDoubleLE() : 0);

const padded = (value: number, width = 2): string => String(value).padStart(width, '0');

const fraction = (reader: ByteReader, present: boolean): string => {
  const micros = present ? reader.uint32() : 0;
  return micros === 0 ? '' : `.${padded(micros, 6)}`;
};

/** `2026-07-30`, or `2026-07-30 12:00:00.5`, with the parts that the server leaves away as zeros. */
const readDate = (reader: ByteReader, withTime: boolean): string => {
  const length = reader.uint8();
  const inner = new ByteReader(reader.fixed(length));
  const date =
    length >= 4 ? `${padded(inner.uint16(), 4)}-${padded(inner.uint8())}-${padded(inner.uint8())}` : '0000-00-00';
  if (!withTime) return date;
  const time = length >= 7 ? clockTime(inner, 0) : '00:00:00';
  const micros = fraction(inner, length >= 11);
  return `${date} ${time}${micros}`;
};

const clockTime = (reader: ByteReader, days: number): string =>
  `${padded(reader.uint8() + days * 24)}:${padded(reader.uint8())}:${padded(reader.uint8())}`;

const readTime = (reader: ByteReader): string => {
  const length = reader.uint8();
  if (length < 8) {
    reader.skip(length);
    return '00:00:00';
  }
  const inner = new ByteReader(reader.fixed(length));
  const minus = inner.uint8() === 1 ? '-' : '';
  const days = inner.uint32();
  const time = clockTime(inner, days);
  return `${minus}${time}${fraction(inner, length >= 12)}`;
};
