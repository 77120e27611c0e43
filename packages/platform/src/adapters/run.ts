/**
 * One platform from the command line to its end: reads the estate, opens its database, listens, looks twice a second, and ends in
 * order on SIGTERM and SIGINT. What can be wrong is told in one line, and the exit code is 2.
 */
import { mkdir } from 'node:fs/promises';
import { diagnoseIncident } from '@coequal/diagnosis';
import { type Estate, estateOrThrow, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, fail, failureText, jsonLog, type Log, type Random, reasonOf } from '@coequal/kernel';
import { StoreClient } from '@coequal/signals';
import { type PlatformArguments, parsePlatformArguments } from '../arguments.ts';
import { makeHeart } from '../heart.ts';
import { type Server, startServer } from '../http/adapters/server.ts';
import { allRoutes } from '../http/routes.ts';
import { limits } from '../limits.ts';
import { type PlatformSettings, platformSettings, storeUrl } from '../settings.ts';
import { openDatabase } from '../store/adapters/database.ts';
import { makeEventStore } from '../store/adapters/events.ts';
import { makeIncidentStore } from '../store/adapters/incidents.ts';
import { readSecret, readText } from './files.ts';
import { type OpenedStore, openMetricsStore } from './metrics-store.ts';

export type RunOptions = {
  readonly argv: readonly string[];
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
};

const good = 0;
const impossible = 2;

/** Resolves with the exit code when the platform has ended. */
export const runPlatform = async (options: RunOptions): Promise<number> => {
  try {
    const asked = parsePlatformArguments(options.argv);
    const settings = platformSettings(await readEstate(asked.config), asked.name);
    return asked.check ? await check(asked, settings) : await serve(options, settings);
  } catch (error) {
    if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
    process.stderr.write(`${failureText(error)}\n`);
    return impossible;
  }
};

const readEstate = async (path: string): Promise<Estate> =>
  estateOrThrow(await readText(path, maximumFileBytes + 1, 'Name the estate file with --config.'), path);

const check = async ({ json }: PlatformArguments, settings: PlatformSettings): Promise<number> => {
  const { platform, store } = settings;
  await secretsOf(settings);
  const shown = { name: platform.name, address: platform.address, port: platform.port, store: store?.name ?? null };
  if (json) process.stdout.write(`${JSON.stringify({ valid: true, settings: shown })}\n`);
  else
    process.stdout.write(
      `${platform.name} can start on ${platform.address}, port ${platform.port}${store === undefined ? ', without a store' : `, with the store ${store.name}`}.\n`,
    );
  return good;
};

const secretsOf = async ({ platform }: PlatformSettings): Promise<string | undefined> =>
  platform.agentTokenFile === undefined ? undefined : await readSecret(platform.agentTokenFile);

const serve = async (options: RunOptions, settings: PlatformSettings): Promise<number> => {
  const { clock, random, version } = options;
  const { platform } = settings;
  const log = jsonLog((line) => void process.stdout.write(line), clock);
  const ended = endSignal();
  const agentToken = await secretsOf(settings);
  const database = openDatabase(platform.stateFolder);
  const store = await openStore(settings, clock, log);
  try {
    const heart = makeHeart({
      ...{ settings, clock, random, log, version, store },
      incidents: makeIncidentStore(database),
      events: makeEventStore(database),
      rules: () => undefined,
      isSilenced: () => false,
      diagnose: diagnoseIncident,
      learn: undefined,
    });
    const server = await startServer({
      ...{ core: heart.core, routes: allRoutes(version), address: platform.address, port: platform.port, agentToken },
    });
    log('info', 'serving', { name: platform.name, address: platform.address, port: server.port });
    await beatUntil(ended.signal, heart.beat, clock, log);
    await end(server);
    log('info', 'ended', { name: platform.name, reason: String(ended.signal.reason) });
  } finally {
    await store?.close();
    database.close();
  }
  return good;
};

const openStore = async (settings: PlatformSettings, clock: Clock, log: Log): Promise<OpenedStore | undefined> => {
  const { store, estate, platform } = settings;
  const url = store === undefined ? undefined : storeUrl(estate, store);
  if (store === undefined || url === undefined) return undefined;
  await mkdir(platform.stateFolder, { recursive: true, mode: 0o700 });
  const client = new StoreClient({ url, deadlineMs: limits.store.deadlineMs, answerBytes: limits.store.answerBytes });
  return openMetricsStore({ name: store.name, client, stateFolder: platform.stateFolder, clock, log });
};

/** Aborted by the first signal; a second one ends the process as it is. */
const endSignal = (): AbortController => {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(impossible);
      controller.abort(signal);
    });
  return controller;
};

/** Looks at a steady pace; what took longer than a pace skips looks instead of piling them up. */
const beatUntil = async (signal: AbortSignal, beat: () => void, clock: Clock, log: Log): Promise<void> => {
  const { everyMs } = limits.watch;
  let nextMs = clock.monotonic() + everyMs;
  while (!signal.aborted) {
    await clock.sleep(Math.max(0, nextMs - clock.monotonic()), signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      beat();
    } catch (error) {
      // One look that fails must not be the last one; it is a bug, and said as one.
      log('error', 'a look failed', {
        reason: error instanceof Error ? (error.stack ?? error.message) : reasonOf(error),
      });
    }
    const nowMs = clock.monotonic();
    nextMs = Math.max(nextMs + everyMs, nowMs - (nowMs % everyMs));
  }
};

const endMs = 5_000;

const end = async (server: Server): Promise<void> => {
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(
      () =>
        reject(
          fail('DEADLINE_PASSED', { what: 'The end of all requests', seconds: endMs / 1_000, last: '', advice: '' }),
        ),
      endMs,
    ).unref();
  });
  await Promise.race([server.close(), timeout]);
};
