/** One writer of a file at a time, over processes. A lock of a process that is gone is taken over. */
import { open, readFile, rm } from 'node:fs/promises';
import { type Clock, codeOf, until } from '@coequal/kernel';
import type { Unreadable } from './private-file.ts';

const busyDeadlineMs = 5_000;

/** @throws what `unreadable` makes when the lock cannot be made, DEADLINE_PASSED when another holds it too long */
export const withFileLock = async <T>(
  lock: { readonly path: string; readonly what: string; readonly unreadable: Unreadable },
  clock: Clock,
  run: () => Promise<T>,
): Promise<T> => {
  const { path, what, unreadable } = lock;
  const wait = {
    what: `The end of another change of ${what}`,
    deadlineMs: busyDeadlineMs,
    everyMs: 50,
    advice: `If no other command is changing it, remove ${path}.`,
  };
  await until(clock, wait, () => takeLock(path, unreadable));
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
};

const takeLock = async (path: string, unreadable: Unreadable): Promise<boolean> => {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unreadable(codeOf(error) ?? 'its lock cannot be made', error);
    if (await isLeft(path)) await rm(path, { force: true });
    return false;
  }
};

const isLeft = async (path: string): Promise<boolean> => {
  try {
    const pid = Number(await readFile(path, 'utf8'));
    // Nothing is in it yet: whoever made it is about to write.
    if (!Number.isSafeInteger(pid) || pid <= 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
};
