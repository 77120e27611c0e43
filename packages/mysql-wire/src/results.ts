/** Whole small results as a server sends them: what the gateway answers by itself. Framed, numbered on. */
import { type Capabilities, CLIENT, hasBase, hasExtended, MARIADB } from './capabilities.ts';
import { type Column, encodeColumn, textColumn } from './columns.ts';
import { PacketWriter } from './framing.ts';
import { type Err, encodeEof, encodeErr, encodeOk, type OkFields } from './packets.ts';
import { encodeTextRow } from './rows.ts';

export type TextResult = {
  /** A name stands for a column of text. */
  readonly columns: readonly (string | Column)[];
  readonly rows: readonly (readonly (string | Uint8Array | null)[])[];
  readonly status: number;
  readonly warnings?: number;
};

/** Column definitions, rows and their end. The first frame has the number `sequence`, 1 after a command of one frame. */
export const encodeTextResult = (result: TextResult, capabilities: Capabilities, sequence = 1): Buffer => {
  const { status, warnings = 0 } = result;
  const writer = new PacketWriter(sequence, 1_024);
  const deprecateEof = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
  writer.begin().lenencInt(result.columns.length);
  if (hasExtended(capabilities, MARIADB.CACHE_METADATA)) writer.uint8(1);
  writer.end();
  for (const column of result.columns) {
    const definition = typeof column === 'string' ? textColumn(column) : column;
    writer.begin().bytes(encodeColumn(definition, capabilities));
    writer.end();
  }
  if (!deprecateEof) {
    writer.begin().bytes(encodeEof({ warnings: 0, status }));
    writer.end();
  }
  for (const row of result.rows) {
    writer.begin().bytes(encodeTextRow(row));
    writer.end();
  }
  const end = deprecateEof
    ? encodeOk({ status, warnings, header: 0xfe }, capabilities)
    : encodeEof({ warnings, status });
  writer.begin().bytes(end);
  return writer.end().take();
};

export const okPacket = (fields: OkFields, capabilities: Capabilities, sequence = 1): Buffer => {
  const payload = encodeOk(fields, capabilities);
  return new PacketWriter(sequence, payload.length + 4).begin().bytes(payload).end().take();
};

export const errPacket = (error: Err, sequence = 1): Buffer => {
  const payload = encodeErr(error);
  return new PacketWriter(sequence, payload.length + 4).begin().bytes(payload).end().take();
};
