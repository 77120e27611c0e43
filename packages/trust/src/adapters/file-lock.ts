/** One writer of a file at a time, over processes. A lock of a process that is gone is taken over. */
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { type Clock, codeOf, until } from '@coequal/kernel';
import type { Unreadable } from './private-file.ts';

const busyDeadlineMs = 5_000;

export type FileLock = { readonly path: string; readonly what: string; readonly unreadable: Unreadable };

/** @throws as `takeFileLock` */
export const withFileLock = async <T>(lock: FileLock, clock: Clock, run: () => Promise<T>): Promise<T> => {
  const release = await takeFileLock(lock, clock);
  try {
    return await run();
  } finally {
    await release();
  }
};

/**
 * Answers what lets go of it.
 * @throws what `unreadable` makes when the lock cannot be made, DEADLINE_PASSED when another holds it too long
 */
export const takeFileLock = async (
  { path, what, unreadable }: FileLock,
  clock: Clock,
): Promise<() => Promise<void>> => {
  const wait = {
    what: `The end of another change of ${what}`,
    deadlineMs: busyDeadlineMs,
    everyMs: 50,
    advice: `If no other command is changing it, remove ${path}.`,
  };
  await until(clock, wait, () => takeLock(path, unreadable));
  return () => rm(path, { force: true });
};

const takeLock = async (path: string, unreadable: Unreadable): Promise<boolean> => {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${process.pid} ${(await startOf(process.pid)) ?? ''}`);
    await file.close();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unreadable(codeOf(error) ?? 'its lock cannot be made', error);
    if (await isLeft(path)) await dropLeft(path);
    return false;
  }
};

/** Takes away a lock of a process that is gone. Another may have done so, and locked, in between: then it is put back. */
const dropLeft = async (path: string): Promise<void> => {
  const aside = `${path}.${process.pid}.left`;
  try {
    await rename(path, aside);
    if (!(await isLeft(aside))) await link(aside, path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  }
  await rm(aside, { force: true });
};

const isLeft = async (path: string): Promise<boolean> => {
  try {
    const [number = '', start = ''] = (await readFile(path, 'utf8')).split(' ');
    const pid = Number(number);
    // Nothing is in it yet: whoever made it is about to write.
    if (!Number.isSafeInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    // In containers numbers come again at once: another process has the number of the one that is gone.
    return start !== '' && start !== ((await startOf(pid)) ?? start);
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
};

/** When a process began, in ticks since the machine did. Undefined where the system does not say. */
const startOf = async (pid: number): Promise<string | undefined> => {
  try {
    // The name of the program, in brackets, may hold anything; what comes after it has fixed places.
    return (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\)/s, '').trim().split(' ')[19];
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
};
