/**
 * Programs that a bench runs beside the lab: proxies, gateways of its own, load generators. They die with this
 * process, and their last words are kept for whoever has to find out why they ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Clock, codeOf, fail, until } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import type { BenchTools } from './tools.ts';

export type Beside = {
  readonly pid: number;
  readonly alive: () => boolean;
  /** Resolves with the exit code or the name of the signal, after everything it said has been read. */
  readonly ended: Promise<number | string>;
  /** Its last lines, both outputs together. */
  readonly words: () => string;
  /** Ends it, by force after a while, and waits for its end. */
  readonly stop: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
};

export type BesideOptions = {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly folder?: string;
  /** Puts the program into a site. */
  readonly enter?: (argv: readonly string[]) => readonly string[];
  /** Called with each line of either output. */
  readonly onLine?: (line: string) => void;
  readonly clock: Clock;
};

const keptLines = 12;
const stopDeadlineMs = 10_000;

/** The kernel ends it when we are gone. */
const dyingWithUs = (argv: readonly string[]): readonly string[] => ['setpriv', '--pdeathsig', 'KILL', '--', ...argv];

export const startBeside = (argv: readonly string[], options: BesideOptions): Beside => {
  const { environment = process.env, folder, enter = (each) => each, onLine, clock } = options;
  const inFolder = folder === undefined ? argv : ['env', '-C', folder, ...argv];
  const [command = '', ...args] = enter(dyingWithUs(inFolder));
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment }, detached: true });
  const kept: string[] = [];
  const hear = (line: string): void => {
    kept.push(line);
    if (kept.length > keptLines) kept.shift();
    onLine?.(line);
  };
  for (const output of [child.stdout, child.stderr])
    if (output !== null) createInterface({ input: output }).on('line', hear);
  let alive = true;
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => {
      alive = false;
      hear(error.message);
      resolve(codeOf(error) ?? 'not started');
    });
    child.once('exit', () => {
      alive = false;
    });
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const stop = async (): Promise<void> => {
    signalGroup(child, 'SIGTERM');
    const force = new AbortController();
    const forced = clock.sleep(stopDeadlineMs, force.signal).then(
      () => signalGroup(child, 'SIGKILL'),
      () => undefined,
    );
    await ended;
    force.abort();
    await forced;
  };
  return {
    pid: child.pid ?? 0,
    alive: () => alive,
    ended,
    words: () => kept.join('\n'),
    stop,
    signal: (name) => signalGroup(child, name),
  };
};

const signalGroup = (child: ChildProcess, name: NodeJS.Signals): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
};

/** Waits for its end, which must be a good one; it is ended when the signal says so. */
export const toGoodEnd = async (beside: Beside, what: string, signal: AbortSignal): Promise<void> => {
  const interrupt = (): void => beside.signal('SIGKILL');
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const status = await beside.ended;
    signal.throwIfAborted();
    if (status === 0) return;
    throw fail('PROGRAM_FAILED', {
      program: what,
      status: String(status),
      output: beside.words(),
      advice: 'Its own words above say why.',
    });
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
};

const openDeadlineMs = 30_000;

/** Until something listens there; asked from inside the site, which may be another network than ours. */
export const untilListening = async (
  enter: (argv: readonly string[]) => readonly string[],
  { host, port, instance }: Pick<Endpoint, 'host' | 'port' | 'instance'>,
  running: Beside,
  { clock, signal }: BenchTools,
): Promise<void> => {
  const script = `require('net').connect(${port},${JSON.stringify(host)},()=>process.exit(0)).on('error',()=>process.exit(1))`;
  const what = { what: `${instance} to listen`, deadlineMs: openDeadlineMs, everyMs: 50, signal, last: running.words };
  await until(clock, what, async () => {
    if (!running.alive()) throw new Error(`${instance} ended: ${running.words()}`);
    return (await startBeside([process.execPath, '-e', script], { enter, clock }).ended) === 0;
  });
};
