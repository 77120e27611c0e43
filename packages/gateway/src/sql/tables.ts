/**
 * Which tables a statement names: those it writes (for guards), the one it changes (for the refusal of changes that
 * block every site), and the shape of an UPDATE or DELETE that can be done in pieces.
 *
 * Said too often rather than too seldom: of statements over several tables all are named, also those that are only
 * read. What triggers, cascades and procedures write is not seen.
 */
import { Cursor, type TableName } from './cursor.ts';
import { token } from './scanner.ts';
import type { Lexing } from './statement.ts';
import { word } from './words.ts';

/** Of each table once, in the order of the text. */
export const tablesWritten = (sql: Buffer, lexing?: Lexing): readonly TableName[] => {
  const cursor = new Cursor(sql, lexing);
  const found: TableName[] = [];
  cursor.skipSetStatement();
  while (!cursor.at(token.end)) {
    readWritten(cursor, found);
    // To whatever may begin the next statement, also within a compound one.
    while (!cursor.at(token.end) && !beginsStatement(cursor)) cursor.next();
    if (!cursor.at(token.end)) cursor.next();
  }
  const keys = new Set<string>();
  return found.filter(({ schema, table }) => {
    const key = JSON.stringify([schema, table]);
    return keys.size < keys.add(key).size;
  });
};

const beginsStatement = (cursor: Cursor): boolean =>
  cursor.at(token.semicolon) || cursor.is(word.BEGIN, word.DO, word.LOOP, word.REPEAT) || beginsByOtherWord(cursor);

/** THEN and ELSE are not in the table of words that code asks for. */
const beginsByOtherWord = (cursor: Cursor): boolean =>
  cursor.at(token.word) && cursor.end - cursor.start === 4 && /^(then|else)$/i.test(cursor.raw());

/** Reads as much of the statement as names tables. */
const readWritten = (cursor: Cursor, found: TableName[]): void => {
  if (cursor.is(word.WITH, word.ANALYZE)) skipToVerb(cursor);
  if (cursor.skip(word.INSERT, word.REPLACE)) readInto(cursor, found);
  else if (cursor.skip(word.UPDATE)) {
    skipModifiers(cursor);
    readReferences(cursor, found);
  } else if (cursor.skip(word.DELETE)) readDelete(cursor, found);
  else if (cursor.skip(word.LOAD)) readLoad(cursor, found);
  else if (cursor.skip(word.TRUNCATE)) {
    cursor.skip(word.TABLE);
    readOne(cursor, found);
  }
};

const skipToVerb = (cursor: Cursor): void => {
  while (!cursor.over && !cursor.is(word.UPDATE, word.DELETE, word.INSERT, word.REPLACE)) {
    if (cursor.at(token.open)) cursor.skipGroup();
    else cursor.next();
  }
};

const skipModifiers = (cursor: Cursor): void => {
  while (cursor.skip(word.LOW_PRIORITY, word.DELAYED, word.HIGH_PRIORITY, word.QUICK, word.IGNORE)) {}
};

const readOne = (cursor: Cursor, found: TableName[]): void => {
  const table = cursor.tableName();
  if (table !== undefined) found.push(table);
};

const readInto = (cursor: Cursor, found: TableName[]): void => {
  skipModifiers(cursor);
  cursor.skip(word.INTO);
  readOne(cursor, found);
};

const readLoad = (cursor: Cursor, found: TableName[]): void => {
  while (!cursor.over && !cursor.is(word.TABLE)) cursor.next();
  if (cursor.skip(word.TABLE)) readOne(cursor, found);
};

/** DELETE FROM t, DELETE t FROM …, DELETE FROM t USING …: all names, because the first ones may be aliases. */
const readDelete = (cursor: Cursor, found: TableName[]): void => {
  skipModifiers(cursor);
  if (!cursor.skip(word.FROM)) {
    skipTargets(cursor);
    if (!cursor.skip(word.FROM)) return;
  }
  readReferences(cursor, found);
};

const skipTargets = (cursor: Cursor): void => {
  while (!cursor.over && !cursor.is(word.FROM)) cursor.next();
};

/** The tables of a join, up to SET, WHERE and the like; USING of a DELETE begins another list of them. */
const readReferences = (cursor: Cursor, found: TableName[]): void => {
  let expected = true;
  while (!cursor.over) {
    if (expected && cursor.at(token.open)) {
      cursor.next();
      if (cursor.is(word.SELECT, word.WITH, word.VALUES)) {
        skipSubquery(cursor);
        expected = false;
      }
    } else if (cursor.at(token.open)) {
      cursor.skipGroup();
    } else if (cursor.is(word.SET, word.WHERE, word.ORDER, word.LIMIT, word.RETURNING)) {
      return;
    } else if (expected) {
      const table = cursor.tableName();
      if (table === undefined) return;
      found.push(table);
      expected = false;
      // DELETE FROM bank.t.* USING …
      if (cursor.skipKind(token.dot)) cursor.next();
    } else {
      expected = cursor.at(token.comma) || cursor.is(word.JOIN, word.STRAIGHT_JOIN) || usingTables(cursor);
      cursor.next();
    }
  }
};

/** From within, past its closing parenthesis. */
const skipSubquery = (cursor: Cursor): void => {
  for (let depth = 1; depth > 0 && !cursor.at(token.end); cursor.next()) {
    if (cursor.at(token.open)) depth++;
    else if (cursor.at(token.close)) depth--;
  }
};

/** USING of a DELETE, not of a join: that one has a parenthesis. */
const usingTables = (cursor: Cursor): boolean => {
  if (!cursor.is(word.USING)) return false;
  const ahead = cursor.copy();
  ahead.next();
  return !ahead.at(token.open);
};

export type AlterTarget = TableName & {
  /** ALGORITHM=INSTANT: a change of what is known about the table, not of its rows. */
  readonly instant: boolean;
};

/** What changes a table in a way that may rebuild it or read all of it. */
export const alterTargets = (sql: Buffer, lexing?: Lexing): readonly AlterTarget[] => {
  const cursor = new Cursor(sql, lexing);
  cursor.skipSetStatement();
  const tables = readAltered(cursor);
  const instant = tables.length > 0 && isInstant(cursor);
  return tables.map((table) => ({ ...table, instant }));
};

export const alterTarget = (sql: Buffer, lexing?: Lexing): AlterTarget | undefined => alterTargets(sql, lexing)[0];

const readAltered = (cursor: Cursor): readonly TableName[] => {
  if (cursor.skip(word.ALTER)) {
    while (cursor.skip(word.ONLINE, word.IGNORE)) {}
    return cursor.skip(word.TABLE) ? readNamed(cursor) : [];
  }
  if (cursor.is(word.CREATE, word.DROP)) return readIndex(cursor);
  if (cursor.skip(word.OPTIMIZE, word.REPAIR)) {
    cursor.skip(word.NO_WRITE_TO_BINLOG, word.LOCAL);
    return cursor.skip(word.TABLE, word.TABLES) ? readList(cursor) : [];
  }
  return [];
};

const readNamed = (cursor: Cursor): readonly TableName[] => {
  if (cursor.skip(word.IF)) cursor.skip(word.EXISTS);
  const table = cursor.tableName();
  return table === undefined ? [] : [table];
};

const readList = (cursor: Cursor): readonly TableName[] => {
  const tables: TableName[] = [];
  do {
    const table = cursor.tableName();
    if (table === undefined) break;
    tables.push(table);
  } while (cursor.skipKind(token.comma));
  return tables;
};

/** CREATE … INDEX name ON table, DROP INDEX name ON table. */
const readIndex = (cursor: Cursor): readonly TableName[] => {
  const drops = cursor.is(word.DROP);
  cursor.next();
  // OR REPLACE, ONLINE, UNIQUE, FULLTEXT, SPATIAL: at most four words before INDEX.
  for (let words = 0; words < 4 && !drops && cursor.at(token.word) && !cursor.is(word.INDEX); words++) cursor.next();
  if (!cursor.skip(word.INDEX)) return [];
  while (!cursor.over && !cursor.is(word.ON)) {
    if (cursor.at(token.open)) return [];
    cursor.next();
  }
  return cursor.skip(word.ON) ? readNamed(cursor) : [];
};

/** Whether ALGORITHM=INSTANT stands in the rest, outside of parentheses. */
const isInstant = (cursor: Cursor): boolean => {
  let instant = false;
  while (!cursor.over) {
    if (cursor.at(token.open)) cursor.skipGroup();
    else if (cursor.skip(word.ALGORITHM)) {
      cursor.skipKind(token.equals);
      instant = cursor.is(word.INSTANT);
    } else cursor.next();
  }
  return instant;
};

/** An UPDATE or DELETE of one table that can be done in pieces by adding conditions. */
export type Shape = TableName & {
  readonly verb: 'UPDATE' | 'DELETE';
  readonly alias?: string;
  /** The text up to its WHERE: `UPDATE t SET a = 1`, `DELETE FROM t`. */
  readonly head: string;
  /** The condition, without WHERE; undefined: all rows. */
  readonly where?: string;
};

/** Undefined: of several tables, with ORDER BY, LIMIT or RETURNING, with variables, or something else. */
export const updateOrDeleteShape = (sql: Buffer, lexing?: Lexing): Shape | undefined => {
  const cursor = new Cursor(sql, lexing);
  const begin = cursor.start;
  const deletes = cursor.is(word.DELETE);
  if (!cursor.skip(word.UPDATE, word.DELETE)) return undefined;
  skipModifiers(cursor);
  if (deletes && !cursor.skip(word.FROM)) return undefined;
  const table = cursor.tableName();
  if (table === undefined) return undefined;
  const alias = readAlias(cursor);
  if (!deletes && !cursor.is(word.SET)) return undefined;
  if (deletes && !cursor.over && !cursor.is(word.WHERE)) return undefined;
  if (!skipPlain(cursor)) return undefined;
  const head = cursor.raw(begin, cursor.lastEnd);
  const shape = {
    verb: deletes ? 'DELETE' : 'UPDATE',
    ...table,
    ...(alias === undefined ? {} : { alias }),
    head,
  } as const;
  if (!cursor.skip(word.WHERE)) return cursor.atEnd() ? shape : undefined;
  const from = cursor.start;
  if (!skipPlain(cursor)) return undefined;
  const where = cursor.raw(from, cursor.lastEnd);
  return cursor.atEnd() && where.trim() !== '' ? { ...shape, where } : undefined;
};

const readAlias = (cursor: Cursor): string | undefined => {
  const told = cursor.skip(word.AS);
  if (!told && cursor.is(word.SET, word.WHERE, word.PARTITION, word.FOR, word.USE, word.IGNORE)) return undefined;
  const alias = cursor.name();
  if (alias !== undefined) cursor.next();
  return alias;
};

/** To WHERE or the end. False: something is there that makes pieces mean something else than the whole. */
const skipPlain = (cursor: Cursor): boolean => {
  let depth = 0;
  for (; !cursor.over; cursor.next()) {
    if (cursor.at(token.open)) depth++;
    else if (cursor.at(token.close)) depth--;
    if (cursor.at(token.variable) || cursor.is(word.SELECT, word.LAST_INSERT_ID)) return false;
    if (depth > 0) continue;
    if (cursor.is(word.WHERE)) return true;
    if (cursor.is(word.ORDER, word.LIMIT, word.RETURNING)) return false;
  }
  return true;
};
