/**
 * The values a session works with: the request under way, the steps sent for it, the connection to an instance, and
 * the ports to everything outside. No socket is in here: `Client` and `Link` are what the adapters make of theirs.
 */
import type { Clock, Log, Random } from '@coequal/kernel';
import type { Capabilities, ResponseKind } from '@coequal/mysql-wire';
import type { Outcomes } from '../instances/outcomes.ts';
import type { Statement } from '../sql/statement.ts';
import type { RequestClass } from './continuity.ts';
import type { Prepared } from './prepared.ts';
import type { SessionSettings } from './settings-of-session.ts';
import type { Seen } from './unit.ts';

/** The connection to the application. */
export type Client = {
  readonly capabilities: Capabilities;
  /** False: it does not keep up; `drained` of the relay is called when it does again. */
  readonly write: (bytes: Buffer) => boolean;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it after what was written has been sent. */
  readonly end: () => void;
};

/** A connection to an instance, logged in as the client's account. */
export type Link = {
  readonly instance: string;
  /** The instance's own number of the connection, for KILL. */
  readonly threadId: number;
  readonly capabilities: Capabilities;
  readonly write: (bytes: Buffer) => boolean;
  readonly pause: () => void;
  readonly resume: () => void;
  /** At once, without a word: the instance may not listen any more. */
  readonly destroy: () => void;
  /** In order. */
  readonly quit: () => void;
  /** Called once when it is gone, however it went. */
  readonly closed: (listener: () => void) => void;
  /** Who hears of it from now on. */
  readonly listen: (listener: LinkListener) => void;
};

export type LinkListener = {
  readonly chunk: (bytes: Buffer) => void;
  readonly lost: (reason: string) => void;
  readonly drained: () => void;
};

/** How asking for a link ended. `refused`: an instance answered with an error that another one would give too. */
export type Opened =
  | { readonly kind: 'open'; readonly link: Link }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'refused'; readonly number: number; readonly sqlState: string; readonly message: string };

export type OpenWishes = {
  readonly avoid: ReadonlySet<string>;
  readonly schema: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
};

/** A request of the client from its arrival to the end of its answer. */
export type Request = {
  readonly raw: Buffer;
  readonly payload: Buffer;
  readonly response: ResponseKind;
  readonly statement: Statement;
  readonly prepared: Prepared | null;
  readonly class: RequestClass;
  /** Becomes part of the open transaction when it is answered. */
  readonly kept: boolean;
  readonly arrivedMs: number;
  /** The session as it was when it came. */
  readonly settings: SessionSettings;
  readonly clockSeconds: number | null;
  readonly seeds: readonly [number, number] | null;
  /** Guards that it takes by itself, outside of a transaction. */
  readonly guards: readonly string[];
  /** What the gateway sends right behind it, for itself. */
  readonly afterSteps: readonly Step[];
  readonly afterBytes: readonly Buffer[];
  /** What to do with what the instance answered, before the client gets it. */
  readonly onAnswer: ((end: End) => void) | null;
  /** A file that the client has sent for LOAD DATA LOCAL. */
  upload: Buffer[] | null;
  /** It was larger than a transaction may keep: it cannot be sent again. */
  uploadLost: boolean;
  /** What the parameters of an execution are, also where it does not say so; null: it has none. */
  readonly types: Buffer | null;
  /** The first key that it generated, where an answer of rows does not tell it; 0n: none. */
  generated: bigint;
  /** Behind the file that it has sent, the client waits for a frame of this number; null: it was asked for none. */
  due: number | null;
  /** The present instance has asked for the file too. */
  asked: boolean;
  /** Long data of a prepared statement that goes before it. */
  readonly long: readonly Buffer[];
  /** Digest of what the client has seen of the answer, where no transaction keeps one. */
  loose: Seen | null;
  /** Bytes of the answer have reached the client. */
  begun: boolean;
  /** An instance may have seen it. */
  sent: boolean;
  /** Times it was refused by a conflict. */
  conflicts: number;
  /** The last number of the outcome row that it was sent with. */
  sequence: number;
};

/** The end of an answer, or of one of its results. */
export type End = {
  readonly kind: 'ok' | 'err' | 'eof';
  readonly status: number;
  readonly affected: bigint;
  readonly insertId: bigint;
  readonly warnings: number;
  readonly info: string;
  /** Of an error: its number; 0 otherwise. */
  readonly errorNumber: number;
  readonly errorState: string;
  readonly errorMessage: string;
  /** Whether it ends rows, whatever its form. */
  readonly endsRows: boolean;
};

export type StepOwner =
  /** The client's own request: its answer goes to the client. */
  | 'client'
  /** A request of an open transaction, sent again. */
  | 'replay'
  /** The gateway's own: nobody else sees the answer. */
  | 'own';

/** One command on the way, in the order in which the instance will answer. */
export type Step = {
  readonly owner: StepOwner;
  readonly response: ResponseKind;
  /** The number of the first frame of its answer, or `anySequence`. */
  readonly firstNumber: number;
  /** Its part in a flight of several. */
  readonly part:
    | 'only'
    | 'opening'
    | 'along'
    | 'open'
    | 'statement'
    | 'record'
    | 'undo'
    | 'commit'
    | 'close'
    | 'capture';
  /** Plain bytes of the answer, where they are read; null: they are not. */
  readonly collected: Buffer[] | null;
  readonly done: ((end: End, plain: Buffer) => void) | null;
  /** What LOAD DATA LOCAL gets when it asks for the file again. */
  readonly upload: readonly Buffer[] | null;
};

/** Room for what transactions keep, shared by all sessions of a worker. */
export type Room = {
  /** Positive: taken; negative: given back. False: there is no room, and nothing was taken. */
  readonly take: (bytes: number) => boolean;
};

export type Identity = {
  /** 24 bytes: the time of its making, then chance. */
  readonly session: Buffer;
  epoch: number;
  sequence: number;
};

/** What the relay tells of, for figures and events. */
export type Telling = {
  readonly request: (verb: string, instance: string | null, ms: number, failed: number) => void;
  readonly lost: (instance: string, reason: string, inTransaction: boolean, inFlight: RequestClass | null) => void;
  readonly continued: (
    from: string,
    to: string,
    how: 'restored' | 'replayed' | 'committed',
    requests: number,
    ms: number,
  ) => void;
  readonly told: (instance: string, errorNumber: number, reason: string, ms: number) => void;
  readonly conflict: (instance: string, errorNumber: number, hidden: boolean, reason: string, attempts: number) => void;
  readonly outcome: (
    instance: string,
    outcome: 'committed' | 'absent' | 'undecided',
    ms: number,
    reason: string,
  ) => void;
  readonly notReplayable: (scope: 'transaction' | 'session', reason: string) => void;
  /** Watching only: what a loss would have met. */
  readonly observed: (what: RequestClass | 'loss', barrier: string | null) => void;
  readonly refused: (rule: string, verb: string, object: string) => void;
  readonly transaction: (committed: boolean, ms: number) => void;
  readonly acknowledged: (
    outcome: 'committed' | 'told-absent' | 'told-unknown',
    epoch: number,
    sequence: number,
    gtid: string,
  ) => void;
  readonly ended: (reason: 'idle' | 'slow-client' | 'killed' | 'quit' | 'closed' | 'broken', detail: string) => void;
};

export type RelayPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly open: (wishes: OpenWishes) => Promise<Opened>;
  readonly settle: Outcomes['settle'];
  readonly ask: Outcomes['ask'];
  /** Size of a table with its indexes, bytes; undefined: there is no such table. */
  readonly tableBytes: (schema: string, table: string) => Promise<number | undefined>;
  readonly kill: (id: number, what: 'query' | 'connection') => Promise<'done' | 'unknown' | 'denied'>;
  readonly saw: (instance: string, what: 'refused' | 'lost' | 'silent' | 'isolated' | 'answered') => void;
  readonly room: Room;
  readonly tell: Telling;
};

export type RelayRules = {
  readonly observe: boolean;
  /** Statements that every new connection to an instance begins with. */
  readonly opening: readonly string[];
  /** With the profile `session`: wait there for what this session has written elsewhere. */
  readonly readsOwnWrites: boolean;
  readonly transactionBytes: number;
  readonly recoveryMs: number;
  readonly rollbackOnTimeout: boolean;
  /** What a new session has, where it has not set its own. */
  readonly sqlMode: string;
  readonly guards: readonly { readonly name: string; readonly tables: readonly string[] }[];
  readonly schemaChangeBytes: number | null;
  readonly largeWrite: { readonly rule: 'refuse' | 'fragment' | 'chunk'; readonly bytes: number } | null;
};
