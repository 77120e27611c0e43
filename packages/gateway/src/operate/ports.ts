/**
 * The seam between a worker process and its sessions. The worker (`worker/main.ts`) has the sockets, the supervisor
 * and the instruments; the session side (`session/`) has everything that speaks the protocol. Each gives the other
 * one value of these types and knows nothing else of it.
 *
 * A session's number is the connection id that its client was shown. It stays the same when the session moves to
 * another worker, so nobody may read the worker out of it; `connection-ids.ts` makes numbers that are not in use twice.
 *
 * `Connection` is Node's `Socket` in adapters; nothing here looks into it.
 */
import type { Clock, Log } from '@coequal/kernel';
import type { Acknowledgement } from './acknowledgements.ts';
import type { GatewayEvent } from './events.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';

export type KillWhat = 'query' | 'connection';
/** Who kills. `privileged`: may end the sessions of others (CONNECTION ADMIN of the database, or the operator). */
export type KillBy = { readonly user: string; readonly privileged: boolean };
export type KillAnswer = 'done' | 'unknown' | 'denied';

/** What a worker's session side offers. Made by `session/`. */
export type SessionService<Connection> = {
  /** Takes a connection that was accepted. Nothing was read from it yet. */
  readonly accept: (socket: Connection) => void;
  /** Takes a session that another worker handed over, with what that worker gave to `handOver`. */
  readonly resume: (socket: Connection, state: unknown) => void;
  readonly sessions: () => readonly SessionView[];
  /** Sockets that are held, also those that have not logged in yet. */
  readonly count: () => number;
  /** Kills by the number a client was shown. `unknown`: no such session in this worker. */
  readonly kill: (id: number, what: KillWhat, by: KillBy) => KillAnswer;
  /**
   * Ends every session as gently as it can: between transactions it is handed over (when `handOver` is there and
   * takes it) or closed; what is still open at the deadline is cut. Sessions that come in afterwards are treated the
   * same. Resolves when none is left. Called again it may only shorten the deadline.
   */
  readonly drain: (options: DrainOptions<Connection>) => Promise<DrainResult>;
  /** Cuts what is left and lets go of timers. */
  readonly close: () => Promise<void>;
};

export type DrainOptions<Connection> = {
  readonly deadlineMs: number;
  /**
   * Gives a session away: the socket and all that the next worker needs (plain values and Buffers; structured clone).
   * Before the call the session has let go of the socket's listeners; bytes that it read and did not use belong into
   * the state. True: it is gone, and the socket must not be touched again. False: close it.
   */
  readonly handOver?: (socket: Connection, state: unknown) => boolean;
  /**
   * Resolves when another session may be given away. They leave one after the other, and one that waits for its turn
   * should go on working: ask before each `handOver`, and take a session whose turn has come only if it is idle then.
   */
  readonly room?: () => Promise<void>;
};

export type DrainResult = { readonly handedOver: number; readonly closed: number; readonly cut: number };

export type SessionState = 'logging-in' | 'idle' | 'working' | 'committing' | 'recovering' | 'closing';

/** A session as an operator sees it: never a statement's text. */
export type SessionView = {
  readonly id: number;
  /** Empty while it logs in. */
  readonly user: string;
  /** Address and port, as `192.0.2.7:41234`. */
  readonly client: string;
  readonly tls: boolean;
  readonly database: string | null;
  readonly instance: string | null;
  readonly state: SessionState;
  /** How long it has been in this state. */
  readonly sinceMs: number;
  readonly inTransaction: boolean;
  /** How long the transaction has been open; null outside one. */
  readonly transactionMs: number | null;
  /** Why a loss could not be hidden now; null: it can. */
  readonly notReplayable: string | null;
  /** What its open transaction keeps for a replay. */
  readonly journalBytes: number;
  readonly statements: number;
  readonly transactions: number;
  readonly replays: number;
};

/** What a worker gives to its session side. */
export type WorkerPorts = {
  /** The worker's number, for `connection-ids.ts`. */
  readonly slot: number;
  readonly clock: Clock;
  /** For what is no event: surprises. Events go to `event`. */
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly event: (event: GatewayEvent) => void;
  /** Cheap and without waiting: to be called when the answer goes to the client. */
  readonly acknowledge: (entry: Acknowledgement) => void;
  /** Asks the other workers, after the own one did not know the number. */
  readonly killElsewhere: (id: number, what: KillWhat, by: KillBy) => Promise<KillAnswer>;
  /**
   * One more connection of this account in the whole gateway: the supervisor counts over all workers; a limit of 0 is
   * none. Every true must be followed by one `leave`, also when the session is handed over (the next worker calls
   * `rejoin`). The empty name stands for everybody: of them the supervisor knows by itself how many there are.
   */
  readonly admit: (user: string, limit: number) => Promise<boolean>;
  readonly rejoin: (user: string) => void;
  readonly leave: (user: string) => void;
  /** Failed log-ins by client address, over all workers. */
  readonly failures: {
    readonly blocked: (address: string) => boolean;
    readonly note: (address: string) => void;
  };
  /** This worker's share of `limits.replayBytes`. */
  readonly replayBytes: number;
};
