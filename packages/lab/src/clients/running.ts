/**
 * A program of the kill test while it runs: what it says, when it said it, and its end. It is ended by the file that
 * it looks for, and by force when that does not help; it never outlives this process's interest in it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type Clock, codeOf, until } from '@coequal/kernel';
import { type Assignment, type Ready, stopFile } from './foreign.ts';
import { parseSaid, type Said } from './verdict.ts';

export type RunningForeign = {
  readonly acknowledged: () => number;
  /** Longest time without an acknowledgement since this was last asked, also one that has not ended yet. */
  readonly pauseMs: () => number;
  readonly alive: () => boolean;
  /** Ends it in order, or after the deadline by force. */
  readonly finish: () => Promise<Finished>;
  readonly kill: () => void;
};

export type Finished = {
  readonly said: readonly Said[];
  /** It did not end in order. */
  readonly cut: boolean;
  /** Longest time between two acknowledgements, or after the last one. */
  readonly longestPauseMs: number;
  /** Its last words on standard error. */
  readonly complaint: string;
};

const finishDeadlineMs = 20_000;
const complaintLength = 400;

export type RunOptions = {
  /** Puts the program into a site. */
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
};

export const runForeign = async (
  ready: Ready,
  assignment: Assignment,
  { enter, environment, clock }: RunOptions,
): Promise<RunningForeign> => {
  await rm(stopFile(assignment), { force: true });
  await ready.layOut?.(assignment);
  const [command = '', ...args] = enter(ready.argv(assignment));
  const env = { ...environment, ...ready.environment(assignment) };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true });
  const ended = endOf(child);
  const heard = listen(child, clock);
  return {
    acknowledged: heard.acknowledged,
    pauseMs: heard.pauseMs,
    alive: () => !ended.yet(),
    kill: () => killGroup(child),
    finish: async () => {
      await writeFile(stopFile(assignment), '');
      const what = { what: 'the end of a client', deadlineMs: finishDeadlineMs, everyMs: 20 };
      await until(clock, what, ended.yet).catch(() => killGroup(child));
      await ended.whole;
      return heard.finished();
    },
  };
};

/** `whole`: also everything it said has been read. */
const endOf = (child: ChildProcess): { readonly yet: () => boolean; readonly whole: Promise<void> } => {
  let yet = false;
  const whole = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  child.once('exit', () => {
    yet = true;
  });
  whole.catch(() => {
    yet = true;
  });
  return { yet: () => yet, whole };
};

const listen = (child: ChildProcess, clock: Clock) => {
  const said: Said[] = [];
  let acknowledged = 0;
  let last: number | undefined;
  let longest = 0;
  let sinceAsked = 0;
  let complaint = '';
  const acknowledge = (): void => {
    const now = clock.monotonic();
    const gap = last === undefined ? 0 : now - last;
    longest = Math.max(longest, gap);
    sinceAsked = Math.max(sinceAsked, gap);
    last = now;
  };
  const hear = (line: string): void => {
    const found = parseSaid(line);
    if (found === undefined) return;
    said.push(found);
    if (found.kind === 'ok') acknowledged += 1;
    if (found.kind === 'ok' || found.kind === 'done') acknowledge();
  };
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', hear);
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on('line', (line) => {
      complaint = `${complaint} ${line}`.slice(-complaintLength);
      hear(line);
    });
  return {
    acknowledged: () => acknowledged,
    pauseMs: () => {
      const found = Math.max(sinceAsked, last === undefined ? 0 : clock.monotonic() - last);
      sinceAsked = 0;
      return found;
    },
    finished: (): Finished => {
      const cut = said.at(-1)?.kind !== 'done';
      if (cut) acknowledge();
      return { said, cut, longestPauseMs: longest, complaint: complaint.trim() };
    },
  };
};

/** With what it started itself: it leads a group of its own. */
const killGroup = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
};
