/**
 * Says of a statement's bytes what the gateway has to know before it sends them: its kind and what it mentions
 * (`statement.ts`). Called for every COM_QUERY and COM_STMT_PREPARE, so it works on the bytes, once, without
 * making strings or lists.
 *
 * It fails safe. A statement that it does not understand, or that can be read in two ways, is never a `read`: it is
 * `call` or `admin`, which may do anything. It does not check grammar; a server refuses what is wrong.
 */
import { isCompoundWord, readCompound, readProgram } from './classify-compound.ts';
import { readSet, readSetTransaction } from './classify-set.ts';
import { Reader } from './reader.ts';
import { token } from './scanner.ts';
import { detail, flag, type Lexing, type Statement, type StatementKind } from './statement.ts';
import { nameOfWord, word } from './words.ts';

export { detail, flag, type Lexing, lexingOf, type Statement, type StatementKind } from './statement.ts';

const usual: Lexing = {};

/** One for all: it is done with a statement before it answers. */
const reader = new Reader();

export const classify = (sql: Buffer, lexing: Lexing = usual): Statement => {
  const run = readAll(sql, lexing, true);
  return reader.scanner.versioned ? eitherOf(run, readAll(sql, lexing, false)) : run;
};

/** What only holds when both readings say so. */
const both = flag.onlyReads | flag.literalUserVariables;

const readAll = (sql: Buffer, lexing: Lexing, runVersioned: boolean): Statement => {
  reader.open(sql, lexing, runVersioned);
  const verb = verbOf();
  let kind = readOne();
  if (reader.kind === token.semicolon) kind = readMore(kind);
  reader.close();
  if (reader.scanner.doubtful) {
    if (kind !== 'multi') kind = 'call';
    reader.flags = (reader.flags & ~both) | flag.transactionControl;
    reader.details |= detail.assignsVariables;
  }
  return { kind, flags: reader.flags, details: reader.details, verb };
};

/** Nobody knows whether the server runs what is in a comment: it is the worse of the two. */
const eitherOf = (one: Statement, other: Statement): Statement => {
  const flags = ((one.flags | other.flags) & ~both) | (one.flags & other.flags & both);
  const details = (one.details ?? 0) | (other.details ?? 0);
  if (one.kind === other.kind) return { kind: one.kind, flags, details, verb: one.verb };
  const kind = one.kind === 'multi' || other.kind === 'multi' ? 'multi' : 'call';
  return { kind, flags: (flags & ~both) | flag.transactionControl, details, verb: one.verb };
};

const controls = (kind: StatementKind): boolean => {
  switch (kind) {
    case 'read':
    case 'write':
    case 'load-local':
    case 'savepoint':
    case 'use':
    case 'temporary':
    case 'handler':
      return false;
    case 'set':
      return (reader.flags & (flag.setAutocommit | flag.setTransaction)) !== 0;
    default:
      return true;
  }
};

/** Behind a semicolon. The server drops semicolons and spaces at the end, and answers everything else. */
const readMore = (first: StatementKind): StatementKind => {
  let onlyReads = first === 'read';
  let control = controls(first);
  let answers = 1;
  reader.flags &= ~flag.literalUserVariables;
  for (;;) {
    let commented = false;
    while (reader.kind === token.semicolon) {
      reader.step();
      commented = commented || reader.scanner.commented;
    }
    if (reader.kind === token.end) {
      if (commented) answers++;
      break;
    }
    answers++;
    reader.beginPart();
    const kind = readOne();
    reader.flags &= ~flag.literalUserVariables;
    onlyReads = onlyReads && kind === 'read';
    control = control || controls(kind);
  }
  if (answers === 1) return first;
  if (onlyReads) reader.flags |= flag.onlyReads;
  if (control) reader.flags |= flag.transactionControl;
  return 'multi';
};

const verbOf = (): string => {
  while (reader.kind === token.open) reader.step();
  if (reader.kind === token.end || reader.kind === token.semicolon) return 'NONE';
  if (reader.kind !== token.word) return 'OTHER';
  const name = nameOfWord(reader.word);
  return verbs.has(name) ? name : 'OTHER';
};

/** Words that begin statements; the others are counted as one, so that counters stay few. */
const verbs: ReadonlySet<string> = new Set(
  (
    'ALTER ANALYZE BACKUP BEGIN BINLOG CACHE CALL CASE CHANGE CHECK CHECKSUM COMMIT CREATE DEALLOCATE DECLARE DELETE DESC ' +
    'DESCRIBE DO DROP EXECUTE EXPLAIN FLUSH FOR GET GRANT HANDLER HELP IF INSERT INSTALL KILL LOAD LOCK LOOP OPTIMIZE ' +
    'PREPARE PURGE RELEASE RENAME REPAIR REPEAT REPLACE RESET RESIGNAL RETURN REVOKE ROLLBACK SAVEPOINT SELECT SET SHOW ' +
    'SHUTDOWN SIGNAL START STOP TRUNCATE UNINSTALL UNLOCK UPDATE USE VALUES WHILE WITH XA'
  ).split(' '),
);

/** Reads one statement to its end and answers its kind. */
const readOne = (): StatementKind => {
  const inParentheses = reader.kind === token.open || reader.depth > 0;
  while (reader.kind === token.open) reader.step();
  if (reader.over) return inParentheses ? 'admin' : 'read';
  const verb = reader.kind === token.word ? reader.word : 0;
  if (inParentheses && verb !== word.SELECT && verb !== word.VALUES && verb !== word.WITH) return finish('admin');
  return readVerb(verb);
};

const readVerb = (verb: number): StatementKind => {
  switch (verb) {
    case word.SELECT:
    case word.VALUES:
      reader.rest();
      return wroteOr(reader.into);
    case word.INSERT:
    case word.UPDATE:
    case word.DELETE:
    case word.REPLACE:
    case word.DO:
      return finish('write');
    case word.BEGIN:
      return readBegin();
    case word.COMMIT:
      return readEnding('commit');
    case word.ROLLBACK:
      return readEnding('rollback');
    case word.SET:
      return readSet(reader, readOne);
    case word.START:
      return readStart();
    case word.SHOW:
      return readShow();
    case word.WITH:
      return readWith();
    case word.EXPLAIN:
    case word.DESCRIBE:
    case word.DESC:
    case word.HELP:
    case word.CHECKSUM:
    case word.SIGNAL:
    case word.RESIGNAL:
      reader.rest();
      return wroteOr(false);
    case word.ANALYZE:
      return readAnalyze();
    case word.LOAD:
      return readLoad();
    case word.SAVEPOINT:
      return finish('savepoint');
    case word.RELEASE:
      reader.step();
      return finish(reader.is(word.SAVEPOINT) ? 'savepoint' : 'admin');
    case word.USE:
      return finish('use');
    default:
      return readRareVerb(verb);
  }
};

const readRareVerb = (verb: number): StatementKind => {
  switch (verb) {
    case word.CREATE:
      return readCreate();
    case word.ALTER:
      reader.step();
      return reader.is(word.EVENT) ? readProgram(reader) : finish('ddl');
    case word.DROP:
      return readDrop();
    case word.RENAME:
    case word.TRUNCATE:
    case word.GRANT:
    case word.REVOKE:
    case word.OPTIMIZE:
    case word.REPAIR:
    case word.FLUSH:
    case word.CHECK:
    case word.CACHE:
    case word.INSTALL:
    case word.UNINSTALL:
    case word.RESET:
    case word.CHANGE:
      return finish('ddl');
    case word.LOCK:
      reader.flags |= flag.lockTables;
      return finish('ddl');
    case word.UNLOCK:
      reader.flags |= flag.unlockTables;
      return finish('ddl');
    case word.CALL:
      return finishAssigning('call');
    case word.EXECUTE:
      reader.step();
      return finishAssigning(reader.is(word.IMMEDIATE) ? 'call' : 'sql-prepare');
    case word.PREPARE:
    case word.DEALLOCATE:
      return finish('sql-prepare');
    case word.KILL:
      return finish('kill');
    case word.HANDLER:
      return finish('handler');
    case word.XA:
      return finish('xa');
    case word.GET:
      return finishAssigning('set');
    default:
      if (isCompoundWord(verb)) return readCompound(reader);
      return finish('admin');
  }
};

const finish = (kind: StatementKind): StatementKind => {
  reader.rest();
  return kind;
};

/** Variables that are named here may come back with other values; a procedure may also set others. */
const finishAssigning = (kind: StatementKind): StatementKind => {
  reader.rest();
  const runs = kind === 'call' || kind === 'sql-prepare';
  if (runs || (reader.flags & flag.userVariables) !== 0) reader.details |= detail.assignsVariables;
  return kind;
};

const wroteOr = (into: boolean): StatementKind => {
  if (reader.unknownCall) reader.details |= detail.unknownFunction | detail.assignsVariables;
  return into || reader.unknownCall || reader.writes ? 'write' : 'read';
};

/** WITH … SELECT; whatever else may come behind the common tables writes. */
const readWith = (): StatementKind => {
  while (!reader.over) {
    if (reader.depth <= 0 && reader.kind === token.word && changesRows(reader.word)) reader.writes = true;
    reader.step();
  }
  return wroteOr(reader.into);
};

const changesRows = (number: number): boolean => {
  switch (number) {
    case word.INSERT:
    case word.DELETE:
    case word.REPLACE:
      return true;
    case word.UPDATE:
      return reader.lastWord !== word.FOR;
    default:
      return false;
  }
};

const readShow = (): StatementKind => {
  while (!reader.over) {
    if (reader.is(word.WARNINGS) || reader.is(word.ERRORS)) reader.flags |= flag.diagnostics;
    reader.step();
  }
  return wroteOr(false);
};

/** ANALYZE TABLE commits; ANALYZE of a statement runs it. */
const readAnalyze = (): StatementKind => {
  for (;;) {
    reader.step();
    if (reader.over) return 'admin';
    if (reader.kind === token.open) {
      reader.rest();
      return wroteOr(reader.into);
    }
    if (reader.kind !== token.word) continue;
    switch (reader.word) {
      case word.TABLE:
      case word.TABLES:
      case word.LOCAL:
      case word.NO_WRITE_TO_BINLOG:
        return finish('ddl');
      case word.INSERT:
      case word.UPDATE:
      case word.DELETE:
      case word.REPLACE:
        return finish('write');
      case word.SELECT:
      case word.VALUES:
        reader.rest();
        return wroteOr(reader.into);
      case word.WITH:
        return readWith();
      default:
    }
  }
};

const readLoad = (): StatementKind => {
  reader.step();
  if (reader.is(word.INDEX)) return finish('ddl');
  if (!reader.is(word.DATA) && !reader.is(word.XML)) return finish('admin');
  reader.step();
  if (reader.is(word.LOW_PRIORITY) || reader.is(word.CONCURRENT)) reader.step();
  return finishAssigning(reader.is(word.LOCAL) ? 'load-local' : 'write');
};

const readBegin = (): StatementKind => {
  reader.step();
  if (reader.is(word.WORK)) reader.step();
  return reader.over ? 'begin' : readCompound(reader);
};

const readStart = (): StatementKind => {
  reader.step();
  if (!reader.is(word.TRANSACTION)) return finish('admin');
  reader.step();
  while (!reader.over) {
    if (!readCharacteristic()) return finish('admin');
    if (reader.kind === token.comma) reader.step();
  }
  return 'begin';
};

/** WITH CONSISTENT SNAPSHOT, READ ONLY, READ WRITE. False: something else. */
const readCharacteristic = (): boolean => {
  if (reader.is(word.WITH)) {
    reader.step();
    if (!reader.is(word.CONSISTENT)) return false;
    reader.step();
    if (!reader.is(word.SNAPSHOT)) return false;
    reader.details |= detail.consistentSnapshot;
    reader.step();
    return true;
  }
  return readSetTransaction(reader);
};

/** [WORK] [AND [NO] CHAIN] [[NO] RELEASE], or a savepoint. */
const readEnding = (kind: 'commit' | 'rollback'): StatementKind => {
  reader.step();
  if (reader.is(word.WORK)) reader.step();
  if (reader.is(word.TO)) return finish(kind === 'rollback' ? 'savepoint' : 'admin');
  if (reader.is(word.AND)) {
    reader.step();
    const no = skip(word.NO);
    if (!skip(word.CHAIN)) return finish('admin');
    if (no) reader.details |= detail.noChain;
    else reader.flags |= flag.chain;
  }
  const no = skip(word.NO);
  const release = skip(word.RELEASE);
  if (!reader.over || (no && !release)) return finish('admin');
  if (no) reader.details |= detail.noRelease;
  else if (release) reader.flags |= flag.release;
  return kind;
};

/** Steps over this word if it is here. */
const skip = (number: number): boolean => {
  const here = reader.is(number);
  if (here) reader.step();
  return here;
};

const readCreate = (): StatementKind => {
  for (;;) {
    reader.step();
    if (reader.over) return 'ddl';
    if (reader.kind !== token.word) continue;
    switch (reader.word) {
      case word.TEMPORARY:
        reader.flags |= flag.temporaryTable;
        return finish('temporary');
      case word.PROCEDURE:
      case word.FUNCTION:
      case word.TRIGGER:
      case word.EVENT:
      case word.PACKAGE:
        return readProgram(reader);
      case word.TABLE:
      case word.VIEW:
      case word.INDEX:
      case word.SEQUENCE:
      case word.USER:
      case word.ROLE:
      case word.DATABASE:
        return finish('ddl');
      default:
    }
  }
};

const readDrop = (): StatementKind => {
  reader.step();
  if (reader.is(word.PREPARE)) return finish('sql-prepare');
  if (!reader.is(word.TEMPORARY)) return finish('ddl');
  reader.flags |= flag.temporaryTable;
  return finish('temporary');
};
