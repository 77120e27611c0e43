/**
 * A program in place of this one: it has this process's streams, gets the signals this process gets, and its exit code is
 * ours. Node cannot become another program, so this process stays and waits.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Resolves with the exit code; 128 and the number of the signal when one ended it, as shells say it. */
export const runInForeground = (program: string, args: readonly string[]): Promise<number> => {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  return new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 2) : 128 + constants.signals[signal]));
  }).finally(() => {
    for (const signal of signals) process.off(signal, forward);
  });
};
