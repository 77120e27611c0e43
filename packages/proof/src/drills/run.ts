/**
 * Runs a drill: loads the arena, breaks it as the schedule says, heals it, and accounts for every transaction. What
 * is measured is what clients and instances showed, never what an injected fault was expected to do.
 *
 * The invariant: whatever goes wrong on the way is in the report as a problem, and a drill with a problem does not
 * pass. Databases, files and time are ports.
 */
import type { LargeWriteRule } from '@coequal/estate';
import { type Clock, fail, reasonOf, unreachable, until } from '@coequal/kernel';
import type { Arena, ClientOptions, ClientStyle, Endpoint, GatewayCounters, SiteClients, Via } from '../arena.ts';
import type { LinkFailure } from '../bank/link.ts';
import type { Opening } from '../bank/reconcile.ts';
import type { Contents } from '../bank/schema.ts';
import { type History, mergeHistories } from '../history.ts';
import { assessDrill } from './assess.ts';
import { type Batch, finishBatch, prepareBatch } from './batch.ts';
import { commitsAtFaults } from './customers.ts';
import { type Observer, startObserver } from './observer.ts';
import type { DrillReport, StepReport } from './report.ts';
import { type DrillName, type Schedule, type ScheduleOptions, type Step, scheduleOf } from './schedule.ts';
import { capital, listed, stepInWords } from './words.ts';

export type DrillOptions = {
  readonly seed: number;
  readonly seconds: number;
  /** Whether the clients go through gateways. */
  readonly via: Via;
  readonly style?: ClientStyle | 'mixed';
  /** Concurrent clients in each site. */
  readonly connections: number;
  readonly ratePerSecond?: number;
  /** A few more clients in each site that connect directly, to see both side by side. */
  readonly beside?: { readonly connections: number; readonly ratePerSecond: number };
  /** For drills that go in rounds: how many; or until so many COMMITs were in flight at faults. */
  readonly faults?: number;
  readonly commits?: number;
  readonly batch?: BatchOptions;
  readonly accounts: number;
  /** Cents. */
  readonly initialBalance: number;
  readonly skew?: number;
  /** Deadline of one statement, ms. Must be longer than the preset's stall, or survivors see errors that need not be. */
  readonly statementMs: number;
  /** An existing folder that the clients can write their ledgers to. */
  readonly ledgerFolder: string;
  /** The command that repeats this drill, for the report. */
  readonly command: string;
  readonly signal?: AbortSignal;
};

export type DrillTools = {
  readonly arena: Arena;
  readonly clock: Clock;
  /** Microseconds of the machine's monotonic clock, the one that the clients' ledgers use. */
  readonly stampUs: () => number;
  readonly bank: BankAccess;
  readonly readHistory: (path: string) => Promise<History>;
  readonly progress: (line: DrillProgress) => void;
};

/** The large write of the drill `batch`. */
export type BatchOptions = {
  readonly rows: number;
  /** What the gateways are to do about it; undefined: nothing. */
  readonly largeWrites?: LargeWriteRule;
};

export type BankAccess = {
  readonly create: (endpoint: Endpoint, options: { accounts: number; initialBalance: number }) => Promise<void>;
  readonly read: (endpoint: Endpoint) => Promise<Contents>;
  /** Makes a table of so many rows, for the large write. */
  readonly fillBatch: (endpoint: Endpoint, rows: number) => Promise<void>;
  /** Changes all of them by one statement; undefined: done. */
  readonly changeBatch: (endpoint: Endpoint) => Promise<LinkFailure | undefined>;
  /** How many rows were changed so and so often. */
  readonly countBatch: (endpoint: Endpoint) => Promise<ReadonlyMap<number, number>>;
};

export type DrillProgress = { readonly atMs: number | null; readonly text: string };

/** The report, and what it can be re-computed from. */
export type DrillResult = {
  readonly report: DrillReport;
  readonly history: History;
  readonly opening: Opening;
  readonly contents: readonly Contents[];
};

/** How long an instance may take to serve again: a full transfer of a small bank on a busy machine, and then some. */
const servingDeadlineMs = 120_000;
/** How long a site without a majority may take to notice: far beyond the engine's slowest preset. */
const stoppedDeadlineMs = 30_000;
/** Load that follows the last step, so that the way back shows in the report. */
const afterMs = 2_000;
/** Instances are read one after the other; a straggler in between looks like a difference, and is gone the next time. */
const readingsWanted = 3;
const readingPauseMs = 1_000;

export const runDrill = async (tools: DrillTools, name: DrillName, options: DrillOptions): Promise<DrillResult> => {
  const { arena, stampUs } = tools;
  const startedAt = new Date(tools.clock.now()).toISOString();
  refuseWithoutGateways(arena, options);
  const schedule = scheduleOf(name, scheduleOptions(arena, options));
  tools.progress({ atMs: null, text: 'Making the bank.' });
  const opening = await openBank(tools, options);
  const batch = options.batch === undefined ? undefined : await prepareBatch(tools, options.batch);
  const counted = options.via === 'gateway' ? await arena.gatewayCounters() : undefined;
  const drill = beginDrill(tools, options, stampUs(), batch);
  try {
    for (const site of arena.sites()) await startClients(drill, site);
    tools.progress({ atMs: 0, text: `Clients at work in ${listed(arena.sites().map(capital))}.` });
    await carryOut(drill, schedule);
  } catch (error) {
    await healAll(drill);
    await endLoad(drill);
    throw error;
  }
  const endUs = stampUs();
  await endLoad(drill);
  const gateway = counted === undefined ? null : countedSince(counted, await arena.gatewayCounters());
  const contents = await readInstances(drill);
  const batchRun = batch === undefined ? undefined : await finishBatch(tools, batch, drill.problems);
  const history = await collectLedgers(drill);
  const report = assessDrill({
    name,
    options,
    startedAt,
    description: await arena.describe(),
    sites: arena.sites(),
    window: { startUs: drill.startUs, endUs },
    opening,
    history,
    contents,
    records: drill.records,
    steps: drill.steps,
    states: drill.observer.sightings(),
    problems: drill.problems,
    gateway,
    ...(batchRun === undefined ? {} : { batch: batchRun }),
  });
  tools.progress({ atMs: sinceStartMs(drill), text: report.verdict });
  return { report, history, opening, contents };
};

const refuseWithoutGateways = (arena: Arena, { via }: DrillOptions): void => {
  if (via !== 'gateway') return;
  const bare = arena.sites().filter((site) => !arena.gateways().some((gateway) => gateway.site === site));
  if (bare.length === 0) return;
  throw fail('DRILL_IMPOSSIBLE', {
    reason: `${listed(bare.map(capital))} has no gateway (start the lab with gateways, or add --direct)`,
  });
};

const scheduleOptions = (arena: Arena, { seed, seconds, faults, commits }: DrillOptions): ScheduleOptions => ({
  seed,
  seconds,
  sites: arena.sites(),
  ...(faults === undefined ? {} : { faults }),
  ...(commits === undefined ? {} : { commits }),
});

const countedSince = (before: GatewayCounters, after: GatewayCounters): GatewayCounters => ({
  replays: after.replays - before.replays,
  replaysTold: after.replaysTold - before.replaysTold,
  outcomes: after.outcomes - before.outcomes,
  outcomesUndecided: after.outcomesUndecided - before.outcomesUndecided,
  hidden: after.hidden - before.hidden,
  conflictsTold: after.conflictsTold - before.conflictsTold,
  notReplayable: after.notReplayable - before.notReplayable,
  losses: after.losses - before.losses,
  handedOver: after.handedOver - before.handedOver,
  closed: after.closed - before.closed,
  cut: after.cut - before.cut,
});

/** What a drill gathers while it runs. Only this file writes to it. */
type Drill = {
  readonly tools: DrillTools;
  readonly options: DrillOptions;
  readonly startUs: number;
  readonly observer: Observer;
  readonly clients: SiteClients[];
  /** Those of them that the drill is about. */
  readonly led: SiteClients[];
  readonly ledgers: string[];
  readonly steps: StepReport[];
  readonly records: StepRecord[];
  readonly problems: string[];
  readonly batch: Batch | undefined;
  /** COMMITs that were in flight at faults so far, as far as is known. */
  committing: number;
};

/** A step with its times on the clients' clock. */
export type StepRecord = {
  readonly step: Step;
  readonly begunUs: number;
  readonly endedUs: number;
  readonly done: boolean;
};

const beginDrill = (tools: DrillTools, options: DrillOptions, startUs: number, batch: Batch | undefined): Drill => ({
  tools,
  options,
  startUs,
  observer: startObserver(tools.arena, tools.clock, () => (tools.stampUs() - startUs) / 1_000),
  clients: [],
  led: [],
  ledgers: [],
  steps: [],
  records: [],
  problems: [],
  batch,
  committing: 0,
});

const sinceStartMs = (drill: Drill): number => (drill.tools.stampUs() - drill.startUs) / 1_000;

const openBank = async ({ arena, bank }: DrillTools, options: DrillOptions): Promise<Opening> => {
  const [endpoint] = arena.endpoints();
  if (endpoint === undefined) throw fail('DRILL_IMPOSSIBLE', { reason: 'the arena has no instance to connect to' });
  await bank.create(endpoint, { accounts: options.accounts, initialBalance: options.initialBalance });
  const contents = await bank.read(endpoint);
  return {
    accounts: contents.accounts.map(({ id, opening }) => ({ id, opening })),
    transfers: contents.transfers.map(({ id }) => id),
  };
};

/** The clients that the drill is about, and those that connect directly beside them. */
const startClients = async (drill: Drill, site: string): Promise<void> => {
  const { via, style, connections, ratePerSecond, beside } = drill.options;
  await startGroup(drill, site, {
    via,
    connections,
    ...(style === undefined ? {} : { style }),
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  });
  if (beside !== undefined) await startGroup(drill, site, { via: 'direct', ...beside });
};

type Group = Pick<ClientOptions, 'via' | 'style' | 'connections' | 'ratePerSecond'>;

const startGroup = async (drill: Drill, site: string, group: Group): Promise<void> => {
  const { options } = drill;
  const ledgerPath = `${options.ledgerFolder}/ledger-${site}-${drill.ledgers.length + 1}.ndjson`;
  drill.ledgers.push(ledgerPath);
  const clients = await drill.tools.arena.startClients(site, {
    seed: options.seed,
    accounts: options.accounts,
    ledgerPath,
    statementMs: options.statementMs,
    ...(options.skew === undefined ? {} : { skew: options.skew }),
    ...group,
  });
  drill.clients.push(clients);
  if (group.via === options.via) drill.led.push(clients);
};

const carryOut = async (drill: Drill, schedule: Schedule): Promise<void> => {
  for (const step of schedule.steps) {
    if (step.kind === 'enough' && (await isEnough(drill, step.commits))) break;
    await waitUntil(drill, step.atMs);
    await takeStep(drill, step);
  }
  await waitUntil(drill, Math.max(schedule.seconds * 1_000, sinceStartMs(drill) + afterMs));
};

/** What clients say of themselves is a quarter of a second old. Only when it would do, the ledgers are asked, which know exactly. */
const isEnough = async (drill: Drill, commits: number): Promise<boolean> => {
  if (drill.committing < commits) return false;
  const { transactions } = mergeHistories(await Promise.all(drill.ledgers.map(drill.tools.readHistory)));
  drill.committing = commitsAtFaults(transactions, drill.records, []).inFlight;
  return drill.committing >= commits;
};

const waitUntil = async (drill: Drill, atMs: number): Promise<void> => {
  const left = atMs - sinceStartMs(drill);
  if (left > 0) await drill.tools.clock.sleep(left, drill.options.signal);
};

/** A step that cannot be done is a problem, not the end: what was broken must still be healed and accounted for. */
const takeStep = async (drill: Drill, step: Step): Promise<void> => {
  const begunUs = drill.tools.stampUs();
  const problem = await problemOf(drill, () => act(drill, step));
  const endedUs = drill.tools.stampUs();
  drill.records.push({ step, begunUs, endedUs, done: problem === undefined });
  if (problem === undefined && isPace(step)) return;
  const text = stepInWords(step);
  const atMs = (begunUs - drill.startUs) / 1_000;
  drill.steps.push({ atMs, tookMs: (endedUs - begunUs) / 1_000, text, done: problem === undefined });
  drill.tools.progress({ atMs: sinceStartMs(drill), text: problem ?? text });
};

/** Steps of which a drill has hundreds, and which nobody needs to read of. */
const isPace = ({ kind }: Step): boolean => kind === 'rest' || kind === 'load' || kind === 'enough';

const problemOf = async (drill: Drill, work: () => Promise<void>): Promise<string | undefined> => {
  try {
    await work();
    return undefined;
  } catch (error) {
    drill.options.signal?.throwIfAborted();
    const problem = reasonOf(error);
    drill.problems.push(problem);
    return problem;
  }
};

const act = async (drill: Drill, step: Step): Promise<void> => {
  const { arena } = drill.tools;
  switch (step.kind) {
    case 'inject':
      drill.committing += drill.led.reduce((sum, clients) => sum + clients.committing(), 0);
      await Promise.all(step.faults.map((fault) => arena.inject(fault)));
      return;
    case 'heal':
      for (const site of step.sites) await arena.heal(site);
      return;
    case 'await-serving':
      return untilSites(drill, step.sites, 'Serving', servingDeadlineMs, (state) => state === 'serving');
    case 'await-stopped':
      return untilSites(drill, step.sites, 'Stopping', stoppedDeadlineMs, (state) => state === 'isolated');
    case 'full-outage':
      return arena.fullOutage();
    case 'force-primary':
      return forcePrimary(drill, step.site);
    case 'restart-clients':
      return startClients(drill, step.site);
    case 'rest':
      return drill.tools.clock.sleep(step.ms, drill.options.signal);
    case 'load':
      for (const clients of drill.led) clients.setRate(step.ratePerSecond);
      return;
    case 'enough':
      return;
    case 'batch':
      return drill.batch?.run(step.site);
    default:
      return unreachable(step);
  }
};

/** Only looks that began after the step count: an older one may show the world before it. */
const untilSites = async (
  drill: Drill,
  sites: readonly string[],
  verb: string,
  deadlineMs: number,
  wanted: (state: string) => boolean,
): Promise<void> => {
  const begunMs = sinceStartMs(drill);
  const { observer, tools, options } = drill;
  const instances = () => observer.latest()?.instances.filter(({ site }) => sites.includes(site)) ?? [];
  const wait = {
    what: `${verb} by ${listed(sites.map(capital))}`,
    deadlineMs,
    last: () =>
      observer.blind() ??
      instances()
        .map(({ name, state, reason }) => `${name}: ${state}, ${reason}`)
        .join(' '),
    advice: "See the instances' logs.",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  await until(tools.clock, wait, () => {
    const seen = instances();
    return (observer.latest()?.begunMs ?? -1) >= begunMs && seen.length > 0 && seen.every(({ state }) => wanted(state));
  });
};

const forcePrimary = async (drill: Drill, site: string): Promise<void> => {
  const instance = drill.observer.latest()?.instances.find((one) => one.site === site);
  if (instance === undefined) throw fail('DRILL_IMPOSSIBLE', { reason: `no instance of ${site} can be seen` });
  await drill.tools.arena.forcePrimary(instance.name);
};

/** What was broken when a drill ended early must not stay broken. */
const healAll = async (drill: Drill): Promise<void> => {
  try {
    await drill.tools.arena.heal();
  } catch (error) {
    drill.tools.progress({ atMs: sinceStartMs(drill), text: `Could not heal everything: ${reasonOf(error)}` });
  }
};

const endLoad = async (drill: Drill): Promise<void> => {
  await finishClients(drill);
  await drill.observer.stop();
};

const finishClients = async (drill: Drill): Promise<void> => {
  const finished = await Promise.allSettled(drill.clients.map((clients) => clients.finish()));
  for (const [index, result] of finished.entries()) {
    if (result.status === 'rejected') {
      drill.problems.push(`The clients of ${drill.clients[index]?.site} did not end: ${reasonOf(result.reason)}`);
    }
  }
};

/** Every instance's contents, once all serve, read again until they agree or have had their chances. */
const readInstances = async (drill: Drill): Promise<readonly Contents[]> => {
  const { arena, clock } = drill.tools;
  await problemOf(drill, async () => {
    await arena.heal();
    await until(clock, { what: 'Serving by every instance', deadlineMs: servingDeadlineMs, everyMs: 200 }, async () =>
      (await arena.observe()).every(({ state }) => state === 'serving'),
    );
  });
  let contents = await readOnce(drill);
  for (let reading = 1; reading < readingsWanted && !agree(contents); reading += 1) {
    await clock.sleep(readingPauseMs);
    contents = await readOnce(drill);
  }
  for (const endpoint of arena.endpoints()) {
    if (contents.some(({ instance }) => instance === endpoint.instance)) continue;
    drill.problems.push(`${endpoint.instance} could not be read, so it is not accounted for.`);
  }
  return contents;
};

const readOnce = async (drill: Drill): Promise<readonly Contents[]> => {
  const all: Contents[] = [];
  for (const endpoint of drill.tools.arena.endpoints()) {
    drill.tools.progress({ atMs: sinceStartMs(drill), text: `Reading everything that ${endpoint.instance} holds.` });
    try {
      all.push(await drill.tools.bank.read(endpoint));
    } catch (error) {
      drill.tools.progress({ atMs: sinceStartMs(drill), text: `${endpoint.instance}: ${reasonOf(error)}` });
    }
  }
  return all;
};

/** A quick look: the same rows in number, and the same money in the same accounts. */
const agree = (contents: readonly Contents[]): boolean => {
  const shapes = contents.map(({ accounts, transfers, entries }) =>
    [transfers.length, entries.length, ...accounts.map(({ balance, version }) => `${balance}/${version}`)].join(),
  );
  return shapes.every((shape) => shape === shapes[0]);
};

const collectLedgers = async (drill: Drill): Promise<History> => {
  const histories: History[] = [];
  for (const path of drill.ledgers) {
    try {
      histories.push(await drill.tools.readHistory(path));
    } catch (error) {
      drill.problems.push(`The ledger ${path} is missing from the account: ${reasonOf(error)}`);
    }
  }
  return mergeHistories(histories);
};
