/**
 * A single UPDATE or DELETE that is larger than the estate's rule, carried out in pieces of the primary key. Each piece is a write
 * of its own, wrapped and repeated like any other, so each happens once; the whole is not atomic, which is what the rule says.
 *
 * It leaves alone what pieces would change the meaning of: several tables, LIMIT, subqueries, keys of several columns, a SET of
 * the key itself.
 */
import { reasonOf } from '@coequal/kernel';
import { encodeCommand, frame, SERVER_ERROR, type ServerError } from '@coequal/mysql-wire';
import { quoteName, quoteText, type Shape, updateOrDeleteShape } from '../sql/parts.ts';
import type { Statement } from '../sql/statement.ts';
import type { PieceAnswer } from './client-side.ts';
import type { Relay } from './relay.ts';
import { askRows } from './replay.ts';
import { classOf } from './requests.ts';

/** A piece has at least and at most so many rows, whatever their size. */
const pieceRows = { least: 100, most: 10_000 };
/** A changed row is in the write set before and after, with its keys. */
const writeSetFactor = 3;

/** Sends one piece as the request that it is. */
export type SendPiece = (raw: Buffer, text: Buffer) => void;

/** Null: the rule does not speak of it. Otherwise: true when it was carried out (or refused), false when it is to be sent as it is. */
export const inPieces = (relay: Relay, statement: Statement, sql: Buffer, send: SendPiece): Promise<boolean> | null => {
  const rule = relay.rules.largeWrite;
  if (rule?.rule !== 'chunk' || relay.link === null || statement.kind !== 'write') return null;
  if (statement.verb !== 'UPDATE' && statement.verb !== 'DELETE') return null;
  const { inTransaction, autocommit } = relay;
  if (classOf(statement, { inTransaction, autocommit, wrote: false }) !== 'wrapped') return null;
  const shape = updateOrDeleteShape(sql);
  return shape === undefined ? null : carryOut(relay, { statement, sql, shape, limitBytes: rule.bytes, send });
};

type Whole = {
  readonly statement: Statement;
  readonly sql: Buffer;
  readonly shape: Shape;
  readonly limitBytes: number;
  readonly send: SendPiece;
};

const carryOut = async (relay: Relay, { statement, sql, shape, limitBytes, send }: Whole): Promise<boolean> => {
  const size = await sizeOf(relay, shape, sql);
  if (size === null || size.rows * size.rowBytes * writeSetFactor <= limitBytes) return false;
  const rows = Math.min(
    pieceRows.most,
    Math.max(pieceRows.least, Math.floor(limitBytes / (size.rowBytes * writeSetFactor))),
  );
  let affected = 0n;
  for (let after: string | null = null; ; ) {
    const upTo: string | null | undefined = await nextKey(relay, send, boundaryText(shape, size.key, after, rows));
    if (relay.phase === 'ended') return true;
    if (upTo === null) break;
    if (upTo === undefined) {
      tellStopped(relay, SERVER_ERROR.unknown, 'No instance tells where the next piece begins', affected);
      return true;
    }
    const answer: PieceAnswer = await sendPiece(relay, send, pieceText(shape, size.key, after, upTo));
    if (answer.error !== null) {
      tellStopped(relay, answer.error, answer.error.message, affected);
      return true;
    }
    affected += answer.affected;
    after = upTo;
  }
  relay.ports.tell.refused('chunked', statement.verb, shape.table);
  relay.last.rowCount = affected;
  relay.last.disturbed = true;
  relay.answerOk({ affected });
  return true;
};

const tellStopped = (relay: Relay, error: ServerError, message: string, affected: bigint): void =>
  relay.answerError(error, `${message} (carried out in pieces: ${affected} rows were changed before this and stay so)`);

type Size = { readonly key: string; readonly rows: number; readonly rowBytes: number };

/** Null: it has no key of one column, or sets it, or the instance does not tell. */
const sizeOf = async (relay: Relay, shape: Shape, sql: Buffer): Promise<Size | null> => {
  const schema = quoteText(shape.schema ?? relay.settings.schema);
  const table = quoteText(shape.table);
  const keys = await askRows(
    relay,
    `SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=${schema} AND TABLE_NAME=${table} AND INDEX_NAME='PRIMARY'`,
  );
  const key = keys?.length === 1 ? keys[0]?.[0] : null;
  if (key === null || key === undefined || setsColumn(shape, key)) return null;
  const plan = await askRows(relay, `EXPLAIN ${sql.toString('utf8')}`);
  const told = await askRows(
    relay,
    `SELECT AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA=${schema} AND TABLE_NAME=${table}`,
  );
  const rows = Number(plan?.[0]?.[8]);
  const rowBytes = Number(told?.[0]?.[0]);
  return Number.isFinite(rows) && rowBytes > 0 ? { key, rows, rowBytes } : null;
};

/** Whether the key stands anywhere before WHERE: then it may be what is set, and the pieces would run after it. */
const setsColumn = ({ verb, head }: Shape, key: string): boolean =>
  verb === 'UPDATE' && new RegExp(`(^|[^\\w$])\`?${key.replaceAll(/[^\w$]/g, '\\$&')}\`?\\s*=`, 'i').test(head);

const within = (key: string, after: string | null, upTo: string | null): string =>
  [
    ...(after === null ? [] : [`${quoteName(key)} > ${after}`]),
    ...(upTo === null ? [] : [`${quoteName(key)} <= ${upTo}`]),
  ].join(' AND ');

const condition = (shape: Shape, range: string): string => {
  const parts = [...(shape.where === undefined ? [] : [`(${shape.where})`]), ...(range === '' ? [] : [range])];
  return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`;
};

/** The key that ends the next piece, as a literal; NULL: there is no next piece. */
const boundaryText = (shape: Shape, key: string, after: string | null, rows: number): string => {
  const table = `${shape.schema === undefined ? '' : `${quoteName(shape.schema)}.`}${quoteName(shape.table)}`;
  const alias = shape.alias === undefined ? '' : ` AS ${quoteName(shape.alias)}`;
  const where = condition(shape, within(key, after, null));
  return `SELECT QUOTE(MAX(k)) FROM (SELECT ${quoteName(key)} AS k FROM ${table}${alias}${where} ORDER BY 1 LIMIT ${rows}) piece HAVING MAX(k) IS NOT NULL`;
};

const pieceText = (shape: Shape, key: string, after: string | null, upTo: string): string =>
  `${shape.head}${condition(shape, within(key, after, upTo))}`;

/** How often a boundary is asked for when the instance goes meanwhile. */
const boundaryTries = 4;

/** Null: there is no next piece. Undefined: it cannot be found out. */
const nextKey = async (relay: Relay, send: SendPiece, text: string): Promise<string | null | undefined> => {
  for (let tries = 0; tries < boundaryTries && relay.phase !== 'ended'; tries += 1) {
    const rows = await askRows(relay, text);
    if (rows !== null) return rows[0]?.[0] ?? null;
    // A request that does nothing finds the session another instance.
    await sendPiece(relay, send, 'DO 0');
  }
  return undefined;
};

const sendPiece = (relay: Relay, send: SendPiece, text: string): Promise<PieceAnswer> =>
  new Promise((resolve) => {
    relay.beginPiece(resolve);
    send(frame(encodeCommand.query(text), 0), Buffer.from(text));
  });

/** For the statement that could not even be looked at. */
export const tellChunkFailure = (relay: Relay, error: unknown): void => {
  relay.answerError(SERVER_ERROR.unknown, `The gateway could not carry this out in pieces: ${reasonOf(error)}`);
};
