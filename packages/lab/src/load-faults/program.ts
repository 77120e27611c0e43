/**
 * Starts the program that works inside a site (`main.ts`), waits until it says that it has begun, and ends it by ending its input, so that
 * it can put back what it changed.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Clock, fail, within } from '@coequal/kernel';
import { smallHeap } from '../definition.ts';
import type { Assignment } from './assignment.ts';

export type InsideProgram = {
  /** Resolves when it has put everything back. @throws PROGRAM_FAILED with its last words */
  readonly end: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly alive: () => boolean;
};

export type InsideStart = {
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly started: (pid: number) => void;
  readonly clock: Clock;
};

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
const beginDeadlineMs = 30_000;
/** An index is built again, and the statement under way before it has to end. */
const endDeadlineMs = 60_000;

export const startInside = async (assignment: Assignment, start: InsideStart): Promise<InsideProgram> => {
  const [command = '', ...args] = start.enter([process.execPath, ...smallHeap, program]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...start.environment }, cwd: '/' });
  if (child.pid !== undefined) start.started(child.pid);
  let complaint = '';
  let over = false;
  child.stdin.on('error', () => undefined);
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  const exit = new Promise<number | null>((resolve) => {
    const done = (status: number | null): void => {
      over = true;
      resolve(status);
    };
    child.once('error', (error) => {
      complaint = error.message;
      done(null);
    });
    child.once('exit', done);
  });
  const failed = (status: number | null) =>
    fail('PROGRAM_FAILED', {
      program: `the work "${assignment.kind}" in ${assignment.site}`,
      status: String(status),
      output: complaint.trim(),
      advice: "See the lab's log.",
    });
  const begun = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', () => resolve());
    void exit.then((status) => reject(failed(status)));
  });
  const signal = (name: NodeJS.Signals): void => {
    child.kill(name);
  };
  child.stdin.write(`${JSON.stringify(assignment)}\n`);
  try {
    await within(start.clock, { what: `The beginning of "${assignment.kind}"`, deadlineMs: beginDeadlineMs }, begun);
  } catch (error) {
    signal('SIGKILL');
    throw error;
  }
  return {
    alive: () => !over,
    signal,
    end: async () => {
      if (over) return;
      child.stdin.end();
      try {
        const status = await within(
          start.clock,
          { what: `The end of "${assignment.kind}"`, deadlineMs: endDeadlineMs },
          exit,
        );
        if (status !== 0) throw failed(status);
      } finally {
        signal('SIGKILL');
      }
    },
  };
};
