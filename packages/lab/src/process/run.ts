/**
 * Runs the system's programs (ip, nft, nsenter, mount, …) for the lab's building blocks. Invariants: no shell, every
 * run has a deadline, a failed run is an error that carries the program's own last words. Which program is
 * found where is the caller's business (`Programs`), and so is the environment (the lab marks its processes there).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

/**
 * Where the programs are, and what they need in their environment (`PATH`, `LD_LIBRARY_PATH` when unpacked). The
 * least that the lab needs of what `findPrograms` of the engines returns; a program it does not know is looked up on `PATH`.
 */
export type Programs = {
  path(name: string): string | undefined;
  readonly environment: Readonly<Record<string, string>>;
};

export type RunOptions = {
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  readonly deadlineMs?: number;
};

export type RunResult = { readonly status: number | string; readonly stdout: string; readonly stderr: string };

/** Runs programs to their end. */
export type Runner = {
  readonly programs: Programs;
  /** The path of a program, or its bare name for `PATH`. */
  readonly tool: (name: string) => string;
  /** Resolves with the standard output; throws PROGRAM_MISSING, or PROGRAM_FAILED unless the program ends with 0. */
  readonly run: (argv: readonly string[], options?: RunOptions) => Promise<string>;
  /** Resolves whatever the end; `status` is the exit code or the name of the signal. */
  readonly attempt: (argv: readonly string[], options?: RunOptions) => Promise<RunResult>;
  /** Starts a program that stays, with an open pipe as its standard input: it ends when the pipe closes, so with us. */
  readonly start: (argv: readonly string[]) => ChildProcess;
};

/** A system program answers in milliseconds; ten seconds is a machine in trouble. */
const DEADLINE_MS = 10_000;
const OUTPUT_LIMIT = 64 * 1024;

/** Where system administrators' programs lie; the `PATH` of ordinary users often lacks it. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/sbin:/sbin';

/** `environment` is the whole environment of the children; `programs.environment` is laid over it. */
export const runnerFor = (
  programs: Programs,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Runner => {
  const merged = { ...environment, ...programs.environment };
  const env = { ...merged, PATH: `${merged['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}:${SYSTEM_PATH}`, LC_ALL: 'C' };
  const tool = (name: string): string => (name.startsWith('/') ? name : (programs.path(name) ?? name));
  const start = (argv: readonly string[]): ChildProcess => {
    const [name = '', ...rest] = argv;
    return spawn(tool(name), rest, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  };
  const attempt = async (argv: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    toEnd(start(argv), options);
  const run = async (argv: readonly string[], options: RunOptions = {}): Promise<string> => {
    const result = await attempt(argv, options);
    if (result.status === 0) return result.stdout;
    if (result.status === 'ENOENT') {
      const name = argv[0] ?? '';
      throw fail('PROGRAM_MISSING', { programs: name, advice: `Install the package that has ${name}.` });
    }
    throw fail('PROGRAM_FAILED', {
      program: argv.join(' '),
      status: String(result.status),
      output: result.stderr.trim() || result.stdout.trim() || 'no output',
      advice: 'Its own words above say why.',
    });
  };
  return { programs, tool, run, attempt, start };
};

const toEnd = (child: ChildProcess, options: RunOptions): Promise<RunResult> =>
  new Promise((resolve) => {
    const out = { stdout: '', stderr: '' };
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    const deadline = setTimeout(() => {
      out.stderr += `ended by us after ${deadlineMs} ms without an end`;
      child.kill('SIGKILL');
    }, deadlineMs);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        if (out[name].length < OUTPUT_LIMIT) out[name] += text;
      });
    }
    child.once('error', (error) => {
      clearTimeout(deadline);
      resolve({ ...out, status: codeOf(error) ?? 'not started', stderr: reasonOf(error) });
    });
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      resolve({ ...out, status: code ?? signal ?? 'unknown' });
    });
    // A program that ends without reading its input breaks the pipe; its exit status tells what that means.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
