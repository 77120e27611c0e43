/**
 * One gateway of a lab: a process group inside its site that is started, looked at, frozen, ended in order and by force. It
 * serves when its port takes connections and its health page answers; a running process alone proves nothing.
 *
 * What it has counted is kept beyond its end, so that drills count over restarts. Whether it ought to run is for others to say
 * (`daemon/runtime.ts`).
 */
import { request } from 'node:http';
import { connect, type NetConnectOpts } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isAlive, type Launch, signal, signalGroup, startProcess } from '@coequal/engines';
import type { Gateway, InstanceState } from '@coequal/estate';
import { type Clock, codeOf, fail, type Log, reasonOf, until } from '@coequal/kernel';
import type { GatewayCounters } from '@coequal/proof';
import { readTail } from '../process/tail.ts';
import {
  addCounters,
  countersOf,
  type GatewayGauges,
  gaugesOf,
  noCounters,
  parseMetrics,
  restartsIn,
} from './figures.ts';

export type GatewayLook = {
  readonly state: InstanceState;
  /** One sentence: why this state. */
  readonly reason: string;
  readonly gauges: GatewayGauges | null;
};

export type GatewayDriver = {
  readonly name: string;
  readonly site: string;
  /** Of its site, from 1. */
  readonly number: number;
  readonly process: () => { readonly pid: number } | undefined;
  /** Starts it and waits until it serves. @throws LAB_GATEWAY_FAILED with its own last words */
  readonly start: () => Promise<void>;
  /** Ends it in order, by force after the deadline. */
  readonly stop: () => Promise<void>;
  /** Has it take up what is on disk now, without closing its port; resolves when its old workers are gone. */
  readonly restart: () => Promise<void>;
  /** Ends it for certain. */
  readonly kill: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
  /** Never throws: that it does not answer is an answer. */
  readonly look: () => Promise<GatewayLook>;
  /** Everything it has counted since it was first started, as of the last look. */
  readonly counters: () => GatewayCounters;
};

export type GatewayDriverOptions = {
  readonly gateway: Gateway;
  readonly site: string;
  readonly number: number;
  readonly estatePath: string;
  readonly launch: Launch;
  /** Where its own output goes. */
  readonly logPath: string;
  /** Where its metrics are reached from here. */
  readonly metrics: MetricsPlace;
  readonly clock: Clock;
  readonly log: Log;
};

export type MetricsPlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };

const startDeadlineMs = 30_000;
/** Draining ends sessions at their boundaries; what is still open then is cut by the gateway itself, well before this. */
const stopDeadlineMs = 40_000;
const endDeadlineMs = 10_000;
/** Sessions get half a minute to come to a boundary, and then are cut. */
const restartDeadlineMs = 60_000;
/** A gateway answers its pages within milliseconds. */
const lookMs = 1_000;
/** Where nothing can go on without the answer, a busy machine is waited for. */
const needMs = 15_000;
const pageBytes = 4 * 2 ** 20;

const program = (): string => fileURLToPath(import.meta.resolve('@coequal/gateway/main'));

export const gatewayDriver = (options: GatewayDriverOptions): GatewayDriver => {
  const { gateway, clock, log, launch, logPath } = options;
  const { name } = gateway;
  let running: Awaited<ReturnType<typeof startProcess>> | undefined;
  /** What earlier processes counted, and what this one has so far. */
  let before = noCounters;
  let now = noCounters;
  let stopped = false;

  const alive = () => (running !== undefined && isAlive(running) ? running : undefined);

  const settle = (): void => {
    before = addCounters(before, now);
    now = noCounters;
  };

  /** Of this process: another one may have been started since. */
  const gone = (process: Parameters<typeof isAlive>[0], what: string, deadlineMs: number): Promise<unknown> =>
    until(clock, { what: `The end of ${name}${what}`, deadlineMs, everyMs: 10 }, () => !isAlive(process));

  const take = async (): Promise<GatewayGauges> => {
    const samples = parseMetrics(await page(options.metrics, '/metrics'));
    now = countersOf(samples);
    return gaugesOf(samples);
  };

  const look = async (): Promise<GatewayLook> => {
    if (alive() === undefined)
      return { state: stopped ? 'stopped' : 'gone', reason: 'Its process does not run.', gauges: null };
    try {
      const gauges = await take();
      return { state: 'serving', reason: `${gauges.sessions} sessions.`, gauges };
    } catch (error) {
      return { state: 'silent', reason: `Its metrics do not answer: ${reasonOf(error)}.`, gauges: null };
    }
  };

  const start = async (): Promise<void> => {
    if (alive() !== undefined) return;
    settle();
    stopped = false;
    const argv = [process.execPath, program(), '--config', options.estatePath, '--name', name];
    running = await startProcess(launch, argv, logPath);
    await until(
      clock,
      { what: `Serving by ${name}`, deadlineMs: startDeadlineMs, everyMs: 20, advice: `See ${logPath}.` },
      async () => {
        if (alive() === undefined)
          throw fail('LAB_GATEWAY_FAILED', { gateway: name, reason: await lastWords(logPath), log: logPath });
        return (await accepts({ host: gateway.address ?? '', port: gateway.port })) && isHealthy(options.metrics);
      },
    );
  };

  const kill = async (): Promise<void> => {
    const process = alive();
    if (process === undefined) return;
    signalGroup(process, 'SIGKILL');
    await gone(process, '', endDeadlineMs);
  };

  /** Counted by the gateway itself when it is done, either way. */
  const restartsEnded = async (result: 'done' | 'refused'): Promise<number> =>
    restartsIn(parseMetrics(await page(options.metrics, '/metrics', needMs)), result);

  const restart = async (): Promise<void> => {
    const process = alive();
    if (process === undefined)
      throw fail('LAB_GATEWAY_FAILED', { gateway: name, reason: 'it does not run', log: logPath });
    const [done, refused] = [await restartsEnded('done'), await restartsEnded('refused')];
    signal(process, 'SIGHUP');
    const wait = {
      what: `The restart of ${name}`,
      deadlineMs: restartDeadlineMs,
      everyMs: 100,
      advice: `See ${logPath}.`,
    };
    await until(clock, wait, async () => {
      if ((await restartsEnded('refused')) > refused)
        throw fail('LAB_GATEWAY_FAILED', { gateway: name, reason: await lastWords(logPath), log: logPath });
      return (await restartsEnded('done')) > done;
    });
  };

  return {
    name,
    site: options.site,
    number: options.number,
    process: alive,
    start,
    restart,
    kill,
    stop: async () => {
      const process = alive();
      if (process === undefined) return;
      stopped = true;
      // What it has counted until now must not be lost with it.
      await take().catch((error: unknown) =>
        log('debug', 'no last figures', { gateway: name, reason: reasonOf(error) }),
      );
      // Its workers end with it, in the order that it chooses.
      signal(process, 'SIGTERM');
      await gone(process, ', which was asked to stop', stopDeadlineMs).catch((error: unknown) => {
        log('warn', 'gateway does not stop', { gateway: name, reason: reasonOf(error) });
        return kill();
      });
    },
    signal: (signalName) => {
      const process = alive();
      if (process !== undefined) signalGroup(process, signalName);
    },
    look,
    counters: () => addCounters(before, now),
  };
};

/** The last line of its log that says something. */
const lastWords = async (path: string): Promise<string> => {
  const lines = (await readTail(path, 4_096)).trim().split('\n');
  return lines.at(-1)?.slice(0, 1_000) ?? '';
};

const accepts = (to: NetConnectOpts): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ ...to, timeout: lookMs });
    const say = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', say(true));
    socket.once('timeout', say(false));
    socket.once('error', say(false));
  });

const isHealthy = async (place: MetricsPlace): Promise<boolean> => {
  try {
    await page(place, '/healthz');
    return true;
  } catch (error) {
    // Not there yet, or not ready: every other failure is told by the deadline that follows.
    if (error instanceof PageFailure || codeOf(error) !== undefined) return false;
    throw error;
  }
};

class PageFailure extends Error {}

/** A page of the gateway's own, which must answer 200. */
const page = (place: MetricsPlace, path: string, deadlineMs = lookMs): Promise<string> =>
  new Promise((resolve, reject) => {
    const asking = request({ ...place, path, timeout: deadlineMs, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > pageBytes) asking.destroy(new PageFailure('its page does not end'));
        else chunks.push(chunk);
      });
      answer.once('error', reject);
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else reject(new PageFailure(`it answers ${answer.statusCode}`));
      });
    });
    asking.once('timeout', () => asking.destroy(new PageFailure(`no answer within ${deadlineMs} ms`)));
    asking.once('error', reject);
    asking.end();
  });
