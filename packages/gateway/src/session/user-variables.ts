/** Reads the gateway's own small results: user variables, and the warnings that come with an outcome row. Pure. */
import {
  type Capabilities,
  CLIENT,
  hasBase,
  isProblem,
  PacketReader,
  parseBinaryRow,
  parseColumn,
  parseTextRow,
} from '@coequal/mysql-wire';
import type { UserVariable } from './settings-of-session.ts';

type From = { readonly capabilities: Capabilities } | null;

/** Rows of these would not fit anywhere else either. */
const resultLimitBytes = 64 * 2 ** 20;

/** Packets of the plain bytes of a result: column count, definitions, rows. */
const packetsOf = (plain: Buffer): readonly Buffer[] | undefined => {
  const reader = new PacketReader(resultLimitBytes);
  reader.push(plain);
  const packets: Buffer[] = [];
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
    if (isProblem(packet)) return undefined;
    packets.push(packet.payload);
  }
  return packets;
};

/** Undefined: it cannot be read, or the server does not tell all of it. */
export const readUserVariables = (plain: Buffer, from: From): readonly UserVariable[] | undefined => {
  const packets = packetsOf(plain);
  if (packets === undefined || from === null) return undefined;
  const rows = rowsOf(packets, from.capabilities);
  const found: UserVariable[] = [];
  for (const row of rows) {
    const values = parseTextRow(row, 4);
    if (isProblem(values)) return undefined;
    const [name, type, value, charset] = values;
    if (name === null || name === undefined) return undefined;
    const variable = {
      name: fromHex(name).toString('utf8'),
      type: type?.toString('latin1') ?? '',
      value: value === null || value === undefined ? null : fromHex(value),
      charset: charset?.toString('latin1') ?? null,
    };
    if (!isWhole(variable)) return undefined;
    found.push(variable);
  }
  return found;
};

const fromHex = (text: Buffer): Buffer => Buffer.from(text.toString('latin1'), 'hex');

/** The view cuts values there, in characters. */
const shownCharacters = 2_048;
/** It shows texts as utf8mb3: what that cannot hold became a question mark. */
const heldByUtf8: ReadonlySet<string> = new Set(['utf8mb3', 'latin1', 'ascii', 'ucs2']);

const isWhole = ({ value, charset }: UserVariable): boolean => {
  if (value === null) return true;
  if (value.toString('utf8').length >= shownCharacters) return false;
  return !value.includes(0x3f) || (charset !== null && heldByUtf8.has(charset));
};

/** All rows as texts, of as many columns as there are; null: they cannot be read. */
export const readTexts = (plain: Buffer, from: From): readonly (readonly (string | null)[])[] | null => {
  const packets = packetsOf(plain);
  if (packets === undefined || from === null) return null;
  const columns = packets[0]?.[0] ?? 0;
  const rows: (string | null)[][] = [];
  for (const row of rowsOf(packets, from.capabilities)) {
    const values = parseTextRow(row, columns);
    if (isProblem(values)) return null;
    rows.push(values.map((value) => value?.toString('utf8') ?? null));
  }
  return rows;
};

/** Code and message of each warning that `coequal.record` answers with. */
export const readWarnings = (plain: Buffer, from: From): readonly (readonly [number, string])[] | null => {
  const packets = packetsOf(plain);
  if (packets === undefined || packets.length === 0 || from === null) return null;
  const count = packets[0]?.[0] ?? 0;
  const columns = packets.slice(1, 1 + count).flatMap((one) => {
    const column = parseColumn(one, from.capabilities);
    return isProblem(column) ? [] : [column];
  });
  const warnings: (readonly [number, string])[] = [];
  for (const row of rowsOf(packets, from.capabilities)) {
    const values = parseBinaryRow(row, columns);
    if (isProblem(values)) return null;
    const texts = values.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value)));
    warnings.push([Number(texts[0]), texts[1] ?? '']);
  }
  return warnings;
};

const rowsOf = (packets: readonly Buffer[], capabilities: Capabilities): readonly Buffer[] => {
  const columns = packets[0]?.[0] ?? 0;
  const definitions = 1 + columns + (hasBase(capabilities, CLIENT.DEPRECATE_EOF) ? 0 : 1);
  return packets.slice(definitions);
};
