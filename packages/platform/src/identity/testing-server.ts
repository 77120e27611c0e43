/** For tests: the program of a platform with identity as people start it, its code read from its terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SoftAuthenticator } from './testing.ts';

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

/** A browser over HTTP: cookies are kept, and what pages send goes along. */
export class WebClient {
  readonly #origin: string;
  readonly #port: number;
  readonly #cookies = new Map<string, string>();
  readonly authenticator: SoftAuthenticator = new SoftAuthenticator();

  constructor({ origin, port }: Pick<RunningPlatform, 'origin' | 'port'>) {
    this.#origin = origin;
    this.#port = port;
  }

  async ask(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly value: Record<string, unknown> }> {
    const answer = await fetch(`http://localhost:${this.#port}/api/v1/${path}`, {
      method,
      headers: {
        ...{ origin: this.#origin, 'x-coequal': '1', 'coequal-reason': 'a test', cookie: this.cookies },
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
      this.#cookies.set(name, value);
    }
    const text = await answer.text();
    return { status: answer.status, value: text === '' ? {} : JSON.parse(text) };
  }

  get cookies(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async enrol(code: string, name?: string): Promise<void> {
    const newcomer = name === undefined ? { code } : { code, name };
    const { value } = await this.ask('POST', 'identity/enrol/ask', newcomer);
    const { ceremony, options } = value as { ceremony: string; options: object };
    const response = this.authenticator.create({ options }, { origin: this.#origin });
    const { status, value: said } = await this.ask('POST', 'identity/enrol', { code, ceremony, response });
    if (status !== 200) throw new Error(JSON.stringify(said));
  }

  /** Lets a terminal in. */
  async approve(userCode: string): Promise<void> {
    const { value } = await this.ask('POST', 'identity/terminals/ask', { userCode });
    const { ceremony, options } = value as { ceremony: string; options: object };
    const body = { userCode, ceremony, response: this.authenticator.get({ options }, { origin: this.#origin }) };
    const { status, value: said } = await this.ask('POST', 'identity/terminals/approve', body);
    if (status !== 204) throw new Error(JSON.stringify(said));
  }
}
