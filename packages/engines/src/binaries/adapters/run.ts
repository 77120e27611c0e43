/** Runs a program to its end, without a shell. What it answered is a value; only the caller knows what it means. */
import { execFile } from 'node:child_process';
import { codeOf } from '@coequal/kernel';

export type Answer = {
  readonly ok: boolean;
  readonly status: string;
  readonly output: string;
  readonly errors: string;
};

export type RunOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program is killed after this. */
  readonly deadlineMs: number;
  readonly folder?: string;
  readonly signal?: AbortSignal | undefined;
};

/** Never rejects but when aborted: a program that is missing or fails is an answer that is not ok. */
export const run = (program: string, args: readonly string[], options: RunOptions): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const settings = {
      env: { ...options.environment },
      timeout: options.deadlineMs,
      killSignal: 'SIGKILL',
      maxBuffer: 32 * 2 ** 20,
      encoding: 'utf8',
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    } as const;
    execFile(program, [...args], settings, (error, output, errors) => {
      if (options.signal?.aborted === true) reject(options.signal.reason);
      else if (error === null) resolve({ ok: true, status: 'status 0', output, errors });
      else resolve({ ok: false, status: statusOf(error, options.deadlineMs), output, errors: errors || error.message });
    });
  });

const statusOf = (
  error: Error & { readonly killed?: boolean; readonly signal?: string | null },
  deadlineMs: number,
) => {
  if (error.killed === true) return `no end within ${deadlineMs / 1_000} s`;
  if (typeof error.signal === 'string') return `signal ${error.signal}`;
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? `status ${code}` : `error ${codeOf(error) ?? error.name}`;
};
