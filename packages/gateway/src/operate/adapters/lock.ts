/**
 * One gateway to a state folder. The lock is a file that names a process by its number and its start time, so that a
 * number given to another process later means nothing; a lock whose process is gone is taken over.
 */
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

export type Lock = { readonly release: () => Promise<void> };

type Owner = { readonly pid: number; readonly started: string };

const fileOf = (stateFolder: string): string => join(stateFolder, 'gateway.lock');

/** @throws GATEWAY_ALREADY_RUNNING, FOLDER_UNWRITABLE */
export const takeLock = async (stateFolder: string, name: string, pid: number): Promise<Lock> => {
  const path = fileOf(stateFolder);
  const own = JSON.stringify({ pid, started: await startOf(pid) });
  const mine = `${path}.${pid}`;
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await writeFile(mine, own, { mode: 0o600 });
    await claim(path, mine, name).finally(() => rm(mine, { force: true }));
  } catch (error) {
    if (codeOf(error) === 'GATEWAY_ALREADY_RUNNING') throw error;
    const advice = 'Make it, or give the gateway another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: stateFolder, reason: reasonOf(error), advice }, { cause: error });
  }
  return {
    release: async () => {
      if ((await read(path)) === own) await rm(path, { force: true });
    },
  };
};

/** Links are made by one process only, however many try. Whoever finds a dead owner moves exactly that lock away. */
const claim = async (path: string, mine: string, name: string): Promise<void> => {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    try {
      await link(mine, path);
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const found = await read(path);
    if (found === undefined) continue;
    await refuseLiving(found, name);
    const aside = `${mine}.old`;
    await rename(path, aside).catch(ignoreMissing);
    const moved = await read(aside);
    // Another process was quicker, and this is its lock: it is put back.
    if (moved !== undefined && moved !== found) await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
  }
  throw fail('GATEWAY_ALREADY_RUNNING', { name, pid: 'unknown' });
};

const refuseLiving = async (text: string, name: string): Promise<void> => {
  const owner = parseOwner(text);
  if (owner !== undefined && (await lives(owner))) throw fail('GATEWAY_ALREADY_RUNNING', { name, pid: owner.pid });
};

/** The process that holds the lock, if it lives. */
export const lockOwner = async (stateFolder: string): Promise<number | undefined> => {
  const owner = parseOwner((await read(fileOf(stateFolder))) ?? '');
  return owner !== undefined && (await lives(owner)) ? owner.pid : undefined;
};

const lives = async ({ pid, started }: Owner): Promise<boolean> => (await startOf(pid)) === started;

/** Clock ticks since the start of the machine at which a process began; empty when there is none. */
const startOf = async (pid: number): Promise<string> => {
  const text = (await read(`/proc/${pid}/stat`)) ?? '';
  // The name in parentheses may hold anything; what follows the last one are numbers. Field 22 of proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // A process that has ended and was not yet collected holds nothing any more.
  return fields[0] === 'Z' ? '' : (fields[19] ?? '');
};

const read = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
};

const ignoreMissing = (error: unknown): void => {
  if (codeOf(error) !== 'ENOENT') throw error;
};

const parseOwner = (text: string): Owner | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('started' in value)) return undefined;
    const { pid, started } = value;
    return typeof pid === 'number' && typeof started === 'string' && started !== '' ? { pid, started } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
