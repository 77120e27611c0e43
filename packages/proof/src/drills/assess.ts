/** From what a drill gathered to its report: reconciliation, what customers felt, what was seen of the faults. Pure. */
import { serves } from '@coequal/estate';
import type { ArenaDescription, Fault } from '../arena.ts';
import { clean, type Opening, reconcile } from '../bank/reconcile.ts';
import type { Contents } from '../bank/schema.ts';
import type { History, Transaction } from '../history.ts';
import { acknowledgements, longestPause, type SiteTimeline, siteTimeline, type Window } from '../timeline.ts';
import type { Check, DrillReport, FaultReport, Sighting, SiteReport, StepReport } from './report.ts';
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
};

export const assessDrill = (gathered: Gathered): DrillReport => {
  const { name, options, description, history, records, states, problems, window } = gathered;
  const found = reconcile(gathered.opening, history.transactions, gathered.contents);
  const timeline = gathered.sites.map((site) => siteTimeline(site, history.transactions, window));
  const faults = faultReports(gathered);
  const sites = timeline.map((site) => siteReport(site, records));
  const recoveryMs = recoveryOf(records);
  // Where a majority was lost, those who are left must refuse: an error there is the promise kept, not broken.
  const majorityLost = gathered.records.some(({ step }) => step.kind === 'await-stopped');
  const checks = [...(majorityLost ? [] : survivorChecks(sites)), ...forkChecks(gathered)];
  const verdict = verdictOf({ name, found, problems, checks, faults, sites, recoveryMs });
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
    sites,
    detectMs: slowest(faults.map((fault) => fault.detectMs)),
    evictMs: slowest(faults.map((fault) => fault.evictMs)),
    rejoinMs: slowest(faults.map((fault) => fault.rejoinMs)),
    recoveryMs,
    faults,
    checks,
    problems,
    steps: gathered.steps.map((step) => ({ ...step, atMs: tenth(step.atMs), tookMs: tenth(step.tookMs) })),
    states: states.map((state) => ({ ...state, atMs: tenth(state.atMs) })),
    timeline,
    versions: description.versions,
    configuration: description.configuration,
    machine: description.machine,
    rttMs: description.rttMs,
    command: options.command,
    evidence: null,
  };
};

const tenth = (ms: number): number => Math.round(ms * 10) / 10;

const slowest = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
};

const injected = (records: readonly StepRecord[]): readonly Fault[] =>
  records.flatMap(({ step }) => (step.kind === 'inject' ? step.faults : []));

const siteReport = (site: SiteTimeline, records: readonly StepRecord[]): SiteReport => {
  const own = injected(records).filter((fault) => fault.site === site.site);
  const died = own.some((fault) => fault.kind === 'kill' && fault.whole === true);
  return {
    name: site.site,
    faulted: own.length > 0 || records.some(({ step }) => step.kind === 'full-outage'),
    longestPauseMs: died || site.longestPause === null ? null : tenth(site.longestPause.ms),
    errors: Object.values(site.errors).reduce((sum, count) => sum + count, 0),
    reconnects: site.reconnects,
    acknowledged: site.acknowledged,
    errorsByCode: site.errors,
  };
};

const faultReports = (gathered: Gathered): readonly FaultReport[] => {
  const { records, states, window, history, sites } = gathered;
  const acks = new Map(sites.map((site) => [site, acknowledgements(ofSite(history.transactions, site))]));
  return records.flatMap((record) => {
    if (record.step.kind !== 'inject') return [];
    const { faults } = record.step;
    const victims = faults.map((fault) => fault.site);
    const healed = records.find(
      ({ step, begunUs }) =>
        begunUs > record.begunUs && step.kind === 'heal' && step.sites.some((site) => victims.includes(site)),
    );
    const brokenUs: Window = { startUs: record.begunUs, endUs: healed?.begunUs ?? window.endUs };
    const broken = { fromMs: sinceMs(brokenUs.startUs, window), toMs: sinceMs(brokenUs.endUs, window) };
    return [
      {
        faults,
        atMs: tenth(broken.fromMs),
        healedAtMs: healed === undefined ? null : tenth(broken.toMs),
        detectMs: detected(states, victims, broken),
        evictMs: evicted(states, victims, broken),
        rejoinMs: healed === undefined ? null : rejoined(states, victims, broken.toMs),
        pausesMs: Object.fromEntries(
          [...acks].map(([site, times]) => {
            const pause = longestPause(times, brokenUs, window);
            return [site, pause === null ? null : tenth(pause.ms)];
          }),
        ),
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

const survivorChecks = (sites: readonly SiteReport[]): readonly Check[] => {
  const others = sites.filter((site) => !site.faulted);
  if (others.length === 0 || others.length === sites.length) return [];
  const errors = others.reduce((sum, site) => sum + site.errors, 0);
  return [
    {
      text: `Customers of ${listed(others.map((site) => capital(site.name)))} saw no error.`,
      passed: errors === 0,
      detail: errors === 0 ? '' : `They saw ${counted(errors, 'error')}.`,
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
