/** Runs a program of the host that only tells: without a shell, with a deadline and a bound on what it may say. */
import { execFile } from 'node:child_process';
import { codeOf, reasonOf } from '@coequal/kernel';

export type ProgramAnswer =
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly what: string };

export type RunProgram = (program: string, args: readonly string[]) => Promise<ProgramAnswer>;

const deadlineMs = 10_000;
const answerBytes = 4 * 2 ** 20;
/** Where such programs are, also for users whose PATH does not say so. */
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What was said counts, whatever the exit code: smartctl tells in it what is wrong with the disk. */
export const runProgram: RunProgram = (program, args) =>
  new Promise((resolve) => {
    const options = { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: answerBytes } as const;
    execFile(program, [...args], { ...options, env: { PATH: searchPath, LC_ALL: 'C' } }, (error, text) => {
      if (codeOf(error) === 'ENOENT') resolve({ kind: 'missing' });
      else if (text.trim() !== '') resolve({ kind: 'said', text });
      else if (error === null) resolve({ kind: 'said', text: '' });
      else resolve({ kind: 'failed', what: error.killed === true ? 'it took too long' : reasonOf(error) });
    });
  });
