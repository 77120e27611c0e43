/**
 * A worker process, around its sessions: takes connections and questions from the supervisor, counts, writes the log and
 * the acknowledgement journal, and goes when all its sessions have gone. When the supervisor dies, it lets its
 * sessions end at a boundary and ends too, so that nothing lives on unwatched.
 */
import { flushCompileCache } from 'node:module';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { serves } from '@coequal/estate';
import { type Clock, Counters, reasonOf } from '@coequal/kernel';
import { FailureLimiter } from '../../accounts/limits.ts';
import type { InstanceView } from '../../instances/directory.ts';
import { type GatewayEvent, logEvent } from '../events.ts';
import { makeGatewayMetrics } from '../gateway-metrics.ts';
import {
  type Delivery,
  type FromWorker,
  messagesVersion,
  parseKillAnswer,
  parseToWorker,
  type WorkerReport,
  type WorkerStart,
} from '../messages.ts';
import type { DrainResult, SessionService, WorkerPorts } from '../ports.ts';
import { toldError } from '../told-error.ts';
import { type Journal, openJournal } from './journal.ts';
import { makeProcessLog, type ProcessLog } from './log-lines.ts';
import { freeze, unread } from './sockets.ts';

/** What is opened for a worker: sessions, and what they stand on. */
export type WorkerSide = {
  readonly service: SessionService<Socket>;
  readonly instances: () => readonly InstanceView[];
  readonly drainInstance: (name: string, on: boolean) => void;
  readonly close: () => Promise<void>;
};

export type OpenSide = (start: WorkerStart, ports: WorkerPorts) => Promise<WorkerSide>;

/** The process's own end of the channel to the supervisor. */
export type Channel = Pick<NodeJS.Process, 'on' | 'send' | 'exit' | 'pid' | 'memoryUsage' | 'connected'>;

const standardOutput = 1;
/** Without a supervisor nobody can ask for more time. */
const orphanDrainMs = 10_000;
/** Ends of connections are told together, at most so often. */
const endedEveryMs = 20;
/** Sessions that may be on their way to the supervisor. */
const leavingAtOnce = 8;
const killDeadlineMs = 2_000;
const stallResolutionMs = 20;

export const runWorker = (channel: Channel, clock: Clock, open: OpenSide): void => {
  new Worker(channel, clock, open).begin();
};

class Worker {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #open: OpenSide;
  readonly #counters = new Counters();
  readonly #metrics = makeGatewayMetrics(this.#counters);
  readonly #stalls = monitorEventLoopDelay({ resolution: stallResolutionMs });
  readonly #log: ProcessLog;
  readonly #questions = new Map<number, (value: unknown) => void>();
  readonly #held = new Set<Socket>();
  #side: WorkerSide | undefined;
  #journal: Journal | undefined;
  #failures: FailureLimiter | undefined;
  #lastRequest = 0;
  #ended = 0;
  #endedTold = 0;
  #tellingEnded = false;
  #draining = false;
  #leaving = 0;
  readonly #waitingForRoom: (() => void)[] = [];

  constructor(channel: Channel, clock: Clock, open: OpenSide) {
    this.#channel = channel;
    this.#clock = clock;
    this.#open = open;
    this.#log = makeProcessLog(standardOutput, clock, (lines) => this.#metrics.linesDropped.add(lines));
  }

  begin(): void {
    this.#stalls.enable();
    const { on } = this.#channel;
    const listen = on.bind(this.#channel);
    // A terminal sends its signals to the whole group; the supervisor decides what they mean.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) listen(signal, () => undefined);
    listen('message', (value: unknown, handle: unknown) => this.#take(value, isSocket(handle) ? handle : undefined));
    listen('disconnect', () => void this.#orphaned());
    this.#say({ kind: 'hello', version: messagesVersion });
  }

  #say(message: FromWorker): void {
    if (this.#channel.connected) this.#channel.send?.(message, undefined, {}, () => undefined);
  }

  /** Resolves when the message has left: an exit does not wait for it. */
  #sayLast(message: FromWorker): Promise<void> {
    return new Promise((resolve) => {
      if (this.#channel.connected) this.#channel.send?.(message, undefined, {}, () => resolve());
      else resolve();
    });
  }

  #event(event: GatewayEvent): void {
    logEvent(this.#log.log, event);
  }

  #take(value: unknown, socket: Socket | undefined): void {
    const message = parseToWorker(value);
    if (message === undefined) {
      socket?.destroy();
      return;
    }
    switch (message.kind) {
      case 'start':
        void this.#start(message);
        return;
      case 'connection':
      case 'resume':
        this.#hold(socket, message);
        return;
      case 'report':
        this.#answer(message.request, this.#report());
        return;
      case 'sessions':
        this.#answer(message.request, this.#side?.service.sessions() ?? []);
        return;
      case 'kill':
        this.#answer(message.request, this.#side?.service.kill(message.id, message.what, message.by) ?? 'unknown');
        return;
      case 'drain-instance':
        this.#side?.drainInstance(message.instance, message.on);
        return;
      case 'drain':
        void this.#drain(message.deadlineMs, message.handOver);
        return;
      case 'failure':
        this.#failures?.note(message.address);
        return;
      case 'answer':
        this.#questions.get(message.request)?.(message.value);
        return;
      case 'end':
        void this.#end();
    }
  }

  #answer(request: number, value: unknown): void {
    this.#say({ kind: 'answer', request, value });
  }

  // Beginning.

  async #start(start: WorkerStart): Promise<void> {
    try {
      const { settings } = start;
      this.#failures = new FailureLimiter(this.#clock, settings.limits.failuresPerMinute);
      this.#journal = await openJournal({
        stateFolder: settings.stateFolder,
        pid: this.#channel.pid,
        now: this.#clock.now,
        event: (event) => this.#event(event),
        onDropped: (lines) => this.#metrics.acknowledgementsDropped.add(lines),
      });
      this.#side = await this.#open(start, this.#ports(start, this.#journal, this.#failures));
      for (const name of start.drained) this.#side.drainInstance(name, true);
      this.#say({ kind: 'ready' });
      // The next worker starts from it, also when this one should die.
      flushCompileCache();
    } catch (error) {
      await this.#sayLast({ kind: 'failed', error: toldError(error) });
      this.#log.log('error', 'worker-not-started', { reason: reasonOf(error) });
      await this.#log.flush();
      this.#channel.exit(2);
    }
  }

  #ports({ slot, settings }: WorkerStart, journal: Journal, failures: FailureLimiter): WorkerPorts {
    return {
      slot,
      clock: this.#clock,
      log: this.#log.log,
      metrics: this.#metrics,
      event: (event) => this.#event(event),
      acknowledge: journal.write,
      killElsewhere: async (id, what, by) =>
        parseKillAnswer(await this.#ask((request) => ({ kind: 'kill', request, id, what, by }), killDeadlineMs)),
      admit: async (user, limit) =>
        (await this.#ask((request) => ({ kind: 'admit', request, user, limit }), settings.limits.handshakeMs)) === true,
      rejoin: (user) => this.#say({ kind: 'rejoin', user }),
      leave: (user) => this.#say({ kind: 'leave', user }),
      failures: {
        blocked: (address) => failures.blocked(address),
        note: (address) => {
          failures.note(address);
          this.#say({ kind: 'failure', address });
        },
      },
      replayBytes: Math.floor(settings.limits.replayBytes / settings.workers),
    };
  }

  /** Undefined: no answer in time. */
  async #ask(make: (request: number) => FromWorker, deadlineMs: number): Promise<unknown> {
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const answered = Promise.withResolvers<unknown>();
    this.#questions.set(request, answered.resolve);
    this.#say(make(request));
    const late = new AbortController();
    const deadline = this.#clock.sleep(deadlineMs, late.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([answered.promise, deadline]);
    } finally {
      this.#questions.delete(request);
      late.abort();
    }
  }

  // Connections.

  #hold(socket: Socket | undefined, message: Delivery & { readonly number: number }): void {
    this.#say({ kind: 'took', number: message.number });
    const service = this.#side?.service;
    if (socket === undefined || service === undefined) {
      // Its client went away before it left the supervisor.
      socket?.destroy();
      this.#countEnded();
      return;
    }
    this.#held.add(socket);
    socket.once('close', () => this.#letGo(socket));
    if (message.kind === 'connection') {
      service.accept(socket);
      return;
    }
    unread(socket, message.unread);
    service.resume(socket, message.state);
  }

  #letGo(socket: Socket): void {
    if (this.#held.delete(socket)) this.#countEnded();
  }

  #countEnded(): void {
    this.#ended += 1;
    if (!this.#tellingEnded) void this.#tellEnded();
  }

  async #tellEnded(): Promise<void> {
    this.#tellingEnded = true;
    await this.#clock.sleep(endedEveryMs);
    this.#tellingEnded = false;
    if (this.#ended === this.#endedTold) return;
    this.#endedTold = this.#ended;
    this.#say({ kind: 'ended', count: this.#ended });
  }

  #report(): WorkerReport {
    const residentBytes = this.#channel.memoryUsage.rss();
    const stallMs = Math.max(0, Math.round(this.#stalls.max / 1e6) - stallResolutionMs);
    this.#stalls.reset();
    this.#metrics.residentBytes.set(residentBytes);
    this.#metrics.loopStallSeconds.set(stallMs / 1_000);
    this.#metrics.connections.set(this.#held.size);
    const sessions = this.#side?.service.sessions() ?? [];
    return {
      counters: this.#counters.snapshot(),
      instances: (this.#side?.instances() ?? []).map((view) => ({ ...view, serves: serves(view.state) })),
      connections: this.#held.size,
      sessions: {
        working: sessions.filter(({ state }) => state !== 'idle').length,
        inTransaction: sessions.filter(({ inTransaction }) => inTransaction).length,
        notReplayable: sessions.filter(({ notReplayable }) => notReplayable !== null).length,
      },
      residentBytes,
      stallMs,
    };
  }

  // Going.

  async #drain(deadlineMs: number, handOver: boolean): Promise<void> {
    const result = await this.#drainSide(deadlineMs, handOver);
    await this.#journal?.close();
    this.#say({ kind: 'drained', result, counters: this.#counters.snapshot() });
  }

  async #drainSide(deadlineMs: number, handOver: boolean): Promise<DrainResult> {
    this.#draining = true;
    const service = this.#side?.service;
    if (service === undefined) return { handedOver: 0, closed: 0, cut: 0 };
    const handing = {
      handOver: (socket: Socket, state: unknown) => this.#handOver(socket, state),
      room: () => this.#room(),
    };
    const result = await service.drain(handOver ? { deadlineMs, ...handing } : { deadlineMs });
    this.#metrics.drained('handed-over', result.handedOver);
    this.#metrics.drained('closed', result.closed);
    this.#metrics.drained('cut', result.cut);
    return result;
  }

  #handOver(socket: Socket, state: unknown): boolean {
    if (socket.destroyed || !this.#channel.connected) return false;
    const rest = freeze(socket);
    socket.removeAllListeners();
    // What is left of it here is a shell; an error of the shell is nobody's.
    socket.on('error', () => undefined);
    this.#letGo(socket);
    this.#leaving += 1;
    this.#channel.send?.(
      { kind: 'handed', state, unread: rest } satisfies FromWorker,
      socket,
      { keepOpen: false },
      () => {
        this.#leaving -= 1;
        for (const wake of this.#waitingForRoom.splice(0)) wake();
      },
    );
    return true;
  }

  /** Descriptors leave one by one, each acknowledged; what queues up behind them stands still meanwhile. */
  async #room(): Promise<void> {
    while (this.#leaving >= leavingAtOnce && this.#channel.connected) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waitingForRoom.push(resolve);
      await promise;
    }
  }

  async #orphaned(): Promise<void> {
    this.#log.log('error', 'supervisor-gone', { drainMs: orphanDrainMs });
    if (!this.#draining) await this.#drainSide(orphanDrainMs, false);
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#side?.close();
    await this.#journal?.close();
    await this.#log.flush();
    this.#channel.exit(0);
  }
}

const isSocket = (handle: unknown): handle is Socket =>
  typeof handle === 'object' && handle !== null && 'destroy' in handle && 'unshift' in handle;
