/** For tests: the program of a platform with identity as people start it, its code read from its terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type RunningPlatform = {
  readonly port: number;
  /** How it is called by a browser on this machine. */
  readonly origin: string;
  readonly firstCode: () => string;
  readonly post: (path: string, body: object, headers?: Record<string, string>) => Promise<unknown>;
  readonly output: () => string;
  readonly close: () => Promise<void>;
};

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

const estateOf = (folder: string, port: number, more: string): string => `
version: 1
name: try
sites:
  - {name: north, hosts: [{name: north-1, address: 10.0.0.1}]}
  - {name: south, hosts: [{name: south-1, address: 10.0.1.1}]}
  - {name: west, hosts: [{name: west-1, address: 10.0.2.1}]}
services:
  - name: bank
    database: bank
    tls: false
    instances:
      - {name: north-db-1, host: north-1, dataFolder: /data/north}
      - {name: south-db-1, host: south-1, dataFolder: /data/south}
      - {name: west-db-1, host: west-1, dataFolder: /data/west}
platforms:
  - {name: watch, host: north-1, port: ${port}, stateFolder: ${folder}${more}}
`;

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const startMs = 60_000;

/** @param more further keys of the platform, as they stand in the file: `, url: …` */
export const startTryPlatform = async (
  folder: string,
  more: string | ((port: number) => string) = '',
): Promise<RunningPlatform> => {
  const port = await freePort();
  const file = join(folder, 'coequal.yaml');
  writeFileSync(file, estateOf(folder, port, typeof more === 'string' ? more : more(port)));
  const child = spawn(process.execPath, [main, '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(String(chunk)));
  const text = (): string => output.join('');
  await seen(child, () => text().includes('"serving"'), text);
  const origin = `http://localhost:${port}`;
  return {
    ...{ port, origin, output: text },
    firstCode: () => /enter (\S+)/.exec(text())?.[1] ?? '',
    post: async (path, body, headers = {}) => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/identity/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return await answer.json();
    },
    close: () => ended(child),
  };
};

const seen = (child: ChildProcess, there: () => boolean, text: () => string): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`the platform ${why}: ${text()}`));
    const timer = setTimeout(() => fail('does not serve'), startMs);
    const look = (): void => {
      if (!there()) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', look);
    child.once('exit', () => fail('ended'));
  });

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
