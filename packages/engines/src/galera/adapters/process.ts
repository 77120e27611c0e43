/**
 * Processes of the engine: started detached in a session of their own (so that a signal to their starter does
 * not reach them), adopted again by pid and start time, ended for certain.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type Clock, codeOf, fail, until } from '@coequal/kernel';

/** How a program of an instance is run: in its site's network, as its user, in its host's quota. */
export type Launch = {
  /** Adds what must stand before the program, such as entering a network namespace or dropping to another user. */
  readonly wrap: (argv: readonly string[]) => readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Called with the pid of every process that was started. */
  readonly started?: (pid: number) => void;
};

export type Running = { readonly pid: number; readonly startTicks: string; readonly child: ChildProcess };

/** Starts a program; its output is appended to `outputPath`. Rejects PROGRAM_FAILED when it cannot be run at all. */
export const startProcess = async (launch: Launch, argv: readonly string[], outputPath: string): Promise<Running> => {
  const [program, ...args] = launch.wrap(argv);
  if (program === undefined) throw new Error('Bug: nothing to run');
  const output = openSync(outputPath, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...launch.environment },
      cwd: '/',
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('spawn', () => resolve(child.pid ?? -1));
      child.once('error', (error) =>
        reject(
          fail(
            'PROGRAM_FAILED',
            { program, status: codeOf(error) ?? 'an error', output: error.message, advice: 'Check the installation.' },
            { cause: error },
          ),
        ),
      );
    });
    child.unref();
    launch.started?.(pid);
    return { pid, startTicks: startTicks(pid) ?? '', child };
  } finally {
    closeSync(output);
  }
};

export type Finished = { readonly status: number | null; readonly output: string };

/** Runs a program to its end, at most `deadlineMs`; its output (both streams, at most 1 MiB) is returned. `inputPath`: its standard input. */
export const runToEnd = (
  launch: Launch,
  argv: readonly string[],
  deadlineMs: number,
  inputPath?: string,
): Promise<Finished> => {
  const [program, ...args] = launch.wrap(argv);
  if (program === undefined) throw new Error('Bug: nothing to run');
  return new Promise((resolve, reject) => {
    const input = inputPath === undefined ? undefined : openSync(inputPath, 'r');
    const child = spawn(program, args, {
      stdio: [input ?? 'ignore', 'pipe', 'pipe'],
      env: { ...launch.environment },
      cwd: '/',
    });
    if (input !== undefined) closeSync(input);
    let output = '';
    const take = (chunk: Buffer) => {
      if (output.length < 2 ** 20) output += chunk.toString('utf8');
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    if (child.pid !== undefined) launch.started?.(child.pid);
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(
        fail(
          'PROGRAM_FAILED',
          { program, status: codeOf(error) ?? 'an error', output: error.message, advice: 'Check the installation.' },
          { cause: error },
        ),
      );
    });
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
};

/** Start time of a process in clock ticks since boot; undefined when it is not there or is a zombie. */
export const startTicks = (pid: number): string | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
};

/** Whether the very process that was started still runs; a reused pid is another process. */
export const isAlive = (process: Pick<Running, 'pid' | 'startTicks'>): boolean =>
  startTicks(process.pid) === process.startTicks;

/** Sends a signal to the process (not its group); false when it is gone. */
export const signal = (target: Pick<Running, 'pid' | 'startTicks'>, name: NodeJS.Signals): boolean => {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, name);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
};

/** Sends a signal to the whole process group: the server and its transfer scripts. */
export const signalGroup = (target: Pick<Running, 'pid'>, name: NodeJS.Signals): boolean => {
  try {
    process.kill(-target.pid, name);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
};

export const untilGone = (
  clock: Clock,
  target: Pick<Running, 'pid' | 'startTicks'>,
  deadlineMs: number,
  what: string,
) => until(clock, { what: `the end of ${what}`, deadlineMs, everyMs: 10 }, () => !isAlive(target));
