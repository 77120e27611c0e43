/**
 * What a client is told, held against a session on a single server that is never lost: a sequential model that knows no gateway, no
 * instances and no retries. It says of every answer whether such a server could have given it, and gathers what the answers
 * promise about the database: `judge.ts` looks whether that is kept.
 */
import { STATUS } from '@coequal/mysql-wire';
import type { Operation, Procedure } from './operations.ts';
import type { Result } from './replies.ts';
import type { Exchange } from './simulated-client.ts';
import { counterKey } from './simulated-group.ts';

export type Fate = 'acknowledged' | 'refused' | 'unknown';

/** A counter as it was before the transaction itself changed it. */
export type SeenValue = { readonly id: number; readonly base: number };

/** What was told about things that stand or fall together. */
export type Told = {
  readonly fate: Fate;
  readonly tags: readonly string[];
  readonly reads: readonly SeenValue[];
  readonly keys: ReadonlySet<string>;
  /** Holds a procedure that may end the transaction half-way where it is repeated: then not all of it may be there. */
  readonly torn: boolean;
  /** Tags that had been acknowledged to this client before it began. */
  readonly after: readonly string[];
};

type Write = { readonly tag: string; readonly key: string; readonly id: number | null };

type Open = {
  readonly explicit: boolean;
  readonly readOnly: boolean;
  writes: Write[];
  readonly reads: SeenValue[];
  torn: boolean;
  savepoints: { readonly name: string; readonly writes: number }[];
  readonly after: readonly string[];
};

export type ReferenceRules = {
  readonly rollbackOnTimeout: boolean;
  /** Rows of `log` are under a guard of this name; null: no guards. */
  readonly guard: string | null;
  /** It was moved: outcome rows know of no warnings, and ROW_COUNT() in flight is sent as it is. */
  readonly moved: boolean;
};

type Failure = Extract<Result, { kind: 'err' }>;
type Rows = Extract<Result, { kind: 'rows' }>;
type Ok = Extract<Result, { kind: 'ok' }>;

/** Errors of one statement, which leave the transaction as it was. */
const ofStatement: ReadonlySet<number> = new Set([1062, 1146, 1243, 1305, 1317, 1792, 1969]);

export const nothingTold = () => ({ conflicts: 0, unknown: 0, unknownAllowed: 0, errors: 0, ok: 0 });

export class Reference {
  readonly promises: Told[] = [];
  readonly complaints: string[] = [];
  /** What INSERTs said their rows' number is. */
  readonly insertIds = new Map<string, number>();
  /** Answers of each kind, for statistics and for what may be told at most. */
  /** In which schema each change was asked for. */
  readonly schemas = new Map<string, string>();
  readonly told = nothingTold();
  readonly #rules: ReferenceRules;
  readonly #acknowledged: string[] = [];
  #autocommit = true;
  #open: Open | null = null;
  /** Savepoints from before a transaction without BEGIN. */
  #marks: Open['savepoints'] = [];
  #variable: string | null = null;
  #setting = '86400';
  #schema: string | null = null;
  #lastInsertId: number | null = 0;
  #before: Exchange | null = null;

  constructor(rules: ReferenceRules) {
    this.#rules = rules;
  }

  /** All that one client has asked, in order. */
  walk(exchanges: readonly Exchange[]): void {
    let ended = false;
    for (const exchange of exchanges) {
      if (exchange.results === null) {
        this.#unanswered(exchange, !ended);
        ended = true;
      } else if (ended) this.#complain(exchange, 'is answered although the one before it is not');
      else this.#answered(exchange, exchange.results);
      this.#before = exchange;
    }
    // Whatever is still open goes with the connection.
    if (!ended) this.#settle('refused', []);
  }

  #complain(exchange: Exchange, what: string): void {
    const told = JSON.stringify(exchange.results ?? null);
    this.complaints.push(`${exchange.tag} ${JSON.stringify(exchange.operation)} ${what}; it was told ${told}`);
  }

  // Transactions.

  #begin(explicit: boolean, readOnly = false): Open {
    this.#open = this.#fresh(explicit, readOnly);
    this.#marks = [];
    return this.#open;
  }

  #fresh(explicit: boolean, readOnly = false): Open {
    const savepoints = explicit ? [] : this.#marks;
    return { explicit, readOnly, writes: [], reads: [], torn: false, savepoints, after: [...this.#acknowledged] };
  }

  /** The open transaction and what goes with it have come to this end. */
  #settle(fate: Fate, more: readonly Write[], guarded = true): void {
    const open = this.#open ?? this.#fresh(false);
    this.#open = null;
    this.#marks = [];
    const writes = [...open.writes, ...more];
    const all = writes.map(({ key }) => key).filter((key) => key !== '');
    // Guards are taken by the outcome row: what commits without one takes none.
    const keys = new Set(guarded ? all : all.filter((key) => !key.startsWith('guard:')));
    if (writes.length === 0 && open.reads.length === 0) return;
    const tags = writes.map(({ tag }) => tag);
    this.promises.push({ fate, tags, reads: open.reads, keys, torn: open.torn, after: open.after });
    if (fate === 'acknowledged') this.#acknowledged.push(...tags);
  }

  /** Something of its own, beside the open transaction. */
  #alone(fate: Fate, writes: readonly Write[]): void {
    const open = this.#open;
    const marks = this.#marks;
    this.#open = null;
    this.#settle(fate, writes);
    this.#open = open;
    this.#marks = marks;
  }

  /** The transaction in which a statement on rows runs; null: it is one of its own. */
  #touched(): Open | null {
    return this.#open ?? (this.#autocommit ? null : this.#begin(false));
  }

  #wrote(exchange: Exchange, writes: readonly Write[]): void {
    const open = this.#touched();
    if (open === null) this.#alone('acknowledged', writes);
    else open.writes.push(...writes);
    if (open?.readOnly === true && writes.length > 0)
      this.#complain(exchange, 'writes in a transaction that only reads');
  }

  #read(values: readonly (readonly [number, number])[]): void {
    const open = this.#touched();
    const target = open ?? this.#begin(false);
    for (const [id, value] of values) {
      const own = target.writes.filter(({ id: written }) => written === id).length;
      target.reads.push({ id, base: value - own });
    }
    if (open === null) this.#settle('acknowledged', []);
  }

  #writesOf(exchange: Exchange): readonly Write[] {
    const writes = this.#changesOf(exchange);
    for (const { tag } of writes) this.schemas.set(tag, this.#schema ?? '');
    return writes;
  }

  #changesOf({ operation, tag }: Exchange): readonly Write[] {
    const logged = (one: string): Write => ({
      tag: one,
      key: this.#rules.guard === null ? '' : `guard:${this.#rules.guard}`,
      id: null,
    });
    switch (operation.do) {
      case 'add':
        return [{ tag, key: counterKey(operation.id), id: operation.id }];
      case 'log':
      case 'log-warned':
      case 'log-returning':
        return [logged(tag)];
      case 'load':
        return Array.from({ length: operation.lines }, (_, line) => logged(`${tag}.${line}`));
      case 'multi':
        return [{ tag, key: counterKey(operation.id), id: operation.id }, logged(`${tag}.i`)];
      case 'ddl':
      case 'call':
        // Procedures are not known to write under a guard.
        return [{ tag, key: '', id: null }];
      default:
        return [];
    }
  }

  // No answer, or an error.

  #endsTransaction({ do: what }: Exchange['operation']): boolean {
    return ['begin', 'commit', 'autocommit', 'ddl', 'call'].includes(what);
  }

  /** The connection has ended before the answer had. Only the first of them can have been sent. */
  #unanswered(exchange: Exchange, first: boolean): void {
    const writes = this.#writesOf(exchange);
    if (!first) {
      this.#settle('refused', writes);
      return;
    }
    const { operation } = exchange;
    if (this.#endsTransaction(operation)) this.#inDoubt(operation, writes);
    else if (this.#open !== null || !this.#autocommit) this.#settle('refused', writes);
    else if (operation.do === 'multi') for (const write of writes) this.#alone('unknown', [write]);
    else this.#alone('unknown', writes);
  }

  #inDoubt(operation: Exchange['operation'], writes: readonly Write[]): void {
    if (operation.do === 'ddl') {
      this.#settle('unknown', []);
      this.#alone('unknown', writes);
    } else this.#settle('unknown', writes);
  }

  #failed(exchange: Exchange, failure: Failure): void {
    const { operation } = exchange;
    const writes = [...this.#writesOf(exchange)];
    this.told.errors += 1;
    // Behind an error it may be anything.
    this.#lastInsertId = null;
    if (failure.sqlState === '08007') {
      this.told.unknown += 1;
      const opaque =
        ['ddl', 'call', 'log-returning'].includes(operation.do) || (operation.do === 'multi' && this.#open === null);
      if (opaque) this.told.unknownAllowed += 1;
      if (operation.do === 'multi' && this.#open === null) for (const write of writes) this.#alone('unknown', [write]);
      else if (this.#endsTransaction(operation)) this.#inDoubt(operation, writes);
      else {
        this.#settle('unknown', []);
        this.#alone('unknown', writes);
      }
      return;
    }
    const tooLarge = failure.number === 1180 && failure.message.includes('too long');
    if (failure.number === 1213 || tooLarge || (failure.number === 1205 && this.#rules.rollbackOnTimeout)) {
      if (!tooLarge) this.told.conflicts += 1;
      this.#settle('refused', writes);
      return;
    }
    if (!ofStatement.has(failure.number) && failure.number !== 1205)
      this.#complain(exchange, 'failed in a way that no server has');
    // Of several statements in one text those before the one that failed stand.
    const results = exchange.results ?? [];
    if (operation.do === 'multi' && results.length === 2) this.#touched()?.writes.push(...writes.splice(0, 1));
    this.#alone('refused', writes);
    // InnoDB has been touched before it refused.
    if (writes.length > 0 && ['add', 'log', 'log-warned', 'log-returning', 'load', 'multi'].includes(operation.do))
      this.#maybeOpen = true;
  }

  /** A statement that failed may have opened a transaction; the next status says. */
  #maybeOpen = false;

  #answered(exchange: Exchange, results: readonly Result[]): void {
    const last = results.at(-1);
    const { operation } = exchange;
    if (operation.do === 'multi' && this.#open === null && this.#autocommit) {
      this.#severalAlone(exchange, results);
      return;
    }
    if (last?.kind === 'err') {
      this.#failed(exchange, last);
      return;
    }
    this.told.ok += 1;
    if (last?.kind === 'ok' || last?.kind === 'rows') this.#resolveOpening(last.status);
    if (operation.do === 'prepare') {
      if (last?.kind !== 'prepared') this.#complain(exchange, 'is no prepared statement');
    } else this.#done(exchange, operation, results);
    if (last?.kind === 'ok' || last?.kind === 'rows') this.#checkStatus(exchange, last.status);
  }

  #resolveOpening(status: number): void {
    if (this.#maybeOpen && this.#open === null && !this.#autocommit && (status & STATUS.IN_TRANS) !== 0)
      this.#begin(false);
    this.#maybeOpen = false;
  }

  /** Several statements in one text, outside of a transaction: each is one of its own. */
  #severalAlone(exchange: Exchange, results: readonly Result[]): void {
    for (const [index, write] of this.#writesOf(exchange).entries()) {
      const result = results[index];
      if (result?.kind === 'ok') this.#alone('acknowledged', [write]);
      else if (result?.kind === 'err' && result.sqlState === '08007') this.#alone('unknown', [write]);
      else if (results.some((one) => one.kind === 'err' && one.sqlState === '08007')) this.#alone('unknown', [write]);
      else this.#alone('refused', [write]);
    }
    const last = results.at(-1);
    if (last?.kind === 'err' && last.sqlState === '08007') {
      this.told.unknown += 1;
      this.told.unknownAllowed += 1;
    } else if (last?.kind === 'err' && last.number === 1213) this.told.conflicts += 1;
    if (last?.kind === 'ok') this.#checkStatus(exchange, last.status);
    this.#lastInsertId = null;
  }

  #checkStatus(exchange: Exchange, status: number): void {
    if (exchange.operation.do === 'commit' && exchange.operation.modifiers === ' RELEASE') return;
    const inTransaction = (status & STATUS.IN_TRANS) !== 0;
    if (inTransaction !== (this.#open !== null))
      this.#complain(
        exchange,
        inTransaction ? 'says that a transaction is open, and none is' : 'says that no transaction is open, and one is',
      );
    if (((status & STATUS.AUTOCOMMIT) !== 0) !== this.#autocommit)
      this.#complain(
        exchange,
        `says that autocommit is ${this.#autocommit ? 'off, and it is on' : 'on, and it is off'}`,
      );
  }

  // Success.

  #done(exchange: Exchange, operation: Operation, results: readonly Result[]): void {
    const [first] = results;
    switch (operation.do) {
      case 'read':
        this.#read(this.#numbers(exchange, first, 1).map(([value = 0]) => [operation.id, value]));
        return;
      case 'read-all':
      case 'cursor':
        this.#read(this.#numbers(exchange, first, 3).map(([id = 0, value = 0]) => [id, value]));
        return;
      case 'add':
        this.#expectOk(exchange, first, 1);
        this.#wrote(exchange, this.#writesOf(exchange));
        return;
      case 'log':
      case 'log-warned':
      case 'load':
        this.#inserted(exchange, first);
        return;
      case 'log-returning': {
        const [[id = 0] = []] = this.#numbers(exchange, first, 1);
        this.insertIds.set(exchange.tag, id);
        this.#lastInsertId = null;
        this.#wrote(exchange, this.#writesOf(exchange));
        return;
      }
      case 'multi':
        if (results.length !== 2) this.#complain(exchange, 'has not two answers');
        this.#lastInsertId = null;
        this.#wrote(exchange, this.#writesOf(exchange));
        return;
      case 'fail':
        this.#complain(exchange, 'succeeded');
        return;
      default:
        this.#controlled(exchange, operation, first);
    }
  }

  #inserted(exchange: Exchange, result: Result | undefined): void {
    const writes = this.#writesOf(exchange);
    const ok = this.#expectOk(exchange, result, writes.length);
    const warnings = exchange.operation.do === 'log-warned' ? 1 : 0;
    if (ok?.warnings !== warnings && !(this.#rules.moved && ok?.warnings === 0))
      this.#complain(exchange, `has not ${warnings} warnings`);
    const [write] = writes;
    if (ok !== null && write !== undefined && ok.insertId > 0) {
      this.insertIds.set(write.tag, ok.insertId);
      this.#lastInsertId = ok.insertId;
    }
    this.#wrote(exchange, writes);
  }

  #controlled(exchange: Exchange, operation: Operation, result: Result | undefined): void {
    switch (operation.do) {
      case 'begin':
        this.#settle('acknowledged', []);
        this.#begin(true, operation.modifiers === ' READ ONLY');
        return;
      case 'commit':
      case 'rollback':
        this.#settle(operation.do === 'commit' ? 'acknowledged' : 'refused', []);
        if (operation.modifiers === ' AND CHAIN') this.#begin(true);
        return;
      case 'autocommit':
        if (operation.on && !this.#autocommit) this.#settle('acknowledged', []);
        this.#autocommit = operation.on;
        return;
      case 'ddl':
        this.#settle('acknowledged', [], false);
        this.#alone('acknowledged', this.#writesOf(exchange));
        return;
      case 'call':
        this.#called(exchange, operation.name, result);
        return;
      case 'savepoint':
      case 'back-to':
      case 'release':
        this.#savepoint(exchange, operation.do, operation.name);
        return;
      case 'reset-connection':
        this.#settle('refused', []);
        this.#autocommit = true;
        this.#variable = null;
        this.#setting = '86400';
        this.#lastInsertId = 0;
        return;
      default:
        this.#remembered(exchange, operation, result);
    }
  }

  #called(exchange: Exchange, name: Procedure, result: Result | undefined): void {
    this.#lastInsertId = null;
    this.#wrote(exchange, this.#writesOf(exchange));
    const open = result?.kind === 'ok' && (result.status & STATUS.IN_TRANS) !== 0;
    if (this.#open !== null && name === 'add_maybe') this.#open.torn = true;
    if (name === 'add_log' || (name === 'add_maybe' && open)) return;
    this.#settle('acknowledged', [], false);
    if (name === 'add_commit_begin') this.#begin(true);
  }

  #savepoint(exchange: Exchange, what: 'savepoint' | 'back-to' | 'release', name: string): void {
    const open = this.#open;
    const savepoints = open?.savepoints ?? this.#marks;
    const set = (left: Open['savepoints']): void => {
      if (open === null) this.#marks = left;
      else open.savepoints = left;
    };
    if (what === 'savepoint') {
      if (open === null && this.#autocommit) return;
      set([...savepoints.filter((one) => one.name !== name), { name, writes: open?.writes.length ?? 0 }]);
      return;
    }
    const at = savepoints.findIndex((one) => one.name === name);
    const found = savepoints[at];
    if (found === undefined) {
      this.#complain(exchange, 'finds a savepoint that is not there');
      return;
    }
    if (what === 'back-to' && open !== null) {
      this.#alone('refused', open.writes.slice(found.writes));
      open.writes = open.writes.slice(0, found.writes);
    }
    set(savepoints.slice(0, what === 'release' ? at : at + 1));
  }

  #remembered(exchange: Exchange, operation: Operation, result: Result | undefined): void {
    switch (operation.do) {
      case 'set-variable':
        this.#variable = String(operation.value);
        return;
      case 'set-setting':
        this.#setting = String(operation.value);
        return;
      case 'use':
        this.#schema = operation.schema;
        return;
      case 'get-variable':
        this.#expectCell(exchange, result, this.#variable);
        return;
      case 'get-setting':
        this.#expectCell(exchange, result, this.#setting);
        return;
      case 'database':
        this.#expectCell(exchange, result, this.#schema);
        return;
      case 'last-insert-id':
        if (this.#lastInsertId !== null) this.#expectCell(exchange, result, String(this.#lastInsertId));
        return;
      case 'row-count':
        this.#checkRowCount(exchange, result);
        return;
      case 'warnings':
        this.#checkWarnings(exchange, result);
        return;
      default:
    }
  }

  /** Only behind a statement whose number is beyond doubt. */
  #checkRowCount(exchange: Exchange, result: Result | undefined): void {
    const before = this.#before;
    const what = before?.operation.do;
    const failed = before?.results?.at(-1)?.kind === 'err' || this.#rules.moved;
    if ((what === 'add' || what === 'log') && !failed) this.#expectCell(exchange, result, '1');
    if (what === 'read' && !failed) this.#expectCell(exchange, result, '-1');
  }

  #checkWarnings(exchange: Exchange, result: Result | undefined): void {
    const before = this.#before;
    const what = before?.operation.do;
    if (before?.results?.at(-1)?.kind === 'err' || (what !== 'add' && what !== 'log' && what !== 'log-warned')) return;
    const expected = what === 'log-warned' ? '["1265"]' : '[]';
    const codes = result?.kind === 'rows' ? result.rows.map(([, code]) => code) : null;
    if (JSON.stringify(codes) !== expected && !this.#rules.moved) this.#complain(exchange, 'shows other warnings');
  }

  // Shapes of answers.

  #expectOk(exchange: Exchange, result: Result | undefined, affected: number): Ok | null {
    if (result?.kind === 'ok' && result.affected === affected) return result;
    this.#complain(exchange, `has not changed ${affected} rows`);
    return null;
  }

  #expectCell(exchange: Exchange, result: Result | undefined, value: string | null): void {
    const rows: Rows['rows'] = result?.kind === 'rows' ? result.rows : [];
    if (rows.length !== 1 || rows[0]?.length !== 1 || rows[0][0] !== value)
      this.#complain(exchange, `does not show ${value}`);
  }

  #numbers(exchange: Exchange, result: Result | undefined, columns: number): readonly (readonly number[])[] {
    const rows: Rows['rows'] = result?.kind === 'rows' ? result.rows : [];
    if (rows.length === 0 || rows.some((row) => row.length !== columns))
      this.#complain(exchange, 'has other columns or no rows');
    return rows.map((row) => row.map(Number));
  }
}
