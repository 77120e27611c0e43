/** From what a drill gathered to its report: reconciliation, what customers felt, what was seen of the faults. Pure. */
import { serves } from '@coequal/estate';
import { type ArenaDescription, type Fault, type GatewayCounters, isGatewayFault } from '../arena.ts';
import { clean, type Opening, type Reconciliation, reconcile } from '../bank/reconcile.ts';
import type { Contents } from '../bank/schema.ts';
import type { History, Transaction } from '../history.ts';
import { acknowledgements, type Window } from '../timeline.ts';
import type { BatchRun } from './batch.ts';
import {
  batchReport,
  type Customers,
  commitsAtFaults,
  customersReport,
  feltDuring,
  groupCustomers,
  pauseReport,
  tenth,
} from './customers.ts';
import type {
  BatchReport,
  Check,
  CommitsReport,
  DrillReport,
  FaultReport,
  Sighting,
  SiteReport,
  StepReport,
} from './report.ts';
import type { DrillOptions, StepRecord } from './run.ts';
import type { DrillName } from './schedule.ts';
import { capital, counted, listed, verdictOf } from './words.ts';

export type Gathered = {
  readonly name: DrillName;
  readonly options: DrillOptions;
  readonly startedAt: string;
  readonly description: ArenaDescription;
  readonly sites: readonly string[];
  readonly window: Window;
  readonly opening: Opening;
  readonly history: History;
  readonly contents: readonly Contents[];
  readonly records: readonly StepRecord[];
  readonly steps: readonly StepReport[];
  readonly states: readonly Sighting[];
  readonly problems: readonly string[];
  readonly gateway: GatewayCounters | null;
  readonly batch?: BatchRun;
};

export const assessDrill = (gathered: Gathered): DrillReport => {
  const { name, options, description, history, records, states, problems, window } = gathered;
  const found = reconcile(gathered.opening, history.transactions, gathered.contents);
  const led = groupCustomers(gathered.sites, options.via, history.transactions, window);
  const beside =
    options.via === 'direct' || options.beside === undefined
      ? []
      : groupCustomers(gathered.sites, 'direct', history.transactions, window);
  const faults = faultReports(gathered, led, beside);
  const sites = led.map((customers, index) => siteReport(customers, beside[index], records));
  const commits = commitsAtFaults(
    led.flatMap(({ own }) => own),
    records,
    gathered.contents,
  );
  const batch = gathered.batch === undefined ? null : batchReport(gathered.batch, led, window, intervalOf(options));
  const pauses = pauseReport(
    faults,
    (fault) => fault.pausesMs,
    (fault) => fault.waitsMs,
  );
  const directPauses = pauseReport(
    faults,
    (fault) => fault.directPausesMs,
    (fault) => fault.directWaitsMs,
  );
  const recoveryMs = recoveryOf(records);
  // Where a majority was lost, those who are left must refuse: an error there is the promise kept, not broken.
  const promised = promisedSites(gathered, sites);
  const checks = [
    ...customerChecks(promised),
    ...forkChecks(gathered),
    ...doubtChecks(gathered, found, commits),
    ...batchChecks(batch),
  ];
  const verdict = verdictOf({ name, found, problems, checks, faults, sites, promised, commits, batch, recoveryMs });
  return {
    name,
    passed: clean(found) && problems.length === 0 && checks.every((check) => check.passed || !check.essential),
    verdict,
    lab: description.name,
    architecture: description.architecture,
    preset: description.preset,
    mode: description.mode,
    engine: description.engine,
    seed: options.seed,
    seconds: options.seconds,
    startedAt: gathered.startedAt,
    ...found,
    via: options.via,
    style: options.style ?? 'careful',
    errors: sites.reduce((sum, site) => sum + site.errors, 0),
    sites,
    gateway: gathered.gateway,
    commits,
    pauses: options.via === 'gateway' ? { gateway: pauses, direct: directPauses } : { gateway: null, direct: pauses },
    batch,
    detectMs: slowest(faults.map((fault) => fault.detectMs)),
    evictMs: slowest(faults.map((fault) => fault.evictMs)),
    rejoinMs: slowest(faults.map((fault) => fault.rejoinMs)),
    recoveryMs,
    faults,
    checks,
    problems,
    steps: gathered.steps.map((step) => ({ ...step, atMs: tenth(step.atMs), tookMs: tenth(step.tookMs) })),
    states: states.map((state) => ({ ...state, atMs: tenth(state.atMs) })),
    timeline: led.map(({ timeline }) => timeline),
    directTimeline: beside.map(({ timeline }) => timeline),
    versions: description.versions,
    configuration: description.configuration,
    machine: description.machine,
    rttMs: description.rttMs,
    command: options.command,
    evidence: null,
  };
};

/** How often one client begins a transfer, ms; 0: as soon as it can. */
const intervalOf = ({ connections, ratePerSecond }: DrillOptions): number =>
  ratePerSecond === undefined ? 0 : (1_000 * connections) / ratePerSecond;

const slowest = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
};

const injected = (records: readonly StepRecord[]): readonly Fault[] =>
  records.flatMap(({ step }) => (step.kind === 'inject' ? step.faults : []));

const siteReport = (
  customers: Customers,
  beside: Customers | undefined,
  records: readonly StepRecord[],
): SiteReport => {
  const own = injected(records).filter((fault) => fault.site === customers.site);
  const died = own.some((fault) => fault.kind === 'kill' && fault.whole === true);
  return {
    name: customers.site,
    faulted: own.length > 0 || records.some(({ step }) => step.kind === 'full-outage'),
    ...customersReport(customers, died),
    direct: beside === undefined ? null : customersReport(beside, died),
  };
};

const faultReports = (
  gathered: Gathered,
  led: readonly Customers[],
  beside: readonly Customers[],
): readonly FaultReport[] => {
  const { records, states, window } = gathered;
  return records.flatMap((record) => {
    if (record.step.kind !== 'inject') return [];
    const { faults } = record.step;
    const victims = faults.map((fault) => fault.site);
    const healed = records.find(
      ({ step, begunUs }) =>
        begunUs > record.begunUs && step.kind === 'heal' && step.sites.some((site) => victims.includes(site)),
    );
    const brokenUs: Window = { startUs: record.begunUs, endUs: healed?.begunUs ?? window.endUs };
    const besideFelt = feltDuring(beside, brokenUs, window);
    const broken = { fromMs: sinceMs(brokenUs.startUs, window), toMs: sinceMs(brokenUs.endUs, window) };
    return [
      {
        faults,
        atMs: tenth(broken.fromMs),
        healedAtMs: healed === undefined ? null : tenth(broken.toMs),
        detectMs: detected(states, victims, broken),
        evictMs: evicted(states, victims, broken),
        rejoinMs: healed === undefined ? null : rejoined(states, victims, broken.toMs),
        ...feltDuring(led, brokenUs, window),
        directPausesMs: besideFelt.pausesMs,
        directWaitsMs: besideFelt.waitsMs,
      },
    ];
  });
};

const ofSite = (transactions: readonly Transaction[], site: string): readonly Transaction[] =>
  transactions.filter((transaction) => transaction.site === site);

const sinceMs = (us: number, window: Window): number => (us - window.startUs) / 1_000;

type Span = { readonly fromMs: number; readonly toMs: number };

const detected = (states: readonly Sighting[], victims: readonly string[], span: Span): number | null => {
  const seen = states.find(({ site, state, atMs }) => victims.includes(site) && !serves(state) && isIn(atMs, span));
  return seen === undefined ? null : tenth(seen.atMs - span.fromMs);
};

/** The first survivor that counts fewer members than it did before. */
const evicted = (states: readonly Sighting[], victims: readonly string[], span: Span): number | null => {
  const members = new Map<string, number>();
  for (const { site, instance, members: seen, atMs } of states) {
    if (victims.includes(site) || seen === null) continue;
    const before = members.get(instance);
    if (isIn(atMs, span) && before !== undefined && seen < before) return tenth(atMs - span.fromMs);
    members.set(instance, seen);
  }
  return null;
};

const isIn = (atMs: number, { fromMs, toMs }: Span): boolean => atMs >= fromMs && atMs <= toMs;

/** Until the last victim serves. One that was never seen not serving had nothing to rejoin. */
const rejoined = (states: readonly Sighting[], victims: readonly string[], healedMs: number): number | null => {
  const instances = new Set(states.filter(({ site }) => victims.includes(site)).map(({ instance }) => instance));
  const times: number[] = [];
  for (const instance of instances) {
    const own = states.filter((state) => state.instance === instance);
    const before = own.findLast(({ atMs }) => atMs <= healedMs);
    if (before !== undefined && before.state === 'serving') continue;
    const back = own.find(({ atMs, state }) => atMs > healedMs && state === 'serving');
    if (back === undefined) return null;
    times.push(back.atMs - healedMs);
  }
  return times.length === 0 ? null : tenth(Math.max(...times));
};

/** From the kill of all to the end of the wait for all, the slowest of several. */
const recoveryOf = (records: readonly StepRecord[]): number | null =>
  slowest(
    records.map(({ step, begunUs }, index) => {
      const next = records[index + 1];
      const waited = step.kind === 'full-outage' && next?.step.kind === 'await-serving' && next.done;
      return waited ? tenth((next.endedUs - begunUs) / 1_000) : null;
    }),
  );

/** Whose customers were promised no error: of sites to which nothing happened, and with gateways of those that lost a database only. */
const promisedSites = (gathered: Gathered, sites: readonly SiteReport[]): readonly SiteReport[] => {
  if (gathered.records.some(({ step }) => step.kind === 'full-outage' || step.kind === 'await-stopped')) return [];
  const hidden = gathered.options.via === 'gateway';
  const felt = injected(gathered.records).filter((fault) => !hidden || fault.whole === true || isGatewayFault(fault));
  return sites.filter(({ name }) => !felt.some((fault) => fault.site === name));
};

const customerChecks = (promised: readonly SiteReport[]): readonly Check[] => {
  if (promised.length === 0) return [];
  const errors = promised.reduce((sum, site) => sum + site.errors, 0);
  return [
    {
      text: `Customers of ${listed(promised.map((site) => capital(site.name)))} saw no error.`,
      passed: errors === 0,
      detail: errors === 0 ? '' : `They saw ${counted(errors, 'error')}.`,
      essential: false,
    },
  ];
};

/** Through gateways no COMMIT stays in doubt for somebody who is there to ask. */
const doubtChecks = (
  { name, options, history }: Gathered,
  found: Reconciliation,
  commits: CommitsReport,
): readonly Check[] => {
  if (options.via !== 'gateway') return [];
  const asked = history.transactions.filter(({ decision }) => decision !== undefined).length;
  const open = asked - found.answered;
  const checks: Check[] = [
    {
      text: 'Gateways could say of every COMMIT that they were asked about what became of it.',
      passed: open === 0,
      detail: open === 0 ? '' : `Of ${counted(asked, 'question')} ${counted(open, 'question')} got no answer.`,
      essential: true,
    },
  ];
  if (name !== 'commit-kill') return checks;
  const undecided = commits.inDoubt - commits.decided;
  checks.push({
    text: 'Every COMMIT that was in flight at a fault is settled.',
    passed: undecided === 0,
    detail: undecided === 0 ? '' : `${counted(undecided, 'COMMIT')} of ${commits.inFlight} not settled.`,
    essential: true,
  });
  const { commits: wanted } = options;
  if (wanted !== undefined)
    checks.push({
      text: `${wanted.toLocaleString('en-US')} COMMITs were in flight at faults.`,
      passed: commits.inFlight >= wanted,
      detail: `There were ${commits.inFlight.toLocaleString('en-US')}.`,
      essential: true,
    });
  return checks;
};

/** A large write is there on all instances alike; one that was refused as a whole is nowhere. */
const batchChecks = (batch: BatchReport | null): readonly Check[] => {
  if (batch === null) return [];
  const changed = Object.values(batch.changedRows);
  const same = changed.every((rows) => rows === changed[0]);
  const wanted =
    batch.outcome === 'done' ? (changed[0] ?? 0) >= batch.rows : batch.rule === 'chunk' || changed[0] === 0;
  return [
    {
      text: 'The large write is on all instances alike, and whole or not at all.',
      passed: same && wanted,
      detail: listed(Object.entries(batch.changedRows).map(([name, rows]) => `${name}: ${rows} rows`)),
      essential: true,
    },
    {
      text: 'Other sites felt the large write three times at most (99th percentile).',
      passed: batch.ratio === null || batch.ratio <= 3,
      detail: `${batch.ratio ?? '–'} times.`,
      essential: false,
    },
  ];
};

/** After the loss of a majority: whoever is left stops, and whoever returns joins it instead of serving an old branch. */
const forkChecks = (gathered: Gathered): readonly Check[] => {
  const forced = gathered.records.find(({ step }) => step.kind === 'force-primary');
  const stopped = gathered.records.find(({ step }) => step.kind === 'await-stopped');
  if (forced?.step.kind !== 'force-primary' || stopped === undefined) return [];
  const survivor = forced.step.site;
  const acks = acknowledgements(ofSite(gathered.history.transactions, survivor));
  const meanwhile = acks.filter((at) => at > stopped.endedUs && at < forced.begunUs).length;
  const forcedMs = sinceMs(forced.begunUs, gathered.window);
  const alone = gathered.states.filter(
    ({ site, state, members, atMs }) =>
      site !== survivor && atMs > forcedMs && serves(state) && members !== null && members < 2,
  );
  return [
    {
      text: `${capital(survivor)}, alone, stopped rather than fork.`,
      passed: stopped.done && meanwhile === 0,
      detail: meanwhile === 0 ? '' : `It acknowledged ${counted(meanwhile, 'transaction')} without a majority.`,
      essential: true,
    },
    {
      text: 'Returning sites served only after joining it.',
      passed: alone.length === 0,
      detail: listed(alone.map(({ instance, members }) => `${instance} served in a component of ${members ?? 0}.`)),
      essential: true,
    },
  ];
};
