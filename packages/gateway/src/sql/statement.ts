/**
 * What the gateway knows of a statement before an instance has seen it: its kind, and what it mentions. Types and
 * bit sets only; `classify.ts` fills them in.
 *
 * A kind is a promise about the worst that the statement can do. Whoever reads it may rely on `read` writing
 * nothing; every other kind may be less than it says, never more.
 */

/**
 * - `read` writes no rows and ends no transaction. It may lock rows, wait, and change what only the session sees
 *   (user variables, named locks): the flags say so. What a view does is out of a lexer's sight: one that calls a
 *   stored function which writes looks like any other.
 * - `write` may write rows inside the transaction that is open, and ends none.
 * - `load-local` is a write that asks the client for a file.
 * - `begin`, `commit` and `rollback` are well formed; the flags say how. A malformed one is `admin`.
 * - `savepoint`: SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO.
 * - `set`: variables of the session, names, roles, the transaction. A SET whose expressions may write is a `write`.
 * - `ddl` ends the open transaction by committing it.
 * - `temporary` makes or drops a temporary table or sequence: commits nothing, binds the session to its instance.
 * - `call` may do anything, also commit: procedures, compound statements, and whatever could not be read for sure.
 * - `kill`: KILL in all forms. An instance of a Galera cluster commits the open transaction first (10.11.19 does).
 * - `sql-prepare`: PREPARE, EXECUTE and DEALLOCATE as text; EXECUTE may do anything.
 * - `multi`: more than one statement, or a comment behind the last semicolon (the server answers that one too).
 * - `admin`: one statement of another sort, or one that no server knows. Take it as `call`.
 */
export type StatementKind =
  | 'read'
  | 'write'
  | 'load-local'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'set'
  | 'use'
  | 'ddl'
  | 'temporary'
  | 'call'
  | 'sql-prepare'
  | 'kill'
  | 'handler'
  | 'xa'
  | 'admin'
  | 'multi';

export type Statement = {
  readonly kind: StatementKind;
  /** A set of `flag`. */
  readonly flags: number;
  /** A set of `detail`; left out: none is known. */
  readonly details?: number;
  /** The first keyword in upper case, `OTHER` for one that we do not know, `NONE` for none; for counters. */
  readonly verb: string;
};

/** What the session has to know first. Said too often rather than too seldom; in `multi` of all parts together. */
export const flag = {
  /** @name, read or written. */
  userVariables: 1 << 0,
  /** @@name, or SET of a system variable. */
  systemVariables: 1 << 1,
  getLock: 1 << 2,
  releaseLock: 1 << 3,
  lockTables: 1 << 4,
  unlockTables: 1 << 5,
  /** ROW_COUNT() */
  rowCount: 1 << 6,
  /** FOUND_ROWS() */
  foundRows: 1 << 7,
  /** SQL_CALC_FOUND_ROWS */
  calcFoundRows: 1 << 8,
  /** SHOW WARNINGS and ERRORS, GET DIAGNOSTICS, @@warning_count, @@error_count. */
  diagnostics: 1 << 9,
  /** LAST_INSERT_ID(), @@last_insert_id, @@identity. */
  lastInsertId: 1 << 10,
  /** The time: NOW() and its like, which follow `timestamp`; also SYSDATE(), which does not. */
  now: 1 << 11,
  random: 1 << 12,
  uuid: 1 << 13,
  /** CONNECTION_ID(), @@pseudo_thread_id. */
  connectionId: 1 << 14,
  /** COMMIT or ROLLBACK AND CHAIN */
  chain: 1 << 15,
  /** COMMIT or ROLLBACK RELEASE: the server closes the connection. */
  release: 1 << 16,
  /** START TRANSACTION READ ONLY, SET TRANSACTION READ ONLY. */
  readOnly: 1 << 17,
  /** FOR UPDATE, LOCK IN SHARE MODE. */
  forUpdate: 1 << 18,
  returning: 1 << 19,
  /** Mentions the schema `coequal`: `outcomeQuestion` tells whether it asks the gateway. */
  coequal: 1 << 20,
  /** Has a comment that begins with `coequal: guard`. */
  guardComment: 1 << 21,
  /** Has a comment `coequal: allow-blocking`. */
  blockingComment: 1 << 22,
  setAutocommit: 1 << 23,
  /** SET TRANSACTION without a scope: for the next transaction only. */
  setTransaction: 1 << 24,
  /** Sets a variable named session_track_… */
  setTracking: 1 << 25,
  setWsrepSyncWait: 1 << 26,
  /** SET GLOBAL, @@global. */
  globalScope: 1 << 27,
  /** SET of user variables only, each to a literal: repeating the text gives the same values. */
  literalUserVariables: 1 << 28,
  /** multi: every part is a `read`. */
  onlyReads: 1 << 29,
  /** multi or compound: has BEGIN, COMMIT, ROLLBACK, DDL, SET autocommit, or something that may do such. */
  transactionControl: 1 << 30,
  /** Makes or drops a temporary table, also somewhere inside of a multi or compound statement. */
  temporaryTable: 1 << 31,
} as const;

/** More of the same, rarely asked for: a set of its own, because a set of bits holds 32. */
export const detail = {
  /**
   * May give user variables other values: SET @a, @a :=, INTO @a, and whatever runs a procedure, a prepared text or a
   * function that may be a stored one. What triggers set is not seen.
   */
  assignsVariables: 1 << 0,
  /** LAST_INSERT_ID(expression): changes what LAST_INSERT_ID() answers. */
  setsInsertId: 1 << 1,
  /** NEXT VALUE FOR, SETVAL (both write), LASTVAL (state of the session). */
  sequence: 1 << 2,
  /** INTO OUTFILE, INTO DUMPFILE: leaves a file on the instance, which no rollback removes. */
  outfile: 1 << 3,
  /** Calls a function that is not known to be one of the server's own. */
  unknownFunction: 1 << 4,
  /** Asks what only one instance knows: LOAD_FILE, MASTER_POS_WAIT, @@hostname, IS_USED_LOCK. */
  instanceState: 1 << 5,
  consistentSnapshot: 1 << 6,
  /** START TRANSACTION READ WRITE, SET TRANSACTION READ WRITE. */
  readWrite: 1 << 7,
  /** AND NO CHAIN, which overrules `completion_type`. */
  noChain: 1 << 8,
  noRelease: 1 << 9,
  /** SET NAMES, SET CHARACTER SET. */
  setNames: 1 << 10,
  /** SET ROLE: the server's session tracking does not report it. */
  setRole: 1 << 11,
  /** SET STATEMENT … FOR: variables for this one statement. */
  setStatement: 1 << 12,
  /** Could not be read for sure: an unfinished text or comment, a NUL, a comment that only some versions run. */
  doubtful: 1 << 13,
} as const;

/** How the session writes statements: what of its state changes where a text or a comment ends. */
export type Lexing = {
  readonly noBackslashEscapes?: boolean;
  readonly ansiQuotes?: boolean;
  readonly ignoreSpace?: boolean;
  /** `utf8` stands for every character set whose characters hold no ASCII byte beyond the first. */
  readonly characters?: CharacterFamily;
};

export type CharacterFamily = 'utf8' | 'single' | 'gbk' | 'big5' | 'sjis';

/** From the session's `sql_mode` and `character_set_client`, as the server's session tracking reports them. */
export const lexingOf = (sqlMode: string, characterSetClient: string): Lexing => {
  const modes = new Set(sqlMode.toUpperCase().split(','));
  return {
    noBackslashEscapes: modes.has('NO_BACKSLASH_ESCAPES'),
    ansiQuotes: modes.has('ANSI_QUOTES'),
    ignoreSpace: modes.has('IGNORE_SPACE'),
    characters: familyOf(characterSetClient.toLowerCase()),
  };
};

const familyOf = (characterSet: string): CharacterFamily => {
  switch (characterSet) {
    case 'gbk':
    case 'big5':
      return characterSet;
    case 'sjis':
    case 'cp932':
      return 'sjis';
    case 'utf8':
    case 'utf8mb3':
    case 'utf8mb4':
    // Their second and third bytes are all above 0x7f, so they read like utf8 where it matters here.
    case 'gb2312':
    case 'euckr':
    case 'ujis':
    case 'eucjpms':
      return 'utf8';
    default:
      return 'single';
  }
};
