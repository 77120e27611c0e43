/**
 * The platform's database: one SQLite file in the state folder, in write-ahead mode, brought to the newest shape when it is opened. What
 * is written is whole or not there after a kill at any moment. A file of a later version is refused, and left as it is.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { type Migration, migrations } from '../migrations.ts';

export type Row = Readonly<Record<string, unknown>>;

export type Database = {
  readonly run: (sql: string, ...values: readonly SQLInputValue[]) => number;
  readonly all: (sql: string, ...values: readonly SQLInputValue[]) => readonly Row[];
  /** All of it, or nothing. */
  readonly together: (work: () => void) => void;
  readonly close: () => void;
};

/** @throws FOLDER_UNWRITABLE, PLATFORM_ALREADY_RUNNING, PLATFORM_DATABASE_BROKEN, PLATFORM_DATABASE_NEWER */
export const openDatabase = (folder: string): Database => {
  const path = join(folder, 'platform.sqlite');
  makeFolder(folder);
  try {
    const database = new DatabaseSync(path, { timeout: 2_000, enableForeignKeyConstraints: true });
    // One process owns it: the lock goes with the process, however that ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec('PRAGMA journal_size_limit = 67108864');
    migrate(database, path, migrations);
    return wrapped(database);
  } catch (error) {
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

const applied = (database: DatabaseSync): readonly string[] => {
  database.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY) STRICT');
  return database
    .prepare('SELECT name FROM migration ORDER BY name')
    .all()
    .map(({ name }) => String(name));
};

/** Up to the newest step; each step and the note of it are one transaction. */
const migrate = (database: DatabaseSync, path: string, steps: readonly Migration[]): void => {
  const done = applied(database);
  const unknown = done.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) throw fail('PLATFORM_DATABASE_NEWER', { path, steps: unknown.join(', ') });
  for (const { name, up } of steps)
    if (!done.includes(name))
      inTransaction(database, () => {
        database.exec(up);
        database.prepare('INSERT INTO migration (name) VALUES (?)').run(name);
      });
};
