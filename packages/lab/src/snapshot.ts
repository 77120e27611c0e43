/**
 * What the lab says of itself, once every half second and on request: the input of the live view, of
 * `lab status` and of the `--json` stream. Plain data; rates and latencies are over the last second.
 */
import type { InstanceState } from '@coequal/estate';

export type LabSnapshot = {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly name: string;
  readonly mode: 'full' | 'plain';
  /** What the mode cannot do, and why, in a sentence each. */
  readonly limits: readonly string[];
  readonly preset: string;
  readonly upMs: number;
  readonly sites: readonly SiteSnapshot[];
  readonly bank: BankSnapshot | null;
  /** The latest happenings, newest last, at most 20. */
  readonly events: readonly LabEvent[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The authority's certificate, for clients that verify. */
  readonly authorityPath: string | null;
  /** Null: nothing watches the lab. */
  readonly platform: { readonly url: string; readonly tokenFile: string } | null;
};

export type LabEvent = { readonly at: number; readonly site: string | null; readonly text: string };

export type SiteSnapshot = {
  readonly name: string;
  /** The state of the site's best instance. */
  readonly state: InstanceState;
  /** Round trip to the nearest other site, ms. */
  readonly rttMs: number;
  readonly rttTo: Readonly<Record<string, number>>;
  /** Faults in force, in words. */
  readonly faults: readonly string[];
  readonly instances: readonly InstanceSnapshot[];
  readonly gateways: readonly GatewaySnapshot[];
  /** The bank's clients: through the gateways where there are any. */
  readonly clients: ClientsSnapshot | null;
  /** A few that connect to instances themselves, to see both side by side; null where there are none. */
  readonly direct: ClientsSnapshot | null;
};

export type GatewaySnapshot = {
  readonly name: string;
  readonly state: InstanceState;
  readonly reason: string;
  /** Where this machine reaches it. */
  readonly host: string;
  readonly port: number;
  /** At the same host: its metrics and its health page. */
  readonly metricsPort: number;
  /** As it said a second ago; null when it did not answer. */
  readonly sessions: number | null;
  /** The longest pause one of its clients saw since it was started. */
  readonly longestPauseMs: number | null;
  /** Since it was first started: sessions that lost their instance; transactions replayed unnoticed; outcomes decided;
   * conflicts hidden; sessions and transactions that could not have been replayed. */
  readonly losses: number;
  readonly replays: number;
  readonly outcomes: number;
  readonly hidden: number;
  readonly notReplayable: number;
  readonly memoryBytes: number | null;
};

export type InstanceSnapshot = {
  readonly name: string;
  readonly engine: string;
  readonly state: InstanceState;
  readonly reason: string;
  /** Where this machine reaches it. */
  readonly host: string;
  readonly port: number;
  readonly members: number | null;
  readonly memoryBytes: number | null;
};

export type ClientsSnapshot = {
  readonly alive: boolean;
  readonly transactionsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly acknowledged: number;
  /** Surely rolled back and tried again (1213). */
  readonly conflicts: number;
  readonly errors: number;
  readonly inDoubt: number;
  /** Those of which a gateway has said what became of them. */
  readonly decided: number;
  /** Longest time without an acknowledgement since the start. */
  readonly longestPauseMs: number;
  /** Time since the last acknowledgement. */
  readonly sinceAckMs: number | null;
};

export type BankSnapshot = {
  readonly acknowledged: number;
  readonly expectedBalance: number;
  readonly balance: number | null;
  /** True: money and ledger agree. False: an alarm. Null: could not be read. */
  readonly exact: boolean | null;
  /** Acknowledged transactions looked up at another site, and those that were not there. */
  readonly verified: number;
  readonly missing: number;
  readonly checkedAt: number | null;
};
