/**
 * What a statement means for continuity, given where the session stands. Pure. It fails safe: whatever might commit
 * by itself, or might not be the same when sent twice, is `opaque`.
 */
import type { Assignment } from '../sql/parts.ts';
import { detail, flag, type Statement } from '../sql/statement.ts';
import type { RequestClass } from './continuity.ts';

export type Where = {
  readonly inTransaction: boolean;
  readonly autocommit: boolean;
  /** Something in the open transaction may have written. */
  readonly wrote: boolean;
  /** What a SET makes of autocommit; null: that cannot be told from its text alone, or it sets more than that. */
  readonly switches?: boolean | null;
};

export const has = ({ flags }: Statement, one: number): boolean => (flags & one) !== 0;

export const hasDetail = ({ details = 0 }: Statement, one: number): boolean => (details & one) !== 0;

export const classOf = (statement: Statement, where: Where): RequestClass => {
  const { inTransaction, autocommit, wrote } = where;
  /** Ends what is open by beginning something else. */
  const ending: RequestClass = inTransaction && wrote ? 'commit' : 'inside';
  // A file on the instance is not undone, and stands in the way of a second one.
  if (hasDetail(statement, detail.outfile)) return 'opaque';
  switch (statement.kind) {
    case 'read':
      return inTransaction || !autocommit ? 'inside' : 'read';
    case 'write':
    case 'load-local':
      return inTransaction || !autocommit ? 'inside' : 'wrapped';
    case 'begin':
      return ending;
    case 'commit':
      if (!inTransaction) return has(statement, flag.chain) ? 'inside' : 'setting';
      return wrote ? 'commit' : has(statement, flag.chain) ? 'inside' : 'commit-read';
    case 'rollback':
      if (has(statement, flag.chain)) return 'inside';
      return inTransaction ? 'rollback' : 'setting';
    case 'savepoint':
      return 'inside';
    case 'set':
      if (has(statement, flag.globalScope)) return 'opaque';
      if (inTransaction && has(statement, flag.setAutocommit)) return classOfSwitch(where, ending);
      return inTransaction ? 'inside' : 'setting';
    case 'use':
      return inTransaction ? 'inside' : 'setting';
    case 'temporary':
      return inTransaction ? 'inside' : 'setting';
    case 'multi':
      if (has(statement, flag.transactionControl)) return 'opaque';
      if (has(statement, flag.onlyReads)) return inTransaction || !autocommit ? 'inside' : 'read';
      return inTransaction || !autocommit ? 'inside' : 'opaque';
    case 'handler':
      return inTransaction ? 'inside' : 'setting';
    default:
      // ddl, call, sql-prepare, kill, xa, admin: nobody knows from the text alone.
      return 'opaque';
  }
};

/** Switching autocommit on, from off, commits; switching it off, or saying again what it is already, does not. */
const classOfSwitch = ({ autocommit, switches = null }: Where, ending: RequestClass): RequestClass => {
  if (switches === null) return 'opaque';
  return switches && !autocommit ? ending : 'inside';
};

/** What the assignments of a SET make of autocommit (`Where.switches`). */
export const switchOf = (assignments: readonly Pick<Assignment, 'scope' | 'value'>[]): boolean | null => {
  const [only] = assignments;
  if (only === undefined || assignments.length > 1 || only.scope !== 'session') return null;
  if (/^(1|on|true)$/i.test(only.value)) return true;
  return /^(0|off|false)$/i.test(only.value) ? false : null;
};

/** COMMIT and ROLLBACK with what the session's `completion_type` adds where they do not say it themselves. */
export const completed = (statement: Statement, type: string | undefined): Statement => {
  if (type === undefined || (statement.kind !== 'commit' && statement.kind !== 'rollback')) return statement;
  if (/^(CHAIN|1)$/i.test(type) && !hasDetail(statement, detail.noChain))
    return { ...statement, flags: statement.flags | flag.chain };
  if (/^(RELEASE|2)$/i.test(type) && !hasDetail(statement, detail.noRelease))
    return { ...statement, flags: statement.flags | flag.release };
  return statement;
};

/** Whether something that was answered belongs to what a replay has to send again. */
export const belongsToTransaction = (statement: Statement): boolean => {
  switch (statement.kind) {
    case 'ddl':
    case 'kill':
    case 'admin':
    case 'xa':
      return false;
    default:
      return true;
  }
};

export const mayWrite = (statement: Statement): boolean => {
  switch (statement.kind) {
    case 'read':
    case 'begin':
    case 'commit':
    case 'rollback':
    case 'savepoint':
    case 'set':
    case 'use':
    case 'temporary':
    case 'handler':
      return false;
    case 'multi':
      return !has(statement, flag.onlyReads);
    default:
      return true;
  }
};

/** What a statement leaves in the session that no other instance can be given; null: nothing. */
export const barrierOf = (statement: Statement): string | null => {
  if (statement.kind === 'temporary' || has(statement, flag.temporaryTable)) return 'temporary-table';
  if (has(statement, flag.getLock)) return 'named-lock';
  if (has(statement, flag.lockTables)) return 'locked-tables';
  if (statement.kind === 'handler') return 'handler';
  if (statement.kind === 'sql-prepare') return 'prepared-in-sql';
  if (statement.kind === 'read' && hasDetail(statement, detail.setsInsertId)) return 'last-insert-id';
  return null;
};

/** What a statement takes away again. */
export const barrierLifted = (statement: Statement): string | null => {
  if (has(statement, flag.unlockTables)) return 'locked-tables';
  if (has(statement, flag.releaseLock)) return 'named-lock';
  return null;
};

/** May have given user variables other values. */
export const changesUserVariables = (statement: Statement): boolean => hasDetail(statement, detail.assignsVariables);
