/** Opens a lab: from its definition to three sites serving a bank, one named step after the other. */
import { mkdir } from 'node:fs/promises';
import {
  findPrograms,
  type GaleraDriver,
  labPrograms,
  type Programs,
  presets,
  socketPath,
  startService,
} from '@coequal/engines';
import { type Clock, fail, type Log, reasonOf } from '@coequal/kernel';
import { bankAccess, type DrillReport, drillTools, runDrill, type Via, writeEvidence } from '@coequal/proof';
import { makeSigningKey } from '@coequal/trust';
import type { LabDefinition } from '../definition.ts';
import { forward } from '../forward.ts';
import { openNetwork, openPlainNetwork } from '../network/network.ts';
import { parseRtt } from '../network/rtt.ts';
import { forwardSocket, gatewaySocket, platformSocket } from '../places.ts';
import { labArena } from './arena.ts';
import type { DrillCall } from './calls.ts';
import { type Checker, startChecker } from './checker.ts';
import { loadDump } from './load.ts';
import { bank, loadOf } from './loads.ts';
import { type Runtime, runLab } from './runtime.ts';
import { startViewer, type Viewer } from './snapshot.ts';
import { type Account, type Stage, setStage } from './stage.ts';

export type Lab = {
  readonly runtime: Runtime;
  readonly viewer: Viewer;
  readonly drill: (call: DrillCall, progress: (value: unknown) => void, gone: AbortSignal) => Promise<DrillReport>;
  readonly close: () => Promise<void>;
};

export type OpenTools = {
  readonly definition: LabDefinition;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress: (step: string, detail?: string) => void;
  readonly environment: Readonly<Record<string, string>>;
};

const clientsPerSite = 4;
/** Keeps a laptop usable; the bench and drills go as fast as answers come. */
const workloadRatePerSite = 60;
/** The few clients beside those that go through gateways. */
const beside = { connections: 2, ratePerSecond: 20 };
const serveDeadlineMs = 180_000;
const patientStatementMs = 30_000;

export const openLab = async (tools: OpenTools): Promise<Lab> => {
  const { definition, clock, log, progress } = tools;
  const beganAt = clock.now();
  progress('programs');
  const programs = await findPrograms(labPrograms(definition.estate), {
    cacheFolder: definition.cacheFolder,
    environment: tools.environment,
    clock,
    progress: (text) => progress('programs', text),
  });
  progress('network');
  const network = await openLabNetwork(tools, programs);
  const undo: (() => Promise<void>)[] = [() => network.close()];
  try {
    const stage = await setStage({ ...tools, programs, network, progress: (step) => progress(step) });
    undo.splice(0, 1, () => stage.close());
    const database = definition.loadPath === null ? stage.service.database : 'coequal_bank';
    const runtime = runLab({
      stage,
      definition,
      database,
      environment: { ...tools.environment, ...programs.environment },
      clock,
      log,
    });
    undo.splice(0, 1, () => runtime.close());
    const groups = definition.workload ? workloadGroups(runtime) : [];
    for (const site of sitesWithClients(runtime)) for (const _ of groups) runtime.groups.readyClients(site);
    await startDatabases(tools, programs, runtime);
    // An arbitrator that is there before them keeps databases from re-forming the group that they remember.
    for (const site of stage.sites) for (const arbitrator of site.arbitrators) await arbitrator.start();
    await openAccounts(stage, runtime, database);
    await openForwards(definition, network.mode);
    // The bank's tables need no gateway, and gateways need no bank.
    if (definition.workload) progress('bank', 'opening accounts');
    const bankOpen = definition.workload ? openBank(runtime) : Promise.resolve();
    if (definition.estate.gateways.length > 0) progress('gateways');
    await Promise.all([bankOpen, runtime.gateways.open()]);
    runtime.startSupervision();
    let checker: Checker | null = null;
    const viewer = startViewer({
      runtime,
      checker: () => checker,
      limits: [...(definition.modeReason === null ? [] : [definition.modeReason]), ...network.limits],
      beganAt,
      database,
      clock,
      log,
    });
    const lab = { runtime, programs, definition, clock };
    if (definition.workload) {
      checker = startChecker({
        endpoints: runtime.endpoints,
        serving: viewer.serving,
        clock,
        log,
        alarm: (text) => runtime.say(null, `ALARM: ${text}`),
      });
      runtime.groups.onReport(checker.note);
      await startWorkload(runtime, groups);
      await firstAcknowledged(runtime, clock);
    }
    if (definition.branches) {
      progress('branches', 'filling their tables');
      await runtime.inside.openBranches();
    }
    if (definition.operations !== null) {
      progress('operations', 'stores, platform, agents');
      await openWayToPlatform(definition);
      // The databases serve with or without somebody who watches.
      await runtime.operations.open().catch((error: unknown) => {
        const reason = `nothing watches the lab: ${reasonOf(error)}`;
        progress('warning', reason);
        runtime.say(null, reason);
      });
    }
    await viewer.refresh();
    progress('serving');
    runtime.say(null, 'all sites serve');
    return {
      runtime,
      viewer,
      drill: (call, say, gone) => holdDrill(lab, call, say, gone),
      close: async () => {
        checker?.stop();
        viewer.stop();
        await runtime.close();
      },
    };
  } catch (error) {
    for (const step of undo)
      await step().catch((reason: unknown) => log('warn', 'not undone', { reason: reasonOf(reason) }));
    throw error;
  }
};

const openLabNetwork = (tools: OpenTools, programs: Programs) => {
  const { definition, clock, log } = tools;
  const sites = definition.estate.sites.map(({ name }) => name);
  if (definition.mode === 'plain') return openPlainNetwork({ sites });
  const rtt = parseRtt(definition.rtt, sites);
  if ('problem' in rtt) throw fail('COMMAND_USAGE', { problem: rtt.problem, help: 'coequal lab up --help' });
  return openNetwork({
    sites,
    rttMs: rtt.rttMs,
    programs,
    folder: definition.folder,
    environment: tools.environment,
    log,
    clock,
  });
};

const startDatabases = async (tools: OpenTools, programs: Programs, runtime: Runtime): Promise<void> => {
  const { definition, clock, log, progress } = tools;
  const { stage } = runtime;
  progress('databases', stage.kept ? 'starting with kept data' : 'starting');
  const how = { service: stage.service.name, clock, log, serveDeadlineMs };
  if (definition.loadPath === null || stage.kept) {
    await startService(runtime.drivers(), how);
    return;
  }
  const [first] = runtime.drivers();
  if (first === undefined) throw new Error('Bug: a lab without instances');
  await first.start({ kind: 'bootstrap' });
  await first.untilServing(serveDeadlineMs);
  progress('load', definition.loadPath);
  const warnings = await loadDump(definition.loadPath, {
    programs,
    driver: first,
    socket: socketPath(`${definition.folder}/run/${first.instance}`),
    administrator: stage.administrator.current,
    database: stage.service.database,
    environment: tools.environment,
  });
  for (const warning of warnings) {
    progress('warning', warning);
    runtime.say(null, warning);
  }
  progress('databases', 'copying the data to the other sites');
  await startService(runtime.drivers(), how);
};

/** Gives the administrator a password of this lab's own, and makes the application's account and schema. */
const openAccounts = async (stage: Stage, runtime: Runtime, database: string): Promise<void> => {
  const [driver] = runtime.drivers();
  if (driver === undefined) return;
  if (!stage.kept) await openFirstAccounts(stage, driver, database);
  if (runtime.gateways.all().length > 0) await openGatewayAccount(driver, stage.gateway);
  await openOperatorAccount(driver, stage.operator);
  if (runtime.definition.operations !== null) await openAgentAccount(driver, stage.agent);
};

/** As those who operate databases by hand have it. */
const openOperatorAccount = async (driver: GaleraDriver, { user, password }: Account): Promise<void> => {
  await driver.administer('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [user, '%', password]);
  await driver.administer('ALTER USER ?@? IDENTIFIED BY ?', [user, '%', password]);
  await driver.administer('GRANT ALL PRIVILEGES ON *.* TO ?@?', [user, '%']);
};

const openFirstAccounts = async (stage: Stage, driver: GaleraDriver, database: string): Promise<void> => {
  const { user, password } = stage.application;
  const { administratorNext } = stage;
  await driver.administer('ALTER USER ?@? IDENTIFIED BY ?', [
    administratorNext.user,
    'localhost',
    administratorNext.password,
  ]);
  stage.administrator.current = administratorNext;
  await driver.administer(`CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4`);
  await driver.administer('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [user, '%', password]);
  for (const schema of new Set([database, stage.service.database])) {
    // The underscore is a wildcard in a grant; the schema's own is meant.
    await driver.administer(`GRANT ALL ON \`${schema.replaceAll('_', '\\_')}\`.* TO ?@?`, [user, '%']);
  }
};

/** What agents need to watch an instance, and no more. */
const openAgentAccount = async (driver: GaleraDriver, { user, password }: Account): Promise<void> => {
  await driver.administer('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [user, '%', password]);
  await driver.administer('ALTER USER ?@? IDENTIFIED BY ?', [user, '%', password]);
  await driver.administer('GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR, SHOW DATABASES ON *.* TO ?@?', [user, '%']);
  await driver.administer('GRANT SELECT ON performance_schema.* TO ?@?', [user, '%']);
};

/** What gateways need and no more: they make the rest themselves. */
const openGatewayAccount = async (driver: GaleraDriver, { user, password }: Account): Promise<void> => {
  await driver.administer('CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?', [user, '%', password]);
  // Data that was kept may have the account with another password.
  await driver.administer('ALTER USER ?@? IDENTIFIED BY ?', [user, '%', password]);
  await driver.administer('GRANT PROCESS, CONNECTION ADMIN ON *.* TO ?@?', [user, '%']);
  await driver.administer('GRANT SELECT ON mysql.global_priv TO ?@?', [user, '%']);
  await driver.administer('GRANT ALL PRIVILEGES ON coequal.* TO ?@? WITH GRANT OPTION', [user, '%']);
  // PUBLIC comes into being with its first grant, which is an administrator's to give.
  await driver.administer('GRANT USAGE ON *.* TO PUBLIC');
};

/** The lab's half of the carried ports; in plain mode the instances' own addresses are this machine's. */
const openForwards = async (definition: LabDefinition, mode: 'full' | 'plain'): Promise<void> => {
  if (mode === 'plain') return;
  for (const [index, { instance }] of definition.forwards.entries()) {
    const placed = definition.estate.services[0]?.instances.find(({ name }) => name === instance);
    const host = definition.estate.sites.flatMap(({ hosts }) => hosts).find(({ name }) => name === placed?.host);
    if (placed === undefined || host === undefined) throw new Error(`Bug: no instance ${instance}`);
    await forward({ path: forwardSocket(definition.folder, index) }, { host: host.address, port: placed.ports.client });
  }
  for (const [index, { address, port }] of definition.estate.gateways.entries()) {
    if (address === undefined) throw new Error('Bug: a gateway of a lab without an address');
    await forward({ path: gatewaySocket(definition.folder, index) }, { host: address, port });
  }
};

/** The lab's half of the carried port of the platform. */
const openWayToPlatform = async ({ folder, mode, operations }: LabDefinition): Promise<void> => {
  if (mode === 'plain' || operations === null) return;
  await forward({ path: platformSocket(folder) }, { host: '127.0.0.1', port: operations.platformPort });
};

/** One group of clients of each site. */
type WorkloadGroup = { readonly via: Via; readonly connections: number; readonly ratePerSecond: number };

/** Clients go through their site's gateways, and a few connect directly beside them: what both feel is shown side by side. */
const workloadGroups = ({ definition }: Runtime): readonly WorkloadGroup[] => {
  const main = { connections: clientsPerSite, ratePerSecond: workloadRatePerSite };
  return definition.estate.gateways.length === 0
    ? [{ via: 'direct', ...main }]
    : [
        { via: 'gateway', ...main },
        { via: 'direct', ...beside },
      ];
};

const openBank = async (runtime: Runtime): Promise<void> => {
  const [endpoint] = runtime.endpoints();
  if (endpoint === undefined) throw new Error('Bug: a lab without instances');
  await bankAccess.create(endpoint, bank);
};

const startWorkload = async (runtime: Runtime, groups: readonly WorkloadGroup[]): Promise<void> => {
  const { definition } = runtime;
  const folder = `${definition.folder}/ledgers`;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const site of sitesWithClients(runtime)) {
    for (const [index, group] of groups.entries()) {
      runtime.groups.startBankClients(
        site,
        {
          ...group,
          seed: definition.seed + index,
          accounts: bank.accounts,
          skew: definition.skew,
          ledgerPath: `${folder}/${site}${index === 0 ? '' : `-${group.via}`}.ndjson`,
          statementMs: statementDeadlineMs(runtime),
        },
        true,
      );
    }
  }
};

const sitesWithClients = (runtime: Runtime): readonly string[] =>
  runtime.stage.sites.filter(({ drivers }) => drivers.length > 0).map(({ name }) => name);

/** Longer than the preset's stall, so that survivors wait instead of erring; not so long that a hang is for ever. */
const statementDeadlineMs = (runtime: Runtime): number =>
  Math.max(3_000, 2 * presets[runtime.stage.service.preset].typicalStallMs);

const firstAcknowledged = async (runtime: Runtime, clock: Clock): Promise<void> => {
  const end = clock.monotonic() + 60_000;
  const clients = () => runtime.stage.sites.flatMap((site) => runtime.groups.clientsOf(site.name));
  while (clients().some((client) => (client.report()?.acknowledged ?? 0) === 0)) {
    const dead = clients().find((client) => !client.alive());
    if (dead !== undefined || clock.monotonic() > end) {
      throw fail('DEADLINE_PASSED', {
        what: `The first transaction at ${dead?.site ?? 'every site'}`,
        seconds: 60,
        last: '',
        advice: `See ${runtime.definition.folder}/lab.log.`,
      });
    }
    await clock.sleep(20);
  }
};

type HeldLab = {
  readonly runtime: Runtime;
  readonly programs: Programs;
  readonly definition: LabDefinition;
  readonly clock: Clock;
};

const holdDrill = async (
  { runtime, programs, definition, clock }: HeldLab,
  call: DrillCall,
  say: (value: unknown) => void,
  gone: AbortSignal,
): Promise<DrillReport> => {
  // The lab's own workload would move money that the drill has not accounted for.
  const workload = await runtime.groups.pauseClients();
  try {
    return await heldAlone({ runtime, programs, definition, clock }, call, say, gone);
  } finally {
    workload.resume();
  }
};

const heldAlone = async (
  { runtime, programs, definition, clock }: HeldLab,
  call: DrillCall,
  say: (value: unknown) => void,
  gone: AbortSignal,
): Promise<DrillReport> => {
  const ledgerFolder = `${definition.folder}/drill-${clock.now().toString(36)}`;
  await mkdir(ledgerFolder, { recursive: true, mode: 0o755 });
  const result = await runDrill(
    drillTools({
      arena: labArena(runtime, { ...programs.versions, node: process.versions.node }, clock),
      clock,
      progress: say,
    }),
    call.name,
    {
      seed: call.seed,
      seconds: call.seconds,
      ...loadOf(call),
      skew: definition.skew,
      // With so many clients on one machine it is about what is true, not about how soon.
      statementMs: call.name === 'commit-kill' ? patientStatementMs : statementDeadlineMs(runtime),
      ledgerFolder,
      command: call.command,
      signal: gone,
    },
  );
  await mkdir(call.out, { recursive: true });
  return writeEvidence(call.out, result, makeSigningKey());
};
