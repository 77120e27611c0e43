/**
 * An instance in the hands of this agent: the engine's driver, which also takes over a server that was started before this process was: the
 * server's own pid file names it, and it counts only when it was started with the option file of this very instance.
 */
import { readFileSync } from 'node:fs';
import { type GaleraDriver, isAlive, optionFile, rejoin, startTicks } from '@coequal/engines';
import { codeOf } from '@coequal/kernel';
import type { InstanceHands, ProcessId } from '../ports.ts';

export const instanceHands = (driver: GaleraDriver, runFolder: string): InstanceHands => {
  /** Small files of the kernel and of the server: read at once, so that between look and deed nothing else happens. */
  const adopt = (): void => {
    if (driver.process() !== undefined) return;
    const found = runningOf(runFolder);
    if (found !== undefined) driver.adopt(found);
  };
  return {
    name: driver.instance,
    observe: async () => {
      adopt();
      const { state, reason, members } = await driver.observe();
      return { state, reason, ...(members === undefined ? {} : { members }) };
    },
    process: () => {
      adopt();
      return driver.process();
    },
    join: async (deadlineMs) => {
      adopt();
      if (driver.process() === undefined) await rejoin(driver, deadlineMs);
      else await driver.untilServing(deadlineMs);
    },
    stop: async (deadlineMs) => {
      adopt();
      await driver.stop(deadlineMs);
    },
    fence: async () => {
      adopt();
      await driver.fence();
    },
    holdsOldBranch: () => driver.holdsOldBranch(),
    putDataAside: () => driver.reprovision(),
    ask: (text, values) => driver.administer(text, values),
  };
};

const runningOf = (runFolder: string): ProcessId | undefined => {
  const pid = Number(readIfThere(`${runFolder}/mariadbd.pid`)?.trim());
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const ticks = startTicks(pid);
  const command = readIfThere(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  if (ticks === undefined || !command.includes(`--defaults-file=${optionFile(runFolder)}`)) return undefined;
  const found = { pid, startTicks: ticks };
  return isAlive(found) ? found : undefined;
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
};
