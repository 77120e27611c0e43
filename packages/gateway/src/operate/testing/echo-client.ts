/** Starts echoing gateways for tests, and speaks with them as clients and operators do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, systemClock, until } from '@coequal/kernel';
import type { GatewaySettings } from '../../settings.ts';
import { callGateway } from '../adapters/control-client.ts';
import type { Call } from '../control-lines.ts';
import type { GatewayStatus } from '../status.ts';

const program = fileURLToPath(new URL('./echo-gateway.ts', import.meta.url));
const patienceMs = 20_000;

const settingsIn = (stateFolder: string): GatewaySettings => ({
  name: 'gateway-north',
  site: 'north',
  service: 'bank',
  preset: 'default',
  database: 'bank',
  listen: { host: '127.0.0.1', port: 0 },
  metrics: { host: '127.0.0.1', port: 0 },
  stateFolder,
  workers: 2,
  observe: false,
  instances: [{ name: 'bank-north', site: 'north', host: '127.0.0.1', port: 1, rttMs: 0 }],
  instanceTls: false,
  account: { user: 'coequal', passwordFile: '/nowhere' },
  proxyToInstances: false,
  proxyFrom: [],
  profile: 'real-time',
  users: [],
  guards: [],
  limits: {
    connections: 500,
    connectionsPerUser: 500,
    transactionBytes: 2 ** 20,
    replayBytes: 2 ** 20,
    idleMs: 0,
    statementMs: 0,
    slowClientMs: 10_000,
    handshakeMs: 10_000,
    recoveryMs: 1_000,
    silenceMs: 700,
    failuresPerMinute: 10,
  },
});

export type Echo = Awaited<ReturnType<typeof startEcho>>;

/** A configuration in a folder of its own. */
export const makeConfiguration = (change: Partial<GatewaySettings> = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'coequal-gateway-'));
  const settings = { ...settingsIn(join(folder, 'state')), ...change };
  const file = join(folder, 'settings.json');
  const write = (more: Partial<GatewaySettings>): void => writeFileSync(file, JSON.stringify({ ...settings, ...more }));
  write({});
  return { folder, file, settings, write, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** A run of tests that is broken off leaves none of them. */
const launched = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of launched) endGroup(child);
});

/** Runs a gateway's program to see what it says. */
export const launch = (args: readonly string[]) => {
  const child = spawn(process.execPath, [program, ...args], {
    // A group of its own, so that it can be ended with its workers, however it stands.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'coequal-tests-compiled'), ...process.env },
  });
  let out = '';
  let told = '';
  child.stdout.on('data', (text: Buffer) => {
    out += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    told += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  launched.add(child);
  child.once('exit', () => launched.delete(child));
  return { child, exited, destroy: () => endGroup(child), out: () => out, told: () => told };
};

/** Starts one and waits until it serves. */
export const startEcho = async (configuration: ReturnType<typeof makeConfiguration>, args: readonly string[] = []) => {
  const { settings, file } = configuration;
  const run = launch(['--config', file, ...args]);
  const call = (what: Call): Promise<unknown> => callGateway(systemClock, settings, what, patienceMs, 'tester');
  const status = async (): Promise<GatewayStatus> => (await call({ method: 'status' })) as GatewayStatus;
  const first = await waitFor(`the start: ${run.told()}`, async () => {
    if (run.child.exitCode !== null) throw new Error(`it ended: ${run.told()}${run.out()}`);
    return run.out().includes('"listening"') ? status() : undefined;
  });
  const at = first.listen;
  return {
    ...configuration,
    ...run,
    call,
    status,
    port: at.port,
    connect: () => connectEcho(at.port),
    page: async (path: string) => fetch(`http://127.0.0.1:${first.metrics.port}${path}`),
    events: () =>
      run
        .out()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line): { readonly event: string; readonly [field: string]: unknown } => JSON.parse(line)),
  };
};

const endGroup = ({ pid }: ChildProcess): void => {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // All of it has ended by itself.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
};

export const waitFor = <T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> =>
  until(systemClock, { what, deadlineMs: patienceMs, everyMs: 10 }, probe);

export type EchoClient = {
  readonly socket: Socket;
  /** Sends a line, and answers with what came back: the session's number, its count, the process, the line. */
  readonly ask: (line: string) => Promise<{ id: number; count: number; pid: number; line: string }>;
  readonly send: (text: string) => void;
  readonly next: () => Promise<string | undefined>;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  readonly end: () => void;
};

export const connectEcho = async (port: number): Promise<EchoClient> => {
  const socket = connect(port, '127.0.0.1');
  const lines: string[] = [];
  let rest = '';
  let wake: () => void = () => undefined;
  socket.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  socket.on('error', () => socket.destroy());
  const closed = new Promise<void>((resolve) =>
    socket.once('close', () => {
      wake();
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const next = async (): Promise<string | undefined> => {
    while (lines.length === 0 && !socket.destroyed)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return lines.shift();
  };
  return {
    socket,
    send: (text) => void socket.write(text),
    next,
    ask: async (line) => {
      socket.write(`${line}\n`);
      const answer = (await next()) ?? '';
      const [id, count, pid, ...words] = answer.split(' ');
      return { id: Number(id), count: Number(count), pid: Number(pid), line: words.join(' ') };
    },
    closed,
    end: () => socket.end(),
  };
};
