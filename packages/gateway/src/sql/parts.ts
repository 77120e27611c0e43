/**
 * Parts of statements that the gateway acts upon itself: whom a KILL means, what a comment tells the gateway, a question
 * for an outcome, a question for warnings, ROW_COUNT(), and what SET sets. Only called for statements in which
 * `classify` saw a flag for it. Whatever is written in a way that is not known here answers undefined, and the
 * statement goes to the instance as it is.
 */
import { Cursor } from './cursor.ts';
import { token } from './scanner.ts';
import type { Lexing } from './statement.ts';
import { word } from './words.ts';

export type { TableName } from './cursor.ts';
export {
  type AlterTarget,
  alterTarget,
  alterTargets,
  type Shape,
  tablesWritten,
  updateOrDeleteShape,
} from './tables.ts';

export type KillTarget = {
  readonly what: 'query' | 'connection';
  /** The server undoes no half of certain statements then. */
  readonly soft: boolean;
  /** The connection's number; undefined: another sort of target, which only the instance knows. */
  readonly id?: number;
};

/** KILL [HARD | SOFT] [CONNECTION | QUERY [ID]] number | USER name */
export const killTarget = (sql: Buffer, lexing?: Lexing): KillTarget | undefined => {
  const cursor = new Cursor(sql, lexing);
  if (!cursor.skip(word.KILL)) return undefined;
  const soft = cursor.is(word.SOFT);
  cursor.skip(word.HARD, word.SOFT);
  const what = cursor.is(word.QUERY) ? 'query' : 'connection';
  cursor.skip(word.CONNECTION, word.QUERY);
  if (cursor.is(word.ID, word.USER) || !cursor.at(token.number)) return { what, soft };
  const id = Number(cursor.raw());
  cursor.next();
  return Number.isSafeInteger(id) && cursor.atEnd() ? { what, soft, id } : { what, soft };
};

/** The names in comments such as `coequal: guard stock, prices`. */
export const guardNames = (sql: Buffer, lexing?: Lexing): readonly string[] => [
  ...new Set(
    hintsIn(sql, lexing).flatMap((hint) => {
      const names = /^coequal:\s*guard\s+([\s\S]*)$/i.exec(hint)?.[1] ?? '';
      return names.split(/[\s,]+/).filter((name) => name !== '');
    }),
  ),
];

/** Whether a comment says `coequal: allow-blocking`. */
export const meansBlocking = (sql: Buffer, lexing?: Lexing): boolean =>
  hintsIn(sql, lexing).some((hint) => /^coequal:\s*allow-blocking\s*$/i.test(hint));

/** The contents of comments that begin with a `c`, without white space before it. */
const hintsIn = (sql: Buffer, lexing: Lexing | undefined): readonly string[] => {
  const cursor = new Cursor(sql, lexing);
  while (!cursor.at(token.end)) cursor.next();
  return cursor.hints.map((start) => {
    const end = sql.indexOf('*/', start, 'latin1');
    return sql.toString('utf8', start, end < 0 ? sql.length : end);
  });
};

export type OutcomeQuestion =
  | { readonly kind: 'session'; readonly column: string }
  | { readonly kind: 'outcome'; readonly key: string; readonly column: string };

/** SELECT coequal.session(), SELECT coequal.outcome('key'), alone and with an alias at most. */
export const outcomeQuestion = (sql: Buffer, lexing?: Lexing): OutcomeQuestion | undefined => {
  const cursor = new Cursor(sql, lexing);
  if (!cursor.skip(word.SELECT)) return undefined;
  const begin = cursor.start;
  const called = cursor.tableName();
  if (called?.schema?.toLowerCase() !== 'coequal' || !cursor.skipKind(token.open)) return undefined;
  const key = readKey(cursor);
  if (!cursor.skipKind(token.close)) return undefined;
  const written = cursor.raw(begin, cursor.lastEnd);
  cursor.skip(word.AS);
  const alias = cursor.name() ?? cursor.text();
  if (alias !== undefined) cursor.next();
  if (!cursor.atEnd()) return undefined;
  const column = alias ?? written;
  switch (called.table.toLowerCase()) {
    case 'session':
      return key === undefined ? { kind: 'session', column } : undefined;
    case 'outcome':
      return key === undefined ? undefined : { kind: 'outcome', key, column };
    default:
      return undefined;
  }
};

/** A text, or bytes in hexadecimal. */
const readKey = (cursor: Cursor): string | undefined => {
  // x'…' is a word and a text.
  if (cursor.at(token.word) && /^(x|_\w+)$/i.test(cursor.raw())) cursor.next();
  const hex = cursor.at(token.number) ? /^0x([0-9a-f]+)$/i.exec(cursor.raw())?.[1] : undefined;
  const key = cursor.text() ?? hex;
  if (key !== undefined) cursor.next();
  return key;
};

export type WarningsAsked = 'warnings' | 'errors' | 'count-warnings' | 'count-errors' | 'warning_count' | 'error_count';

/** SHOW WARNINGS and its relatives; SELECT @@warning_count, alone. A LIMIT is read by `limitOf`. */
export const showWarnings = (sql: Buffer, lexing?: Lexing): WarningsAsked | undefined => {
  const cursor = new Cursor(sql, lexing);
  if (cursor.skip(word.SELECT)) return readCountVariable(cursor);
  if (!cursor.skip(word.SHOW)) return undefined;
  const counts = cursor.skip(word.COUNT);
  if (counts && !skipStar(cursor)) return undefined;
  const warnings = cursor.is(word.WARNINGS);
  if (!cursor.skip(word.WARNINGS, word.ERRORS)) return undefined;
  if (counts) return cursor.atEnd() ? (warnings ? 'count-warnings' : 'count-errors') : undefined;
  return cursor.is(word.LIMIT) || cursor.atEnd() ? (warnings ? 'warnings' : 'errors') : undefined;
};

const skipStar = (cursor: Cursor): boolean =>
  cursor.skipKind(token.open) && cursor.raw() === '*' && cursor.skipKind(token.other) && cursor.skipKind(token.close);

const readCountVariable = (cursor: Cursor): WarningsAsked | undefined => {
  if (!cursor.at(token.system)) return undefined;
  if (cursor.word === word.SESSION || cursor.word === word.LOCAL) {
    cursor.next();
    if (!cursor.skipKind(token.dot)) return undefined;
  }
  const asked =
    cursor.word === word.WARNING_COUNT ? 'warning_count' : cursor.word === word.ERROR_COUNT ? 'error_count' : undefined;
  cursor.next();
  return cursor.atEnd() ? asked : undefined;
};

export type Limit = { readonly offset: number; readonly count: number };

/** LIMIT [offset,] count at the end of a SHOW; undefined: none. */
export const limitOf = (sql: Buffer, lexing?: Lexing): Limit | undefined => {
  const cursor = new Cursor(sql, lexing);
  while (!cursor.over && !cursor.is(word.LIMIT)) cursor.next();
  if (!cursor.skip(word.LIMIT)) return undefined;
  const first = readCount(cursor);
  const second = cursor.skipKind(token.comma) ? readCount(cursor) : undefined;
  if (first === undefined) return undefined;
  return second === undefined ? { offset: 0, count: first } : { offset: first, count: second };
};

const readCount = (cursor: Cursor): number | undefined => {
  if (!cursor.at(token.number)) return undefined;
  const count = Number(cursor.raw());
  cursor.next();
  return Number.isSafeInteger(count) ? count : undefined;
};

/**
 * Puts a number in the place of ROW_COUNT(), with the server's type. A column whose name comes from its text keeps it,
 * by an alias.
 */
export const rewriteRowCount = (sql: Buffer, rows: bigint, lexing?: Lexing): Buffer => {
  const cursor = new Cursor(sql, lexing);
  const edits: Edit[] = [];
  const selects = cursor.is(word.SELECT);
  const number = `CAST(${rows} AS SIGNED)`;
  let item: Item = { start: 0, replaced: false, alias: false, tokens: 0 };
  if (selects) cursor.next();
  item = { ...item, start: cursor.start };
  let depth = 0;
  let listed = selects;
  while (!cursor.at(token.end)) {
    if (depth === 0 && listed && endsItem(cursor)) {
      finishItem(cursor, item, edits);
      listed = cursor.at(token.comma);
      cursor.next();
      item = { start: cursor.start, replaced: false, alias: false, tokens: 0 };
      continue;
    }
    if (cursor.is(word.ROW_COUNT) && replaceCall(cursor, number, edits)) {
      item = { ...item, replaced: true, tokens: item.tokens + 1 };
      continue;
    }
    if (depth === 0 && (cursor.is(word.AS) || isTrailingName(cursor, item))) item = { ...item, alias: true };
    if (cursor.at(token.open)) depth++;
    if (cursor.at(token.close)) depth--;
    item = { ...item, tokens: item.tokens + 1 };
    cursor.next();
  }
  if (listed) finishItem(cursor, item, edits);
  return applyEdits(sql, edits);
};

type Edit = { readonly start: number; readonly end: number; readonly text: string };

/** One column of the list behind SELECT. */
type Item = {
  readonly start: number;
  readonly replaced: boolean;
  readonly alias: boolean;
  readonly tokens: number;
};

/** Names of columns may be so long, in characters. */
const longestAlias = 200;

const endsItem = (cursor: Cursor): boolean =>
  cursor.at(token.comma) ||
  cursor.at(token.semicolon) ||
  cursor.is(word.FROM, word.INTO, word.WHERE, word.LIMIT, word.ORDER, word.FOR, word.LOCK);

/** A name that follows an expression directly: an alias without AS. */
const isTrailingName = (cursor: Cursor, { tokens }: Item): boolean => {
  if (
    tokens === 0 ||
    !(cursor.at(token.quoted) || cursor.at(token.text) || (cursor.at(token.word) && cursor.word === 0))
  )
    return false;
  const ahead = cursor.copy();
  ahead.next();
  return ahead.at(token.end) || endsItem(ahead);
};

const finishItem = (cursor: Cursor, item: Item, edits: Edit[]): void => {
  const written = cursor.raw(item.start, cursor.lastEnd);
  if (!item.replaced || item.alias || written.length > longestAlias) return;
  edits.push({ start: cursor.lastEnd, end: cursor.lastEnd, text: ` AS ${quoteName(written)}` });
};

/** Over ROW_COUNT ( ). False: it is something else, and the cursor is where it was. */
const replaceCall = (cursor: Cursor, number: string, edits: Edit[]): boolean => {
  const ahead = cursor.copy();
  ahead.next();
  if (!ahead.skipKind(token.open) || !ahead.at(token.close) || cursor.sql[cursor.lastEnd - 1] === 0x2e) return false;
  const start = cursor.start;
  cursor.next();
  cursor.next();
  edits.push({ start, end: cursor.end, text: number });
  cursor.next();
  return true;
};

const applyEdits = (sql: Buffer, edits: readonly Edit[]): Buffer => {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of edits) {
    pieces.push(sql.subarray(at, start), Buffer.from(text, 'utf8'));
    at = end;
  }
  return edits.length === 0 ? sql : Buffer.concat([...pieces, sql.subarray(at)]);
};

export type Assignment = {
  readonly scope: 'user' | 'session' | 'global';
  /** In lower case, without quotes. */
  readonly name: string;
  /** As it was written. */
  readonly value: string;
};

/** What a SET sets, in order; what is no assignment (NAMES, ROLE, TRANSACTION) is left out. */
export const setAssignments = (sql: Buffer, lexing?: Lexing): readonly Assignment[] => {
  const cursor = new Cursor(sql, lexing);
  const found: Assignment[] = [];
  if (!cursor.skip(word.SET)) return found;
  while (!cursor.over) {
    const target = readTarget(cursor);
    const assigns = cursor.at(token.equals) || cursor.at(token.assign);
    if (assigns) cursor.next();
    const from = cursor.start;
    while (!cursor.over && !cursor.at(token.comma)) {
      if (cursor.at(token.open)) cursor.skipGroup();
      else cursor.next();
    }
    if (target !== undefined && assigns) found.push({ ...target, value: cursor.raw(from, cursor.lastEnd) });
    if (!cursor.over) cursor.next();
  }
  return found;
};

const readTarget = (cursor: Cursor): Pick<Assignment, 'scope' | 'name'> | undefined => {
  if (cursor.at(token.variable)) {
    const name = cursor.raw(cursor.start + 1, cursor.end).replaceAll(/^[`'"]|[`'"]$/g, '');
    cursor.next();
    return { scope: 'user', name: name.toLowerCase() };
  }
  const system = cursor.at(token.system);
  const scope = cursor.word === word.GLOBAL ? 'global' : 'session';
  if ((system || cursor.at(token.word)) && [word.GLOBAL, word.SESSION, word.LOCAL].some((one) => one === cursor.word)) {
    cursor.next();
    cursor.skipKind(token.dot);
  }
  const name = cursor.at(token.system) ? cursor.raw().replaceAll('`', '') : cursor.name();
  if (name !== undefined) cursor.next();
  return name === undefined ? undefined : { scope, name: name.toLowerCase() };
};

/** A text as a literal that means the same in every sql_mode and character set. */
export const quoteText = (text: string): string =>
  text === '' ? "''" : `_utf8mb4 X'${Buffer.from(text, 'utf8').toString('hex')}'`;

/** Bytes as a literal. */
export const quoteBytes = (bytes: Uint8Array): string => `X'${Buffer.from(bytes).toString('hex')}'`;

export const quoteName = (name: string): string => `\`${name.replaceAll('`', '``')}\``;
