/**
 * The port through which drills drive a place where databases run: the lab implements it, and a real estate
 * can. Faults are named as an operator would name them; how they are made is the arena's business.
 */
import type { InstanceState, LargeWriteRule } from '@coequal/estate';
import type { LoadFaultKind } from './load-faults.ts';

export type FaultKind =
  | 'kill'
  | 'hang'
  | 'stop'
  | 'partition'
  | 'latency'
  | 'loss'
  | 'slow-disk'
  | 'full-disk'
  | 'clock'
  | GatewayFaultKind
  | LoadFaultKind;

/** What is done to one gateway of a site: ended by force, frozen, ended in order, made to take up new code in order. */
export type GatewayFaultKind = 'gateway-kill' | 'gateway-hang' | 'gateway-stop' | 'gateway-restart';

export const gatewayFaultKinds: readonly GatewayFaultKind[] = [
  'gateway-kill',
  'gateway-hang',
  'gateway-stop',
  'gateway-restart',
];

export const isGatewayFault = ({ kind }: Pick<Fault, 'kind'>): boolean =>
  gatewayFaultKinds.some((each) => each === kind);

export type Fault = {
  readonly kind: FaultKind;
  readonly site: string;
  /** Everything of the site (its clients too), not only its database. */
  readonly whole?: boolean;
  /** Heals by itself after this; undefined: stays until healed. */
  readonly forMs?: number;
  /** Partition: packets from the site are dropped, packets to it arrive. */
  readonly oneWay?: boolean;
  /** Partition between these two sites only. */
  readonly between?: readonly [string, string];
  /** latency: added round trip, ms. loss: percent of packets. clock: offset in seconds. Load faults: how much of it. */
  readonly amount?: number;
  /** Faults of a gateway: which one of the site, from 1; the first unless told. */
  readonly gateway?: number;
};

export type ArenaInstance = {
  readonly name: string;
  readonly site: string;
  readonly state: InstanceState;
  /** One sentence: why this state. */
  readonly reason: string;
  /** Members of its component as it sees it; undefined when it did not say. */
  readonly members?: number;
};

/** Whether clients go through their site's gateways, or connect to instances themselves. */
export type Via = 'gateway' | 'direct';

/** `careful`: explicit transactions, tried again when surely rolled back. `legacy`: single statements, never tried again. */
export type ClientStyle = 'careful' | 'legacy';

/** How to reach an instance, or a gateway, over SQL. TLS: the certificate of the authority in PEM, or undefined for no TLS. */
export type Endpoint = {
  /** Name of the instance, or of the gateway. */
  readonly instance: string;
  /** True: a gateway, which can be asked what became of a COMMIT. */
  readonly gateway?: true;
  readonly site: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly authority?: string;
  /** The name that the server's certificate must carry; the instance's name unless told. */
  readonly serverName?: string;
  /** Address of this machine to connect from, where that tells sites apart; the system's choice unless told. */
  readonly localAddress?: string;
};

/** Clients of the bank, running in one site as processes of their own, so that they can die with the site. */
export type SiteClients = {
  readonly site: string;
  /** Ends them in order: no new transaction, outstanding ones get their answer or their deadline. Also fine when they died. */
  readonly finish: () => Promise<void>;
  /** From now on so many transactions a second; null: as fast as answers come. */
  readonly setRate: (ratePerSecond: number | null) => void;
  /** How many COMMITs were under way when they last said so. */
  readonly committing: () => number;
};

export type ArenaDescription = {
  readonly name: string;
  readonly architecture: string;
  readonly preset: string;
  readonly mode: string;
  readonly engine: string;
  readonly versions: Readonly<Record<string, string>>;
  /** SHA-256 over the estate and the engines' settings. */
  readonly configuration: string;
  readonly rttMs: readonly { readonly between: readonly [string, string]; readonly ms: number }[];
  readonly machine: string;
};

export type Arena = {
  readonly describe: () => Promise<ArenaDescription>;
  readonly sites: () => readonly string[];
  /** All instances with their states, observed now. */
  readonly observe: () => Promise<readonly ArenaInstance[]>;
  /** Endpoints usable from the process that runs the drill (not from inside a site). */
  readonly endpoints: () => readonly Endpoint[];
  /** The gateways, each site's in their order, likewise; empty where clients can only connect to instances. */
  readonly gateways: () => readonly Endpoint[];
  /** From now on the gateways deal with large writes in this way; undefined: not at all. Sessions may be cut by the change. */
  readonly setLargeWrites: (rule: LargeWriteRule | undefined) => Promise<void>;
  /** What all gateways have counted since they were first started, also those that have ended since. */
  readonly gatewayCounters: () => Promise<GatewayCounters>;
  /** Starts clients in a site, going `options.via`; their ledger is written to `ledgerPath` as they work. Again, when those before have died. */
  readonly startClients: (site: string, options: ClientOptions) => Promise<SiteClients>;
  readonly inject: (fault: Fault) => Promise<void>;
  /** Undoes every fault of a site (of all sites when undefined): restarts what was killed or stopped. */
  readonly heal: (site?: string) => Promise<void>;
  /** Kills all instances at the same moment, then lets the arena's own recovery bring them back. */
  readonly fullOutage: () => Promise<void>;
  /** Makes the named instance a primary component of its own. May lose what only the others have: class C3. */
  readonly forcePrimary: (instance: string) => Promise<void>;
};

/** What a client process of the bank needs; sent to it as JSON. */
export type ClientOptions = {
  readonly seed: number;
  /** Concurrent connections. */
  readonly connections: number;
  /** Upper bound on transactions per second of this site; undefined: as fast as answers come. */
  readonly ratePerSecond?: number;
  readonly accounts: number;
  /** Zipf exponent of the choice of accounts; 0 or undefined: uniform. */
  readonly skew?: number;
  readonly ledgerPath: string;
  /** Deadline of one statement, ms. */
  readonly statementMs: number;
  /** Directly to instances unless told. */
  readonly via?: Via;
  /** `mixed`: every other client is a legacy one. `careful` unless told. */
  readonly style?: ClientStyle | 'mixed';
};

/** Sums over all gateways. */
export type GatewayCounters = {
  /** Replays of transactions that the client did not notice, and those that ended in an error. */
  readonly replays: number;
  readonly replaysTold: number;
  /** Outcomes in doubt that were decided, and those that nobody could. */
  readonly outcomes: number;
  readonly outcomesUndecided: number;
  /** Conflicts that were hidden by a replay, and those that went on to the client. */
  readonly hidden: number;
  readonly conflictsTold: number;
  /** Sessions and transactions that could not have been replayed. */
  readonly notReplayable: number;
  /** Sessions that lost their instance. */
  readonly losses: number;
  /** Sessions handed over to another worker, closed at a boundary, or cut, because their worker ended in order. */
  readonly handedOver: number;
  readonly closed: number;
  readonly cut: number;
};
