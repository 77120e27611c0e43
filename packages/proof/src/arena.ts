/**
 * The port through which drills drive a place where databases run: the lab implements it, and a real estate
 * can. Faults are named as an operator would name them; how they are made is the arena's business.
 */
import type { InstanceState } from '@coequal/estate';

export type FaultKind =
  | 'kill'
  | 'hang'
  | 'stop'
  | 'partition'
  | 'latency'
  | 'loss'
  | 'slow-disk'
  | 'full-disk'
  | 'clock';

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
  /** latency: added round trip, ms. loss: percent of packets. clock: offset in seconds. */
  readonly amount?: number;
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

/** How to reach an instance over SQL. TLS: the certificate of the authority in PEM, or undefined for no TLS. */
export type Endpoint = {
  readonly instance: string;
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
  /** Starts clients in a site; their ledger is written to `ledgerPath` as they work. Again, when those before have died. */
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
};
