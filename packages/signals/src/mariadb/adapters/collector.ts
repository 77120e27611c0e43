/**
 * Reads a MariaDB or MySQL server once a second over one connection: what is cheap every time, what is dear less often, and never more
 * than the deadline allows. Whatever the server does (hang, refuse, restart, lose its group, take a privilege away) is in the answer:
 * as `mysql_up`, as a problem in words, or as a change.
 */
import type { ChangeEvent, DatabaseDetail, Place, StatementActivity } from '@coequal/contract';
import type { Clock, Log } from '@coequal/kernel';
import { type StatementDelta, StatementMemory } from '../../database/activity.ts';
import { costPoints } from '../../database/adapters/costs.ts';
import { Deadline, Link } from '../../database/adapters/link.ts';
import { SessionProcessor } from '../../database/adapters/processor.ts';
import { type Answer, numberOf, type Rows, textOf } from '../../database/answer.ts';
import { familiesBy, point } from '../../database/points.ts';
import { Schedule, type Task } from '../../database/schedule.ts';
import { settingChanges } from '../../database/settings.ts';
import type { DatabaseCollector, DatabaseReadings } from '../../database.ts';
import type { Point } from '../../sample.ts';
import { type BlockingTree, blockingTrees, type LockWait } from '../blocking.ts';
import { changeEvent, MembershipWatch, RestartWatch, StatementWatch, type Whereabouts } from '../changes.ts';
import * as engine from '../engine.ts';
import { metadataLockWaits, rowLockWaits } from '../locks.ts';
import * as server from '../server.ts';
import * as sessions from '../sessions.ts';
import { settingRules } from '../settings.ts';
import * as statements from '../statements.ts';
import { type NamedRow, readGlobalStatus, readGlobalVariables } from '../status.ts';
import { isLogInRefused, type MariadbTarget, openMariadbSession } from './session.ts';

export type MariadbCollectorOptions = MariadbTarget & {
  /** Name of the instance in the estate. */
  readonly instance: string;
  /** Where events are said to have happened. */
  readonly place: Place;
  readonly clock: Clock;
  readonly log?: Log;
  /** For one reading, everything in it. */
  readonly deadlineMs?: number;
  /** Where /proc is seen, when the server runs on this host: then its processor time for us is known. */
  readonly processFolder?: string;
};

const usualDeadlineMs = 800;
/** Settings stand still; told this often, they are there for every query of a store. */
const settingsToldMs = 30_000;
/** Not worth another question. */
const leastLeftMs = 20;
const textMemory = 2_000;

/** 1969 and 3024: ended by our own limit. 1205, 3572: would have had to wait for a lock. */
const tooDear: ReadonlySet<string> = new Set(['1969', '3024', '1205', '3572', '1028']);

const familiesOf = familiesBy(/^mysql_(global_status|slave_status)_/);

export const openMariadbCollector = (options: MariadbCollectorOptions): DatabaseCollector => {
  const collector = new MariadbCollector(options);
  return { collect: () => collector.collect(), close: () => collector.close() };
};

type Ask = Task & { readonly run: () => Promise<boolean> };

class MariadbCollector {
  readonly #options: MariadbCollectorOptions;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #processor: SessionProcessor;
  readonly #schedule: Schedule<Ask>;
  readonly #restarts = new RestartWatch();
  readonly #memberships = new MembershipWatch();
  readonly #changes = new StatementWatch();
  readonly #memory = new StatementMemory();
  readonly #texts = new Map<string, string>();
  #running: Promise<DatabaseReadings> | undefined;
  #prepared = 0;
  #own: number | undefined;
  #server: server.Server = server.serverOf('');
  #settings: { readonly text: string; readonly values: ReadonlyMap<string, string> } | undefined;
  #settingsToldMs = -Infinity;
  #grouped = false;
  /** Of the reading under way. */
  #deadline: Deadline;
  #points: Point[] = [];
  #events: ChangeEvent[] = [];
  #trouble: string | undefined;
  #task: Ask | undefined;
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
    this.#options = options;
    this.#clock = options.clock;
    this.#link = new Link({
      clock: options.clock,
      open: (signal) => openMariadbSession(options, signal),
      isLogInRefused,
    });
    this.#processor = new SessionProcessor(options.processFolder, /^(mariadbd|mysqld)/);
    this.#schedule = new Schedule(this.#tasks());
    this.#deadline = new Deadline(this.#clock, 0);
  }

  collect(): Promise<DatabaseReadings> {
    this.#running ??= this.#read().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#running;
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? usualDeadlineMs;
  }

  async #read(): Promise<DatabaseReadings> {
    const start = this.#clock.monotonic();
    this.#deadline = new Deadline(this.#clock, this.#deadlineMs);
    this.#points = [];
    this.#events = [];
    this.#trouble = undefined;
    this.#active = [];
    this.#waits = [];
    this.#processes = [];
    this.#transactions = [];
    this.#seen = { sessions: false, transactions: false };
    const up = await this.#ask();
    const detail = up ? await this.#detail() : undefined;
    this.#deadline.over();
    const durationMs = this.#clock.monotonic() - start;
    const points = [
      point('mysql_up', [], up ? 1 : 0),
      ...this.#points,
      ...costPoints({
        collector: 'mariadb',
        figures: this.#link.figures(),
        processorSeconds: this.#processor.seconds(),
        durationMs,
      }),
    ];
    return {
      points,
      families: familiesOf(points),
      detail,
      changes: this.#events,
      problems: [...(this.#trouble === undefined ? [] : [this.#trouble]), ...(up ? this.#schedule.problems() : [])],
    };
  }

  /** True when the server answered anything. */
  async #ask(): Promise<boolean> {
    const notReady = await this.#link.ready(this.#deadline);
    if (notReady !== undefined) return this.#failed(notReady);
    if (this.#prepared !== this.#link.connects && !(await this.#prepare())) return false;
    const status = await this.#question(server.status(this.#server));
    if (status === undefined) return this.#trouble === undefined;
    this.#takeStatus(status);
    for (const task of this.#schedule.due(this.#clock.monotonic())) {
      if (this.#deadline.leftMs() < leastLeftMs) break;
      this.#task = task;
      if (await task.run()) this.#schedule.answered(task, this.#clock.monotonic());
      this.#task = undefined;
      // The connection is gone, or an answer is owed.
      if (this.#trouble !== undefined) break;
    }
    this.#takeActivity();
    return true;
  }

  #failed(answer: Exclude<Answer, { kind: 'rows' }>): false {
    this.#trouble = troubleWords(answer);
    return false;
  }

  /** Rows; undefined when there are none, with the trouble told, or the task put off. */
  async #question(text: string, values: readonly (string | number)[] = []): Promise<Rows | undefined> {
    const answer = await this.#link.ask(text, values, this.#deadline);
    if (answer.kind === 'rows') return answer;
    if (answer.kind !== 'refused') this.#failed(answer);
    else if (this.#task !== undefined)
      this.#schedule.refused(this.#task, this.#clock.monotonic(), answer.reason, tooDear.has(answer.code));
    else this.#options.log?.('warn', 'database refused a question', { code: answer.code, reason: answer.reason });
    return undefined;
  }

  async #prepare(): Promise<boolean> {
    const connects = this.#link.connects;
    const statementMs = Math.max(100, this.#deadlineMs / 2);
    for (const text of server.firstSettings(statementMs)) await this.#question(text);
    const version = await this.#question('SELECT VERSION()');
    if (this.#trouble !== undefined) return false;
    this.#server = server.serverOf(textOf(version?.rows[0]?.[0]));
    await this.#question(server.furtherSettings(this.#server, statementMs));
    const own = await this.#question(server.ownThread(this.#server));
    if (this.#trouble !== undefined) return false;
    this.#own = numberOf(own?.rows[0]?.[0]);
    this.#processor.serve(own?.rows[0]?.[1]);
    this.#schedule.again();
    this.#prepared = connects;
    return true;
  }

  get #where(): Whereabouts {
    return { place: this.#options.place, instance: this.#options.instance, grouped: this.#grouped };
  }

  #takeStatus(answer: Rows): void {
    this.#status = server.readOneRow(textOf(answer.rows[0]?.[0]));
    this.#points.push(...readGlobalStatus(this.#status));
    const values = new Map(this.#status);
    this.#grouped = (values.get('wsrep_cluster_state_uuid') ?? '') !== '';
    const uptime = numberOf(values.get('uptime'));
    const now = this.#clock.now();
    if (uptime !== undefined && this.#restarts.step(uptime, this.#clock.monotonic())) {
      this.#changes.clear();
      this.#memory.clear();
      // A new process may have another configuration; that is part of the restart.
      this.#settings = undefined;
      const text = `the restart of ${this.#options.instance}`;
      const began = now - uptime * 1_000;
      this.#events.push(changeEvent(this.#where, 'restart', text, 'restart', began, { source: 'status' }));
    }
    this.#events.push(...this.#memberships.step(values, this.#where, now));
  }

  #tasks(): readonly Ask[] {
    const points =
      (text: () => string, read: (rows: Rows['rows']) => readonly Point[]) => async (): Promise<boolean> => {
        const answer = await this.#question(text());
        if (answer === undefined) return false;
        this.#points.push(...read(answer.rows));
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
    const answer = await this.#question(server.transactions);
    if (answer === undefined) return false;
    this.#seen.transactions = true;
    this.#transactions = sessions.readTransactions(answer.rows);
    this.#points.push(...sessions.transactionPoints(this.#transactions));
    return true;
  }

  async #readSessions(): Promise<boolean> {
    // Not FULL: a statement may have megabytes, and every session one.
    const answer = await this.#question('SHOW PROCESSLIST');
    if (answer === undefined) return false;
    this.#seen.sessions = true;
    this.#processes = sessions.readProcesses(answer.rows, this.#own);
    this.#points.push(...sessions.processPoints(this.#processes));
    return true;
  }

  async #readLockWaits(): Promise<boolean> {
    if (!this.#transactions.some(({ state }) => state === 'LOCK WAIT')) return true;
    const answer = await this.#question(server.lockWaits(this.#server));
    if (answer === undefined) return false;
    this.#waits = rowLockWaits(answer.rows, this.#transactions);
    return true;
  }

  async #readMetadataLocks(): Promise<boolean> {
    if (!this.#processes.some(sessions.waitsForMetadata)) return true;
    const answer = await this.#question(server.metadataLocks);
    if (answer === undefined) return false;
    this.#waits = [...this.#waits, ...metadataLockWaits(answer.rows)].slice(0, 1_000);
    return true;
  }

  async #readChanges(): Promise<boolean> {
    if (!this.#changes.count(this.#status, this.#clock.now())) return true;
    const answer = await this.#question(statements.recentChanges(3));
    this.#events.push(...this.#changes.resolve(answer?.rows ?? [], this.#processes, this.#where));
    return answer !== undefined;
  }

  async #readStatements(): Promise<boolean> {
    const now = this.#clock.monotonic();
    const sinceMs = Math.min(60_000, now - (this.#digestsMs ?? now - 60_000));
    const answer = await this.#question(statements.recentStatements(sinceMs / 1_000));
    if (answer === undefined) return false;
    const active = this.#memory.step(statements.readRecentStatements(answer.rows));
    this.#intervalMs = this.#digestsMs === undefined ? 0 : now - this.#digestsMs;
    this.#digestsMs = now;
    const unknown = [...new Set(active.map(({ digest }) => digest))].filter((digest) => !this.#texts.has(digest));
    if (unknown.length > 0) {
      const texts = await this.#question(statements.digestTexts(unknown.length), unknown);
      if (texts === undefined) return false;
      if (this.#texts.size > textMemory) this.#texts.clear();
      for (const [digest, text] of texts.rows) this.#texts.set(textOf(digest), textOf(text));
    }
    this.#active = active;
    return true;
  }

  async #readReplicas(): Promise<boolean> {
    // A server that follows nobody will not begin to this second.
    if (this.#clock.monotonic() < this.#replicasDueMs) return true;
    const answer = await this.#question(server.replicas(this.#server));
    if (answer === undefined) return false;
    this.#replicasDueMs = answer.rows.length > 0 ? -Infinity : this.#clock.monotonic() + 5_000;
    this.#points.push(...engine.readReplicas(answer));
    return true;
  }

  async #readSettings(): Promise<boolean> {
    const answer = await this.#question(server.variables(this.#server));
    if (answer === undefined) return false;
    const text = textOf(answer.rows[0]?.[0]);
    const [now, nowMs] = [this.#clock.monotonic(), this.#clock.now()];
    const before = this.#settings;
    if (text === before?.text && now - this.#settingsToldMs < settingsToldMs) return true;
    const rows = server.readOneRow(text);
    this.#settings = { text, values: new Map(rows) };
    const changes = before === undefined ? [] : settingChanges(before.values, this.#settings.values, settingRules);
    for (const { name, text: words } of changes)
      this.#events.push(changeEvent(this.#where, 'setting', words, name, nowMs, { source: 'variables' }));
    if (changes.length > 0 || now - this.#settingsToldMs >= settingsToldMs) {
      this.#settingsToldMs = now;
      this.#points.push(...readGlobalVariables(rows));
    }
    return true;
  }

  async #readTableSizes(): Promise<boolean> {
    const count = await this.#question(engine.tableCount);
    if (count === undefined) return false;
    if ((numberOf(count.rows[0]?.[0]) ?? 0) > engine.tableLimit) {
      const problem = `there are more than ${engine.tableLimit} tables; their sizes are not read`;
      if (this.#task !== undefined) this.#schedule.refused(this.#task, this.#clock.monotonic(), problem, true);
      return false;
    }
    const answer = await this.#question(engine.tableSizes);
    if (answer === undefined) return false;
    this.#points.push(...engine.readTableSizes(answer.rows));
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
    this.#points.push(...sessions.activityPoints(this.#activity));
  }

  async #detail(): Promise<DatabaseDetail> {
    const chosen = sessions.chooseProcesses(this.#activity);
    return {
      instance: this.#options.instance,
      atMs: this.#clock.now(),
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
    if (cut.length === 0 || this.#trouble !== undefined || this.#deadline.leftMs() < leastLeftMs) return new Map();
    const answer = await this.#question(server.statementTexts(cut));
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

const troubleWords = (answer: Exclude<Answer, { kind: 'rows' }>): string => {
  switch (answer.kind) {
    case 'silent':
      return `the database has not answered for ${answer.seconds.toFixed(1)} s`;
    case 'lost':
      return `no connection: ${answer.reason}`;
    case 'refused':
      return `refused: ${answer.reason}`;
  }
};
