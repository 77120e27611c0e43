/**
 * The workers of a gateway: as many as the settings say, of one generation; those of an older generation only drain.
 * The pool deals connections to whoever has the fewest, replaces workers that die (slower and slower when they keep
 * dying), and keeps what ended workers have counted.
 */
import type { Socket } from 'node:net';
import { type Clock, type CountersSnapshot, fail, lastingOf, mergeSnapshots, reasonOf, within } from '@coequal/kernel';
import type { GatewaySettings } from '../../settings.ts';
import { makeAccountCounts } from '../counts.ts';
import type { GatewayEvent } from '../events.ts';
import { type Delivery, type FromWorker, parseKillAnswer, parseSessions, type WorkerReport } from '../messages.ts';
import { leastBusy, nextSlot, pauseBeforeStart, recentDeaths } from '../pool-rules.ts';
import type { DrainResult, KillAnswer, KillBy, KillWhat, SessionView } from '../ports.ts';
import { freeze } from './sockets.ts';
import { WorkerProcess } from './worker-process.ts';

export type PoolOptions = {
  readonly workerFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly event: (event: GatewayEvent) => void;
};

/** Loading the code, finding an instance, logging in there. */
const startDeadlineMs = 60_000;
const answerDeadlineMs = 1_000;
/** Connections that may wait for a worker, while all have died. */
const waitingAtMost = 1_000;
/** After its deadline a draining worker gets this long to say that it is done. */
const drainGraceMs = 3_000;

const emptyReport: WorkerReport = {
  counters: [],
  instances: [],
  connections: 0,
  sessions: { working: 0, inTransaction: 0, notReplayable: 0 },
  residentBytes: 0,
  stallMs: 0,
};

export const nothingDrained: DrainResult = { handedOver: 0, closed: 0, cut: 0 };

export class Pool {
  readonly #options: PoolOptions;
  readonly #workers = new Set<WorkerProcess>();
  readonly #counts = makeAccountCounts();
  readonly #drains = new Map<WorkerProcess, (result: DrainResult) => void>();
  readonly #waiting = new Map<Socket, Delivery>();
  readonly drainedInstances = new Set<string>();
  #settings: GatewaySettings;
  #generation = 0;
  #lastSlot = -1;
  #deaths: readonly number[] = [];
  #kept: CountersSnapshot = [];
  #wanted = false;
  deathsInAll = 0;

  constructor(settings: GatewaySettings, options: PoolOptions) {
    this.#settings = settings;
    this.#options = options;
  }

  get generation(): number {
    return this.#generation;
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.#workers];
  }

  /** Those that take connections. */
  get serving(): readonly WorkerProcess[] {
    return this.workers.filter((each) => each.takesConnections && each.generation === this.#generation);
  }

  get connections(): number {
    return this.workers.reduce((sum, { open }) => sum + open, this.#waiting.size);
  }

  /**
   * Starts a new generation, and makes it the one that gets connections when all of it is ready. Whatever fails, the
   * earlier generation goes on. Answers the workers of the earlier one.
   */
  async advance(settings: GatewaySettings): Promise<readonly WorkerProcess[]> {
    const before = this.workers;
    const generation = this.#generation + 1;
    const started = Array.from({ length: settings.workers }, () => this.#start(settings, generation));
    try {
      await Promise.all(started.map((worker) => this.#untilReady(worker, settings.name)));
    } catch (error) {
      for (const worker of started) this.#discard(worker);
      throw error;
    }
    this.#generation = generation;
    this.#settings = settings;
    this.#wanted = true;
    this.#dealWaiting();
    return before.filter(({ state }) => state !== 'gone');
  }

  #untilReady(worker: WorkerProcess, name: string): Promise<void> {
    const advice = 'See the log for what its workers wait for.';
    const wait = { what: `The start of a worker of ${name}`, deadlineMs: startDeadlineMs, advice };
    return within(this.#options.clock, wait, worker.untilReady());
  }

  #start(settings: GatewaySettings, generation: number): WorkerProcess {
    const { workerFile, environment, clock } = this.#options;
    const living = new Set(this.workers.map(({ slot }) => slot));
    this.#lastSlot = nextSlot(this.#lastSlot, living);
    const worker = new WorkerProcess({
      file: workerFile,
      environment,
      clock,
      start: { slot: this.#lastSlot, generation, settings, drained: [...this.drainedInstances] },
      handlers: {
        message: (from, message, socket) => this.#hear(from, message, socket),
        undelivered: (socket, message) => this.#deal(socket, message),
        exited: (ended, how) => this.#exited(ended, how),
      },
    });
    this.#workers.add(worker);
    this.#options.event({ event: 'worker-started', worker: worker.slot, pid: worker.pid, generation });
    return worker;
  }

  /** Ends one that is not needed, without replacing it. */
  #discard(worker: WorkerProcess): void {
    if (worker.state === 'gone') return;
    worker.retired = true;
    worker.kill();
  }

  // Connections.

  /** Takes a connection that was accepted; no byte of it was read. */
  accept(socket: Socket): void {
    this.#deal(socket, { kind: 'connection' });
  }

  #deal(socket: Socket, message: Delivery): void {
    const worker = leastBusy(this.serving);
    if (worker !== undefined) {
      worker.give(socket, message);
      return;
    }
    if (!this.#wanted || this.#waiting.size >= waitingAtMost) {
      socket.destroy();
      return;
    }
    this.#waiting.set(socket, message);
    void this.#giveUpLater(socket);
  }

  async #giveUpLater(socket: Socket): Promise<void> {
    await this.#options.clock.sleep(this.#settings.limits.handshakeMs);
    if (this.#waiting.delete(socket)) socket.destroy();
  }

  #dealWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [socket, message] of waiting) this.#deal(socket, message);
  }

  // What workers say.

  #hear(from: WorkerProcess, message: FromWorker, socket: Socket | undefined): void {
    switch (message.kind) {
      case 'admit':
        from.send({ kind: 'answer', request: message.request, value: this.#admits(from, message) });
        return;
      case 'rejoin':
        if (message.user !== '') this.#counts.rejoin(from.slot, message.user);
        return;
      case 'leave':
        this.#counts.leave(from.slot, message.user);
        return;
      case 'failure':
        for (const other of this.workers) if (other !== from) other.send({ kind: 'failure', address: message.address });
        return;
      case 'kill':
        void this.#killFor(from, message);
        return;
      case 'handed':
        if (socket !== undefined) this.#passOn(socket, message.state, message.unread);
        return;
      case 'drained':
        this.#drained(from, message.result, message.counters);
        return;
      default:
    }
  }

  /** Of everybody (the empty name) there are as many as connections were dealt; the one in question is among them. */
  #admits(from: WorkerProcess, { user, limit }: FromWorker & { kind: 'admit' }): boolean {
    if (user === '') return limit === 0 || this.connections <= limit;
    return this.#counts.admit(from.slot, user, limit);
  }

  async #killFor(from: WorkerProcess, { request, id, what, by }: FromWorker & { kind: 'kill' }): Promise<void> {
    from.send({ kind: 'answer', request, value: await this.kill(id, what, by, from) });
  }

  /** A session moves: what came in on the way to here goes along. */
  #passOn(socket: Socket, state: unknown, read: Uint8Array): void {
    this.#deal(socket, { kind: 'resume', state, unread: Buffer.concat([read, freeze(socket)]) });
  }

  /** Asks every worker but one for a session, and ends it where it is. */
  async kill(id: number, what: KillWhat, by: KillBy, except?: WorkerProcess): Promise<KillAnswer> {
    const asked = this.workers.filter((worker) => worker !== except);
    const answers = await Promise.all(
      asked.map(async (worker) => parseKillAnswer(await worker.ask({ kind: 'kill', id, what, by }, answerDeadlineMs))),
    );
    return answers.find((answer) => answer === 'done') ?? answers.find((answer) => answer === 'denied') ?? 'unknown';
  }

  async sessions(): Promise<readonly SessionView[]> {
    const lists = await Promise.all(
      this.workers.map(async (worker) => parseSessions(await worker.ask({ kind: 'sessions' }, answerDeadlineMs))),
    );
    return lists.flat();
  }

  /** Asks all workers, and keeps what they say. */
  async refresh(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.report(answerDeadlineMs)));
  }

  /** Figures of all workers as they last said them, also of those that have ended. */
  lastCounters(): CountersSnapshot {
    const reports = [...this.workers]
      .sort((a, b) => b.generation - a.generation)
      .flatMap(({ lastReport }) => (lastReport === undefined ? [] : [lastReport.counters]));
    return mergeSnapshots([...reports, this.#kept]);
  }

  drainInstance(instance: string, on: boolean): void {
    if (on) this.drainedInstances.add(instance);
    else this.drainedInstances.delete(instance);
    for (const worker of this.workers) worker.send({ kind: 'drain-instance', instance, on });
  }

  // Ending.

  /**
   * Lets workers go: their sessions are handed to the serving generation where that is possible, or closed between
   * transactions, and cut at the deadline.
   */
  async retire(workers: readonly WorkerProcess[], deadlineMs: number, handOver: boolean): Promise<DrainResult> {
    const results = await Promise.all(workers.map((worker) => this.#retireOne(worker, deadlineMs, handOver)));
    return results.reduce(
      (sum, { handedOver, closed, cut }) => ({
        handedOver: sum.handedOver + handedOver,
        closed: sum.closed + closed,
        cut: sum.cut + cut,
      }),
      nothingDrained,
    );
  }

  /** Lets all workers go and starts no others. */
  async retireAll(deadlineMs: number): Promise<DrainResult> {
    this.#wanted = false;
    for (const socket of this.#waiting.keys()) socket.destroy();
    this.#waiting.clear();
    return this.retire(this.workers, deadlineMs, false);
  }

  /** Resolves when no worker is left, or at the deadline. */
  async untilGone(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.monotonic() + deadlineMs;
    while (this.#workers.size > 0 && clock.monotonic() < untilMs) await clock.sleep(5);
  }

  async #retireOne(worker: WorkerProcess, deadlineMs: number, handOver: boolean): Promise<DrainResult> {
    if (worker.state === 'gone') return nothingDrained;
    const result = Promise.withResolvers<DrainResult>();
    const earlier = this.#drains.get(worker);
    this.#drains.set(worker, (value) => {
      earlier?.(value);
      result.resolve(value);
    });
    worker.retired = true;
    worker.state = 'draining';
    worker.send({ kind: 'drain', deadlineMs, handOver });
    void this.#endLater(worker, deadlineMs + drainGraceMs);
    return result.promise;
  }

  async #endLater(worker: WorkerProcess, afterMs: number): Promise<void> {
    await this.#options.clock.sleep(afterMs);
    if (worker.state !== 'gone') worker.kill();
  }

  #drained(worker: WorkerProcess, result: DrainResult, counters: CountersSnapshot): void {
    worker.lastReport = { ...(worker.lastReport ?? emptyReport), counters };
    this.#drains.get(worker)?.(result);
    this.#drains.delete(worker);
    worker.send({ kind: 'end' });
  }

  #exited(worker: WorkerProcess, how: string): void {
    this.#workers.delete(worker);
    this.#counts.dropWorker(worker.slot);
    if (worker.lastReport !== undefined) this.#keep(worker.lastReport.counters);
    const drain = this.#drains.get(worker);
    const expected = worker.retired && drain === undefined;
    this.#options.event({ event: 'worker-ended', worker: worker.slot, pid: worker.pid, how, expected });
    drain?.({ ...nothingDrained, cut: worker.open });
    this.#drains.delete(worker);
    if (!worker.retired) this.#died(worker);
  }

  #keep(counters: CountersSnapshot): void {
    this.#kept = mergeSnapshots([lastingOf(counters), this.#kept]);
  }

  #died(worker: WorkerProcess): void {
    this.deathsInAll += 1;
    if (this.#wanted && worker.generation === this.#generation) void this.#replace();
  }

  /** Starts one more of this generation, after a pause when they keep dying. */
  async #replace(): Promise<void> {
    const { clock, event } = this.#options;
    const generation = this.#generation;
    const now = clock.monotonic();
    this.#deaths = recentDeaths([...this.#deaths, now], now);
    const nextTryMs = pauseBeforeStart(this.#deaths, now);
    if (nextTryMs > 0) {
      event({ event: 'workers-failing', reason: `${this.#deaths.length} ended within a minute`, nextTryMs });
      await clock.sleep(nextTryMs);
    }
    if (!this.#wanted || generation !== this.#generation) return;
    const worker = this.#start(this.#settings, generation);
    try {
      await this.#untilReady(worker, this.#settings.name);
      this.#dealWaiting();
    } catch (error) {
      // Its exit is told by itself and leads to the next try; one that hangs is ended for that.
      event({ event: 'workers-failing', reason: reasonOf(error), nextTryMs: 0 });
      if (worker.state !== 'gone') worker.kill();
    }
  }

  /** @throws GATEWAY_INSTANCE_UNKNOWN */
  checkInstance(instance: string): void {
    const { name, instances } = this.#settings;
    if (instances.some((each) => each.name === instance)) return;
    throw fail('GATEWAY_INSTANCE_UNKNOWN', { name, instance, known: instances.map((each) => each.name).join(', ') });
  }
}
