/**
 * The supervisor: holds the port, the lock, the control socket and the pages, and lets workers do everything else. It
 * touches no session. A restart starts new workers from the code and configuration on disk before old ones let go;
 * the port is never closed meanwhile, and whatever is wrong with the new ones, the old ones go on.
 */
import type { Socket } from 'node:net';
import { type Clock, CoequalError, fail, mergeSnapshots, reasonOf } from '@coequal/kernel';
import type { GatewaySettings } from '../../settings.ts';
import { audited, type OperatorAudit } from '../audited.ts';
import type { Call } from '../control-lines.ts';
import type { GatewayEvent } from '../events.ts';
import type { DrainResult } from '../ports.ts';
import {
  type GatewayStatus,
  type Health,
  healthOf,
  instanceStatuses,
  type Phase,
  type Reported,
  ratesBetween,
  type Sample,
  sessionsOf,
  stateOf,
  totalsOf,
  workerStatuses,
} from '../status.ts';
import { makeSupervisorMetrics, type SupervisorMetrics } from '../supervisor-metrics.ts';
import { controlSocketIn } from './control-client.ts';
import { type ControlServer, serveControl } from './control-server.ts';
import { pruneJournal } from './journal.ts';
import { type Listener, listen } from './listener.ts';
import { type Lock, takeLock } from './lock.ts';
import { servePages } from './pages.ts';
import { nothingDrained, Pool } from './pool.ts';

export type SupervisorOptions = {
  readonly settings: GatewaySettings;
  readonly workerFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly event: (event: GatewayEvent) => void;
  /** Where what operators ask for is recorded. */
  readonly audit: OperatorAudit;
  readonly drainMs: number;
  /** Lines of its log that were lost. */
  readonly linesDropped: () => number;
  /** Checks what is on disk now, for a restart. */
  readonly check: () => Promise<GatewaySettings>;
};

const sampleEveryMs = 2_000;
const samplesKept = 6;
/** Connections beyond the limit that may be in the hands of workers, which tell them so in the protocol's own words. */
const refusalsAtOnce = 64;
const pruneEveryMs = 60_000;
/** Workers without sessions write their last lines in this time. */
const exitGraceMs = 2_000;

/** @throws what keeps it from starting; nothing of it is left then */
export const startSupervisor = async (options: SupervisorOptions): Promise<Supervisor> => {
  const supervisor = new Supervisor(options);
  try {
    await supervisor.open();
    return supervisor;
  } catch (error) {
    await supervisor.abandon();
    throw error;
  }
};

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #pool: Pool;
  readonly #metrics: SupervisorMetrics;
  readonly #closing = new AbortController();
  readonly #startedAt: number;
  #settings: GatewaySettings;
  #phase: Phase = 'starting';
  #lock: Lock | undefined;
  #listener: Listener | undefined;
  #pages: Listener | undefined;
  #control: ControlServer | undefined;
  #restarting = false;
  #draining: Promise<DrainResult> = Promise.resolve(nothingDrained);
  #ending: Promise<void> | undefined;
  #samples: readonly Sample[] = [];

  constructor(options: SupervisorOptions) {
    const { settings, workerFile, environment, clock, event, version } = options;
    this.#options = options;
    this.#settings = settings;
    this.#startedAt = clock.now();
    this.#metrics = makeSupervisorMetrics({ ...settings, version, startedAt: this.#startedAt });
    this.#pool = new Pool(settings, { workerFile, environment, clock, event });
  }

  /** Everything that can be refused comes before the first worker; the port opens when workers are ready. */
  async open(): Promise<void> {
    const { name, stateFolder, metrics } = this.#settings;
    this.#lock = await takeLock(stateFolder, name, this.#options.pid);
    this.#control = await serveControl(controlSocketIn(stateFolder), (call, by) =>
      audited(this.#options.audit, { call, by, gateway: name }, () => this.#answer(call)),
    );
    this.#pages = await this.#openPages(metrics);
    // Taken now, so that a port in use is told at once; who connects waits for a worker.
    this.#listener = await this.#listen(this.#settings);
    await this.#pool.advance(this.#settings);
    this.#phase = 'serving';
    this.#loop(sampleEveryMs, () => this.#sample());
    this.#loop(pruneEveryMs, () => this.#prune());
    this.#options.event({
      event: 'listening',
      address: this.#listener.address.host,
      port: this.#listener.address.port,
    });
  }

  /** Where it listens: the port may have been chosen by the system. */
  get address(): Listener['address'] | undefined {
    return this.#listener?.address;
  }

  get pagesAddress(): Listener['address'] | undefined {
    return this.#pages?.address;
  }

  #openPages(address: GatewaySettings['metrics']): Promise<Listener> {
    return servePages(this.#settings.name, address, {
      counters: () => this.#counters(),
      health: () => this.#health(),
    });
  }

  #listen({ name, listen: address }: GatewaySettings): Promise<Listener> {
    return listen(name, address, (socket) => this.#accept(socket));
  }

  #accept(socket: Socket): void {
    // A client that goes away while it waits is no error of ours.
    socket.on('error', () => socket.destroy());
    const { connections } = this.#settings.limits;
    if (connections === 0 || this.#pool.connections < connections + refusalsAtOnce) {
      this.#pool.accept(socket);
      return;
    }
    this.#metrics.connectionsRefused('flood');
    socket.destroy();
  }

  // Restart, drain, end.

  /**
   * Replaces all workers by new ones. @throws GATEWAY_RESTART_REFUSED: nothing has changed
   */
  async restart(deadlineMs: number = this.#options.drainMs): Promise<DrainResult> {
    const { clock, event } = this.#options;
    const startedMs = clock.monotonic();
    const generation = this.#pool.generation + 1;
    if (this.#restarting || this.#phase !== 'serving')
      throw this.#refusedRestart(
        this.#restarting ? 'another restart is under way.' : `it is ${this.#phase}.`,
        'Try again when that is over.',
      );
    this.#restarting = true;
    try {
      event({ event: 'restart', phase: 'begun', reason: '', generation });
      const old = await this.#advance();
      const result = await this.#pool.retire(old, deadlineMs, true);
      event({ event: 'restart', phase: 'done', generation, ...result, tookMs: clock.monotonic() - startedMs });
      this.#metrics.restarts('done');
      return result;
    } catch (error) {
      this.#metrics.restarts('refused');
      event({ event: 'restart', phase: 'refused', reason: reasonOf(error), generation });
      const advice = error instanceof CoequalError ? error.advice : 'See its log.';
      throw this.#refusedRestart(reasonOf(error), advice, error);
    } finally {
      this.#restarting = false;
    }
  }

  #refusedRestart(reason: string, advice: string, cause?: unknown): CoequalError {
    return fail('GATEWAY_RESTART_REFUSED', { name: this.#settings.name, reason, advice }, { cause });
  }

  /** New settings, new ports where they have moved, new workers; in this order, so that a failure leaves the old ones. */
  async #advance() {
    const settings = await this.#options.check();
    const { name, stateFolder, listen: at, metrics } = this.#settings;
    if (settings.name !== name || settings.stateFolder !== stateFolder)
      throw this.#refusedRestart('its name or state folder has changed.', 'Stop it and start it again for that.');
    const listener = sameAddress(settings.listen, at) ? undefined : await this.#listen(settings);
    try {
      const pages = sameAddress(settings.metrics, metrics) ? undefined : await this.#openPages(settings.metrics);
      try {
        const old = await this.#pool.advance(settings);
        this.#settings = settings;
        await this.#replaceListeners(listener, pages);
        return old;
      } catch (error) {
        await pages?.close();
        throw error;
      }
    } catch (error) {
      await listener?.close();
      throw error;
    }
  }

  async #replaceListeners(listener: Listener | undefined, pages: Listener | undefined): Promise<void> {
    if (listener !== undefined) {
      await this.#closePort();
      this.#listener = listener;
      this.#options.event({ event: 'listening', address: listener.address.host, port: listener.address.port });
    }
    if (pages !== undefined) {
      await this.#pages?.close();
      this.#pages = pages;
    }
  }

  async #closePort(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    // Connections that are still here are in transit to workers; only the port matters.
    void listener.close();
    this.#options.event({ event: 'listening-ended', address: listener.address.host, port: listener.address.port });
  }

  /** Closes the port, so that clients turn to another gateway, and lets sessions end at their next boundary. */
  async drain(deadlineMs: number = this.#options.drainMs): Promise<DrainResult> {
    if (this.#phase === 'draining' || this.#phase === 'drained') return this.#draining;
    if (this.#phase !== 'serving' || this.#restarting)
      throw this.#refusedRestart('it is being started, restarted or ended.', 'Try again when that is over.');
    this.#phase = 'draining';
    this.#options.event({ event: 'gateway-drain', on: true });
    await this.#closePort();
    this.#draining = this.#pool.retireAll(deadlineMs).then((result) => {
      if (this.#phase === 'draining') this.#phase = 'drained';
      return result;
    });
    return this.#draining;
  }

  /** Takes connections again after `drain`. */
  async resume(): Promise<void> {
    if (this.#phase === 'serving') return;
    await this.#draining;
    if (this.#phase !== 'drained')
      throw this.#refusedRestart(`it is ${this.#phase}.`, 'Start it again once it has ended.');
    this.#phase = 'starting';
    try {
      this.#listener = await this.#listen(this.#settings);
      await this.#pool.advance(this.#settings);
      this.#phase = 'serving';
    } catch (error) {
      this.#phase = 'drained';
      await this.#closePort();
      throw error;
    }
    const { host, port } = this.#listener.address;
    this.#options.event({ event: 'gateway-drain', on: false });
    this.#options.event({ event: 'listening', address: host, port });
  }

  /** Lets sessions end at a boundary, and ends. Said again, it is the same end. */
  end(reason: string): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  async #end(reason: string): Promise<void> {
    this.#phase = 'ending';
    await this.#closePort();
    const { closed, cut } = await this.#pool.retireAll(this.#options.drainMs);
    await this.#pool.untilGone(exitGraceMs);
    this.#options.event({ event: 'gateway-ended', reason, closed, cut });
    await this.abandon();
  }

  /** Lets go of everything, workers by force. */
  async abandon(): Promise<void> {
    this.#closing.abort();
    for (const worker of this.#pool.workers) {
      worker.retired = true;
      worker.kill();
    }
    await this.#closePort();
    await this.#pages?.close();
    await this.#control?.close();
    await this.#lock?.release();
  }

  // What operators ask.

  #answer(call: Call): Promise<unknown> {
    switch (call.method) {
      case 'status':
        return this.status();
      case 'sessions':
        return this.#pool.sessions();
      case 'restart':
        return this.restart(call.deadlineMs ?? undefined);
      case 'kill':
        return this.#kill(call.id, call.what);
      case 'drain':
        return this.#answerDrain(call);
    }
  }

  async #answerDrain({ instance, on, deadlineMs }: Call & { method: 'drain' }): Promise<unknown> {
    if (instance === null) return on ? this.drain(deadlineMs ?? undefined) : this.resume();
    this.#pool.checkInstance(instance);
    this.#pool.drainInstance(instance, on);
    this.#options.event({ event: 'instance-drain', instance, on });
    return null;
  }

  async #kill(id: number, what: 'query' | 'connection'): Promise<unknown> {
    const answer = await this.#pool.kill(id, what, { user: 'operator', privileged: true });
    if (answer !== 'done') throw fail('GATEWAY_SESSION_UNKNOWN', { name: this.#settings.name, id });
    return null;
  }

  async #reported(): Promise<readonly Reported[]> {
    await this.#pool.refresh();
    return this.#pool.workers.map(({ slot, pid, generation, state, open, lastReport }) => ({
      slot,
      pid,
      generation,
      state,
      open,
      report: lastReport,
    }));
  }

  async #counters() {
    const workers = await this.#reported();
    const counters = this.#pool.lastCounters();
    const own = this.#metrics.snapshot({
      workers: this.#pool.serving.length,
      instances: instanceStatuses(workers, counters),
      deaths: this.#pool.deathsInAll,
      linesDropped: this.#options.linesDropped(),
    });
    return mergeSnapshots([own, counters]);
  }

  async #health(): Promise<Health> {
    const workers = await this.#reported();
    const instances = instanceStatuses(workers, this.#pool.lastCounters());
    return healthOf(this.#settings, stateOf(this.#phase, workers), instances, this.#pool.connections);
  }

  async status(): Promise<GatewayStatus> {
    const workers = await this.#reported();
    const counters = this.#pool.lastCounters();
    const { name, site, service, observe, profile, listen: at, metrics, stateFolder, limits } = this.#settings;
    return {
      name,
      site,
      service,
      state: stateOf(this.#phase, workers),
      version: this.#options.version,
      pid: this.#options.pid,
      upSeconds: Math.round((this.#options.clock.now() - this.#startedAt) / 1_000),
      generation: this.#pool.generation,
      observe,
      profile,
      listen: this.address ?? at,
      metrics: this.pagesAddress ?? metrics,
      stateFolder,
      workers: workerStatuses(workers),
      workerDeaths: this.#pool.deathsInAll,
      instances: instanceStatuses(workers, counters),
      connections: this.#pool.connections,
      connectionLimit: limits.connections,
      sessions: sessionsOf(workers),
      perSecond: ratesBetween(this.#samples[0], this.#samples.at(-1)),
      totals: totalsOf(counters),
    };
  }

  // What goes on beside.

  #loop(everyMs: number, work: () => Promise<void>): void {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        await work();
        await clock.sleep(everyMs, signal);
      }
    };
    run().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** Also keeps what each worker has counted, should it die before the next time. */
  async #sample(): Promise<void> {
    await this.#pool.refresh();
    const counters = this.#pool.lastCounters();
    const { requests, committed, rolledBack } = totalsOf(counters);
    const atMs = this.#options.clock.monotonic();
    this.#samples = [...this.#samples, { atMs, requests, transactions: committed + rolledBack }].slice(-samplesKept);
  }

  async #prune(): Promise<void> {
    const living = new Set(this.#pool.workers.map(({ pid }) => pid));
    try {
      await pruneJournal(this.#settings.stateFolder, living);
    } catch (error) {
      this.#options.event({ event: 'journal-trouble', reason: reasonOf(error), dropped: 0 });
    }
  }
}

const sameAddress = (a: { host: string; port: number }, b: { host: string; port: number }): boolean =>
  a.host === b.host && a.port === b.port;
