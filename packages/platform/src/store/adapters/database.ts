/**
 * The platform's database: one SQLite file in the state folder, in write-ahead mode, brought to the newest shape when it is opened. What
 * is written is whole or not there after a kill at any moment. A file of a later version is used as it is where its steps only added
 * something, and else refused and left alone. Each step's way back lies in the file, so that also an earlier version can go it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { type Migration, migrations } from '../migrations.ts';

export type Row = Readonly<Record<string, unknown>>;

export type Database = {
  readonly run: (sql: string, ...values: readonly SQLInputValue[]) => number;
  readonly all: (sql: string, ...values: readonly SQLInputValue[]) => readonly Row[];
  /** All of it, or nothing. */
  readonly together: (work: () => void) => void;
  /** A whole copy into a new file, while it is used. */
  readonly copyTo: (path: string) => Promise<void>;
  readonly close: () => void;
};

/** @throws FOLDER_UNWRITABLE, PLATFORM_ALREADY_RUNNING, PLATFORM_DATABASE_BROKEN, PLATFORM_DATABASE_NEWER */
export const openDatabase = (folder: string, steps: readonly Migration[] = migrations): Database => {
  makeFolder(folder);
  return owned(folder, (database, path) => {
    migrate(database, path, steps);
    return wrapped(database);
  });
};

/**
 * Takes back whatever was made after a step, the newest first. Of steps that this version does not know, their way back is in the file.
 * @throws as `openDatabase`, PLATFORM_STEP_UNKNOWN
 */
export const stepBack = (folder: string, to: string): readonly string[] =>
  owned(folder, (database) => {
    const done = applied(database);
    const at = done.findIndex(({ name }) => name === to);
    if (at < 0) throw fail('PLATFORM_STEP_UNKNOWN', { step: to, known: done.map(({ name }) => name).join(', ') });
    const back = done.slice(at + 1).reverse();
    inTransaction(database, () => {
      for (const { name, down } of back) {
        database.exec(down);
        database.prepare('DELETE FROM migration WHERE name = ?').run(name);
      }
    });
    database.close();
    return back.map(({ name }) => name);
  });

export const databasePath = (folder: string): string => join(folder, 'platform.sqlite');

const owned = <T>(folder: string, work: (database: DatabaseSync, path: string) => T): T => {
  const path = databasePath(folder);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 2_000, enableForeignKeyConstraints: true });
    // One process owns it: the lock goes with the process, however that ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec('PRAGMA journal_size_limit = 67108864');
    return work(database, path);
  } catch (error) {
    if (database?.isOpen === true) database.close();
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error;
    if (/locked/.test(reasonOf(error))) throw fail('PLATFORM_ALREADY_RUNNING', { folder }, { cause: error });
    throw fail('PLATFORM_DATABASE_BROKEN', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const advice = 'Make it, or give the platform another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: folder, reason: reasonOf(error), advice }, { cause: error });
  }
};

const statementsKept = 200;

const wrapped = (database: DatabaseSync): Database => {
  const prepared = new Map<string, ReturnType<DatabaseSync['prepare']>>();
  const statement = (sql: string): ReturnType<DatabaseSync['prepare']> => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    if (prepared.size >= statementsKept) prepared.clear();
    const made = database.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  return {
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
    all: (sql, ...values) => statement(sql).all(...values),
    together: (work) => inTransaction(database, work),
    copyTo: async (path) => void (await backup(database, path)),
    close: () => {
      prepared.clear();
      database.close();
    },
  };
};

const inTransaction = (database: DatabaseSync, work: () => void): void => {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    // A full disk may have ended the transaction already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
};

type Applied = { readonly name: string; readonly down: string; readonly breaks: boolean };

/** In the order in which they were made. */
const applied = (database: DatabaseSync): readonly Applied[] => {
  database.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY) STRICT');
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').all('migration');
  // The first release noted names only; of its steps the ways back are known here.
  if (!columns.some(({ name }) => name === 'down'))
    database.exec(
      "ALTER TABLE migration ADD COLUMN down TEXT NOT NULL DEFAULT ''; ALTER TABLE migration ADD COLUMN breaks INTEGER NOT NULL DEFAULT 1",
    );
  return database
    .prepare('SELECT name, down, breaks FROM migration ORDER BY rowid')
    .all()
    .map(({ name, down, breaks }) => ({ name: String(name), down: String(down), breaks: breaks !== 0 }));
};

/** Up to the newest step; each step and the note of it are one transaction. */
const migrate = (database: DatabaseSync, path: string, steps: readonly Migration[]): void => {
  const done = applied(database);
  const later = done.filter(({ name, breaks }) => breaks && !steps.some((step) => step.name === name));
  if (later.length > 0)
    throw fail('PLATFORM_DATABASE_NEWER', { path, steps: later.map(({ name }) => name).join(', ') });
  for (const { name, up, down, breaks } of steps)
    inTransaction(database, () => {
      const known = done.find((one) => one.name === name);
      if (known === undefined) database.exec(up);
      if (known === undefined || known.down === '')
        database
          .prepare(
            `INSERT INTO migration (name, down, breaks) VALUES (?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET down = excluded.down, breaks = excluded.breaks`,
          )
          .run(name, down, breaks === true ? 1 : 0);
    });
};
