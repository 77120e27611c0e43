/**
 * Relays: one small process a site carries the metrics of its gateways out of the site, whose loopback nobody else reaches. In
 * plain mode the addresses are this machine's own, and there is nothing to carry.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fail } from '@coequal/kernel';
import { smallHeap } from '../definition.ts';

const program = fileURLToPath(new URL('../relay/main.ts', import.meta.url));

export type RelayStart = {
  readonly site: string;
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly started: (pid: number) => void;
  /** From a socket in the lab's folder to an address that only the site has, or the other way: paths, or HOST:PORT. */
  readonly ways: readonly { readonly from: string; readonly to: string }[];
};

export type Relay = { readonly close: () => void };

/** Resolves when all ways are open. */
export const startRelay = (start: RelayStart): Promise<Relay> => {
  const ways = start.ways.flatMap(({ from, to }) => [from, to]);
  const [command = '', ...args] = start.enter([process.execPath, ...smallHeap, program, ...ways]);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...start.environment }, cwd: '/' });
  if (child.pid !== undefined) start.started(child.pid);
  child.stdin.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-500);
    });
    const ended = (how: string): void =>
      reject(
        fail('PROGRAM_FAILED', {
          program: `the relay of ${start.site}`,
          status: how,
          output: complaint.trim(),
          advice: "See the lab's log.",
        }),
      );
    child.once('error', (error) => ended(error.message));
    child.once('exit', (status, signal) => ended(String(status ?? signal)));
    createInterface({ input: child.stdout }).once('line', () => resolve({ close: () => end(child) }));
  });
};

const end = (child: ChildProcess): void => {
  child.stdin?.end();
  child.kill('SIGKILL');
};
