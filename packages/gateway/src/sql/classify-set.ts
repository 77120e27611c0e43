/**
 * SET in all its spellings: which of the session's own things it changes, and whether it can be sent again as it is.
 * Values are not looked at beyond that; `parts.ts` reads them when somebody needs them.
 */
import type { Reader } from './reader.ts';
import { token } from './scanner.ts';
import { detail, flag, type StatementKind } from './statement.ts';
import { word } from './words.ts';

/** What the assignments of one SET have in common. */
type Found = {
  /** All are of user variables. */
  onlyUser: boolean;
  /** All values are literals. */
  onlyLiterals: boolean;
  /** SET PASSWORD, SET DEFAULT ROLE: commit. */
  commits: boolean;
};

/** `readInner` reads the statement behind SET STATEMENT … FOR. */
export const readSet = (reader: Reader, readInner: () => StatementKind): StatementKind => {
  reader.step();
  if (reader.is(word.STATEMENT)) return readSetStatement(reader, readInner);
  const found: Found = { onlyUser: true, onlyLiterals: true, commits: false };
  if (reader.over) return 'admin';
  while (!reader.over) {
    readAssignment(reader, found);
    if (reader.at(token.comma)) reader.step();
  }
  if (found.onlyUser && found.onlyLiterals) reader.flags |= flag.literalUserVariables;
  if (found.commits) return 'ddl';
  if (!reader.unknownCall && !reader.writes) return 'set';
  if (reader.unknownCall) reader.details |= detail.unknownFunction;
  // A change of autocommit can commit, and the function in its value can write: nothing else says both.
  return (reader.flags & flag.setAutocommit) === 0 ? 'write' : 'call';
};

/** Up to the comma behind the assignment, or the end. */
const readAssignment = (reader: Reader, found: Found): void => {
  if (reader.at(token.variable)) {
    reader.details |= detail.assignsVariables;
    reader.step();
    if (!readLiteral(reader)) {
      found.onlyLiterals = false;
      readValue(reader);
    }
    return;
  }
  found.onlyUser = false;
  if (reader.at(token.system)) readScoped(reader, true);
  else if (reader.at(token.word)) readNamed(reader, found);
  else if (reader.at(token.quoted)) noteName(reader);
  readValue(reader);
};

const readValue = (reader: Reader): void => {
  while (!reader.over && (!reader.at(token.comma) || reader.depth > 0)) reader.step();
};

/** `= literal` to the comma or the end. False: something else, of which some may have been read. */
const readLiteral = (reader: Reader): boolean => {
  if (!reader.at(token.equals) && !reader.at(token.assign)) return false;
  reader.step();
  // A sign before a number, or what says how a text is meant: _utf8'…', X'…', DATE'…'.
  const sign = reader.at(token.other);
  const introducer = reader.at(token.word) && !isConstant(reader);
  if (sign || introducer) reader.step();
  const ends = reader.at(token.text)
    ? !sign
    : !introducer && (reader.at(token.number) || (!sign && reader.at(token.word) && isConstant(reader)));
  if (!ends) return false;
  reader.step();
  return reader.over || (reader.at(token.comma) && reader.depth <= 0);
};

const isConstant = (reader: Reader): boolean =>
  reader.word === word.NULL || reader.word === word.TRUE || reader.word === word.FALSE;

/** @@name, @@scope.name; or SESSION name and its like. Stops at the name's end. */
const readScoped = (reader: Reader, system: boolean): void => {
  const scope = reader.word;
  const scoped = scope === word.GLOBAL || scope === word.SESSION || scope === word.LOCAL;
  if (!scoped) {
    noteName(reader);
    return;
  }
  reader.step();
  if (system && reader.at(token.dot)) reader.step();
  if (scope === word.GLOBAL) reader.flags |= flag.globalScope;
  if (reader.is(word.TRANSACTION)) {
    reader.step();
    readTransaction(reader);
    return;
  }
  noteName(reader);
};

const readNamed = (reader: Reader, found: Found): void => {
  switch (reader.word) {
    case word.PASSWORD:
      found.commits = true;
      return;
    case word.DEFAULT:
      reader.step();
      if (reader.is(word.ROLE)) found.commits = true;
      return;
    case word.ROLE:
      reader.details |= detail.setRole;
      return;
    case word.NAMES:
    case word.CHARSET:
    case word.CHARACTER:
      reader.flags |= flag.systemVariables;
      reader.details |= detail.setNames;
      return;
    case word.TRANSACTION:
      reader.flags |= flag.setTransaction;
      reader.step();
      readTransaction(reader);
      return;
    default:
      readScoped(reader, false);
  }
};

const noteName = (reader: Reader): void => {
  const { scanner } = reader;
  const number = reader.at(token.quoted) ? reader.quotedWord() : scanner.word;
  reader.flags |= flag.systemVariables;
  switch (number) {
    case word.AUTOCOMMIT:
      reader.flags |= flag.setAutocommit;
      return;
    case word.WSREP_SYNC_WAIT:
      reader.flags |= flag.setWsrepSyncWait;
      return;
    case word.SESSION_TRACK_SCHEMA:
    case word.SESSION_TRACK_STATE_CHANGE:
    case word.SESSION_TRACK_SYSTEM_VARIABLES:
    case word.SESSION_TRACK_TRANSACTION_INFO:
      reader.flags |= flag.setTracking;
      return;
    case word.LAST_INSERT_ID:
      reader.details |= detail.setsInsertId;
      return;
    default:
  }
};

const readTransaction = (reader: Reader): void => {
  reader.flags |= flag.systemVariables;
  while (!reader.over) {
    if (!readSetTransaction(reader)) reader.step();
  }
};

/** READ ONLY or READ WRITE; false: something else, of which READ may have been read. */
export const readSetTransaction = (reader: Reader): boolean => {
  if (!reader.is(word.READ)) return false;
  reader.step();
  if (reader.is(word.ONLY)) reader.flags |= flag.readOnly;
  else if (reader.is(word.WRITE)) reader.details |= detail.readWrite;
  else return false;
  reader.step();
  return true;
};

/** SET STATEMENT name = value, … FOR statement: the statement's kind. Its variables are back when it is over. */
const readSetStatement = (reader: Reader, readInner: () => StatementKind): StatementKind => {
  reader.flags |= flag.systemVariables;
  reader.details |= detail.setStatement;
  while (!reader.over && !(reader.is(word.FOR) && reader.depth <= 0)) reader.step();
  if (reader.over) return 'admin';
  reader.step();
  return readInner();
};
