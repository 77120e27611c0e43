/**
 * A gateway at one moment, for operators: who it is, what its workers and instances are, and the figures that tell
 * whether clients noticed anything. Pure: made of the workers' reports. The shape is what `coequal gateway status
 * --json` prints; fields may be added, not renamed.
 */
import type { InstanceState } from '@coequal/estate';
import type { CountersSnapshot, FamilySnapshot } from '@coequal/kernel';
import type { GatewaySettings } from '../settings.ts';
import type { InstanceSeen, WorkerReport } from './messages.ts';

export type GatewayState = 'starting' | 'serving' | 'no-instance' | 'no-worker' | 'draining' | 'drained' | 'ending';

export type WorkerStatus = {
  readonly slot: number;
  readonly pid: number;
  readonly generation: number;
  readonly state: string;
  readonly connections: number;
  readonly residentBytes: number | null;
  readonly stallMs: number | null;
};

export type InstanceStatus = {
  readonly name: string;
  readonly site: string;
  readonly state: InstanceState;
  /** Whether that state means that it takes work. */
  readonly serves: boolean;
  readonly reason: string;
  readonly sinceMs: number;
  readonly answerMs: number | null;
  readonly flowControl: number | null;
  readonly receiveQueue: number | null;
  readonly draining: boolean;
  readonly sessions: number;
};

/** Counted since the gateway began. */
export type Totals = {
  readonly requests: number;
  readonly committed: number;
  readonly rolledBack: number;
  /** Errors that clients got, other than conflicts. */
  readonly errors: number;
  readonly losses: number;
  readonly pauses: number;
  readonly longestPauseMs: number;
  readonly replays: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly conflicts: Readonly<Record<string, number>>;
  readonly notReplayable: Readonly<Record<string, number>>;
  readonly refusedStatements: Readonly<Record<string, number>>;
  readonly logins: Readonly<Record<string, number>>;
  readonly drained: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly acknowledgementsDropped: number;
};

export type GatewayStatus = {
  readonly name: string;
  readonly site: string;
  readonly service: string;
  readonly state: GatewayState;
  readonly version: string;
  readonly pid: number;
  readonly upSeconds: number;
  readonly generation: number;
  readonly observe: boolean;
  readonly profile: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly metrics: { readonly host: string; readonly port: number };
  readonly stateFolder: string;
  readonly workers: readonly WorkerStatus[];
  readonly workerDeaths: number;
  readonly instances: readonly InstanceStatus[];
  readonly connections: number;
  readonly connectionLimit: number;
  readonly sessions: { readonly working: number; readonly inTransaction: number; readonly notReplayable: number };
  /** Over about the last ten seconds; null until then. */
  readonly perSecond: { readonly requests: number; readonly transactions: number } | null;
  readonly totals: Totals;
};

export type Health = {
  readonly healthy: boolean;
  readonly name: string;
  readonly state: GatewayState;
  readonly serving: readonly string[];
  readonly notServing: readonly { readonly name: string; readonly state: InstanceState }[];
  readonly connections: number;
};

export type Reported = {
  readonly slot: number;
  readonly pid: number;
  readonly generation: number;
  readonly state: string;
  readonly open: number;
  readonly report: WorkerReport | undefined;
};

/** Where a gateway is in its life, as its supervisor knows it. */
export type Phase = 'starting' | 'serving' | 'draining' | 'drained' | 'ending';

export const stateOf = (phase: Phase, workers: readonly Reported[]): GatewayState => {
  if (phase !== 'serving') return phase;
  const reports = workers.filter(({ state }) => state === 'serving');
  if (reports.length === 0) return 'no-worker';
  return instancesSeen(workers).some(({ serves, drained }) => serves && !drained) ? 'serving' : 'no-instance';
};

/** Each worker watches the instances itself; the newest one that has reported speaks for all. */
const instancesSeen = (workers: readonly Reported[]): readonly InstanceSeen[] =>
  [...workers]
    .sort((a, b) => b.generation - a.generation || a.slot - b.slot)
    .find(({ report, state }) => report !== undefined && report.instances.length > 0 && state !== 'gone')?.report
    ?.instances ?? [];

export const instanceStatuses = (
  workers: readonly Reported[],
  counters: CountersSnapshot,
): readonly InstanceStatus[] => {
  const sessions = sumsBy(counters, 'coequal_gateway_instance_connections', 'instance');
  return instancesSeen(workers).map((view) => ({
    name: view.target.name,
    site: view.target.site,
    state: view.state,
    serves: view.serves,
    reason: view.reason,
    sinceMs: Math.round(view.sinceMs),
    answerMs: view.answerMs ?? null,
    flowControl: view.flowControl ?? null,
    receiveQueue: view.receiveQueue ?? null,
    draining: view.drained,
    sessions: sessions[view.target.name] ?? 0,
  }));
};

export const workerStatuses = (workers: readonly Reported[]): readonly WorkerStatus[] =>
  workers.map(({ slot, pid, generation, state, open, report }) => ({
    slot,
    pid,
    generation,
    state,
    connections: open,
    residentBytes: report?.residentBytes ?? null,
    stallMs: report?.stallMs ?? null,
  }));

export const sessionsOf = (workers: readonly Reported[]): GatewayStatus['sessions'] =>
  workers.reduce(
    (sum, { report }) => ({
      working: sum.working + (report?.sessions.working ?? 0),
      inTransaction: sum.inTransaction + (report?.sessions.inTransaction ?? 0),
      notReplayable: sum.notReplayable + (report?.sessions.notReplayable ?? 0),
    }),
    { working: 0, inTransaction: 0, notReplayable: 0 },
  );

export const healthOf = (
  { name }: Pick<GatewaySettings, 'name'>,
  state: GatewayState,
  instances: readonly InstanceStatus[],
  connections: number,
): Health => ({
  healthy: state === 'serving',
  name,
  state,
  serving: instances.filter(({ serves }) => serves).map((each) => each.name),
  notServing: instances.filter(({ serves }) => !serves).map((each) => ({ name: each.name, state: each.state })),
  connections,
});

// Figures out of counters.

const user = 'coequal_gateway_user';
const gateway = 'coequal_gateway';

export const totalsOf = (counters: CountersSnapshot): Totals => {
  const transactions = sumsBy(counters, `${user}_transactions_total`, 'result');
  const notReplayable = addSums(
    sumsBy(counters, `${user}_not_replayable_transactions_total`, 'reason'),
    sumsBy(counters, `${user}_not_replayable_sessions_total`, 'reason'),
  );
  return {
    requests: sumOf(counters, `${user}_requests_total`),
    committed: transactions['committed'] ?? 0,
    rolledBack: transactions['rolled-back'] ?? 0,
    errors: sumOf(counters, `${user}_errors_total`),
    losses: sumOf(counters, `${user}_losses_total`),
    pauses: countOf(counters, `${user}_pause_seconds`),
    longestPauseMs: Math.round(sumOf(counters, `${gateway}_pause_max_seconds`) * 1_000),
    replays: sumsBy(counters, `${user}_replays_total`, 'result'),
    outcomes: sumsBy(counters, `${gateway}_outcomes_total`, 'result'),
    conflicts: sumsBy(counters, `${user}_conflicts_total`, 'result'),
    notReplayable,
    refusedStatements: sumsBy(counters, `${user}_refused_statements_total`, 'rule'),
    logins: sumsBy(counters, `${gateway}_logins_total`, 'result'),
    drained: sumsBy(counters, `${gateway}_drained_sessions_total`, 'how'),
    acknowledged: sumOf(counters, `${gateway}_acknowledged_total`),
    acknowledgementsDropped: sumOf(counters, `${gateway}_acknowledgements_dropped_total`),
  };
};

const familyOf = (counters: CountersSnapshot, name: string): FamilySnapshot | undefined =>
  counters.find((family) => family.name === name);

const sumOf = (counters: CountersSnapshot, name: string): number => {
  const family = familyOf(counters, name);
  return family === undefined || family.type === 'histogram'
    ? 0
    : family.series.reduce((sum, { value }) => sum + value, 0);
};

const countOf = (counters: CountersSnapshot, name: string): number => {
  const family = familyOf(counters, name);
  return family?.type === 'histogram'
    ? family.series.flatMap(({ counts }) => counts).reduce((sum, count) => sum + count, 0)
    : 0;
};

/** Sums of a family by one of its labels; series that were never counted are left out. */
const sumsBy = (counters: CountersSnapshot, name: string, label: string): Readonly<Record<string, number>> => {
  const family = familyOf(counters, name);
  if (family === undefined || family.type === 'histogram') return {};
  const at = family.labels.indexOf(label);
  const sums: Record<string, number> = {};
  for (const { labels, value } of family.series) {
    const key = labels[at] ?? '';
    if (value !== 0) sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
};

const addSums = (
  first: Readonly<Record<string, number>>,
  second: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = { ...first };
  for (const [key, value] of Object.entries(second)) sums[key] = (sums[key] ?? 0) + value;
  return sums;
};

/** A moment's totals, for rates. */
export type Sample = { readonly atMs: number; readonly requests: number; readonly transactions: number };

/** Between two moments; null without two. A counter never falls, but a worker that hangs may report late. */
export const ratesBetween = (before: Sample | undefined, now: Sample | undefined): GatewayStatus['perSecond'] => {
  if (before === undefined || now === undefined || now.atMs <= before.atMs) return null;
  const seconds = (now.atMs - before.atMs) / 1_000;
  return {
    requests: Math.max(0, now.requests - before.requests) / seconds,
    transactions: Math.max(0, now.transactions - before.transactions) / seconds,
  };
};
