/**
 * One session with its sockets: the client's socket joined to a relay, and the relay's ports made of the worker's. It keeps
 * what an operator sees of it, and turns what the relay tells into figures and events.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Capabilities } from '@coequal/mysql-wire';
import { journalKey } from '../../operate/acknowledgements.ts';
import type { GatewayEvent, SessionMark } from '../../operate/events.ts';
import type { InstanceMetrics, UserMetrics } from '../../operate/gateway-metrics.ts';
import type { SessionView, WorkerPorts } from '../../operate/ports.ts';
import type { RelayStart } from '../books.ts';
import type { Client, RelayPorts, RelayRules, Telling } from '../model.ts';
import { Relay } from '../relay.ts';
import type { LoggedIn } from './gate.ts';

export type SessionTools = {
  readonly worker: WorkerPorts;
  readonly relayPorts: (session: Session) => Omit<RelayPorts, 'tell'>;
  readonly rules: (user: string) => RelayRules;
  readonly maxPacketBytes: number;
  readonly ended: (session: Session) => void;
};

/** A client that has been told the end and does not close keeps the socket no longer than this. */
const lingerMs = 5_000;
/** SQL errors that are no fault of anybody: conflicts. */
const conflictNumber = 1213;

export class Session {
  readonly id: number;
  login: LoggedIn;
  readonly relay: Relay;
  readonly metrics: UserMetrics;
  /** It shall leave its instance as soon as nothing is open. */
  leaving = false;
  /** Since when the client has not taken what is there for it; null: it keeps up. */
  blockedSinceMs: number | null = null;
  lastRequestMs: number;
  socket: Socket | TLSSocket;
  #instance: { readonly name: string; readonly metrics: InstanceMetrics } | null = null;
  readonly #tools: SessionTools;
  readonly #key: string;
  #begun = false;
  #ended = false;
  readonly #onData = (chunk: Buffer): void => {
    this.lastRequestMs = this.#tools.worker.clock.monotonic();
    this.#tools.worker.metrics.bytesFromClients.add(chunk.length);
    this.relay.guard(() => this.relay.fromClient(chunk));
  };
  readonly #onDrain = (): void => {
    this.blockedSinceMs = null;
    this.relay.guard(() => this.relay.drained());
  };
  readonly #onGone = (): void => this.relay.end('closed', 'the client has closed the connection');

  constructor(
    tools: SessionTools,
    id: number,
    login: LoggedIn,
    start: Pick<RelayStart, 'identity' | 'settings' | 'status'>,
  ) {
    this.#tools = tools;
    this.id = id;
    this.login = login;
    this.socket = login.socket;
    this.metrics = tools.worker.metrics.user(login.user);
    this.lastRequestMs = tools.worker.clock.monotonic();
    this.#key = journalKey(start.identity.session);
    this.relay = new Relay({
      ...start,
      client: this.#client(login.capabilities),
      ports: { ...tools.relayPorts(this), tell: this.#telling() },
      rules: tools.rules(login.user),
      maxPacketBytes: tools.maxPacketBytes,
      charset: charsetOf(login.collation),
    });
  }

  /** Requests of the client are served from now on. */
  begin(rest: Buffer): void {
    const { socket } = this;
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.once('close', this.#onGone);
    socket.once('end', this.#onGone);
    // The close that follows says it.
    socket.on('error', () => undefined);
    this.metrics.sessions.add(1);
    this.#begun = true;
    if (socket.destroyed) {
      this.#onGone();
      return;
    }
    // It was silenced while an instance was looked for.
    socket.resume();
    if (rest.length > 0) this.relay.guard(() => this.relay.fromClient(rest));
  }

  /** Lets go of the socket, for whoever serves it next. */
  release(): void {
    this.socket.off('data', this.#onData);
    this.socket.off('drain', this.#onDrain);
    this.socket.off('close', this.#onGone);
    this.socket.off('end', this.#onGone);
  }

  #client(capabilities: Capabilities): Client {
    return {
      capabilities,
      write: (bytes) => {
        this.#tools.worker.metrics.bytesToClients.add(bytes.length);
        const keepsUp = this.socket.write(bytes);
        if (!keepsUp) this.blockedSinceMs ??= this.#tools.worker.clock.monotonic();
        return keepsUp;
      },
      pause: () => this.socket.pause(),
      resume: () => this.socket.resume(),
      end: () => {
        if (this.#ended) return;
        // Whoever does not read any more does not keep the socket.
        if (this.blockedSinceMs !== null) {
          this.socket.destroy();
          return;
        }
        this.socket.end();
        // What still comes is read and thrown away: closing over it would take the last answer away from the client.
        this.socket.resume();
        const late = setTimeout(() => this.socket.destroy(), lingerMs);
        this.socket.once('close', () => clearTimeout(late));
      },
    };
  }

  get mark(): SessionMark {
    return { session: this.id, user: this.login.user, client: this.login.address };
  }

  #event(event: GatewayEvent): void {
    this.#tools.worker.event(event);
  }

  #instanceMetrics(name: string): InstanceMetrics {
    if (this.#instance?.name !== name) this.#instance = { name, metrics: this.#tools.worker.metrics.instance(name) };
    return this.#instance.metrics;
  }

  #telling(): Telling {
    const { worker } = this.#tools;
    const { metrics } = this;
    return {
      request: (_, instance, ms, failed) => {
        metrics.requests.add();
        metrics.requestSeconds.observe(ms / 1_000);
        if (instance !== null) {
          const own = this.#instanceMetrics(instance);
          own.requests.add();
          own.requestSeconds.observe(ms / 1_000);
        }
        if (failed !== 0 && failed !== conflictNumber) metrics.errors.add();
      },
      lost: (instance, reason, inTransaction, inFlight) => {
        metrics.losses(reason);
        this.#instanceMetrics(instance).losses(reason);
        const under =
          inFlight === null ? 'nothing' : inFlight === 'commit' || inFlight === 'wrapped' ? 'commit' : 'request';
        this.#event({ event: 'instance-lost', ...this.mark, instance, reason, inTransaction, inFlight: under });
      },
      continued: (from, to, how, requests, pauseMs) => {
        worker.metrics.pause(metrics, pauseMs / 1_000);
        if (how === 'replayed') metrics.replays('same');
        this.#event({
          event: 'session-continued',
          ...this.mark,
          from,
          to,
          how,
          requests,
          pauseMs: Math.round(pauseMs),
        });
      },
      told: (instance, errorCode, reason, pauseMs) => {
        worker.metrics.pause(metrics, pauseMs / 1_000);
        metrics.replays(
          reason.includes('something else')
            ? 'different'
            : reason.includes('too-large')
              ? 'too-large'
              : reason.includes('no instance')
                ? 'no-instance'
                : 'not-replayable',
        );
        this.#event({ event: 'loss-told', ...this.mark, instance, errorCode, reason, pauseMs: Math.round(pauseMs) });
      },
      conflict: (instance, errorCode, hidden, reason, attempts) => {
        if (hidden) metrics.conflictsHidden.add();
        else metrics.conflictsTold.add();
        // Hidden ones are many and harmless; the counters have them.
        if (!hidden)
          this.#event({
            event: 'conflict-replayed',
            ...this.mark,
            instance,
            errorCode,
            result: 'told',
            reason,
            attempts,
          });
      },
      outcome: (instance, outcome, tookMs, reason) => {
        worker.metrics.outcomes(outcome);
        worker.metrics.outcomeSeconds.observe(tookMs / 1_000);
        this.#event({ event: 'outcome-decided', ...this.mark, instance, outcome, tookMs: Math.round(tookMs), reason });
      },
      notReplayable: (scope, reason) => {
        if (scope === 'session') metrics.notReplayableSessions(reason);
        else metrics.notReplayableTransactions(reason);
        this.#event({ event: 'not-replayable', ...this.mark, scope, reason });
      },
      observed: (what, barrier) => {
        if (barrier !== null) metrics.wouldTell(barrier);
        else if (what === 'opaque') metrics.wouldTell('opaque');
        else metrics.wouldHide.add();
      },
      refused: (rule, verb, object) => {
        metrics.refusedStatements(rule);
        this.#event({ event: 'statement-refused', ...this.mark, rule, verb, object });
      },
      transaction: (committed, ms) => {
        (committed ? metrics.committed : metrics.rolledBack).add();
        metrics.transactionSeconds.observe(ms / 1_000);
        if (committed && this.#instance !== null) this.#instance.metrics.transactions.add();
      },
      acknowledged: (outcome, epoch, sequence, gtid) => {
        if (outcome === 'committed') worker.metrics.acknowledged.add();
        worker.acknowledge({ key: this.#key, epoch, sequence, outcome, gtid });
      },
      ended: (reason, detail) => this.#end(reason, detail),
    };
  }

  #end(reason: string, detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#begun) this.metrics.sessions.add(-1);
    const why = endings[reason];
    if (why !== undefined) {
      this.#tools.worker.metrics.ended(why);
      this.#event({ event: 'session-ended', ...this.mark, reason: why, by: detail });
    } else if (reason === 'broken') {
      this.#tools.worker.metrics.protocolErrors('client');
      this.#event({
        event: 'protocol-broken',
        side: 'client',
        peer: this.login.address,
        session: this.id,
        reason: detail,
      });
    }
    this.#tools.ended(this);
  }

  view(): SessionView {
    const { relay, login } = this;
    const now = this.#tools.worker.clock.monotonic();
    return {
      id: this.id,
      user: login.user,
      client: `${login.address}:${login.port}`,
      tls: login.encrypted,
      database: relay.settings.schema === '' ? null : relay.settings.schema,
      instance: relay.link?.instance ?? null,
      state: stateOf(relay),
      sinceMs: Math.round(now - relay.since),
      inTransaction: relay.inTransaction,
      transactionMs: relay.unit === null ? null : Math.round(now - relay.unit.startedAt),
      notReplayable: relay.barrier ?? relay.unit?.barrier ?? null,
      journalBytes: relay.unit?.bytes ?? 0,
      statements: relay.statements,
      transactions: relay.transactions,
      replays: relay.replays,
    };
  }
}

/** Only what changes where a text ends matters: the multi-byte sets of old. Collations by the server's own numbers. */
const charsetOf = (collation: number): string => {
  switch (collation) {
    case 1:
    case 84:
      return 'big5';
    case 13:
    case 88:
      return 'sjis';
    case 95:
    case 96:
      return 'cp932';
    case 28:
    case 87:
      return 'gbk';
    case 33:
    case 83:
    case 45:
    case 46:
      return 'utf8mb4';
    default:
      return collation >= 192 ? 'utf8mb4' : 'latin1';
  }
};

const endings: Readonly<Record<string, 'idle' | 'slow-client' | 'killed' | undefined>> = {
  idle: 'idle',
  'slow-client': 'slow-client',
  killed: 'killed',
};

const stateOf = (relay: Relay): SessionView['state'] => {
  switch (relay.phase) {
    case 'idle':
      return 'idle';
    case 'recovering':
      return 'recovering';
    case 'ended':
      return 'closing';
    default:
      return relay.request?.class === 'commit' ? 'committing' : 'working';
  }
};
