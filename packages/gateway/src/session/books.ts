/**
 * The books of one session: what it has set, what is open, what stands in the way of a move, and how an answer changes all
 * of that. Nothing is sent from here.
 */
import {
  CLIENT,
  hasBase,
  type Packet,
  PacketReader,
  ResponseScanner,
  type ServerError,
  type SessionChange,
  STATUS,
} from '@coequal/mysql-wire';
import type { Lexing } from '../sql/statement.ts';
import { endInWords } from './answers.ts';
import { flights } from './flights.ts';
import type { Client, End, Identity, Link, RelayPorts, RelayRules, Request, Step } from './model.ts';
import type { Prepared } from './prepared.ts';
import { belongsToTransaction } from './requests.ts';
import { type SessionSettings, withVariables } from './settings-of-session.ts';
import { type Seen, type SeenMark, Unit } from './unit.ts';

export type Phase =
  | 'idle'
  /** A request is under way. */
  | 'busy'
  /** Something else has to be asked before the request can be sent. */
  | 'asking'
  | 'recovering'
  | 'ended';

export type RelayStart = {
  readonly client: Client;
  readonly ports: RelayPorts;
  readonly rules: RelayRules;
  readonly identity: Identity;
  readonly settings: SessionSettings;
  readonly maxPacketBytes: number;
  readonly charset: string;
  /** Where the session stands: a new one has its link; one that was handed over gets it with its first request. */
  readonly status?: number | undefined;
};

/** What the client has been told of its last statement, for questions that come after one of the gateway's own. */
export type LastAnswer = {
  rowCount: bigint;
  /** The number of its error; 0: it succeeded. */
  failed: number;
  /** The gateway has sent something since: the instance would answer for that. */
  disturbed: boolean;
  /** Warnings of a wrapped write; null: the instance has them. */
  warnings: readonly (readonly [code: number, message: string])[] | null;
};

export const nothingEnd: End = {
  kind: 'ok',
  status: 0,
  affected: 0n,
  insertId: 0n,
  warnings: 0,
  info: '',
  errorNumber: 0,
  errorState: '',
  errorMessage: '',
  endsRows: false,
};

/** Of a request that the gateway itself answers with an error. */
export const failedEnd: End = { ...nothingEnd, kind: 'err', errorNumber: 1213, errorState: '40001' };

/** In the place of a global transaction id: the last write was a fence, or was found by one. */
export const settledGtid = 'settled';

const statusOfSession =
  STATUS.IN_TRANS | STATUS.IN_TRANS_READONLY | STATUS.AUTOCOMMIT | STATUS.NO_BACKSLASH_ESCAPES | STATUS.ANSI_QUOTES;

const entryBase = {
  prepared: null,
  types: null,
  clockSeconds: null,
  seeds: null,
  upload: null,
  long: [],
  insertId: 0n,
  reads: false,
  asks: false,
  failed: false,
  open: true,
  opaque: false,
} as const;

/** Of several statements in one text only the last one's number is told: it belongs to none of them for sure. */
const generatedBy = ({ statement, generated }: Request, end: End): bigint => {
  if (end.kind === 'err' || statement.kind === 'multi') return 0n;
  return end.endsRows ? generated : end.insertId;
};

export abstract class SessionBooks {
  phase: Phase = 'idle';
  link: Link | null = null;
  request: Request | null = null;
  readonly steps: Step[] = [];
  unit: Unit | null = null;
  settings: SessionSettings;
  #status: number = STATUS.AUTOCOMMIT;
  readonly prepared = new Map<number, Prepared>();
  nextStatementId = 1;
  lastPrepared: Prepared | null = null;
  /** The number of the outcome CALLs on the present instance; null: not prepared there. */
  recordStatement: number | null = null;
  guardedStatement: number | null = null;
  /** Why the session cannot move, each with how often it was raised. */
  readonly barriers = new Map<string, number>();
  readonly last: LastAnswer = { rowCount: -1n, failed: 0, disturbed: false, warnings: null };
  /** The last write of this session, as a global transaction id, or `settledGtid`. */
  gtid = '';
  gtidAtRequest = '';
  multiStatements: boolean;
  /** User variables have changed since they were read last. */
  captureDue = false;
  /** Behind an answer, the session still does something for itself. */
  afterwards = false;
  /** The client has changed what the instance reports: it has to be told again. */
  reopenDue = false;
  /** COMMIT RELEASE: the session ends with the answer. */
  endDue = false;
  /**
   * Its outcome row outlives it: the application can ask what became of its transactions, or one of its flights was given up and may
   * arrive at an instance late, where only the row stops it.
   */
  rowStays = false;
  /** The last outcome is known to the client, or was told to be unknown: nothing of this session is in doubt. */
  settled = true;
  /** KILL QUERY was asked for through the gateway: its error belongs to the client. */
  interrupted = false;
  /** What the next request is answered, when a transaction was lost while nobody was asking. */
  owed: { readonly error: ServerError; readonly message: string; readonly ends: boolean } | null = null;
  /** Where the session came from, until it goes on. */
  lostFrom: string | null = null;
  /** Whoever waits for answers of the present connection hears here that it is gone. */
  recoveryLost: (() => void) | null = null;
  onChangeUser: ((packet: Packet) => void) | null = null;
  lexing: { readonly from: SessionSettings['variables']; readonly mode: Lexing } | null = null;
  /** The character set that the client named when it logged in. */
  readonly charset: string;
  /** Set while a replay has to show what the client has already seen. */
  verifying: { readonly expected: SeenMark; readonly fresh: Seen } | null = null;
  /** The next frame to the client has this number. */
  sequence = 1;
  /** Instances that are no choice now. */
  readonly avoid = new Set<string>();
  readonly ending = new AbortController();
  /** Called when the session is between transactions with nothing under way. */
  onBoundary: (() => void) | null = null;
  statements = 0;
  transactions = 0;
  replays = 0;
  /** Since when it is in its phase, ms of the monotonic clock. */
  since: number;

  readonly client: Client;
  readonly ports: RelayPorts;
  rules: RelayRules;
  readonly identity: Identity;
  readonly scanner = new ResponseScanner();
  readonly reader: PacketReader;
  /** The client is being asked for a file; settled when it has sent all of it. */
  uploading: PromiseWithResolvers<void> | null = null;
  /** Packets of the client go here instead, while it is asked for a file or for its password. */
  taker: ((packet: Packet) => void) | null = null;

  constructor(start: RelayStart) {
    this.client = start.client;
    this.ports = start.ports;
    this.rules = start.rules;
    this.identity = start.identity;
    this.settings = start.settings;
    this.charset = start.charset;
    this.status = start.status ?? STATUS.AUTOCOMMIT;
    this.multiStatements = hasBase(start.client.capabilities, CLIENT.MULTI_STATEMENTS);
    this.reader = new PacketReader(start.maxPacketBytes);
    this.since = start.ports.clock.monotonic();
  }

  get status(): number {
    return this.#status;
  }

  /** Of an answer only what it says of the session: that its rows have ended, or that others follow, is no state. */
  set status(status: number) {
    this.#status = status & statusOfSession;
  }

  get inTransaction(): boolean {
    return (this.status & STATUS.IN_TRANS) !== 0;
  }

  /** The open transaction may not write; what might have written in it was refused. */
  get readOnly(): boolean {
    return this.inTransaction && (this.status & STATUS.IN_TRANS_READONLY) !== 0;
  }

  get autocommit(): boolean {
    return (this.status & STATUS.AUTOCOMMIT) !== 0;
  }

  get barrier(): string | null {
    const [first] = this.barriers.keys();
    return first ?? null;
  }

  /** Something is open that only this instance has. */
  get open(): boolean {
    return this.unit !== null && (this.unit.entries.length > 0 || this.unit.barrier !== null);
  }

  /** Nobody can ask about it any more, once it has ended: its outcome row may go. */
  get forgettable(): boolean {
    return !this.rowStays && this.settled && this.identity.sequence > 0;
  }

  enter(phase: Phase): void {
    this.phase = phase;
    this.since = this.ports.clock.monotonic();
  }

  /** What session tracking tells. */
  protected track(changes: readonly SessionChange[], step: Step): void {
    const own = step.owner === 'own';
    for (const change of changes) {
      switch (change.kind) {
        case 'schema':
          if (change.name !== this.settings.schema) this.settings = { ...this.settings, schema: change.name };
          break;
        case 'variable':
          if (change.name === 'last_gtid') this.gtid = change.value;
          else if (!own) this.settings = withVariables(this.settings, [change]);
          break;
        case 'transaction-state':
          // The fifth letter: something transactional was written.
          if (this.unit !== null && /[wW]/.test(change.text)) this.unit.wrote = true;
          break;
        default:
          break;
      }
    }
  }

  /** What the answer means for the open transaction. */
  protected accountFor(request: Request, end: End): void {
    const over = !this.inTransaction && !this.hasCursor();
    const failed = end.kind === 'err';
    if (request.class === 'commit' && !failed) {
      this.ports.tell.acknowledged('committed', this.identity.epoch, request.sequence, this.gtid);
      this.closeUnit(true);
    } else if ((request.class === 'commit-read' || request.class === 'rollback') && !failed)
      this.closeUnit(request.class === 'commit-read');
    else if (request.class === 'opaque' && !over) this.#opaqueInside(request, end);
    else if (request.kept && this.unit !== null) this.keep(request, end);
    if (over && this.unit !== null) this.closeUnit(this.unit.wrote);
    // COMMIT AND CHAIN, or BEGIN in the middle: the next transaction is open already.
    if (request.class === 'commit' && this.inTransaction && this.unit === null) this.beginAnew(request);
  }

  /** The server has not been told, or it has and could not say so. */
  switchAutocommitOn(): void {
    this.status |= STATUS.AUTOCOMMIT;
    this.settings = withVariables(this.settings, [{ name: 'autocommit', value: 'ON' }]);
  }

  /** A transaction that began with the request that ended another. */
  beginAnew(request: Request): void {
    if (this.rules.observe) return;
    this.unit = new Unit(this.settings, this.ports.clock.monotonic());
    const raw = request.statement.kind === 'begin' ? request.raw : flights.begin;
    this.#store(this.unit, {
      ...entryBase,
      raw,
      response: request.statement.kind === 'begin' ? request.response : 'simple',
    });
    this.unit.seen.end(endInWords({ ...nothingEnd, status: this.status }));
  }

  /** A transaction is open behind something that may have ended one, begun one, or both. */
  #opaqueInside(request: Request, end: End): void {
    if (this.unit === null) {
      if (this.rules.observe) return;
      // It has begun within: what else was done there before cannot be told.
      this.unit = new Unit(this.settings, request.arrivedMs);
      this.blockUnit('begun-within');
    }
    // A procedure that committed within: what was before it must not be sent again.
    if (this.gtid !== this.gtidAtRequest) this.blockUnit('inner-commit');
    // What has failed may succeed when it is sent again, and end the transaction by itself.
    if (end.kind === 'err' || !belongsToTransaction(request.statement)) this.blockUnit('not-repeatable');
    this.unit.wrote = true;
    this.#store(this.unit, {
      ...entryBase,
      raw: request.raw,
      response: request.response,
      prepared: request.prepared,
      types: request.types,
      long: request.long,
      asks: true,
      opaque: true,
    });
  }

  keep(request: Request, end: End): void {
    if (this.unit === null) return;
    if (request.uploadLost) this.blockUnit('too-large');
    this.#store(this.unit, {
      raw: request.raw,
      response: request.response,
      prepared: request.prepared,
      types: request.types,
      clockSeconds: request.clockSeconds,
      seeds: request.seeds,
      upload: request.upload,
      long: request.long,
      insertId: generatedBy(request, end),
      reads: request.statement.kind === 'read',
      asks: request.statement.kind === 'load-local' || request.statement.kind === 'multi',
      failed: end.kind === 'err',
      open: this.inTransaction,
      opaque: false,
    });
  }

  #store(unit: Unit, entry: Parameters<Unit['keep']>[0]): void {
    const size = unit.keep(entry, this.rules.transactionBytes);
    if (size > 0 && !this.ports.room.take(size)) {
      const held = unit.bytes - size;
      unit.block('no-room');
      this.ports.room.take(-held);
      this.ports.tell.notReplayable('transaction', 'no-room');
    } else if (size < 0) {
      this.ports.room.take(size);
      this.ports.tell.notReplayable('transaction', 'too-large');
    }
  }

  blockUnit(reason: string): void {
    const { unit } = this;
    if (unit === null || unit.barrier !== null) return;
    const held = unit.bytes;
    unit.block(reason);
    this.ports.room.take(-held);
    this.ports.tell.notReplayable('transaction', reason);
  }

  closeUnit(committed: boolean): void {
    const { unit } = this;
    if (unit === null) return;
    this.unit = null;
    for (const statement of this.prepared.values()) if (statement.cursor === 'open') statement.cursor = 'orphaned';
    this.ports.room.take(-unit.bytes);
    this.transactions += 1;
    this.ports.tell.transaction(committed, this.ports.clock.monotonic() - unit.startedAt);
  }

  /** A single write is a transaction of its own. */
  countWrite({ arrivedMs }: Request): void {
    this.transactions += 1;
    this.ports.tell.transaction(true, this.ports.clock.monotonic() - arrivedMs);
  }

  /** The instance is gone, and nothing of what changed them is sent again: only it knew their values. */
  loseUserVariables(): void {
    if (!this.captureDue) return;
    this.captureDue = false;
    this.raise('user-variables');
  }

  protected hasCursor(): boolean {
    for (const statement of this.prepared.values()) if (statement.cursor === 'open') return true;
    return false;
  }

  raise(barrier: string): void {
    if (!this.barriers.has(barrier)) this.ports.tell.notReplayable('session', barrier);
    this.barriers.set(barrier, (this.barriers.get(barrier) ?? 0) + 1);
  }

  lift(barrier: string): void {
    const times = this.barriers.get(barrier);
    if (times === undefined) return;
    if (times > 1 && barrier === 'named-lock') this.barriers.set(barrier, times - 1);
    else this.barriers.delete(barrier);
  }
}
