/**
 * One session on a simulated instance: a small dialect of SQL with the rules that matter to continuity. Snapshot isolation, rows
 * that another transaction has locked or changed first, implicit commits, savepoints, variables, diagnostics, and the
 * procedures of schema `coequal` as `instances/schema.ts` writes them. It speaks in values; bytes are made of them in
 * `simulated-answers.ts`.
 */
import type { Random } from '@coequal/kernel';
import { type SessionChange, STATUS } from '@coequal/mysql-wire';
import { counterKey, type Effect, logKey, type SimulatedGroup } from './simulated-group.ts';
import { record } from './simulated-procedures.ts';
import { assignmentsOf, literalOf } from './simulated-text.ts';

export type Cell = string | number | null;
export type ColumnOf = { readonly name: string; readonly type: 'text' | 'number' };

export type Answer =
  | { readonly kind: 'ok'; readonly affected: number; readonly insertId: number; readonly warnings: number }
  | {
      readonly kind: 'rows';
      readonly columns: readonly ColumnOf[];
      readonly rows: readonly (readonly Cell[])[];
      readonly warnings: number;
    }
  | { readonly kind: 'err'; readonly number: number; readonly sqlState: string; readonly message: string }
  | { readonly kind: 'file' };

export type Transaction = {
  readonly explicit: boolean;
  readonly readOnly: boolean;
  /** Position that its reads show; null: it has read nothing yet. */
  snapshot: number | null;
  effects: Effect[];
  readonly keys: Map<string, number>;
  savepoints: { readonly name: string; readonly effects: number }[];
  /** A commit from elsewhere has taken a row of it. */
  doomed: boolean;
  read: boolean;
};

/** The instance that a session is on. */
export type Host = {
  readonly group: SimulatedGroup;
  readonly random: Random;
  readonly now: () => number;
  applied: number;
  readonly isolatedFor: number;
  readonly sessions: Set<SimulatedSession>;
  readonly applyTo: (seqno: number) => void;
  readonly nextLogId: () => number;
  readonly sawLogId: (id: number) => void;
  readonly counters: number;
  readonly padBytes: number;
  readonly rollbackOnTimeout: boolean;
};

export const ok = (fields: { affected?: number; insertId?: number; warnings?: number } = {}): Answer => ({
  kind: 'ok',
  affected: fields.affected ?? 0,
  insertId: fields.insertId ?? 0,
  warnings: fields.warnings ?? 0,
});
export const err = (number: number, message: string, sqlState = 'HY000'): Answer => ({
  kind: 'err',
  number,
  sqlState,
  message,
});
export const conflict = (): Answer =>
  err(1213, 'Deadlock found when trying to get lock; try restarting transaction', '40001');
const changed = (): Answer => err(1020, "Record has changed since last read in table 't'");
const timeout = (): Answer => err(1205, 'Lock wait timeout exceeded; try restarting transaction');
const one = (name: string, type: ColumnOf['type'], value: Cell): Answer => ({
  kind: 'rows',
  columns: [{ name, type }],
  rows: [[value]],
  warnings: 0,
});

export const readColumns: readonly ColumnOf[] = [{ name: 'v', type: 'number' }];
export const readAllColumns: readonly ColumnOf[] = [
  { name: 'id', type: 'number' },
  { name: 'v', type: 'number' },
  { name: 'pad', type: 'text' },
];
export const returningColumns: readonly ColumnOf[] = [{ name: 'id', type: 'number' }];

/** What differs from one row to the next, so that rows cannot be mistaken for each other. */
const padOf = (id: number, bytes: number): string => `${id}`.repeat(bytes).slice(0, bytes);

type Handler = (session: SimulatedSession, match: RegExpExecArray, tag: string) => Answer | readonly Answer[];

export class SimulatedSession {
  readonly host: Host;
  autocommit = true;
  transaction: Transaction | null = null;
  /** Savepoints that were made before anything was touched, with autocommit off. */
  marks: Transaction['savepoints'] = [];
  schema: string;
  readonly userVariables = new Map<string, Cell>();
  readonly variables = new Map<string, Cell>();
  lastInsertId = 0;
  insertIdWanted = 0;
  rowCount = -1;
  errors = 0;
  warnings: (readonly [number, string, string])[] = [];
  tracksVariables = false;
  tracksState = false;
  /** Nobody listens to it any more; works off what it has been sent, and ends. */
  abandoned: (() => void) | null = null;
  /** The session ends with this answer. */
  closing = false;
  /** What the next OK reports. */
  changes: SessionChange[] = [];
  #stateTold = '________';

  constructor(host: Host, schema: string) {
    this.host = host;
    this.schema = schema;
    host.sessions.add(this);
  }

  get status(): number {
    const { transaction } = this;
    const open = transaction === null ? 0 : STATUS.IN_TRANS | (transaction.readOnly ? STATUS.IN_TRANS_READONLY : 0);
    return (this.autocommit ? STATUS.AUTOCOMMIT : 0) | open;
  }

  /** The text with its parts between semicolons, each answered until one fails. */
  query(text: string): readonly Answer[] {
    const answers: Answer[] = [];
    for (const part of text.split(';').map((one) => one.trim())) {
      if (part === '') continue;
      const found = this.#statement(part);
      answers.push(...found);
      if (found.some(({ kind }) => kind === 'err')) break;
    }
    this.#tellState();
    return answers;
  }

  /** A command that is no statement: it only hears of it when its transaction is gone. */
  command(): readonly Answer[] {
    if (this.transaction?.doomed !== true) return [ok()];
    this.rollBack();
    return this.#noted(conflict());
  }

  /** LOAD DATA, when the file is there. */
  load(tags: readonly string[]): readonly Answer[] {
    const doomed = this.transaction?.doomed === true;
    if (doomed) this.rollBack();
    const answers = this.#noted(doomed ? conflict() : this.insert(tags));
    this.#tellState();
    return answers;
  }

  /** What diagnostics say after an error that did not come from here. */
  failed(): void {
    this.rowCount = -1;
    this.errors = 1;
    this.warnings = [];
  }

  #statement(text: string): readonly Answer[] {
    const tag = /\/\*\s*tag (\S+)\s*\*\//.exec(text)?.[1] ?? '';
    const bare = text.replaceAll(/\s*\/\*.*?\*\//g, '').trim();
    if (this.transaction?.doomed === true) {
      this.rollBack();
      return this.#noted(/^ROLLBACK( AND NO CHAIN)?$/.test(bare) ? ok() : conflict());
    }
    for (const [pattern, handler] of handlers) {
      const match = pattern.exec(bare);
      if (match === null) continue;
      const answer = handler(this, match, tag);
      return 'kind' in answer ? this.#noted(answer) : answer;
    }
    throw new Error(`the simulation does not know: ${text}`);
  }

  /** What diagnostics say afterwards. */
  #noted(answer: Answer): readonly Answer[] {
    if (answer.kind === 'file') return [answer];
    this.rowCount = answer.kind === 'ok' ? answer.affected : -1;
    this.errors = answer.kind === 'err' ? 1 : 0;
    if (answer.kind === 'err') this.warnings = [];
    return [answer];
  }

  #tellState(): void {
    const state = this.#state();
    if (this.tracksState && state !== this.#stateTold) this.changes.push({ kind: 'transaction-state', text: state });
    this.#stateTold = state;
  }

  #state(): string {
    const { transaction } = this;
    if (transaction === null) return '________';
    const wrote = transaction.effects.length > 0 || transaction.keys.size > 0;
    return `${transaction.explicit ? 'T' : 'I'}_${transaction.read ? 'R' : '_'}_${wrote ? 'W' : '_'}___`;
  }

  report(name: string, value: string): void {
    if (this.tracksVariables) this.changes.push({ kind: 'variable', name, value });
  }

  // Transactions.

  begin(explicit: boolean, readOnly = false): Transaction {
    const made: Transaction = {
      explicit,
      readOnly,
      snapshot: null,
      effects: [],
      keys: new Map(),
      savepoints: explicit ? [] : this.marks,
      doomed: false,
      read: false,
    };
    this.marks = [];
    this.transaction = made;
    return made;
  }

  rollBack(): void {
    this.marks = [];
    this.transaction = null;
  }

  /** Null: it has committed, or there was nothing to commit. */
  commit(outcome: Parameters<SimulatedGroup['commit']>[0]['outcome'] = null): Answer | null {
    const { transaction, host } = this;
    this.marks = [];
    this.transaction = null;
    const effects = transaction?.effects ?? [];
    const keys = transaction?.keys ?? new Map<string, number>();
    if (transaction?.doomed === true) return conflict();
    if (keys.size === 0 && effects.length === 0 && outcome === null) return null;
    if (host.isolatedFor > 0) return err(1047, 'WSREP has not yet prepared node for application use', '08S01');
    const before = host.group.seqno;
    const seqno = host.group.commit({ effects, keys, outcome });
    if (seqno === null) return conflict();
    host.applyTo(before);
    host.applyTo(seqno);
    this.report('last_gtid', `0-1-${seqno}`);
    return null;
  }

  /** Runs a statement that reads or writes rows, in the open transaction or in one of its own. */
  touch(work: (transaction: Transaction) => Answer): Answer {
    // Statements without tables leave the warnings of the one before alone.
    this.warnings = [];
    const single = this.transaction === null && this.autocommit;
    const transaction = this.transaction ?? this.begin(false);
    transaction.snapshot ??= this.host.applied;
    const answer = work(transaction);
    if (!single) return answer;
    if (answer.kind === 'err') {
      this.rollBack();
      return answer;
    }
    return this.commit() ?? answer;
  }

  /** Takes a row for writing. Null: it is taken; otherwise what the statement is refused with. */
  take(transaction: Transaction, key: string): Answer | null {
    const { host } = this;
    if (transaction.readOnly) return err(1792, 'Cannot execute statement in a READ ONLY transaction', '25006');
    if (transaction.keys.has(key)) return null;
    if (this.heldElsewhere(key)) {
      const refusal = host.random.below(2) === 0 ? conflict() : timeout();
      if (refusal.kind === 'err' && (refusal.number === 1213 || host.rollbackOnTimeout)) this.rollBack();
      return refusal;
    }
    if (host.group.lastChange(key, host.applied) > (transaction.snapshot ?? host.applied)) {
      this.rollBack();
      return host.random.below(2) === 0 ? conflict() : changed();
    }
    transaction.keys.set(key, host.applied);
    return null;
  }

  /** Another transaction on this instance has locked the row. */
  heldElsewhere(key: string): boolean {
    const holds = ({ transaction }: SimulatedSession): boolean =>
      transaction !== null && transaction !== this.transaction && !transaction.doomed && transaction.keys.has(key);
    // A wait is long enough for one whose client has gone to come to its end.
    for (const session of [...this.host.sessions]) if (holds(session)) session.abandoned?.();
    return [...this.host.sessions].some(holds);
  }

  add(id: number, tag: string): Answer {
    return this.touch((transaction) => {
      const refusal = this.take(transaction, counterKey(id));
      if (refusal !== null) return refusal;
      transaction.effects.push({ tag, kind: 'add', key: counterKey(id), schema: this.schema });
      return ok({ affected: 1 });
    });
  }

  insert(tags: readonly string[], warned = false): Answer {
    return this.touch((transaction) => {
      let first = 0;
      for (const tag of tags) {
        const id = this.#newLogId();
        const key = logKey(id);
        if (transaction.readOnly) return err(1792, 'Cannot execute statement in a READ ONLY transaction', '25006');
        if (transaction.keys.has(key) || this.host.group.lastChange(key, this.host.applied) > 0)
          return err(1062, `Duplicate entry '${id}' for key 'PRIMARY'`, '23000');
        const refusal = this.take(transaction, key);
        if (refusal !== null) return refusal;
        transaction.effects.push({ tag, kind: 'insert', key, schema: this.schema });
        if (first === 0) first = id;
      }
      if (first > 0) this.lastInsertId = first;
      if (!warned) return ok({ affected: tags.length, insertId: first });
      this.warnings = [[1265, "Data truncated for column 'tag' at row 1", '01000']];
      return ok({ affected: tags.length, insertId: first, warnings: 1 });
    });
  }

  #newLogId(): number {
    const wanted = this.insertIdWanted;
    this.insertIdWanted = 0;
    if (wanted === 0) return this.host.nextLogId();
    this.host.sawLogId(wanted);
    return wanted;
  }

  valueOf(transaction: Transaction, id: number): number {
    const own = transaction.effects.filter(({ kind, key }) => kind === 'add' && key === counterKey(id)).length;
    return this.host.group.value(id, transaction.snapshot ?? this.host.applied) + own;
  }

  // What is set.

  set(text: string): Answer {
    for (const { name, scope, value } of assignmentsOf(text)) {
      if (scope === 'user') {
        this.userVariables.set(name, literalOf(value));
        continue;
      }
      const refusal = this.#setSystem(name.toLowerCase(), value);
      if (refusal !== null) return refusal;
    }
    return ok();
  }

  #setSystem(name: string, text: string): Answer | null {
    const value = this.#valueOf(text);
    switch (name) {
      case 'autocommit':
        return this.#setAutocommit(value === 1 || value === 'ON');
      case 'session_track_system_variables':
        this.tracksVariables = value === '*';
        return null;
      case 'session_track_transaction_info':
        this.tracksState = value === 'STATE';
        return null;
      case 'insert_id':
        this.insertIdWanted = Number(value);
        return null;
      case 'last_insert_id':
        this.lastInsertId = Number(value);
        return null;
      case 'timestamp':
      case 'rand_seed1':
      case 'rand_seed2':
        this.variables.set(name, value);
        this.report(name, String(value ?? 0));
        return null;
      default:
        if (value === null) this.variables.delete(name);
        else this.variables.set(name, value);
        this.report(name, String(value ?? systemDefaults.get(name) ?? ''));
        return null;
    }
  }

  #valueOf(text: string): Cell {
    if (text === '1-@@in_transaction') return this.transaction === null ? 1 : 0;
    if (/^\(\d+-1\)%@@SESSION\.auto_increment_increment\+1$/.test(text)) return 1;
    return /^DEFAULT$/i.test(text) ? null : literalOf(text);
  }

  #setAutocommit(on: boolean): Answer | null {
    // Switching it on ends what is open; saying again what it is already, or switching it off, does not.
    const refusal = on && !this.autocommit ? this.commit() : null;
    if (refusal !== null) return refusal;
    if (on !== this.autocommit) this.report('autocommit', on ? 'ON' : 'OFF');
    this.autocommit = on;
    return null;
  }

  reset(): void {
    this.rollBack();
    this.autocommit = true;
    this.userVariables.clear();
    this.variables.clear();
    this.lastInsertId = 0;
    this.insertIdWanted = 0;
    this.rowCount = -1;
    this.errors = 0;
    this.warnings = [];
    this.tracksVariables = false;
    this.tracksState = false;
    this.changes = [];
    this.#stateTold = '________';
  }

  end(): void {
    this.rollBack();
    this.host.sessions.delete(this);
  }
}

export const systemDefaults: ReadonlyMap<string, Cell> = new Map<string, Cell>([['lock_wait_timeout', 86_400]]);

const beginNew = (session: SimulatedSession, modifiers: string): Answer => {
  const refusal = session.transaction === null ? null : session.commit();
  if (refusal !== null) return refusal;
  const made = session.begin(true, /READ ONLY/i.test(modifiers));
  if (/CONSISTENT SNAPSHOT/i.test(modifiers)) made.snapshot = session.host.applied;
  return ok();
};

const finish = (session: SimulatedSession, commits: boolean, modifiers: string): Answer => {
  const refusal = commits ? session.commit() : null;
  if (!commits) session.rollBack();
  if (refusal !== null) return refusal;
  if (/AND CHAIN/i.test(modifiers)) session.begin(true);
  if (/RELEASE/i.test(modifiers)) session.closing = true;
  return ok();
};

const savepoint = (session: SimulatedSession, name: string): Answer => {
  const { transaction } = session;
  const made = (before: Transaction['savepoints'], effects: number): Transaction['savepoints'] => [
    ...before.filter((one) => one.name !== name),
    { name, effects },
  ];
  if (transaction !== null) transaction.savepoints = made(transaction.savepoints, transaction.effects.length);
  // Outside of a transaction there is nothing to mark.
  else if (!session.autocommit) session.marks = made(session.marks, 0);
  return ok();
};

const backTo = (session: SimulatedSession, name: string, release: boolean): Answer => {
  const { transaction } = session;
  const savepoints = transaction?.savepoints ?? session.marks;
  const at = savepoints.findIndex((one) => one.name === name);
  const found = savepoints[at];
  if (found === undefined) return err(1305, `SAVEPOINT ${name} does not exist`, '42000');
  const left = savepoints.slice(0, release ? at : at + 1);
  if (transaction === null) session.marks = left;
  else {
    if (!release) transaction.effects = transaction.effects.slice(0, found.effects);
    transaction.savepoints = left;
  }
  return ok();
};

const define = (session: SimulatedSession, tag: string): Answer => {
  const refusal = session.transaction === null ? null : session.commit();
  if (refusal !== null) return refusal;
  session.begin(false).effects.push({ tag, kind: 'ddl', key: `ddl:${tag}`, schema: session.schema });
  return session.commit() ?? ok();
};

/** A procedure's statements run in the session's transaction; ends of transactions within it are ends like any other. */
const call = (session: SimulatedSession, name: string, tag: string): Answer => {
  const answer = session.insert([tag]);
  if (answer.kind === 'err') return answer;
  // Whatever it decides by: it may decide differently the next time.
  const ends = name === 'add_maybe' ? session.host.random.below(2) === 0 : name !== 'add_log';
  if (!ends) return ok({ affected: 1 });
  const refusal = session.commit();
  if (refusal !== null) return refusal;
  if (name === 'add_commit_begin') session.begin(true);
  return ok();
};

const returning = (session: SimulatedSession, tag: string): Answer => {
  const answer = session.insert([tag]);
  if (answer.kind !== 'ok') return answer;
  return { kind: 'rows', columns: returningColumns, rows: [[answer.insertId]], warnings: 0 };
};

const rowsOf = (session: SimulatedSession, ids: readonly number[], all: boolean): Answer =>
  session.touch((transaction) => {
    transaction.read = true;
    const { padBytes } = session.host;
    return {
      kind: 'rows',
      columns: all ? readAllColumns : readColumns,
      rows: ids.map((id) => {
        const value = session.valueOf(transaction, id);
        return all ? [id, value, padOf(id, padBytes)] : [value];
      }),
      warnings: 0,
    };
  });

const secondsOf = (session: SimulatedSession): string => {
  const pinned = session.variables.get('timestamp') ?? null;
  return String(pinned ?? Math.floor(session.host.now() / 1_000));
};

const userVariableRows = (session: SimulatedSession): Answer => ({
  kind: 'rows',
  columns: ['NAME', 'VARIABLE_TYPE', 'VALUE', 'CHARACTER_SET_NAME'].map((name) => ({
    name,
    type: 'text',
  })),
  rows: [...session.userVariables].map(([name, value]) => [
    Buffer.from(name).toString('hex'),
    typeof value === 'number' ? 'INT' : 'VARCHAR',
    value === null ? null : Buffer.from(String(value)).toString('hex'),
    typeof value === 'number' ? null : 'utf8mb4',
  ]),
  warnings: 0,
});

/** The first that fits answers. */
const handlers: readonly (readonly [RegExp, Handler])[] = [
  [/^SELECT v FROM t WHERE id=(\d+)$/, (session, [, id]) => rowsOf(session, [Number(id)], false)],
  [
    /^SELECT id, v, pad FROM t$/,
    (session) =>
      rowsOf(
        session,
        Array.from({ length: session.host.counters }, (_, id) => id),
        true,
      ),
  ],
  [
    /^UPDATE t SET v=v\+1 WHERE id=(\d+)(?: AND '([^']*)'<>'')?$/,
    (session, [, id, parameter], tag) => session.add(Number(id), parameter ?? tag),
  ],
  [/^INSERT INTO log \(tag\) VALUES \('([^']*)'\)$/, (session, [, tag = '']) => session.insert([tag])],
  [/^INSERT IGNORE INTO log \(tag\) VALUES \('([^']*)'\)$/, (session, [, tag = '']) => session.insert([tag], true)],
  [/^INSERT INTO log \(tag\) VALUES \('([^']*)'\) RETURNING id$/, (session, [, tag = '']) => returning(session, tag)],
  [/^LOAD DATA LOCAL INFILE 'f' INTO TABLE log$/, () => ({ kind: 'file' })],
  [/^INSERT INTO nowhere /, () => err(1146, "Table 'app.nowhere' doesn't exist", '42S02')],
  [/^BEGIN$|^START TRANSACTION(.*)$/, (session, [, modifiers = '']) => beginNew(session, modifiers)],
  [/^COMMIT(.*)$/, (session, [, modifiers = '']) => finish(session, true, modifiers)],
  [/^ROLLBACK TO (?:SAVEPOINT )?(\w+)$/, (session, [, name = '']) => backTo(session, name, false)],
  [/^ROLLBACK(.*)$/, (session, [, modifiers = '']) => finish(session, false, modifiers)],
  [/^SAVEPOINT (\w+)$/, (session, [, name = '']) => savepoint(session, name)],
  [/^RELEASE SAVEPOINT (\w+)$/, (session, [, name = '']) => backTo(session, name, true)],
  [/^SET (?!STATEMENT)(.*)$/, (session, [, text = '']) => session.set(text)],
  [/^CREATE TABLE x_(\S+) /, (session, [, tag = '']) => define(session, tag)],
  [
    /^CALL (add_log|add_maybe|add_commit|add_commit_begin)\('([^']*)'\)$/,
    (session, [, name = '', tag = '']) => call(session, name, tag),
  ],
  [/^CALL coequal\.(record\w*)\((.*)\)$/, (session, [, , text = '']) => record(session, text)],
  [/^DO 0$/, () => ok()],
  [/^SELECT LAST_INSERT_ID\(\)$/, (session) => one('LAST_INSERT_ID()', 'number', session.lastInsertId)],
  [/^SELECT ROW_COUNT\(\)$/, (session) => one('ROW_COUNT()', 'number', session.rowCount)],
  [/^SELECT CAST\((-?\d+) AS SIGNED\)/, (_, [, value]) => one('ROW_COUNT()', 'number', Number(value))],
  [/^SELECT @(\w+)$/, (session, [, name = '']) => one(`@${name}`, 'text', session.userVariables.get(name) ?? null)],
  [
    /^SELECT @@(\w+)$/,
    (session, [, name = '']) =>
      one(`@@${name}`, 'text', session.variables.get(name) ?? systemDefaults.get(name) ?? null),
  ],
  [/^SELECT DATABASE\(\)$/, (session) => one('DATABASE()', 'text', session.schema === '' ? null : session.schema)],
  [/^SELECT UNIX_TIMESTAMP\(\)$/, (session) => one('UNIX_TIMESTAMP()', 'number', Number(secondsOf(session)))],
  [/^SELECT GET_LOCK\(/, () => one('GET_LOCK', 'number', 1)],
  [
    /^SET STATEMENT wsrep_sync_wait=1 FOR SELECT 1$/,
    (session) => {
      session.host.applyTo(session.host.group.seqno);
      return one('1', 'number', 1);
    },
  ],
  [
    /^SELECT WSREP_SYNC_WAIT_UPTO_GTID\('0-1-(\d+)', 5\)$/,
    (session, [, seqno]) => {
      session.host.applyTo(Number(seqno));
      return one('WSREP_SYNC_WAIT_UPTO_GTID', 'number', 0);
    },
  ],
  [/^SELECT HEX\(VARIABLE_NAME\), .* FROM information_schema\.USER_VARIABLES$/, (session) => userVariableRows(session)],
  [
    /^SHOW WARNINGS$/,
    (session) => [
      {
        kind: 'rows',
        columns: ['Level', 'Code', 'Message'].map((name) => ({ name, type: 'text' })),
        rows: session.warnings.map(([code, message]) => ['Warning', String(code), message]),
        warnings: 0,
      },
    ],
  ],
];
