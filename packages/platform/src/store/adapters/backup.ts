/**
 * Copies of the database: made while it is used, whole or not there, readable by their owner alone, the newest ten kept; and put back in its place
 * while nothing runs. What was in its place is moved aside, not deleted.
 */
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { type Database, databasePath, openDatabase } from './database.ts';

export type Backup = { readonly file: string; readonly bytes: number; readonly sha256: string };

const kept = 10;
const pattern = /^platform-\d{8}-\d{9}\.sqlite$/;

/** @throws FOLDER_UNWRITABLE */
export const takeBackup = async (database: Database, stateFolder: string, nowMs: number): Promise<Backup> => {
  const folder = join(stateFolder, 'backups');
  const file = join(folder, `platform-${stampOf(nowMs)}.sqlite`);
  const part = `${file}.part`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await rm(part, { force: true });
    await (await open(part, 'wx', 0o600)).close();
    await database.copyTo(part);
    await flushed(part);
    await rename(part, file);
    await flushed(folder);
  } catch (error) {
    await rm(part, { force: true });
    const advice = 'Free space there; the platform goes on.';
    throw fail('FOLDER_UNWRITABLE', { path: folder, reason: reasonOf(error), advice }, { cause: error });
  }
  await prune(folder);
  return { file, bytes: (await stat(file)).size, sha256: await hashOf(file) };
};

/** Of whatever lies beside its own copies it deletes nothing. */
const prune = async (folder: string): Promise<void> => {
  const names = (await readdir(folder)).filter((name) => pattern.test(name)).sort();
  for (const name of names.slice(0, -kept)) await rm(join(folder, name));
};

const flushed = async (path: string): Promise<void> => {
  const file = await open(path, constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};

const stampOf = (ms: number): string => {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(8, 17)}`;
};

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};

/** A copy of what nobody uses, whatever version wrote it. @throws PLATFORM_ALREADY_RUNNING, FILE_MISSING */
export const copyAside = async (stateFolder: string, nowMs: number): Promise<string> => {
  const path = databasePath(stateFolder);
  mustNotRun(stateFolder);
  const folder = join(stateFolder, 'backups');
  const file = join(folder, `platform-${stampOf(nowMs)}.sqlite`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await copyFile(path, file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw fail('FILE_MISSING', { path, advice: 'There is no database to change.' }, { cause: error });
  }
  await chmod(file, 0o600);
  await flushed(file);
  return file;
};

/**
 * Puts a copy in the place of the database. Answers where the old one lies; null: there was none.
 * @throws BACKUP_INVALID, PLATFORM_ALREADY_RUNNING, PLATFORM_DATABASE_NEWER
 */
export const restoreBackup = async (stateFolder: string, backup: string, nowMs: number): Promise<string | null> => {
  check(backup);
  const path = databasePath(stateFolder);
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  mustNotRun(stateFolder);
  const part = `${path}.restored`;
  await rm(part, { force: true });
  await copyFile(backup, part);
  await chmod(part, 0o600);
  await flushed(part);
  const aside = `${path}.before-${stampOf(nowMs)}`;
  const moved = await rename(path, aside).then(
    () => aside,
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    },
  );
  // What lies beside belongs to the old one, which was closed in order by looking whether it runs.
  for (const beside of ['-wal', '-shm']) await rm(`${path}${beside}`, { force: true });
  await rename(part, path);
  await flushed(dirname(path));
  openDatabase(stateFolder).close();
  return moved;
};

/** Opening it takes its lock, and closing it writes what waits beside it into it. A broken one is no reason not to restore. */
const mustNotRun = (stateFolder: string): void => {
  try {
    const database = new DatabaseSync(databasePath(stateFolder), { timeout: 500 });
    try {
      database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error;
    if (/locked/.test(reasonOf(error)))
      throw fail('PLATFORM_ALREADY_RUNNING', { folder: stateFolder }, { cause: error });
  }
};

const check = (path: string): void => {
  const invalid = (reason: string, cause?: unknown) =>
    fail('BACKUP_INVALID', { path: basename(path), reason }, cause === undefined ? {} : { cause });
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    const [{ integrity_check: found } = {}] = database.prepare('PRAGMA integrity_check(1)').all();
    if (found !== 'ok') throw invalid(`it is damaged: ${String(found).slice(0, 200)}`);
    if (database.prepare('SELECT count(*) AS n FROM migration').get()?.['n'] === 0) throw invalid('it is empty');
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error;
    throw invalid(reasonOf(error), error);
  } finally {
    database?.close();
  }
};
