/**
 * Finds and ends what a lab started, also when the lab itself is long dead: every process of a lab carries its
 * marker `COEQUAL_LAB=<name>:<token>` in the environment it was started with, which children inherit and the
 * kernel shows in /proc. Invariants: a process without the exact marker is never signalled, nor are this process and
 * its ancestors; the marker is read again right before each signal, so a reused process id is not hit.
 * Processes of other users cannot be read by an ordinary user, and are none of a lab that he started.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type Clock, codeOf, fail, systemClock, until } from '@coequal/kernel';

export const MARKER = 'COEQUAL_LAB';

/** What every process of the lab gets into its environment. */
export const markedEnvironment = (labName: string, token: string): Readonly<Record<string, string>> => ({
  [MARKER]: `${labName}:${token}`,
});

/**
 * Process ids whose environment holds the mark, without this process and its ancestors. A mark is `<name>:<token>`, or
 * `<name>:` for every run of the lab of that name.
 */
export const findMarked = (mark: string): readonly number[] => {
  const spared = new Set(lineage());
  return processIds().filter((pid) => !spared.has(pid) && isMarked(pid, mark));
};

/**
 * Ends all marked processes: first asks (TERM, and CONT for those that were stopped as a fault), after `graceMs`
 * kills, then waits until none is left. Returns how many processes were found. Throws DEADLINE_PASSED
 * when one cannot be ended (stuck in the kernel).
 */
export const endMarked = async (
  mark: string,
  options: { readonly graceMs: number; readonly deadlineMs?: number; readonly clock?: Clock },
): Promise<number> => {
  const { clock = systemClock, graceMs } = options;
  const seen = new Map<number, string>();
  const remaining = (): readonly number[] => {
    const found = findMarked(mark);
    for (const pid of found) seen.set(pid, seen.get(pid) ?? startIn(readProcess(pid, 'stat') ?? ''));
    return found;
  };
  /** Memory, and the mark in it, goes before files, sockets and namespaces do. */
  const leaving = (): boolean => [...seen].some(([pid, start]) => isLeaving(readProcess(pid, 'stat') ?? '', start));
  for (const pid of remaining()) {
    signal(pid, mark, 'SIGTERM');
    signal(pid, mark, 'SIGCONT');
  }
  const graceEnd = clock.monotonic() + graceMs;
  while (remaining().length > 0 && clock.monotonic() < graceEnd) await clock.sleep(20);
  await until(
    clock,
    {
      what: 'the end of all processes of the lab',
      deadlineMs: options.deadlineMs ?? 10_000,
      everyMs: 20,
      last: () => `Still there: ${findMarked(mark).join(', ')}.`,
      advice: 'A process that ignores SIGKILL waits inside the kernel, usually for a disk; try again later.',
    },
    () => {
      const left = remaining();
      for (const pid of left) signal(pid, mark, 'SIGKILL');
      return left.length === 0 && !leaving();
    },
  );
  return seen.size;
};

/** True when an environment as in /proc/PID/environ holds the mark. Pure, for the tests. */
export const holdsMark = (environment: string, mark: string): boolean => {
  const marker = `${MARKER}=${mark}`;
  return environment.split('\0').some((entry) => (mark.endsWith(':') ? entry.startsWith(marker) : entry === marker));
};

/** The parent in a line of /proc/PID/stat; the program's name in it may hold anything, also parentheses. Pure. */
export const parentIn = (stat: string): number => Number(fieldsAfterName(stat)[1] ?? 0);

/** When the process of a line of /proc/PID/stat started, in the kernel's ticks; empty when there is no line. Pure. */
export const startIn = (stat: string): string => fieldsAfterName(stat)[19] ?? '';

/** True when the line is of that very process, and the kernel has not yet let go of what it held. Pure. */
export const isLeaving = (stat: string, start: string): boolean =>
  start !== '' && startIn(stat) === start && !['Z', 'X'].includes(fieldsAfterName(stat)[0] ?? '');

const fieldsAfterName = (stat: string): readonly string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

const isMarked = (pid: number, mark: string): boolean => holdsMark(readProcess(pid, 'environ') ?? '', mark);

const signal = (pid: number, mark: string, name: NodeJS.Signals): void => {
  if (!isMarked(pid, mark)) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended between the look and the signal: what was wanted.
    if (codeOf(error) === 'ESRCH') return;
    throw fail('PERMISSION_MISSING', {
      what: `process ${pid} of the lab cannot be ended`,
      advice: 'End the lab as the user who started it.',
    });
  }
};

const lineage = (): readonly number[] => {
  const pids: number[] = [];
  for (let pid = process.pid; pid > 0; pid = parentIn(readProcess(pid, 'stat') ?? ') ? 0')) pids.push(pid);
  return pids;
};

const processIds = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Undefined when the process is gone, or another user's. */
const readProcess = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
};
