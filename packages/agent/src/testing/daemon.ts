/** The real program on a folder of its own, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../main.ts', import.meta.url));

export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};

/** An estate of three sites on loopback, with what a test adds below `agents:`. */
export const writeEstate = (path: string, agents: string, more = ''): void =>
  writeFileSync(
    path,
    `version: 1
name: test
sites:
${['north', 'south', 'west'].map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 127.79.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${['north', 'south', 'west'].map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /nowhere/${site} }`).join('\n')}
agents:
${agents}
${more}
`,
  );

export type Daemon = {
  readonly process: ChildProcess;
  /** Everything on standard output and error. */
  readonly said: () => string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
};

export const startDaemon = (args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Daemon => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
  return { process: child, said: () => said, ended };
};

/** Ends it if it still runs. */
export const endDaemon = async ({ process: child, ended }: Daemon): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await ended;
};
