/** Bytes of what simulated instances answer: in the text and in the binary protocol, with and without EOF packets. */
import {
  ByteReader,
  ByteWriter,
  type Capabilities,
  CLIENT,
  COLLATION,
  type Column,
  encodeColumn,
  encodeEof,
  encodeErr,
  encodeLocalInfile,
  encodeOk,
  encodePrepareOk,
  encodeTextRow,
  hasBase,
  PacketWriter,
  type Prepared,
  type SessionChange,
  STATUS,
  TYPE,
  textColumn,
} from '@coequal/mysql-wire';
import type { Answer, Cell, ColumnOf } from './simulated-session.ts';

export type Envelope = {
  readonly status: number;
  /** Reported with the last OK that can; what could not be reported stays. */
  readonly changes: readonly SessionChange[];
  readonly capabilities: Capabilities;
  readonly binary: boolean;
  readonly sequence: number;
};

export const columnOf = ({ name, type }: ColumnOf): Column =>
  type === 'text' ? textColumn(name) : { ...textColumn(name), type: TYPE.LONGLONG, collation: COLLATION.binary };

/** All results of one command, and whether the changes were told. */
export const encodeAnswers = (
  answers: readonly Answer[],
  envelope: Envelope,
): { readonly bytes: Buffer; readonly told: boolean } => {
  const writer = new PacketWriter(envelope.sequence, 512);
  let told = false;
  for (const [index, answer] of answers.entries()) {
    const last = index === answers.length - 1;
    const status = envelope.status | (last ? 0 : STATUS.MORE_RESULTS_EXISTS);
    told = writeAnswer(writer, answer, { ...envelope, status, changes: last ? envelope.changes : [] });
  }
  return { bytes: Buffer.from(writer.take()), told };
};

const writeAnswer = (writer: PacketWriter, answer: Answer, envelope: Envelope): boolean => {
  const { status, changes, capabilities } = envelope;
  switch (answer.kind) {
    case 'ok': {
      const { affected, insertId, warnings } = answer;
      put(
        writer,
        encodeOk({ affectedRows: affected, lastInsertId: insertId, warnings, status, changes }, capabilities),
      );
      return true;
    }
    case 'err':
      put(writer, encodeErr(answer));
      return false;
    case 'file':
      put(writer, encodeLocalInfile('f'));
      return false;
    case 'rows':
      return writeRows(writer, answer, envelope);
  }
};

const writeRows = (writer: PacketWriter, answer: Extract<Answer, { kind: 'rows' }>, envelope: Envelope): boolean => {
  const { status, changes, capabilities, binary } = envelope;
  const { columns, rows, warnings } = answer;
  const deprecateEof = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
  put(writer, Buffer.of(columns.length));
  writeColumns(writer, columns, envelope);
  // The rows of a cursor come when they are fetched: the end of the definitions is the end.
  if (!deprecateEof && (status & STATUS.CURSOR_EXISTS) !== 0) return false;
  for (const row of rows)
    put(
      writer,
      binary ? binaryRow(columns, row) : encodeTextRow(row.map((cell) => (cell === null ? null : String(cell)))),
    );
  if (deprecateEof) put(writer, encodeOk({ status, warnings, changes, header: 0xfe }, capabilities));
  else put(writer, encodeEof({ warnings, status }));
  return deprecateEof;
};

const writeColumns = (writer: PacketWriter, columns: readonly ColumnOf[], envelope: Envelope): void => {
  for (const column of columns) put(writer, encodeColumn(columnOf(column), envelope.capabilities));
  if (columns.length > 0 && !hasBase(envelope.capabilities, CLIENT.DEPRECATE_EOF))
    put(writer, encodeEof({ warnings: 0, status: envelope.status }));
};

/** What COM_STMT_FETCH is answered: rows without their definitions. */
export const encodeFetched = (
  { columns, rows }: Extract<Answer, { kind: 'rows' }>,
  status: number,
  capabilities: Capabilities,
): Buffer => {
  const writer = new PacketWriter(1, 512);
  for (const row of rows) put(writer, binaryRow(columns, row));
  const deprecateEof = hasBase(capabilities, CLIENT.DEPRECATE_EOF);
  put(writer, deprecateEof ? encodeOk({ status, header: 0xfe }, capabilities) : encodeEof({ warnings: 0, status }));
  return Buffer.from(writer.take());
};

export const encodePrepared = (prepared: Prepared, columns: readonly ColumnOf[], envelope: Envelope): Buffer => {
  const writer = new PacketWriter(envelope.sequence, 512);
  put(writer, encodePrepareOk(prepared));
  const parameters = Array.from({ length: prepared.parameters }, (): ColumnOf => ({ name: '?', type: 'text' }));
  writeColumns(writer, parameters, envelope);
  writeColumns(writer, columns, envelope);
  return Buffer.from(writer.take());
};

/** A packet of text alone, as COM_STATISTICS is answered. */
export const encodeText = (text: string, sequence: number): Buffer => {
  const writer = new PacketWriter(sequence, text.length + 8);
  put(writer, Buffer.from(text));
  return Buffer.from(writer.take());
};

const put = (writer: PacketWriter, payload: Uint8Array): void => {
  writer.begin().bytes(payload);
  writer.end();
};

const binaryRow = (columns: readonly ColumnOf[], row: readonly Cell[]): Buffer => {
  const nulls = Buffer.alloc((columns.length + 9) >> 3);
  for (const [index, cell] of row.entries())
    if (cell === null) nulls[(index + 2) >> 3] = (nulls[(index + 2) >> 3] ?? 0) | (1 << ((index + 2) & 7));
  const writer = new ByteWriter(64).uint8(0).bytes(nulls);
  for (const [index, cell] of row.entries()) {
    if (cell === null) continue;
    if (columns[index]?.type === 'number') writer.uint64(BigInt(cell));
    else writer.lenencText(String(cell));
  }
  return writer.take();
};

/** Reads the values of an execution, given their types; what was sent as long data is in there already. */
export const readParameters = (
  nulls: Buffer,
  types: Buffer,
  values: Buffer,
  long: ReadonlyMap<number, Buffer>,
): readonly (string | Buffer | null)[] => {
  const reader = new ByteReader(values);
  return Array.from({ length: types.length / 2 }, (_, index) => {
    const sent = long.get(index);
    if (sent !== undefined) return sent.toString('utf8');
    if (((nulls[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) return null;
    const type = types[index * 2];
    if (type === TYPE.LONGLONG) return String(reader.uint64());
    return type === TYPE.BLOB ? Buffer.from(reader.lenencBytes()) : reader.lenencText();
  });
};
