/**
 * What watches the lab: stores, a platform and an agent a site, run as on real hosts by the same programs. An agent lives and dies with
 * everything of its site; platform and stores stand beside the sites.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { findCompanion, type RunningStores, runStores } from '@coequal/engines';
import { formatEstate } from '@coequal/estate';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import { addServiceAccountOffline, platformSettings } from '@coequal/platform';
import type { Fault } from '@coequal/proof';
import { writeSecretFile } from '@coequal/trust';
import { type LabDefinition, smallHeap } from '../definition.ts';
import { type Relay, startRelay } from '../gateways/relays.ts';
import { agentFolder, operationsFile, withOperations } from '../operations/estate.ts';
import { type Gate, openGate } from '../operations/gate.ts';
import { type Kept, keep } from '../operations/keeper.ts';
import { agentSocket, operationsSocket, platformTokenFile } from '../places.ts';
import type { Stage, StageSite } from './stage.ts';

export type Operations = {
  readonly open: () => Promise<void>;
  /** Whether all of it came up. */
  readonly watches: () => boolean;
  /** What a fault of everything of a site does to its agent and its way to the platform. */
  readonly suffer: (fault: Fault) => Promise<void>;
  readonly heal: (sites: readonly StageSite[]) => void;
  readonly close: () => Promise<void>;
};

export type OperationsTools = {
  readonly stage: Stage;
  readonly definition: LabDefinition;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (site: string | null, text: string) => void;
  readonly clock: Clock;
  readonly log: Log;
};

const mebi = 2 ** 20;
/** Longer than a lab lives. */
const tokenLifeMs = 90 * 86_400_000;
const reviveEveryMs = 1_000;
const storeDeadlineMs = 30_000;
const agentProgram = (): string => fileURLToPath(import.meta.resolve('@coequal/agent/main'));
const platformProgram = (): string => fileURLToPath(import.meta.resolve('@coequal/platform/main'));
const rulesFolder = fileURLToPath(new URL('../../../../operations/rules/', import.meta.url));

export const runOperations = (tools: OperationsTools): Operations => {
  const { stage, definition, clock, log } = tools;
  const { folder, operations } = definition;
  const closing = new AbortController();
  const gates = new Map<string, Gate>();
  const agents = new Map<string, Kept>();
  /** Down because everything of their site is. */
  const lost = new Set<string>();
  const relays: Relay[] = [];
  let stores: RunningStores | undefined;
  let platform: Kept | undefined;
  let whole = false;
  let watchedEstate = definition.estate;
  const watched = () => stage.sites.filter(({ drivers }) => drivers.length > 0);
  const hostOf = (site: string): string =>
    definition.estate.sites.find(({ name }) => name === site)?.hosts[0]?.name ?? site;

  const writeEstate = async (): Promise<void> => {
    if (operations === null) return;
    const passwordFile = `${folder}/agent.password`;
    await writeSecretFile(passwordFile, `${stage.agent.password}\n`);
    watchedEstate = withOperations(definition.estate, {
      folder,
      ...operations,
      agentPort: (site) => operations.agentPorts[site] ?? 0,
      device: (site) => stage.sites.find(({ name }) => name === site)?.volume.device,
      mount: (site) => `${folder}/sites/${site}`,
      rules: await ruleFiles(),
      account: { user: stage.agent.user, passwordFile },
      authority: stage.service.tls ? stage.authorityPath : undefined,
    });
    await writeSecretFile(operationsFile(folder), formatEstate(watchedEstate, 'The lab as what watches it sees it.'));
  };

  const openStores = async (): Promise<void> => {
    if (operations === null) return;
    const { files } = await findCompanion('victoria-metrics', {
      cacheFolder: definition.cacheFolder,
      environment: tools.environment,
      clock,
      progress: (text) => log('info', 'store', { text }),
    });
    const shared = { program: files[0], address: '127.0.0.1', leaveFreeBytes: 64 * mebi };
    stores = await runStores({
      stores: [
        {
          ...shared,
          name: 'fine',
          folder: `${folder}/stores/fine`,
          port: operations.storePort,
          retentionDays: 30,
          memoryBytes: 64 * mebi,
        },
        {
          ...shared,
          name: 'coarse',
          folder: `${folder}/stores/coarse`,
          port: operations.coarsePort,
          retentionDays: 397,
          memoryBytes: 32 * mebi,
        },
      ],
      launch: { wrap: (argv) => argv, environment: tools.environment },
      clock,
      log,
    });
    await Promise.all(stores.stores.map((store) => store.untilServing(storeDeadlineMs)));
  };

  /** Whoever owns the lab's folder may look at it and attend to its incidents; each start makes another token. */
  const letOwnerIn = async (): Promise<void> => {
    const wanted = {
      name: 'lab',
      grants: [{ role: 'operator', services: '*', sites: '*' }],
      lifeMs: tokenLifeMs,
    } as const;
    const user = tools.environment['USER'] ?? tools.environment['LOGNAME'] ?? 'lab';
    const token = await addServiceAccountOffline(platformSettings(watchedEstate, 'platform'), wanted, {
      clock,
      user,
      log,
    });
    await writeSecretFile(platformTokenFile(folder), `${token}\n`);
  };

  const openPlatform = async (): Promise<void> => {
    if (operations === null) return;
    await mkdir(`${folder}/platform`, { recursive: true, mode: 0o700 });
    await letOwnerIn();
    platform = keep({
      name: 'the platform',
      argv: [process.execPath, platformProgram(), '--config', operationsFile(folder), '--name', 'platform'],
      launch: { wrap: (argv) => argv, environment: tools.environment },
      logPath: `${folder}/platform.log`,
      health: { host: '127.0.0.1', port: operations.platformPort, path: '/healthz' },
      clock,
    });
    await platform.start();
  };

  /** Both directions: the agent's own page out of the site, and the site's way to platform and store. */
  const openWays = async (site: StageSite, index: number): Promise<void> => {
    if (operations === null || stage.network.mode === 'plain') return;
    const targets = [
      { port: operations.platformPort, path: operationsSocket(folder, index, 'platform') },
      { port: operations.storePort, path: operationsSocket(folder, index, 'store') },
    ];
    gates.set(site.name, await openGate(targets.map(({ port, path }) => ({ path, host: '127.0.0.1', port }))));
    relays.push(
      await startRelay({
        site: site.name,
        enter: (argv) => stage.network.enter(site.name, [...argv]),
        environment: tools.environment,
        started: () => undefined,
        ways: [
          { from: agentSocket(folder, index), to: `127.0.0.1:${operations.agentPorts[site.name] ?? 0}` },
          ...targets.map(({ port, path }) => ({ from: `127.0.0.1:${port}`, to: path })),
        ],
      }),
    );
  };

  const openAgent = async (site: StageSite, index: number): Promise<void> => {
    if (operations === null) return;
    const host = hostOf(site.name);
    await mkdir(agentFolder(folder, host), { recursive: true, mode: 0o700 });
    const agent = keep({
      name: `the agent of ${site.name}`,
      argv: [process.execPath, ...smallHeap, agentProgram(), '--config', operationsFile(folder), '--host', host],
      launch: {
        wrap: (argv) => stage.network.enter(site.name, [...argv]),
        environment: tools.environment,
        ...(site.host === null ? {} : { started: (pid: number) => site.host?.add(pid) }),
      },
      logPath: `${folder}/run/${site.name}-agent.log`,
      health: {
        path: '/-/healthy',
        ...(stage.network.mode === 'full'
          ? { socketPath: agentSocket(folder, index) }
          : { host: '127.0.0.1', port: operations.agentPorts[site.name] ?? 0 }),
      },
      clock,
    });
    agents.set(site.name, agent);
    await agent.start();
  };

  const supervise = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(reviveEveryMs, closing.signal);
      const down = [...agents].flatMap(([site, agent]) => (lost.has(site) || agent.alive() ? [] : [agent]));
      for (const kept of platform?.alive() === false ? [platform, ...down] : down)
        await kept.start().catch((error: unknown) => log('warn', 'not started again', { reason: reasonOf(error) }));
    }
  };

  return {
    open: async () => {
      if (operations === null) return;
      await mkdir(`${folder}/agents`, { recursive: true, mode: 0o700 });
      await writeEstate();
      await openStores();
      await openPlatform();
      await Promise.all(watched().map(openWays));
      await Promise.all(watched().map(openAgent));
      whole = true;
      supervise().catch((error: unknown) => {
        if (!closing.signal.aborted) log('error', 'operations are not watched', { reason: reasonOf(error) });
      });
    },
    watches: () => whole,
    suffer: async ({ kind, site, whole, between }) => {
      if (whole !== true) return;
      if (kind === 'partition' && between === undefined) gates.get(site)?.shut(true);
      if (kind === 'hang') agents.get(site)?.signal('SIGSTOP');
      if (kind !== 'kill') return;
      lost.add(site);
      await agents.get(site)?.kill();
    },
    heal: (sites) => {
      for (const { name } of sites) {
        gates.get(name)?.shut(false);
        agents.get(name)?.signal('SIGCONT');
        lost.delete(name);
      }
    },
    close: async () => {
      closing.abort();
      await Promise.allSettled([...agents.values()].map((agent) => agent.kill()));
      await platform?.kill();
      await stores?.close();
      for (const relay of relays) relay.close();
      for (const gate of gates.values()) gate.close();
    },
  };
};

const ruleFiles = async (): Promise<readonly string[]> => {
  const names = await readdir(rulesFolder).catch((): string[] => []);
  return names
    .filter((name) => name.endsWith('.yml'))
    .sort()
    .map((name) => `${rulesFolder}${name}`);
};
