/**
 * One agent to a state folder. The lock is a file that names a process by its number and its start time, so that a number given to
 * another process later means nothing; a lock whose process is gone is taken over.
 */
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

export type Lock = { readonly release: () => Promise<void> };

const attempts = 10;

/** @throws AGENT_ALREADY_RUNNING, FOLDER_UNWRITABLE */
export const takeLock = async (folder: string, pid: number): Promise<Lock> => {
  const path = join(folder, 'agent.lock');
  const mine = `${path}.${pid}`;
  const own = `${pid} ${await startOf(pid)}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(mine, own, { mode: 0o600 });
    await claim(path, mine, folder).finally(() => rm(mine, { force: true }));
  } catch (error) {
    if (codeOf(error) === 'AGENT_ALREADY_RUNNING') throw error;
    const advice = 'Make it, or give the agent another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: folder, reason: reasonOf(error), advice }, { cause: error });
  }
  return {
    release: async () => {
      if ((await read(path)) === own) await rm(path, { force: true });
    },
  };
};

/** A link is made by one process only, however many try. */
const claim = async (path: string, mine: string, folder: string): Promise<void> => {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    try {
      await link(mine, path);
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const found = await read(path);
    if (found === undefined) continue;
    const [pid = '', started = ''] = found.split(' ');
    if (started !== '' && (await startOf(Number(pid))) === started)
      throw fail('AGENT_ALREADY_RUNNING', { folder, pid: Number(pid) });
    await moveAway(path, `${mine}.old`, found);
  }
  throw fail('AGENT_ALREADY_RUNNING', { folder, pid: 'unknown' });
};

/** Exactly the dead lock that was looked at: another process may have been quicker, and then its lock is put back. */
const moveAway = async (path: string, aside: string, found: string): Promise<void> => {
  await rename(path, aside).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
  const moved = await read(aside);
  if (moved !== undefined && moved !== found) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
};

/** Clock ticks since the start of the machine at which a process began; empty when there is none. Field 22 of proc(5). */
const startOf = async (pid: number): Promise<string> => {
  const text = (await read(`/proc/${pid}/stat`)) ?? '';
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
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
