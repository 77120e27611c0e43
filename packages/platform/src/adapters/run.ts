/**
 * One platform from the command line to its end: reads the estate, opens its database, listens, looks twice a second, and ends in
 * order on SIGTERM and SIGINT; SIGHUP reads the rule files again. What can be wrong is told in one line, and the exit code is 2.
 */
import { type Estate, estateOrThrow, type MetricStore, maximumFileBytes } from '@coequal/estate';
import { type Clock, CoequalError, fail, failureText, jsonLog, type Log, type Random, reasonOf } from '@coequal/kernel';
import { formatRuleProblem, parseRuleFile, StoreClient } from '@coequal/signals';
import { ServiceAccounts } from '../access/service-accounts.ts';
import { type PlatformArguments, parsePlatformArguments } from '../arguments.ts';
import { type Heart, makeHeart } from '../heart.ts';
import { type Server, startServer } from '../http/adapters/server.ts';
import { allRoutes } from '../http/routes.ts';
import { openIdentity } from '../identity/adapters/open.ts';
import { readPage } from '../identity/adapters/page.ts';
import type { Identity } from '../identity/identity.ts';
import { limits } from '../limits.ts';
import { startNotifier } from '../notify/adapters/notifier.ts';
import { Silences } from '../notify/silences.ts';
import { openPlans } from '../plans/adapters/open.ts';
import { type PlatformSettings, platformSettings, storeUrl } from '../settings.ts';
import { makeAccountStore, makeOnceStore } from '../store/adapters/accounts.ts';
import { takeBackup } from '../store/adapters/backup.ts';
import { type Database, openDatabase } from '../store/adapters/database.ts';
import { makeDocumentStore, makeEventStore } from '../store/adapters/events.ts';
import { makeIncidentStore } from '../store/adapters/incidents.ts';
import { openAudit } from './audit.ts';
import { openDiagnosing } from './diagnosing.ts';
import { readSecret, readText } from './files.ts';
import { watchHeadroom } from './headroom.ts';
import { openKnowledge, readWeights } from './knowledge.ts';
import { openMetricsStore } from './metrics-store.ts';
import { type OpenedRules, openRules } from './rules.ts';

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

const ruleFileBytes = 4 * 2 ** 20;

const check = async ({ json }: PlatformArguments, settings: PlatformSettings): Promise<number> => {
  const { platform, store } = settings;
  await secretOf(settings);
  openKnowledge(platform.knowledge);
  await readWeights(platform.weights);
  for (const file of platform.rules) {
    const parsed = parseRuleFile(file, await readText(file, ruleFileBytes, 'Name rule files that are there.'));
    if (!parsed.ok)
      throw fail('RULES_INVALID', { problems: parsed.problems.slice(0, 20).map(formatRuleProblem).join('; ') });
  }
  const { name, address, port, rules } = platform;
  const shown = { name, address, port, store: store?.name ?? null, rules: rules.length };
  const words = `${name} can start on ${address}, port ${port}, ${store === undefined ? 'without a store' : `with the store ${store.name}`}, with ${rules.length} rule files.`;
  process.stdout.write(json ? `${JSON.stringify({ valid: true, settings: shown })}\n` : `${words}\n`);
  return good;
};

const secretOf = async ({ platform }: PlatformSettings): Promise<string | undefined> =>
  platform.agentTokenFile === undefined ? undefined : await readSecret(platform.agentTokenFile);

const serve = async (options: RunOptions, settings: PlatformSettings): Promise<number> => {
  const log = jsonLog((line) => void process.stdout.write(line), options.clock);
  const ended = endSignal();
  const database = openDatabase(settings.platform.stateFolder);
  const closing: (() => Promise<void> | void)[] = [() => database.close()];
  try {
    const opened = await open(options, settings, database, log, closing);
    log('info', 'serving', {
      name: settings.platform.name,
      address: settings.platform.address,
      port: opened.server.port,
    });
    process.on('SIGHUP', () => void reload(opened.rules(), log));
    await beatUntil(ended.signal, opened.heart.beat, options.clock, log);
    await end(opened.server);
    log('info', 'ended', { name: settings.platform.name, reason: String(ended.signal.reason) });
  } finally {
    for (const close of closing.reverse()) await close();
  }
  return good;
};

type Opened = { readonly heart: Heart; readonly server: Server; readonly rules: () => OpenedRules | undefined };

/** @param closing what was opened, for whoever ends it in the reverse order, also when this fails half-way */
const open = async (
  { clock, random, version }: RunOptions,
  settings: PlatformSettings,
  database: Database,
  log: Log,
  closing: (() => Promise<void> | void)[],
): Promise<Opened> => {
  const { platform, estate } = settings;
  const agentToken = await secretOf(settings);
  const audit = await openAudit(settings, clock, log);
  closing.push(() => audit.close());
  audit.start();
  const knowledge = openKnowledge(platform.knowledge);
  const weights = await readWeights(platform.weights);
  const documents = makeDocumentStore(database);
  const silences = new Silences(documents, random);
  const url = `http://${platform.address.includes(':') ? `[${platform.address}]` : platform.address}:${platform.port}`;
  const client = clientOf(estate, settings.store);
  const store =
    client === undefined || settings.store === undefined
      ? undefined
      : await openMetricsStore({ name: settings.store.name, client, stateFolder: platform.stateFolder, clock, log });
  if (store !== undefined) closing.push(() => store.close());
  const headroom = client === undefined ? undefined : watchHeadroom(estate, client, clock, log);
  if (headroom !== undefined) closing.push(() => headroom.close());
  const diagnosing = openDiagnosing({ estate, weights, knowledge: knowledge.now, clock });
  closing.push(() => diagnosing.close());
  let rules: OpenedRules | undefined;
  let notifier: ReturnType<typeof startNotifier> | undefined;
  const heart = makeHeart({
    ...{ settings, clock, random, log, version, store, silences },
    incidents: makeIncidentStore(database),
    events: makeEventStore(database),
    rules: () => rules,
    headroom: () => headroom,
    onLook: (incidents) => notifier?.look(incidents),
    diagnose: diagnosing.diagnose,
    learn: async ({ id, place }, cause, scene) => knowledge.add(await diagnosing.learn(id, cause, place, scene)),
  });
  const { counters, places } = heart.core;
  notifier = startNotifier({ platform, url, silences, documents, clock, log, counters });
  closing.push(() => notifier?.close());
  if (client !== undefined && platform.rules.length > 0) {
    const coarseStore = clientOf(estate, settings.coarseStore);
    rules = await openRules({ files: platform.rules, store: client, coarseStore, url, clock, log, counters, places });
    closing.push(() => rules?.close());
  }
  const { identity, close } = await openIdentity(
    {
      ...platform,
      title: estate.name,
      url: platform.url,
      keyRing: platform.keyRing,
      ldap: platform.ldap,
      oidc: platform.oidc,
    },
    { database, audit, clock, log },
  );
  closing.push(close);
  const plans = await openPlans({ core: heart.core, settings, audit, documents, clock, log });
  closing.push(() => plans.close());
  const accounts = new ServiceAccounts(makeAccountStore(database), clock);
  const routes = allRoutes({
    ...{ version, accounts, runs: plans.runs, people: { identity, page: readPage() } },
    takeBackup: () => takeBackup(database, platform.stateFolder, clock.now()),
  });
  const server = await startServer({
    ...{ core: heart.core, routes, accounts, audit, agentToken, identify: identity.identify, from: identity.from },
    ...{ once: makeOnceStore(database), address: platform.address, port: platform.port },
  });
  const ended = new AbortController();
  closing.push(() => ended.abort());
  heart
    .refill(ended.signal)
    .catch((error: unknown) => log('error', 'what a restart forgot was not asked for', { reason: reasonOf(error) }));
  await tellFirstCode(identity);
  return { heart, server, rules: () => rules };
};

/** On the terminal and nowhere else: the log goes to other places, and to other people. */
const tellFirstCode = async ({ firstCode, names }: Identity): Promise<void> => {
  const code = await firstCode();
  if (code !== undefined)
    process.stderr.write(
      `Nobody is enrolled yet. Within an hour, open ${names.origin}/identity/enrol and enter ${code}\n`,
    );
};

const clientOf = (estate: Estate, store: MetricStore | undefined): StoreClient | undefined => {
  const url = store === undefined ? undefined : storeUrl(estate, store);
  if (store === undefined || url === undefined) return undefined;
  const { authority, certificate, key } = store.tls ?? {};
  return new StoreClient({
    ...{ url, deadlineMs: limits.store.deadlineMs, answerBytes: limits.store.answerBytes },
    ...(authority === undefined
      ? {}
      : {
          tls: {
            authorityFile: authority,
            ...(certificate === undefined ? {} : { certificateFile: certificate }),
            ...(key === undefined ? {} : { keyFile: key }),
          },
        }),
    ...credentialsOf(store),
  });
};

const credentialsOf = (store: MetricStore) => {
  if (store.kind !== 'foreign') return {};
  const { tokenFile, user, passwordFile } = store;
  if (tokenFile !== undefined) return { credentials: { kind: 'bearer' as const, tokenFile } };
  if (user === undefined || passwordFile === undefined) return {};
  return { credentials: { kind: 'basic' as const, user, passwordFile } };
};

const reload = async (rules: OpenedRules | undefined, log: Log): Promise<void> => {
  const problems = (await rules?.reload().catch((error: unknown) => [reasonOf(error)])) ?? [];
  if (problems.length > 0) log('error', 'rule files were not taken', { problems: problems.slice(0, 20) });
};

/** Aborted by the first signal; a second one ends the process as it is. */
const endSignal = (): AbortController => {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
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
    await clock.sleep(Math.max(0, nextMs - clock.monotonic()), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (signal.aborted) return;
    try {
      beat();
    } catch (error) {
      // One look that fails must not be the last one; it is a bug, and said as one.
      const reason = error instanceof Error ? (error.stack ?? error.message) : reasonOf(error);
      log('error', 'a look failed', { reason });
    }
    nextMs = Math.max(nextMs + everyMs, clock.monotonic());
  }
};

const endMs = 5_000;

const end = async (server: Server): Promise<void> => {
  const passed = { what: 'The end of all requests', seconds: endMs / 1_000, last: '', advice: 'Start it again.' };
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(() => reject(fail('DEADLINE_PASSED', passed)), endMs).unref();
  });
  await Promise.race([server.close(), timeout]);
};
