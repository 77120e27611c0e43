/** What a drill's clients saw, from their histories: by site and by way, around faults, and what became of COMMITs in flight. Pure. */
import type { Fault, Via } from '../arena.ts';
import type { Contents } from '../bank/schema.ts';
import type { Transaction } from '../history.ts';
import {
  acknowledgements,
  customersOf,
  longestPause,
  longestWait,
  percentile,
  type SiteTimeline,
  siteTimeline,
  type Waiting,
  type Window,
  waitsOf,
} from '../timeline.ts';
import type { BatchRun } from './batch.ts';
import type { BatchReport, CommitsReport, CustomersReport, FaultReport, PauseReport } from './report.ts';
import type { StepRecord } from './run.ts';

export const tenth = (ms: number): number => Math.round(ms * 10) / 10;

/** One group of a site's clients. */
export type Customers = {
  readonly site: string;
  readonly via: Via;
  readonly own: readonly Transaction[];
  readonly timeline: SiteTimeline;
  readonly acks: readonly number[];
  readonly waits: readonly Waiting[];
};

export const groupCustomers = (
  sites: readonly string[],
  via: Via,
  transactions: readonly Transaction[],
  window: Window,
): readonly Customers[] =>
  sites.map((site) => {
    const own = customersOf(transactions, site, via);
    const timeline = siteTimeline(site, own, window);
    return { site, via, own, timeline, acks: acknowledgements(own), waits: waitsOf(own) };
  });

export const customersReport = ({ timeline }: Customers, died: boolean): CustomersReport => ({
  longestPauseMs: died || timeline.longestPause === null ? null : tenth(timeline.longestPause.ms),
  longestWaitMs: died || timeline.longestWait === null ? null : tenth(timeline.longestWait.ms),
  errors: Object.values(timeline.errors).reduce((sum, count) => sum + count, 0),
  conflicts: timeline.conflicts,
  inDoubt: timeline.inDoubt,
  reconnects: timeline.reconnects,
  acknowledged: timeline.acknowledged,
  errorsByCode: timeline.errors,
});

/** The longest pause, and the longest wait of one client, of each site while something was broken. */
export const feltDuring = (groups: readonly Customers[], broken: Window, window: Window) => ({
  pausesMs: bySite(groups, ({ acks }) => longestPause(acks, broken, window)),
  waitsMs: bySite(groups, ({ waits }) => longestWait(waits, broken, window)),
});

const bySite = (groups: readonly Customers[], find: (group: Customers) => { readonly ms: number } | null) =>
  Object.fromEntries(
    groups.map((group) => {
      const found = find(group);
      return [group.site, found === null ? null : tenth(found.ms)];
    }),
  );

/** The worst site of each fault, over all faults. */
export const pauseReport = (
  faults: readonly FaultReport[],
  pausesOf: (fault: FaultReport) => FaultReport['pausesMs'],
  waitsOfFault: (fault: FaultReport) => FaultReport['waitsMs'],
): PauseReport | null => {
  const pauses = worsts(faults.map(pausesOf));
  const waits = worsts(faults.map(waitsOfFault));
  const medianMs = percentile(pauses, 0.5);
  const medianWaitMs = percentile(waits, 0.5);
  if (medianMs === null || medianWaitMs === null) return null;
  return {
    faults: pauses.length,
    medianMs,
    largestMs: pauses.at(-1) ?? medianMs,
    medianWaitMs,
    largestWaitMs: waits.at(-1) ?? medianWaitMs,
  };
};

/** In order of size. */
const worsts = (all: readonly Readonly<Record<string, number | null>>[]): readonly number[] =>
  all
    .flatMap((bySites) => {
      const known = Object.values(bySites).filter((ms) => ms !== null);
      return known.length === 0 ? [] : [Math.max(...known)];
    })
    .sort((a, b) => a - b);

/**
 * COMMITs that were sent before something was broken and not answered before it was. The longest that clients wait for an answer
 * bounds how far back one may have been sent.
 */
export const commitsAtFaults = (
  transactions: readonly Transaction[],
  records: readonly StepRecord[],
  contents: readonly Contents[],
): CommitsReport => {
  const moments = records.flatMap(({ step, begunUs, endedUs }) =>
    step.kind === 'inject' ? [{ faults: step.faults, begunUs, endedUs }] : [],
  );
  const counts = { inFlight: 0, onVictims: 0, acknowledged: 0, refused: 0, inDoubt: 0, decided: 0 };
  const present = contents.map(({ transfers }) => new Set(transfers.map(({ id }) => id)));
  for (const transaction of transactions) {
    const moment = moments.find((one) => wasInFlight(transaction, one));
    if (moment === undefined) continue;
    counts.inFlight += 1;
    if (isVictim(moment.faults, transaction.site)) counts.onVictims += 1;
    if (transaction.outcome === 'ok') counts.acknowledged += 1;
    else if (transaction.outcome === 'fail') counts.refused += 1;
    else {
      counts.inDoubt += 1;
      const seen = present.map((ids) => ids.has(transaction.id));
      if (seen.length > 0 && seen.every((there) => there === seen[0])) counts.decided += 1;
    }
  }
  return { faults: moments.length, ...counts };
};

type Moment = { readonly faults: readonly Fault[]; readonly begunUs: number; readonly endedUs: number };

const wasInFlight = ({ committing, complete }: Transaction, { begunUs, endedUs }: Moment): boolean =>
  committing !== undefined && committing <= begunUs && (complete ?? Number.POSITIVE_INFINITY) >= endedUs;

const isVictim = (faults: readonly Fault[], site: string): boolean => faults.some((fault) => fault.site === site);

/**
 * What the other sites felt of a large write. Just before it they had nothing to complain of; that is what it is held against.
 * `everyMs`: how often each client would have begun a transfer; 0: as soon as it could.
 */
export const batchReport = (
  run: BatchRun,
  groups: readonly Customers[],
  window: Window,
  everyMs: number,
): BatchReport => {
  const others = groups.filter(({ site }) => site !== run.site);
  const during: Window = { startUs: run.begunUs, endUs: run.endedUs };
  const before: Window = { startUs: window.startUs + warmUpUs, endUs: run.begunUs };
  const p99BeforeMs = p99Of(others, before, everyMs);
  const p99DuringMs = p99Of(others, during, everyMs);
  const pauses = others.flatMap(({ acks }) => longestPause(acks, during, window)?.ms ?? []);
  return {
    rows: run.rows,
    rule: run.rule,
    site: run.site,
    outcome: run.failure === undefined ? 'done' : run.failure.failure === 'answer' ? 'refused' : 'failed',
    reason: run.failure === undefined ? null : `${run.failure.code}: ${run.failure.message}`,
    tookMs: tenth((run.endedUs - run.begunUs) / 1_000),
    p99BeforeMs,
    p99DuringMs,
    ratio: p99BeforeMs === null || p99DuringMs === null ? null : Math.round((p99DuringMs / p99BeforeMs) * 100) / 100,
    longestPauseMs: pauses.length === 0 ? null : tenth(Math.max(...pauses)),
    changedRows: run.changedRows,
  };
};

const warmUpUs = 2_000_000;

/**
 * Of every transfer that was under way at some time of the window, and of those that were not even begun because their client was
 * waiting: without these a standstill of seconds would count as one slow transfer for each client.
 */
const p99Of = (groups: readonly Customers[], { startUs, endUs }: Window, everyMs: number): number | null => {
  const felt = groups
    .flatMap(({ waits }) => waits)
    .filter(({ fromUs, toUs }) => toUs >= startUs && fromUs <= endUs)
    .flatMap(({ fromUs, toUs }) => withOmitted((toUs - fromUs) / 1_000, everyMs))
    .sort((a, b) => a - b);
  const found = percentile(felt, 0.99);
  return found === null ? null : tenth(found);
};

/** A wait, and what those would have waited that should have begun meanwhile. */
export const withOmitted = (waitMs: number, everyMs: number): readonly number[] => {
  if (everyMs <= 0) return [waitMs];
  return Array.from({ length: Math.floor(waitMs / everyMs) + 1 }, (_, missed) => waitMs - missed * everyMs);
};
