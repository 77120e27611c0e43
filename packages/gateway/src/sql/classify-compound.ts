/**
 * Statements with semicolons inside: compound statements that are run at once, and the bodies of stored programs.
 * Where a body ends is not worked out: what stands behind it is taken for part of it, and the flag
 * `transactionControl` says that there may be more.
 */
import type { Reader } from './reader.ts';
import { token } from './scanner.ts';
import { detail, flag, type StatementKind } from './statement.ts';
import { word } from './words.ts';

/** Begins a compound statement. */
export const isCompoundWord = (number: number): boolean => {
  switch (number) {
    case word.BEGIN:
    case word.CASE:
    case word.DECLARE:
    case word.FOR:
    case word.IF:
    case word.LOOP:
    case word.REPEAT:
    case word.WHILE:
      return true;
    default:
      return false;
  }
};

/** Ends a transaction, or may do so. */
const mayEndTransaction = (number: number): boolean => {
  switch (number) {
    case word.ALTER:
    case word.ANALYZE:
    case word.AUTOCOMMIT:
    case word.CALL:
    case word.COMMIT:
    case word.CREATE:
    case word.DROP:
    case word.EXECUTE:
    case word.FLUSH:
    case word.GRANT:
    case word.LOCK:
    case word.OPTIMIZE:
    case word.RENAME:
    case word.REPAIR:
    case word.REVOKE:
    case word.ROLLBACK:
    case word.START:
    case word.TRUNCATE:
    case word.UNLOCK:
    case word.XA:
      return true;
    default:
      return false;
  }
};

/** BEGIN NOT ATOMIC, IF, CASE and loops outside of programs: read to the end of everything. */
export const readCompound = (reader: Reader): StatementKind => {
  reader.details |= detail.assignsVariables;
  for (; reader.kind !== token.end; reader.step()) {
    if (reader.kind !== token.word) continue;
    if (mayEndTransaction(reader.word)) reader.flags |= flag.transactionControl;
    if (reader.word === word.TEMPORARY) reader.flags |= flag.temporaryTable;
  }
  return 'call';
};

/** CREATE PROCEDURE and its like. What the body mentions is not done now, so its flags are dropped. */
export const readProgram = (reader: Reader): StatementKind => {
  const { flags, details } = reader;
  let compound = false;
  for (; reader.kind !== token.end; reader.step()) {
    if (reader.kind === token.word && isCompoundWord(reader.word)) compound = true;
    if (reader.kind === token.semicolon && !compound) break;
  }
  reader.flags = compound ? flags | flag.transactionControl : flags;
  reader.details = details;
  return 'ddl';
};
