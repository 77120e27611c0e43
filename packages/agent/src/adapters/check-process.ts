/** Runs the check of the configuration in a process of its own, and takes its settings over. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AgentSettings } from '../settings.ts';

/** `settings` is undefined where a check alone was asked for, and where something is wrong, which has been said. */
export type CheckAnswer = { readonly code: number; readonly settings: AgentSettings | undefined };

const impossible = 2;

export const runCheck = async (file: string, argv: readonly string[]): Promise<CheckAnswer> => {
  const child = fork(file, [...argv], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let settings: AgentSettings | undefined;
  // It comes from a process of ours, of the version on disk: its shape is believed.
  child.once('message', (value) => {
    settings = value as AgentSettings;
  });
  const [code] = await once(child, 'exit');
  return { code: typeof code === 'number' ? code : impossible, settings };
};
