/**
 * The check of a configuration, in a process of its own: it runs the code and reads the files that are on disk now, so
 * that a restart takes up a new version, and the supervisor itself stays small and knows no estate.
 */
import { fork } from 'node:child_process';
import { fail } from '@coequal/kernel';
import { type CheckArguments, checkArguments } from '../arguments.ts';
import { type Checked, parseChecked } from '../checked.ts';

export type CheckProcess = {
  readonly file: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Resolves with what was found. @throws what is wrong with the configuration, as its coded error */
export const runCheck = (
  { file, environment }: CheckProcess,
  asked: CheckArguments,
  signal: AbortSignal,
): Promise<Checked> =>
  new Promise((resolve, reject) => {
    const child = fork(file, [...checkArguments(asked)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...environment },
    });
    const end = (): void => void child.kill('SIGKILL');
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    child.once('message', (value) => {
      const checked = parseChecked(value, asked.name ?? 'gateway');
      if (checked instanceof Error) reject(checked);
      else resolve(checked);
    });
    child.once('error', reject);
    child.once('exit', (code, how) => {
      signal.removeEventListener('abort', end);
      // After a result this changes nothing.
      reject(
        signal.aborted
          ? fail('INTERRUPTED', {})
          : fail('GATEWAY_NOT_STARTED', {
              name: asked.name ?? 'of this configuration',
              reason: `the check of its configuration ended: ${how ?? `exit ${code}`}.`,
              advice: 'What it said stands above.',
            }),
      );
    });
  });
