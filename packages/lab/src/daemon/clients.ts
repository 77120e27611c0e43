/**
 * The bank's clients: one process a site, inside the site's network, so that they can hang, be cut off and die
 * with it. Keeps the last report of each; a process that ended without being asked to is seen as dead.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Clock, fail, type Log, until } from '@coequal/kernel';
import { type ClientOptions, type ClientReport, type Endpoint, parseReport, type Via } from '@coequal/proof';

export type ClientProcess = {
  readonly site: string;
  /** How they connect; undefined until they are assigned. */
  readonly via: () => Via | undefined;
  /** From now on so many transactions a second; null: as fast as answers come. */
  readonly setRate: (ratePerSecond: number | null) => void;
  readonly report: () => ClientReport | null;
  readonly alive: () => boolean;
  /** Reports that arrive, as they arrive. */
  readonly onReport: (listener: (report: ClientReport) => void) => void;
  readonly finish: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
};

/** A process that is up and waits for its assignment. */
export type WaitingClients = ClientProcess & {
  readonly assign: (endpoints: readonly Endpoint[], options: ClientOptions) => void;
};

export type ClientStart = {
  readonly site: string;
  /** Puts the program into the site. */
  readonly enter: (argv: readonly string[]) => readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly started: (pid: number) => void;
  readonly clock: Clock;
  readonly log: Log;
};

const program = fileURLToPath(import.meta.resolve('@coequal/proof/bank'));
const finishDeadlineMs = 30_000;

/** Starts the process. It does nothing before it is assigned, so it may be started ahead of the databases. */
export const startClients = (start: ClientStart): WaitingClients => {
  const [command, ...args] = start.enter([process.execPath, program]);
  if (command === undefined) throw new Error('Bug: nothing to run');
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...start.environment }, cwd: '/' });
  if (child.pid !== undefined) start.started(child.pid);
  let ended = false;
  let last: ClientReport | null = null;
  let via: Via | undefined;
  let complaint = '';
  const listeners: ((report: ClientReport) => void)[] = [];
  child.once('error', (error) => {
    ended = true;
    complaint = error.message;
  });
  child.once('exit', (status, signal) => {
    ended = true;
    start.log(status === 0 ? 'info' : 'warn', 'clients ended', { site: start.site, status, signal, complaint });
  });
  // A process that is gone cannot be written to; its exit says so.
  child.stdin.on('error', () => undefined);
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = parseReport(line);
    if (report === undefined) return;
    last = report;
    for (const listener of listeners) listener(report);
  });
  const { site } = start;
  return {
    site,
    via: () => via,
    setRate: (ratePerSecond) => {
      if (!ended) child.stdin.write(`rate ${ratePerSecond}\n`);
    },
    assign: (endpoints, options) => {
      via = options.via ?? 'direct';
      child.stdin.write(`${JSON.stringify({ site, endpoints, options })}\n`);
    },
    report: () => last,
    alive: () => !ended,
    onReport: (listener) => listeners.push(listener),
    finish: () =>
      finish(
        child,
        start,
        () => ended,
        () => complaint,
      ),
    signal: (name) => {
      child.kill(name);
    },
  };
};

const finish = async (
  child: ChildProcess,
  { site, clock }: ClientStart,
  ended: () => boolean,
  complaint: () => string,
): Promise<void> => {
  if (ended()) return;
  child.kill('SIGCONT');
  child.stdin?.write('finish\n');
  try {
    await until(clock, { what: `the end of the clients of ${site}`, deadlineMs: finishDeadlineMs, everyMs: 20 }, ended);
  } catch (error) {
    child.kill('SIGKILL');
    throw fail(
      'DEADLINE_PASSED',
      {
        what: `The end of the clients of ${site}`,
        seconds: finishDeadlineMs / 1_000,
        last: complaint(),
        advice: 'They were ended by force; what they had in flight counts as in doubt.',
      },
      { cause: error },
    );
  }
};
