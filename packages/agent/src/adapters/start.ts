/**
 * From the command line to the process that watches: the configuration is checked in a process of its own, and then this process becomes the
 * agent, with the same number, streams and signals. So an agent holds nothing of what only its start needed (the reader of the estate, the
 * compiler of its own sources), and runs with the bounds on memory that were measured, however it was started.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';

export type StartOptions = {
  readonly argv: readonly string[];
  readonly checkFile: string;
  readonly serveFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** What the check answers: where the agent finds its settings, and where its compiled code is kept. */
export type Checked = { readonly settingsFile: string; readonly compiledFolder: string };

const impossible = 2;
/**
 * Most of what a round makes is thrown away in it: a small place for what is new keeps the process small, and one thread is enough to
 * clear it. One is enough to compile, too: each keeps what it once needed.
 */
const flags: readonly string[] = [
  '--max-semi-space-size=1',
  '--single-threaded-gc',
  '--max-old-space-size=256',
  '--v8-pool-size=1',
];

/** Resolves with an exit code where there is nothing to become: a check alone, or something wrong, which has been said. */
export const startInPlace = async ({ argv, checkFile, serveFile, environment }: StartOptions): Promise<number> => {
  const child = fork(checkFile, [...argv], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [...flags] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'));
  let checked: Checked | undefined;
  // It comes from a process of ours, of the version on disk: its shape is believed.
  child.once('message', (value) => {
    checked = value as Checked;
  });
  const [code] = await once(child, 'exit');
  if (checked === undefined) return typeof code === 'number' ? code : impossible;
  const { settingsFile, compiledFolder } = checked;
  await compile(serveFile, compiledFolder, environment);
  const known = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  if (process.execve === undefined) throw new Error('Bug: this system cannot replace a process');
  process.execve(process.execPath, [process.execPath, ...flags, serveFile, settingsFile], {
    ...Object.fromEntries(known),
    // Where it was just compiled to, whatever the environment names.
    NODE_COMPILE_CACHE: compiledFolder,
    // One pool of the C library for all threads: several would each keep what they once had.
    MALLOC_ARENA_MAX: '1',
  });
  return impossible;
};

/**
 * Loads the code once in a process that ends: what is left in the folder is loaded without what strips types, which would stay in memory and is
 * a sixth of it. Where it does not work the agent starts all the same.
 */
const compile = async (file: string, folder: string, environment: StartOptions['environment']): Promise<void> => {
  const child = spawn(
    process.execPath,
    [...flags, '--input-type=module', '--eval', `await import(${JSON.stringify(pathToFileURL(file).href)})`],
    { stdio: 'ignore', env: { ...environment, NODE_COMPILE_CACHE: folder } },
  );
  await once(child, 'exit');
};
