/**
 * What a drill reports: the shape of `--json` in full, with everything an engineer needs to doubt it. Plain data.
 * Times are milliseconds since the start of the load; money is in cents.
 */
import type { InstanceState } from '@coequal/estate';
import type { Fault } from '../arena.ts';
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
  readonly sites: readonly SiteReport[];
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
  readonly versions: Readonly<Record<string, string>>;
  readonly configuration: string;
  readonly machine: string;
  readonly rttMs: readonly { readonly between: readonly [string, string]; readonly ms: number }[];
  /** The command that repeats this drill. */
  readonly command: string;
  /** Folder of the evidence pack; null until it is written. */
  readonly evidence: string | null;
};

export type SiteReport = {
  readonly name: string;
  readonly faulted: boolean;
  /** Null when the site's clients died, or never had an answer. */
  readonly longestPauseMs: number | null;
  readonly errors: number;
  readonly reconnects: number;
  readonly acknowledged: number;
  readonly errorsByCode: Readonly<Record<string, number>>;
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
