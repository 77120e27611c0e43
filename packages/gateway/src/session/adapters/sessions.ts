/**
 * All sessions of one worker: lets clients in, finds instances for them, moves them when an instance is lost, drained or
 * back again, ends those that are idle or do not read, and gives them away when the worker is replaced.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { serves } from '@coequal/estate';
import { type Clock, type Random, reasonOf } from '@coequal/kernel';
import { errPacket, okPacket, SERVER_ERROR } from '@coequal/mysql-wire';
import type { Directory } from '../../instances/directory.ts';
import type { Outcomes } from '../../instances/outcomes.ts';
import { makeConnectionIds } from '../../operate/connection-ids.ts';
import type { DrainOptions, DrainResult, SessionService, SessionView, WorkerPorts } from '../../operate/ports.ts';
import type { GatewaySettings, InstanceTarget } from '../../settings.ts';
import type { Identity, Link, Opened, OpenWishes, RelayPorts } from '../model.ts';
import { moveIdle, onLinkLost } from '../recovery.ts';
import { openSession } from '../replay.ts';
import { relayRules } from '../rules.ts';
import { freshSettings } from '../settings-of-session.ts';
import { Turns } from '../turns.ts';
import { changeUser } from './change-user.ts';
import { everybody, type Gate, type LoggedIn, letIn } from './gate.ts';
import { exportSession, importSession } from './handover.ts';
import { type InstanceTls, type LinkAnswer, openLink } from './instance-link.ts';
import { Session, type SessionTools } from './session.ts';

export type SessionsOptions = {
  readonly settings: GatewaySettings;
  readonly worker: WorkerPorts;
  readonly directory: Directory;
  readonly outcomes: Outcomes;
  readonly gate: Gate;
  readonly instanceTls: InstanceTls | null;
  readonly serverTls: SecureContext | null;
  readonly tableBytes: (schema: string, table: string) => Promise<number | undefined>;
  /** A statement of the administrator on one instance, for KILL. */
  readonly administer: (instance: string, sql: string) => Promise<void>;
};

/** For numbers of sessions, seeds and pauses; secrets are made of `randomBytes`. */
const random: Random = { next: () => randomInt(2 ** 40) / 2 ** 40, below: (below) => randomInt(below) };

const sweepEveryMs = 500;
/** Sessions that move in the background at the same time: more would starve those that are asked for something. */
const movesAtOnce = 48;
const movePauseMs = 5;
/** Of the sessions that are away from home, so many go back in a second. */
const returnShare = 0.2;
/** One instance gets this long to answer a log-in before another is tried, at most. */
const linkDeadlineMs = 1_500;
/** More than a round trip and a handshake take in turn, and few enough for each to be done within its deadline. */
const connectsAtOnce = 48;
const retryPauseMs = 20;

export const openSessions = (options: SessionsOptions): SessionService<Socket> => new Sessions(options);

class Sessions implements SessionService<Socket> {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<number, Session>();
  readonly #byInstance = new Map<string, number>();
  readonly #nextId: () => number;
  readonly #tools: SessionTools;
  readonly #closing = new AbortController();
  readonly #toMove = new Set<Session>();
  /** Logged in, and on the way to their first instance. */
  readonly #opening = new Set<Session>();
  #loggingIn = 0;
  #roomTaken = 0;
  #draining: DrainOptions<Socket> | null = null;
  #drained = { handedOver: 0, closed: 0, cut: 0 };
  /** Sessions that wait to be given away, and work on until it is their turn. */
  readonly #leavers = new Set<Session>();
  #takingTurns = false;
  /** Sessions that connect to an instance. */
  readonly #connecting = new Turns(connectsAtOnce);
  #allGone: (() => void) | null = null;
  readonly #unsubscribe: () => void;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { worker, settings, directory } = options;
    this.#nextId = makeConnectionIds(worker.slot, random, (id) => this.#sessions.has(id));
    this.#tools = {
      worker,
      relayPorts: (session) => this.#relayPorts(session),
      rules: (user) => relayRules(settings, user, directory.facts()),
      maxPacketBytes: Math.max(directory.facts().maxAllowedPacket, 1_048_576) + 1_024,
      ended: (session) => this.#ended(session),
    };
    this.#unsubscribe = directory.onLeave((name, reason, gentle) => this.#leave(name, reason, gentle));
    this.#loop(sweepEveryMs, () => this.#sweep());
    this.#loop(movePauseMs, () => this.#moveSome());
  }

  #loop(everyMs: number, work: () => void): void {
    const { clock, log } = this.#options.worker;
    const run = async (): Promise<void> => {
      while (!this.#closing.signal.aborted) {
        await clock.sleep(everyMs, this.#closing.signal);
        work();
      }
    };
    run().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) log('error', 'a loop over sessions ended', { reason: reasonOf(error) });
    });
  }

  // Coming in.

  readonly accept = (socket: Socket): void => {
    this.#loggingIn += 1;
    this.#admit(socket)
      .catch((error: unknown) => {
        socket.destroy();
        this.#options.worker.log('error', 'a client could not be let in', { reason: reasonOf(error) });
      })
      .finally(() => {
        this.#loggingIn -= 1;
        this.#checkGone();
      });
  };

  async #admit(socket: Socket): Promise<void> {
    const { worker, gate, serverTls } = this.#options;
    const id = this.#nextId();
    const login = await letIn(gate, { socket, id, serverTls });
    if (login === null) return;
    const session = new Session(this.#tools, id, login, {
      identity: this.#newIdentity(),
      settings: freshSettings(login.database),
    });
    let linked = false;
    try {
      linked = await this.#firstLink(session);
    } finally {
      if (!linked) worker.leave(login.user);
    }
    if (!linked) return;
    this.#enrol(session);
    session.socket.write(okPacket({ status: session.relay.status }, login.capabilities, login.sequence));
    session.begin(login.rest);
    if (this.#draining !== null) this.#drainOne(session, this.#draining);
  }

  #newIdentity(): Identity {
    const session = Buffer.alloc(24);
    session.writeBigUInt64BE(BigInt(this.#options.worker.clock.now()), 0);
    randomBytes(16).copy(session, 8);
    return { session, epoch: 1, sequence: 0 };
  }

  /** A session's first instance; the client waits for it, and hears why there is none. */
  async #firstLink(session: Session): Promise<boolean> {
    this.#opening.add(session);
    return this.#findLink(session).finally(() => this.#opening.delete(session));
  }

  async #findLink(session: Session): Promise<boolean> {
    const { relay, login } = session;
    const { settings } = this.#options;
    const refuse = (number: number, sqlState: string, message: string): false => {
      login.socket.end(errPacket({ number, sqlState, message }, login.sequence));
      relay.end('closed', message);
      return false;
    };
    const { clock } = this.#options.worker;
    const deadline = clock.monotonic() + settings.limits.recoveryMs;
    while (clock.monotonic() < deadline) {
      const opened = await this.#open(session, {
        avoid: relay.avoid,
        schema: login.database,
        deadlineMs: deadline - clock.monotonic(),
        signal: this.#closing.signal,
      });
      if (login.socket.destroyed) {
        if (opened.kind === 'open') opened.link.destroy();
        return false;
      }
      if (opened.kind === 'refused') return refuse(opened.number, opened.sqlState, opened.message);
      if (opened.kind === 'none') break;
      relay.attach(opened.link);
      if (await openSession(relay)) return true;
    }
    const { number, sqlState } = SERVER_ERROR.wsrepNotReady;
    return refuse(
      number,
      sqlState,
      `No instance of ${settings.service} serves now; the gateway ${settings.name} goes on looking. Try again.`,
    );
  }

  #enrol(session: Session): void {
    this.#sessions.set(session.id, session);
    session.relay.onBoundary = () => this.#atBoundary(session);
    session.relay.onChangeUser = (packet) => {
      changeUser(this.#options.gate, session, packet, (login) => this.#asAnother(session, login)).catch(
        (error: unknown) => {
          this.#options.worker.log('warn', 'a change of user failed', { reason: reasonOf(error) });
          session.relay.end('closed', 'the change of user failed');
        },
      );
    };
  }

  /** COM_CHANGE_USER has succeeded: everything of the session begins anew, under another name. */
  async #asAnother(session: Session, login: LoggedIn): Promise<boolean> {
    session.login = login;
    session.relay.startOver(freshSettings(login.database), this.#tools.rules(login.user));
    return this.#firstLink(session);
  }

  #ended(session: Session): void {
    const { worker, outcomes } = this.#options;
    if (this.#sessions.delete(session.id)) {
      worker.leave(session.login.user);
      if (session.relay.forgettable) outcomes.forget(session.relay.identity.session);
    }
    this.#toMove.delete(session);
    this.#checkGone();
  }

  // Instances.

  #relayPorts(session: Session): Omit<RelayPorts, 'tell'> {
    const { worker, outcomes, directory, tableBytes } = this.#options;
    return {
      clock: worker.clock,
      random: random,
      log: worker.log,
      open: (wishes) => this.#open(session, wishes),
      settle: outcomes.settle,
      ask: outcomes.ask,
      tableBytes,
      kill: (id, what) => this.#killFor(session, id, what),
      saw: (instance, what) => directory.saw(instance, what),
      room: { take: (bytes) => this.#takeRoom(bytes) },
    };
  }

  #takeRoom(bytes: number): boolean {
    const { worker } = this.#options;
    if (bytes > 0 && this.#roomTaken + bytes > worker.replayBytes) return false;
    this.#roomTaken = Math.max(0, this.#roomTaken + bytes);
    worker.metrics.journalBytes.set(this.#roomTaken);
    if (bytes > 0) worker.metrics.journalLargest.raise(bytes);
    return true;
  }

  /** Asks one instance after the other, until one lets the session in or the deadline has passed. */
  async #open(session: Session, wishes: OpenWishes): Promise<Opened> {
    const { directory, worker, settings } = this.#options;
    const { clock } = worker;
    const deadline = clock.monotonic() + wishes.deadlineMs;
    const avoid = new Set(wishes.avoid);
    for (;;) {
      const leftMs = deadline - clock.monotonic();
      if (leftMs <= 0 || wishes.signal.aborted) return { kind: 'none', reason: 'no instance serves' };
      const found = directory.choose(avoid) ?? (await directory.untilServing(leftMs, wishes.signal));
      if (found === undefined) return { kind: 'none', reason: 'no instance serves' };
      const giveBack = await this.#connecting.take(session.relay.open || session.relay.request?.sent === true);
      // While it waited for its turn there may have come a better choice.
      const target = directory.choose(avoid) ?? found;
      const answer = await this.#connect(session, target, wishes, deadline).finally(giveBack);
      const metrics = worker.metrics.instance(target.name);
      if (answer.kind === 'open') {
        metrics.connectionsOpened.add();
        this.#countLink(answer.link, metrics);
        return { kind: 'open', link: answer.link };
      }
      metrics.connectionsRefused.add();
      if (answer.kind === 'refused') return answer;
      if (wishes.signal.aborted) continue;
      directory.saw(target.name, answer.reason === 'garbage' ? 'lost' : answer.reason);
      if (answer.reason === 'garbage')
        worker.event({
          event: 'protocol-broken',
          side: 'instance',
          peer: target.name,
          session: session.id,
          reason: 'its log-in makes no sense',
        });
      avoid.add(target.name);
      if (avoid.size >= settings.instances.length) {
        avoid.clear();
        await pause(clock, retryPauseMs, wishes.signal);
      }
    }
  }

  #connect(session: Session, target: InstanceTarget, wishes: OpenWishes, deadline: number): Promise<LinkAnswer> {
    const { worker, settings } = this.#options;
    return openLink({
      target,
      user: session.login.user,
      credential: session.login.credential,
      database: wishes.schema,
      capabilities: session.login.capabilities,
      collation: session.login.collation,
      attributes: session.login.attributes,
      client: settings.proxyToInstances ? endpointsOf(session, target.host, target.port) : undefined,
      tls: this.#options.instanceTls,
      localAddress: settings.localAddress,
      deadlineMs: Math.min(
        linkDeadlineMs,
        settings.limits.silenceMs,
        Math.max(50, deadline - worker.clock.monotonic()),
      ),
      signal: wishes.signal,
    });
  }

  #countLink(link: Link, metrics: ReturnType<WorkerPorts['metrics']['instance']>): void {
    metrics.connections.add(1);
    this.#byInstance.set(link.instance, (this.#byInstance.get(link.instance) ?? 0) + 1);
    link.closed(() => {
      metrics.connections.add(-1);
      this.#byInstance.set(link.instance, Math.max(0, (this.#byInstance.get(link.instance) ?? 1) - 1));
    });
  }

  /** An instance is no place to be any more. */
  #leave(name: string, reason: string, gentle: boolean): void {
    for (const session of [...this.#sessions.values(), ...this.#opening]) {
      if (session.relay.link?.instance !== name) continue;
      if (gentle) {
        session.leaving = true;
        this.#atBoundary(session);
      } else {
        onLinkLost(session.relay, reason);
        if (session.relay.link === null && session.relay.phase === 'idle') this.#toMove.add(session);
      }
    }
  }

  /** Between transactions, with nothing under way: the moment to leave an instance or this worker. */
  #atBoundary(session: Session): void {
    const { relay } = session;
    if (relay.phase !== 'idle' || relay.open || relay.owed !== null || relay.barrier !== null) return;
    if (this.#draining !== null) {
      this.#drainOne(session, this.#draining);
      return;
    }
    if (relay.link === null) {
      this.#toMove.add(session);
      return;
    }
    if (!session.leaving) return;
    session.leaving = false;
    relay.detach('quit');
    this.#toMove.add(session);
  }

  #moveSome(): void {
    if (this.#toMove.size === 0 || this.#options.directory.choose() === undefined) return;
    let moves = 0;
    for (const session of this.#toMove) {
      this.#toMove.delete(session);
      if (moveIdle(session.relay)) moves += 1;
      if (moves >= movesAtOnce / 4) return;
    }
  }

  /** Limits of time, and the way home. */
  #sweep(): void {
    const { settings, worker, directory } = this.#options;
    const now = worker.clock.monotonic();
    const { idleMs, slowClientMs } = settings.limits;
    const home = directory.choose();
    const homeSite = home?.site === settings.site ? home : undefined;
    let returning = Math.ceil(this.#sessions.size * returnShare * (sweepEveryMs / 1_000));
    for (const session of this.#sessions.values()) {
      const { relay } = session;
      if (session.blockedSinceMs !== null && now - session.blockedSinceMs > slowClientMs)
        relay.end('slow-client', `it took nothing for ${slowClientMs} ms`);
      else if (idleMs > 0 && relay.phase === 'idle' && now - session.lastRequestMs > idleMs)
        relay.end('idle', `nothing was asked for ${idleMs} ms`);
      else if (homeSite !== undefined && returning > 0 && this.#isAway(session, homeSite.site)) {
        returning -= 1;
        session.leaving = true;
        this.#atBoundary(session);
      }
    }
  }

  #isAway(session: Session, site: string): boolean {
    const { link } = session.relay;
    if (link === null || session.leaving) return false;
    const at = this.#options.settings.instances.find(({ name }) => name === link.instance);
    const view = this.#options.directory.views().find(({ target }) => target.site === site);
    return at !== undefined && at.site !== site && view !== undefined && serves(view.state);
  }

  // What operators and clients ask for.

  readonly sessions = (): readonly SessionView[] => [...this.#sessions.values()].map((session) => session.view());
  readonly count = (): number => this.#sessions.size + this.#loggingIn;

  readonly kill: SessionService<Socket>['kill'] = (id, what, by) => {
    const session = this.#sessions.get(id);
    if (session === undefined) return 'unknown';
    if (!by.privileged && by.user !== session.login.user) return 'denied';
    const { link } = session.relay;
    if (what === 'connection') {
      session.relay.end('killed', by.user);
      return 'done';
    }
    session.relay.interrupted = true;
    if (link !== null && session.relay.phase === 'busy')
      this.#options
        .administer(link.instance, `KILL QUERY ${link.threadId}`)
        .catch((error: unknown) => this.#options.worker.log('warn', 'KILL QUERY failed', { reason: reasonOf(error) }));
    return 'done';
  };

  async #killFor(session: Session, id: number, what: 'query' | 'connection') {
    const by = { user: session.login.user, privileged: session.login.privileged };
    const here = this.kill(id, what, by);
    return here === 'unknown' ? this.#options.worker.killElsewhere(id, what, by) : here;
  }

  // Going away.

  readonly drain = (drain: DrainOptions<Socket>): Promise<DrainResult> => {
    this.#draining = drain;
    for (const session of [...this.#sessions.values()]) this.#drainOne(session, drain);
    const { clock } = this.#options.worker;
    const gone = new Promise<void>((resolve) => {
      this.#allGone = resolve;
      this.#checkGone();
    });
    const late = pause(clock, drain.deadlineMs, this.#closing.signal).then(() => {
      for (const session of [...this.#sessions.values()]) {
        this.#drained.cut += 1;
        session.relay.end('closed', 'the gateway ends');
      }
    });
    return Promise.race([gone, late]).then(() => ({ ...this.#drained }));
  };

  #checkGone(): void {
    if (this.#draining !== null && this.count() === 0) this.#allGone?.();
  }

  #drainOne(session: Session, drain: DrainOptions<Socket>): void {
    const { relay } = session;
    if (relay.phase !== 'idle' || relay.open || relay.owed !== null) return;
    if (!isMovable(session, drain)) {
      this.#closeDrained(session);
      return;
    }
    this.#leavers.add(session);
    if (!this.#takingTurns) void this.#takeTurns(drain);
  }

  /** One after the other, as fast as they are taken. One that is at work when its turn comes is back here at its next boundary. */
  async #takeTurns(drain: DrainOptions<Socket>): Promise<void> {
    this.#takingTurns = true;
    for (const session of this.#leavers) {
      await drain.room?.();
      this.#leavers.delete(session);
      const { relay } = session;
      if (relay.phase !== 'idle' || relay.open || relay.owed !== null) continue;
      if (drain.handOver === undefined || !isMovable(session, drain) || !this.#handOver(session, drain.handOver))
        this.#closeDrained(session);
    }
    this.#takingTurns = false;
  }

  #closeDrained(session: Session): void {
    this.#drained.closed += 1;
    session.relay.end('quit', 'the gateway ends');
  }

  #handOver(session: Session, handOver: NonNullable<DrainOptions<Socket>['handOver']>): boolean {
    const { socket, relay } = session;
    if ('encrypted' in socket) return false;
    session.release();
    const state = exportSession(session);
    if (!handOver(socket, state)) return false;
    this.#drained.handedOver += 1;
    relay.giveAway();
    this.#sessions.delete(session.id);
    session.metrics.sessions.add(-1);
    this.#options.worker.leave(session.login.user);
    this.#checkGone();
    return true;
  }

  readonly resume = (socket: Socket, state: unknown): void => {
    const restored = importSession(socket, state, (id, login, start) => new Session(this.#tools, id, login, start));
    if (restored === undefined) {
      socket.destroy();
      return;
    }
    const { session, rest } = restored;
    const { worker } = this.#options;
    worker.rejoin(session.login.user);
    worker.rejoin(everybody);
    worker.metrics.connections.add(1);
    socket.once('close', () => {
      worker.metrics.connections.add(-1);
      worker.leave(everybody);
    });
    this.#enrol(session);
    session.begin(rest);
  };

  readonly close = async (): Promise<void> => {
    this.#closing.abort();
    this.#unsubscribe();
    for (const session of [...this.#sessions.values()]) session.relay.end('closed', 'the gateway ends');
  };
}

/** What of it is plain values, and a socket without TLS, can go to another worker. */
const isMovable = ({ login, relay, blockedSinceMs }: Session, { handOver }: DrainOptions<Socket>): boolean =>
  handOver !== undefined && !login.encrypted && relay.barrier === null && blockedSinceMs === null;

const pause = async (clock: Clock, ms: number, signal: AbortSignal): Promise<void> => {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};

const endpointsOf = ({ login }: Session, destination: string, destinationPort: number) => ({
  source: login.address,
  sourcePort: login.port,
  destination,
  destinationPort,
});
