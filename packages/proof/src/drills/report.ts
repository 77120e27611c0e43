/**
 * What a drill reports: the shape of `--json` in full, with everything an engineer needs to doubt it. Plain data.
 * Times are milliseconds since the start of the load; money is in cents.
 */
import type { InstanceState, LargeWriteRule } from '@coequal/estate';
import type { ClientStyle, Fault, GatewayCounters, Via } from '../arena.ts';
import type { Reconciliation } from '../bank/reconcile.ts';
import type { SiteTimeline } from '../timeline.ts';
import type { DrillName } from './schedule.ts';

export type DrillReport = Reconciliation & {
  readonly name: DrillName;
  /** True when nothing is wrong and everything could be checked. */
  readonly passed: boolean;
  /** What a manager has to know, one or two sentences. What is wrong comes first. */
  readonly verdict: string;
  readonly lab: string;
  readonly architecture: string;
  readonly preset: string;
  readonly mode: string;
  readonly engine: string;
  readonly seed: number;
  readonly seconds: number;
  readonly startedAt: string;
  /** How the clients that the drill is about connect; `direct` ones beside them are told of by site. */
  readonly via: Via;
  readonly style: ClientStyle | 'mixed';
  /** What all of those clients saw, as applications count. */
  readonly errors: number;
  readonly sites: readonly SiteReport[];
  /** What the gateways counted meanwhile; null where clients connect directly. */
  readonly gateway: GatewayCounters | null;
  /** COMMITs that were under way when something was broken. */
  readonly commits: CommitsReport;
  /** Over all faults: the longest pause of a site's clients after each, and the longest wait of a single client. */
  readonly pauses: { readonly gateway: PauseReport | null; readonly direct: PauseReport | null };
  /** The large write, where there was one. */
  readonly batch: BatchReport | null;
  /** The slowest of all faults; null where it does not apply or was not seen. */
  readonly detectMs: number | null;
  readonly evictMs: number | null;
  readonly rejoinMs: number | null;
  /** Full outage: from the kill until every instance served again. */
  readonly recoveryMs: number | null;
  readonly faults: readonly FaultReport[];
  readonly checks: readonly Check[];
  /** What could not be done or seen. While there is one, the drill proves nothing and does not pass. */
  readonly problems: readonly string[];
  readonly steps: readonly StepReport[];
  readonly states: readonly Sighting[];
  readonly timeline: readonly SiteTimeline[];
  /** Of the clients that connect directly beside; empty where there are none. */
  readonly directTimeline: readonly SiteTimeline[];
  readonly versions: Readonly<Record<string, string>>;
  readonly configuration: string;
  readonly machine: string;
  readonly rttMs: readonly { readonly between: readonly [string, string]; readonly ms: number }[];
  /** The command that repeats this drill. */
  readonly command: string;
  /** Folder of the evidence pack; null until it is written. */
  readonly evidence: string | null;
};

/** What one group of a site's clients saw. */
export type CustomersReport = {
  /** The longest time without any acknowledgement. Null when the site's clients died, or never had an answer. */
  readonly longestPauseMs: number | null;
  /** The longest time one of them waited for one transfer. */
  readonly longestWaitMs: number | null;
  /** Every answer but 1213, and every loss. */
  readonly errors: number;
  readonly conflicts: number;
  readonly inDoubt: number;
  readonly reconnects: number;
  readonly acknowledged: number;
  readonly errorsByCode: Readonly<Record<string, number>>;
};

export type SiteReport = CustomersReport & {
  readonly name: string;
  readonly faulted: boolean;
  /** The few clients of the site that connect directly beside the others; null where there are none. */
  readonly direct: CustomersReport | null;
};

export type CommitsReport = {
  readonly faults: number;
  /** In all sites, and in the sites that were broken. */
  readonly inFlight: number;
  readonly onVictims: number;
  /** Of those in flight: acknowledged to their clients after all; refused for certain; left in doubt; and settled since. */
  readonly acknowledged: number;
  readonly refused: number;
  readonly inDoubt: number;
  readonly decided: number;
};

export type PauseReport = {
  readonly faults: number;
  readonly medianMs: number;
  readonly largestMs: number;
  readonly medianWaitMs: number;
  readonly largestWaitMs: number;
};

export type BatchReport = {
  readonly rows: number;
  /** What the gateway was to do about large writes; null: nothing. */
  readonly rule: LargeWriteRule['rule'] | null;
  readonly site: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  /** What the client was told, when it was not done. */
  readonly reason: string | null;
  readonly tookMs: number;
  /** 99th percentile of the transfers of all other sites, before it and while it ran. */
  readonly p99BeforeMs: number | null;
  readonly p99DuringMs: number | null;
  readonly ratio: number | null;
  /** The longest time without any acknowledgement in another site meanwhile. */
  readonly longestPauseMs: number | null;
  /** Rows that hold the change afterwards, by instance. */
  readonly changedRows: Readonly<Record<string, number>>;
};

export type FaultReport = {
  readonly faults: readonly Fault[];
  readonly atMs: number;
  readonly healedAtMs: number | null;
  /** From the fault until a victim was seen not to serve. */
  readonly detectMs: number | null;
  /** From the fault until a survivor's component was seen without a victim. */
  readonly evictMs: number | null;
  /** From the healing until every victim was seen serving. */
  readonly rejoinMs: number | null;
  /** The longest time without an acknowledgement between the fault and the healing, by site. */
  readonly pausesMs: Readonly<Record<string, number | null>>;
  /** Likewise the longest time one client waited for one transfer. */
  readonly waitsMs: Readonly<Record<string, number | null>>;
  /** The same for clients that connect directly beside; empty where there are none. */
  readonly directPausesMs: Readonly<Record<string, number | null>>;
  readonly directWaitsMs: Readonly<Record<string, number | null>>;
};

export type StepReport = {
  readonly atMs: number;
  readonly tookMs: number;
  readonly text: string;
  readonly done: boolean;
};

/** A moment at which an instance was seen in another state than before. */
export type Sighting = {
  readonly atMs: number;
  readonly instance: string;
  readonly site: string;
  readonly state: InstanceState;
  readonly reason: string;
  readonly members: number | null;
};

export type Check = {
  readonly text: string;
  readonly passed: boolean;
  readonly detail: string;
  /** False: a figure to look at. True: the drill does not pass without it. */
  readonly essential: boolean;
};
