/**
 * Reads a PostgreSQL server once a second over one connection: what is cheap every time, what is dear less often, and never more than the
 * deadline allows. Whatever the server does (hang, refuse, restart, change its role) is in the answer.
 */
import type { DatabaseDetail, StatementActivity } from '@coequal/contract';
import { type StatementDelta, StatementMemory } from '../../database/activity.ts';
import { type Ask, Reader, type ReaderOptions } from '../../database/adapters/reader.ts';
import { numberOf, type Row, type Rows, textOf } from '../../database/answer.ts';
import { type BlockingTree, blockingTrees, type LockWait } from '../../database/blocking.ts';
import { changeEvent, type Whereabouts } from '../../database/changes.ts';
import { maskLiterals } from '../../database/mask.ts';
import { familiesBy, point } from '../../database/points.ts';
import { settingChanges } from '../../database/settings.ts';
import type { DatabaseCollector } from '../../database.ts';
import type { Point } from '../../sample.ts';
import { lockPoints, readView, type Setting, settingPoints } from '../points.ts';
import * as questions from '../questions.ts';
import * as sessions from '../sessions.ts';
import { changeOf, readStatements, statementPoints } from '../statements.ts';
import { isLogInRefused, openPostgresSession, type PostgresTarget } from './session.ts';

export type PostgresCollectorOptions = PostgresTarget & ReaderOptions;

/** Settings stand still; told this often, they are there for every query of a store. */
const settingsToldMs = 30_000;
const statementsToldMs = 10_000;
const textMemory = 5_000;
/** More than the detail may hold: our own are left out. */
const candidates = 40;
/** So many new kinds of statements are looked at in one reading, for what they changed. */
const newTexts = 200;

/** 57014: ended by our own limit. 55P03: would have had to wait for a lock. */
const tooDear: ReadonlySet<string> = new Set(['57014', '55P03']);
const familiesOf = familiesBy(/^$/);

export const openPostgresCollector = (options: PostgresCollectorOptions): DatabaseCollector => {
  const collector = new PostgresCollector(options);
  return { collect: () => collector.collect(), close: () => collector.close() };
};

class PostgresCollector extends Reader {
  #began: number | undefined;
  readonly #memory = new StatementMemory();
  readonly #texts = new Map<string, string>();
  #version = 0;
  #standby: boolean | undefined;
  #countsStatements = false;
  #databases: readonly string[] = [];
  #settings: { readonly text: string; readonly values: ReadonlyMap<string, string> } | undefined;
  #settingsToldMs = -Infinity;
  #statementsToldMs = -Infinity;
  #backends: readonly sessions.Backend[] = [];
  #waits: readonly LockWait[] = [];
  #trees: readonly BlockingTree[] = [];
  #active: readonly StatementDelta[] = [];
  #statementsMs: number | undefined;
  #complete = false;
  #intervalMs = 0;

  constructor(options: PostgresCollectorOptions) {
    super(options, {
      collector: 'postgres',
      upMetric: 'pg_up',
      familiesOf,
      processNames: /^postgres/,
      tooDear,
      link: { open: (signal) => openPostgresSession(options, signal), isLogInRefused },
    });
  }

  protected override question(text: string, values: readonly (string | number)[] = []): Promise<Rows | undefined> {
    return super.question(questions.markedOwn(text), values);
  }

  protected override begin(): void {
    this.#backends = [];
    this.#waits = [];
    this.#trees = [];
    this.#active = [];
  }

  protected override async prepare(): Promise<void> {
    await this.question(questions.sessionSettings(this.statementMs));
    const own = await this.question('SELECT pg_backend_pid()');
    this.processor.serve(own?.rows[0]?.[0]);
  }

  protected override async first(): Promise<void> {
    const answer = await this.question(questions.basics);
    const row = answer?.rows[0];
    if (row !== undefined) this.#takeBasics(row);
  }

  get #where(): Whereabouts {
    return { place: this.options.place, instance: this.options.instance, grouped: false };
  }

  #takeBasics([, version, words, began, standby, , lag, counts]: Row): void {
    this.#version = numberOf(version) ?? 0;
    this.#countsStatements = counts === 't';
    const [major, minor] = [Math.floor(this.#version / 10_000), this.#version % 10_000];
    const labels = [['version', textOf(words)] as const, ['short_version', `${major}.${minor}.0`] as const];
    this.points.push(point('pg_static', labels, 1));
    const [start, now] = [numberOf(began), this.clock.now()];
    if (start !== undefined) {
      this.points.push(point('pg_postmaster_start_time_seconds', [], start));
      if (this.#began !== undefined && this.#began !== start) {
        this.#memory.clear();
        this.#settings = undefined;
        const text = `the restart of ${this.options.instance}`;
        const more = { source: 'pg_postmaster_start_time' };
        this.events.push(changeEvent(this.#where, 'restart', text, 'restart', start * 1_000, more));
      }
      this.#began = start;
    }
    const isStandby = standby === 't';
    this.points.push(point('pg_replication_is_replica', [], isStandby ? 1 : 0));
    this.points.push(point('pg_replication_lag_seconds', [], numberOf(lag) ?? 0));
    if (this.#standby !== undefined && this.#standby !== isStandby) {
      const text = `${this.options.instance} became ${isStandby ? 'a standby' : 'the primary'}`;
      const more = { source: 'pg_is_in_recovery' };
      this.events.push(changeEvent(this.#where, 'membership', text, text, now, more));
    }
    this.#standby = isStandby;
  }

  protected override tasks(): readonly Ask[] {
    const points = (text: () => string, read: (answer: Rows) => readonly Point[]) => async (): Promise<boolean> => {
      const answer = await this.question(text());
      if (answer === undefined) return false;
      this.points.push(...read(answer));
      return true;
    };
    const tables = readView('pg_stat_user_tables', ['datname', 'schemaname', 'relname']);
    const sizes = (answer: Rows): readonly Point[] =>
      answer.rows.map(([name, bytes]) =>
        point('pg_database_size_bytes', [['datname', textOf(name)]], numberOf(bytes) ?? 0),
      );
    return [
      { name: 'sessions', everyMs: 0, run: () => this.#readSessions() },
      { name: 'database statistics', everyMs: 0, run: points(() => questions.databaseStatistics, readDatabases) },
      { name: 'statements', everyMs: 0, run: () => this.#readStatements() },
      {
        name: 'replication',
        everyMs: 0,
        run: points(
          () => questions.replication,
          readView('pg_stat_replication', ['application_name', 'client_addr', 'state', 'slot_name']),
        ),
      },
      { name: 'settings', everyMs: 2_000, run: () => this.#readSettings() },
      { name: 'locks', everyMs: 5_000, run: () => this.#readLocks() },
      {
        name: 'writer',
        everyMs: 5_000,
        run: points(() => questions.writer(this.#version), readView('pg_stat_bgwriter', [], '_total')),
      },
      { name: 'archiver', everyMs: 10_000, run: points(() => questions.archiver, readView('pg_stat_archiver', [])) },
      {
        name: 'conflicts',
        everyMs: 10_000,
        run: points(() => questions.conflicts, readView('pg_stat_database_conflicts', ['datid', 'datname'])),
      },
      {
        name: 'slots',
        everyMs: 10_000,
        run: points(() => questions.slots, readView('pg_replication_slots', ['slot_name', 'database'])),
      },
      { name: 'tables', everyMs: 10_000, run: points(() => questions.tables, tables) },
      { name: 'database sizes', everyMs: 60_000, run: points(() => questions.databaseSizes, sizes) },
    ];
  }

  async #readSessions(): Promise<boolean> {
    if (this.#databases.length === 0 && !(await this.#readDatabaseNames())) return false;
    const answer = await this.question(questions.activity);
    if (answer === undefined) return false;
    this.#backends = sessions.readBackends(answer.rows);
    if (this.#backends.some(({ waitKind }) => waitKind === 'Lock')) {
      const waits = await this.question(questions.blockers);
      if (waits === undefined) return false;
      this.#waits = sessions.readWaits(waits.rows);
      this.#trees = blockingTrees(this.#waits);
    }
    this.points.push(
      ...sessions.backendPoints(this.#databases, this.#backends),
      ...sessions.activityPoints(this.#backends, this.#waits, this.#trees),
    );
    return true;
  }

  async #readDatabaseNames(): Promise<boolean> {
    const answer = await this.question(questions.databases);
    if (answer === undefined) return false;
    this.#databases = answer.rows.map(([name]) => textOf(name));
    return true;
  }

  /** With them the names of databases, which come and go seldom. */
  async #readLocks(): Promise<boolean> {
    if (!(await this.#readDatabaseNames())) return false;
    const answer = await this.question(questions.locks);
    if (answer === undefined) return false;
    this.points.push(...lockPoints(this.#databases, answer.rows));
    return true;
  }

  async #readStatements(): Promise<boolean> {
    if (!this.#countsStatements) return true;
    const now = this.clock.monotonic();
    const answer = await this.question(questions.statements(this.#version));
    if (answer === undefined) return false;
    const found = this.#memory.step(readStatements(answer.rows, this.#complete));
    this.#complete = answer.rows.length < questions.statementLimit;
    this.#intervalMs = this.#statementsMs === undefined ? 0 : now - this.#statementsMs;
    this.#statementsMs = now;
    const unknown = [...new Set(found.map(({ digest }) => digest))].filter((digest) => !this.#texts.has(digest));
    if (unknown.length > 0) {
      const texts = await this.question(questions.statementTexts, [unknown.slice(0, newTexts).join(',')]);
      if (texts === undefined) return false;
      if (this.#texts.size > textMemory) this.#texts.clear();
      for (const [digest, text] of texts.rows) this.#texts.set(textOf(digest), textOf(text));
    }
    this.#active = found;
    this.#tellChanges(found);
    if (now - this.#statementsToldMs >= statementsToldMs) {
      this.#statementsToldMs = now;
      this.points.push(...statementPoints(answer.rows));
    }
    return true;
  }

  /** A schema change or an account, as its statement is counted. */
  #tellChanges(found: readonly StatementDelta[]): void {
    for (const { digest } of found) {
      const text = this.#texts.get(digest) ?? '';
      const kind = changeOf(text);
      if (kind === undefined) continue;
      const words = `the ${kind === 'ddl' ? 'schema' : 'account'} change ${maskLiterals(text, 'postgres')}`;
      const more = { source: 'pg_stat_statements' };
      this.events.push(changeEvent(this.#where, kind, words, digest, this.clock.now(), more));
    }
  }

  async #readSettings(): Promise<boolean> {
    const answer = await this.question(questions.settings);
    if (answer === undefined) return false;
    const text = textOf(answer.rows[0]?.[0]);
    const [now, nowMs, before] = [this.clock.monotonic(), this.clock.now(), this.#settings];
    if (text === before?.text && now - this.#settingsToldMs < settingsToldMs) return true;
    const settings = text.split('\u0002').map((row): Setting => {
      const [name = '', value = '', unit = '', type = ''] = row.split('\u0001');
      return { name, value, unit, type };
    });
    this.#settings = {
      text,
      values: new Map(settings.map(({ name, value, unit }) => [name, `${value}${unit && ` ${unit}`}`])),
    };
    const changes =
      before === undefined
        ? []
        : settingChanges(before.values, this.#settings.values, { varying: /^in_hot_standby$/, lists: {} });
    for (const { name, text: words } of changes)
      this.events.push(changeEvent(this.#where, 'setting', words, name, nowMs, { source: 'pg_settings' }));
    if (changes.length > 0 || now - this.#settingsToldMs >= settingsToldMs) {
      this.#settingsToldMs = now;
      this.points.push(...settingPoints(settings));
    }
    return true;
  }

  protected override async detail(): Promise<DatabaseDetail> {
    return {
      instance: this.options.instance,
      atMs: this.clock.now(),
      intervalMs: Math.round(this.#intervalMs),
      sessions: sessions.detailSessions(this.#backends, this.#waits, this.#trees),
      waits: [...this.#waits],
      blockers: this.#trees.slice(0, 20).map(({ session, blocked, inRing }) => ({ session, blocked, inRing })),
      statements: this.#statementActivity(),
    };
  }

  #statementActivity(): StatementActivity[] {
    return this.#active
      .slice(0, candidates)
      .flatMap(({ digest, database, delta }) => {
        const text = this.#texts.get(digest) ?? '';
        if (text.includes(questions.ownMark)) return [];
        const named = database === undefined ? {} : { database };
        return [{ digest, text: maskLiterals(text, 'postgres'), ...named, ...delta }];
      })
      .slice(0, 20);
  }
}

/** pg_stat_database: times that the exporter tells as seconds since 1970, the rest as they are. */
const readDatabases = ({ columns, rows }: Rows): readonly Point[] => {
  const times = new Set(['stats_reset', 'checksum_last_failure']);
  const kept = columns
    .map((name, index) => [name.replace(/_epoch$/, ''), index, name] as const)
    .filter(([, , name]) => !times.has(name));
  return readView('pg_stat_database', ['datid', 'datname'])({
    columns: kept.map(([name]) => name),
    rows: rows.map((row) => kept.map(([, index]) => row[index] ?? null)),
  });
};
