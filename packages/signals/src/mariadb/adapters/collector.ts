/**
 * Reads a MariaDB or MySQL server once a second over one connection: what is cheap every time, what is dear less often, and never more
 * than the deadline allows. Whatever the server does (hang, refuse, restart, lose its group, take a privilege away) is in the answer:
 * as `mysql_up`, as a problem in words, or as a change.
 */
import type { DatabaseDetail, StatementActivity } from '@coequal/contract';
import { type StatementDelta, StatementMemory } from '../../database/activity.ts';
import { type Ask, Reader, type ReaderOptions } from '../../database/adapters/reader.ts';
import { numberOf, type Rows, textOf } from '../../database/answer.ts';
import { type BlockingTree, blockingTrees, type LockWait } from '../../database/blocking.ts';
import { changeEvent, RestartWatch, type Whereabouts } from '../../database/changes.ts';
import { familiesBy } from '../../database/points.ts';
import { settingChanges } from '../../database/settings.ts';
import type { DatabaseCollector } from '../../database.ts';
import type { Point } from '../../sample.ts';
import { MembershipWatch, StatementWatch } from '../changes.ts';
import * as engine from '../engine.ts';
import { metadataLockWaits, rowLockWaits } from '../locks.ts';
import * as server from '../server.ts';
import * as sessions from '../sessions.ts';
import { settingRules } from '../settings.ts';
import * as statements from '../statements.ts';
import { type NamedRow, readGlobalStatus, readGlobalVariables } from '../status.ts';
import { isLogInRefused, type MariadbTarget, openMariadbSession } from './session.ts';

export type MariadbCollectorOptions = MariadbTarget & ReaderOptions;

/** Settings stand still; told this often, they are there for every query of a store. */
const settingsToldMs = 30_000;
const textMemory = 2_000;
/** More than the detail may hold: our own are left out. */
const candidates = 40;

/** 1969 and 3024: ended by our own limit. 1205, 3572: would have had to wait for a lock. */
const tooDear: ReadonlySet<string> = new Set(['1969', '3024', '1205', '3572', '1028']);
const familiesOf = familiesBy(/^mysql_(global_status|slave_status)_/);

export const openMariadbCollector = (options: MariadbCollectorOptions): DatabaseCollector => {
  const collector = new MariadbCollector(options);
  return { collect: () => collector.collect(), close: () => collector.close() };
};

class MariadbCollector extends Reader {
  readonly #restarts = new RestartWatch();
  readonly #memberships = new MembershipWatch();
  readonly #changes = new StatementWatch();
  readonly #memory = new StatementMemory();
  readonly #texts = new Map<string, string>();
  #own: number | undefined;
  #server: server.Server = server.serverOf('');
  #settings: { readonly text: string; readonly values: ReadonlyMap<string, string> } | undefined;
  #settingsToldMs = -Infinity;
  #grouped = false;
  #status: readonly NamedRow[] = [];
  #processes: readonly sessions.Process[] = [];
  #transactions: readonly sessions.Transaction[] = [];
  #waits: readonly LockWait[] = [];
  #seen = { sessions: false, transactions: false };
  #active: readonly StatementDelta[] = [];
  /** When digests were read, for the time their differences are of. */
  #digestsMs: number | undefined;
  #intervalMs = 0;
  #replicasDueMs = -Infinity;

  constructor(options: MariadbCollectorOptions) {
    super(options, {
      collector: 'mariadb',
      upMetric: 'mysql_up',
      familiesOf,
      processNames: /^(mariadbd|mysqld)/,
      tooDear,
      link: { open: (signal) => openMariadbSession(options, signal), isLogInRefused },
    });
  }

  protected override begin(): void {
    this.#active = [];
    this.#waits = [];
    this.#processes = [];
    this.#transactions = [];
    this.#seen = { sessions: false, transactions: false };
  }

  protected override async prepare(): Promise<void> {
    for (const text of server.firstSettings(this.statementMs)) await this.question(text);
    const version = await this.question('SELECT VERSION()');
    if (this.inTrouble) return;
    this.#server = server.serverOf(textOf(version?.rows[0]?.[0]));
    await this.question(server.furtherSettings(this.#server, this.statementMs));
    const own = await this.question(server.ownThread(this.#server));
    this.#own = numberOf(own?.rows[0]?.[0]);
    this.processor.serve(own?.rows[0]?.[1]);
  }

  protected override async first(): Promise<void> {
    const status = await this.question(server.status(this.#server));
    if (status !== undefined) this.#takeStatus(status);
  }

  get #where(): Whereabouts {
    return { place: this.options.place, instance: this.options.instance, grouped: this.#grouped };
  }

  #takeStatus(answer: Rows): void {
    this.#status = server.readOneRow(textOf(answer.rows[0]?.[0]));
    this.points.push(...readGlobalStatus(this.#status));
    const values = new Map(this.#status);
    this.#grouped = (values.get('wsrep_cluster_state_uuid') ?? '') !== '';
    const uptime = numberOf(values.get('uptime'));
    const now = this.clock.now();
    if (uptime !== undefined && this.#restarts.step(uptime, this.clock.monotonic(), this.connects)) {
      this.#changes.clear();
      this.#memory.clear();
      // A new process may have another configuration; that is part of the restart.
      this.#settings = undefined;
      const text = `the restart of ${this.options.instance}`;
      const began = now - uptime * 1_000;
      this.events.push(changeEvent(this.#where, 'restart', text, 'restart', began, { source: 'status' }));
    }
    this.events.push(...this.#memberships.step(values, this.#where, now));
  }

  protected override tasks(): readonly Ask[] {
    const points =
      (text: () => string, read: (rows: Rows['rows']) => readonly Point[]) => async (): Promise<boolean> => {
        const answer = await this.question(text());
        if (answer === undefined) return false;
        this.points.push(...read(answer.rows));
        return true;
      };
    return [
      { name: 'transactions', everyMs: 0, run: () => this.#readTransactions() },
      { name: 'sessions', everyMs: 0, run: () => this.#readSessions() },
      { name: 'lock waits', everyMs: 0, run: () => this.#readLockWaits() },
      { name: 'metadata locks', everyMs: 0, run: () => this.#readMetadataLocks() },
      { name: 'schema changes', everyMs: 0, run: () => this.#readChanges() },
      { name: 'statements', everyMs: 0, run: () => this.#readStatements() },
      { name: 'replicas', everyMs: 0, run: () => this.#readReplicas() },
      { name: 'settings', everyMs: 2_000, run: () => this.#readSettings() },
      {
        name: 'InnoDB metrics',
        everyMs: 5_000,
        run: points(() => engine.innodbMetrics(this.#server), engine.readInnodbMetrics),
      },
      {
        name: 'top statements',
        everyMs: 10_000,
        run: points(() => statements.topStatements, statements.readTopStatements),
      },
      {
        name: 'statement sums',
        everyMs: 10_000,
        run: points(() => statements.statementSums, statements.readStatementSums),
      },
      { name: 'binary logs', everyMs: 10_000, run: points(() => 'SHOW BINARY LOGS', engine.readBinaryLogs) },
      { name: 'file waits', everyMs: 10_000, run: points(() => engine.fileEvents, engine.readFileEvents) },
      { name: 'table waits', everyMs: 10_000, run: points(() => engine.tableWaits, engine.readTableWaits) },
      { name: 'table sizes', everyMs: 60_000, run: () => this.#readTableSizes() },
    ];
  }

  async #readTransactions(): Promise<boolean> {
    const answer = await this.question(server.transactions);
    if (answer === undefined) return false;
    this.#seen.transactions = true;
    this.#transactions = sessions.readTransactions(answer.rows);
    this.points.push(...sessions.transactionPoints(this.#transactions));
    return true;
  }

  async #readSessions(): Promise<boolean> {
    // Not FULL: a statement may have megabytes, and every session one.
    const answer = await this.question('SHOW PROCESSLIST');
    if (answer === undefined) return false;
    this.#seen.sessions = true;
    this.#processes = sessions.readProcesses(answer.rows, this.#own);
    this.points.push(...sessions.processPoints(this.#processes));
    return true;
  }

  async #readLockWaits(): Promise<boolean> {
    if (!this.#transactions.some(({ state }) => state === 'LOCK WAIT')) return true;
    const answer = await this.question(server.lockWaits(this.#server));
    if (answer === undefined) return false;
    this.#waits = rowLockWaits(answer.rows, this.#transactions);
    return true;
  }

  async #readMetadataLocks(): Promise<boolean> {
    if (!this.#processes.some(sessions.waitsForMetadata)) return true;
    const answer = await this.question(server.metadataLocks);
    if (answer === undefined) return false;
    this.#waits = [...this.#waits, ...metadataLockWaits(answer.rows)].slice(0, 1_000);
    return true;
  }

  async #readChanges(): Promise<boolean> {
    if (!this.#changes.count(this.#status, this.clock.now())) return true;
    const answer = await this.question(statements.recentChanges(3));
    this.events.push(...this.#changes.resolve(answer?.rows ?? [], this.#processes, this.#where));
    return answer !== undefined;
  }

  async #readStatements(): Promise<boolean> {
    const now = this.clock.monotonic();
    const sinceMs = Math.min(60_000, now - (this.#digestsMs ?? now - 60_000));
    const answer = await this.question(statements.recentStatements(sinceMs / 1_000));
    if (answer === undefined) return false;
    const active = this.#memory.step(statements.readRecentStatements(answer.rows)).slice(0, candidates);
    this.#intervalMs = this.#digestsMs === undefined ? 0 : now - this.#digestsMs;
    this.#digestsMs = now;
    const unknown = [...new Set(active.map(({ digest }) => digest))].filter((digest) => !this.#texts.has(digest));
    if (unknown.length > 0) {
      const texts = await this.question(statements.digestTexts(unknown.length), unknown);
      if (texts === undefined) return false;
      if (this.#texts.size > textMemory) this.#texts.clear();
      for (const [digest, text] of texts.rows) this.#texts.set(textOf(digest), textOf(text));
    }
    this.#active = active;
    return true;
  }

  async #readReplicas(): Promise<boolean> {
    // A server that follows nobody will not begin to this second.
    if (this.clock.monotonic() < this.#replicasDueMs) return true;
    const answer = await this.question(server.replicas(this.#server));
    if (answer === undefined) return false;
    this.#replicasDueMs = answer.rows.length > 0 ? -Infinity : this.clock.monotonic() + 5_000;
    this.points.push(...engine.readReplicas(answer));
    return true;
  }

  async #readSettings(): Promise<boolean> {
    const answer = await this.question(server.variables(this.#server));
    if (answer === undefined) return false;
    const text = textOf(answer.rows[0]?.[0]);
    const [now, nowMs] = [this.clock.monotonic(), this.clock.now()];
    const before = this.#settings;
    if (text === before?.text && now - this.#settingsToldMs < settingsToldMs) return true;
    const rows = server.readOneRow(text);
    this.#settings = { text, values: new Map(rows) };
    const changes = before === undefined ? [] : settingChanges(before.values, this.#settings.values, settingRules);
    for (const { name, text: words } of changes)
      this.events.push(changeEvent(this.#where, 'setting', words, name, nowMs, { source: 'variables' }));
    if (changes.length > 0 || now - this.#settingsToldMs >= settingsToldMs) {
      this.#settingsToldMs = now;
      this.points.push(...readGlobalVariables(rows));
    }
    return true;
  }

  async #readTableSizes(): Promise<boolean> {
    const count = await this.question(engine.tableCount);
    if (count === undefined) return false;
    if ((numberOf(count.rows[0]?.[0]) ?? 0) > engine.tableLimit) {
      const problem = `there are more than ${engine.tableLimit} tables; their sizes are not read`;
      this.putOff(problem, true);
      return false;
    }
    const answer = await this.question(engine.tableSizes);
    if (answer === undefined) return false;
    this.points.push(...engine.readTableSizes(answer.rows));
    return true;
  }

  get #activity(): sessions.Activity {
    const blocked = new Map(this.#trees().map(({ session, blocked }) => [session, blocked]));
    return { processes: this.#processes, transactions: this.#transactions, waits: this.#waits, blocked };
  }

  #trees(): readonly BlockingTree[] {
    return blockingTrees(this.#waits);
  }

  /** Nothing rather than zeros when the sessions could not be read. */
  #takeActivity(): void {
    if (!this.#seen.sessions || !this.#seen.transactions) return;
    this.points.push(...sessions.activityPoints(this.#activity));
  }

  protected override async detail(): Promise<DatabaseDetail> {
    this.#takeActivity();
    const chosen = sessions.chooseProcesses(this.#activity);
    return {
      instance: this.options.instance,
      atMs: this.clock.now(),
      intervalMs: Math.round(this.#intervalMs),
      sessions: [...sessions.detailSessions(chosen, this.#transactions, await this.#longTexts(chosen))],
      waits: [...this.#waits],
      blockers: this.#trees()
        .slice(0, 20)
        .map(({ session, blocked, inRing }) => ({ session, blocked, inRing })),
      statements: this.#statementActivity(),
    };
  }

  /** Statements that SHOW PROCESSLIST cut off. */
  async #longTexts(chosen: readonly sessions.Process[]): Promise<ReadonlyMap<number, string>> {
    const cut = chosen
      .filter(({ statement }) => statement.length >= sessions.processStatementLimit)
      .map(({ id }) => id);
    if (cut.length === 0 || !this.hasTime) return new Map();
    const answer = await this.question(server.statementTexts(cut));
    return new Map(answer?.rows.flatMap(([id, text]) => (text === null ? [] : [[Number(id), textOf(text)]])));
  }

  #statementActivity(): StatementActivity[] {
    return this.#active
      .flatMap(({ digest, database, delta }) => {
        const text = this.#texts.get(digest) ?? '';
        if (statements.isOwnDigest(text)) return [];
        const named = database === undefined ? {} : { database };
        return [{ digest, text: statements.tidyDigest(text), ...named, ...delta }];
      })
      .slice(0, 20);
  }
}
