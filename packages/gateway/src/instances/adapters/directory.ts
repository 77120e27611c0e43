/**
 * The directory over real instances: one monitor each, their health, and those who wait for one that serves. Judgement is
 * in `health.ts` and `routing.ts`; here is only who is told what, when.
 */
import { serves } from '@coequal/estate';
import { type Clock, fail, type Log, reasonOf } from '@coequal/kernel';
import type { GatewaySettings, InstanceTarget } from '../../settings.ts';
import type { Directory, InstanceView, LeaveListener, ServerFacts, StateListener } from '../directory.ts';
import {
  type Health,
  type HealthRules,
  leaveAfter,
  type Observation,
  observe,
  returnShare,
  unseen,
  welcomes,
} from '../health.ts';
import { choose } from '../routing.ts';
import { accountStatements } from '../schema.ts';
import { type Monitor, openMonitor } from './monitor.ts';
import type { InstanceAccess } from './sql.ts';

/** What a directory needs of the settings. */
export type DirectorySettings = Pick<GatewaySettings, 'instances' | 'service' | 'instanceTls'> & {
  readonly limits: Pick<GatewaySettings['limits'], 'silenceMs' | 'recoveryMs'>;
};

/** How often silence is looked at. */
const tickMs = 50;
/** A tick that comes later than this means that this process stood still. */
const stoodStillMs = 150;

/**
 * Watches all instances, and answers when one of them serves.
 * @throws GATEWAY_NO_INSTANCE when none does within `limits.recoveryMs`, with what each of them is
 */
export const openDirectory = async (
  settings: DirectorySettings,
  access: InstanceAccess,
  clock: Clock,
  log: Log,
): Promise<Directory> => {
  const watched = new Watched(settings, access, clock, log);
  try {
    await watched.untilKnown(settings.limits.recoveryMs);
  } catch (error) {
    watched.close();
    throw error;
  }
  return watched;
};

type Entry = {
  readonly target: InstanceTarget;
  readonly monitor: Monitor;
  health: Health;
  sessions: number;
  drained: boolean;
};

const nobody: ReadonlySet<string> = new Set();

class Watched implements Directory {
  readonly #settings: DirectorySettings;
  readonly #access: InstanceAccess;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rules: HealthRules;
  readonly #entries: readonly Entry[];
  readonly #leaveListeners = new Set<LeaveListener>();
  readonly #stateListeners = new Set<StateListener>();
  readonly #waiting = new Set<() => void>();
  readonly #closing = new AbortController();
  #facts: ServerFacts | undefined;

  constructor(settings: DirectorySettings, access: InstanceAccess, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#access = access;
    this.#clock = clock;
    this.#log = log;
    const { silenceMs } = settings.limits;
    this.#rules = {
      silenceMs,
      slowMs: Math.max(250, silenceMs / 3),
      steadyMs: 250,
      // Longer than it takes a member to suspect the others, which `silenceMs` is chosen by (seen: 0.5 s after it woke).
      wakingMs: silenceMs + 300,
      rampMs: 5_000,
      alone: settings.instances.length === 1,
      service: settings.service,
    };
    this.#entries = settings.instances.map((target) => this.#watch(target));
    void this.#tick();
  }

  #watch(target: InstanceTarget): Entry {
    const entry: Entry = {
      target,
      health: unseen(this.#clock.monotonic()),
      sessions: 0,
      drained: false,
      monitor: openMonitor({
        target,
        access: this.#access,
        clock: this.#clock,
        silenceMs: this.#settings.limits.silenceMs,
        tell: (seen) => this.#take(entry, seen),
        tellFacts: (facts) => {
          this.#facts ??= facts;
          this.#wakeWaiting();
        },
        serves: () => serves(entry.health.state),
      }),
    };
    return entry;
  }

  async #tick(): Promise<void> {
    let lastMs = this.#clock.monotonic();
    while (!this.#closing.signal.aborted) {
      await this.#clock.sleep(tickMs);
      const atMs = this.#clock.monotonic();
      const lateMs = atMs - lastMs - tickMs;
      lastMs = atMs;
      for (const entry of this.#entries) {
        if (lateMs > stoodStillMs) this.#take(entry, { kind: 'excuse', ms: lateMs });
        this.#take(entry, { kind: 'time', atMs });
      }
    }
  }

  #take(entry: Entry, seen: Observation): void {
    if (this.#closing.signal.aborted) return;
    const before = entry.health;
    entry.health = observe(before, seen, this.#rules);
    const { state, reason } = entry.health;
    if (state !== before.state) {
      const { name } = entry.target;
      this.#log('info', 'an instance changed its state', { instance: name, from: before.state, to: state, reason });
      for (const listener of this.#stateListeners) this.#guarded(() => listener(name, before.state, state, reason));
    }
    const leave = leaveAfter(before, entry.health);
    if (leave !== undefined) this.#leave(entry.target.name, leave.reason, leave.gentle);
    if (state !== before.state || (welcomes(entry.health) && !welcomes(before))) this.#wakeWaiting();
  }

  #leave(name: string, reason: string, gentle: boolean): void {
    for (const listener of this.#leaveListeners) this.#guarded(() => listener(name, reason, gentle));
  }

  /** A listener that fails must not end the watching. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#log('error', 'a listener failed', { reason: reasonOf(error) });
    }
  }

  #wakeWaiting(): void {
    for (const wake of this.#waiting) wake();
  }

  readonly views = (): readonly InstanceView[] => {
    const nowMs = this.#clock.monotonic();
    return this.#entries.map(({ target, health, drained }) => ({
      target,
      state: health.state,
      reason: health.reason,
      sinceMs: nowMs - health.sinceMs,
      ...(health.answerMs === null ? {} : { answerMs: health.answerMs }),
      ...(health.members === null ? {} : { members: health.members }),
      ...(health.flowControl === null ? {} : { flowControl: health.flowControl }),
      ...(health.receiveQueue === null ? {} : { receiveQueue: health.receiveQueue }),
      readOnly: health.readOnly,
      drained,
      weight: returnShare(health, nowMs, this.#rules),
    }));
  };

  readonly choose = (avoid: ReadonlySet<string> = nobody): InstanceTarget | undefined =>
    choose(
      this.#entries.map(({ target, health, drained, sessions }) => ({
        target,
        state: health.state,
        welcomes: welcomes(health),
        readOnly: health.readOnly,
        drained,
        sessions,
      })),
      avoid,
    )?.target;

  readonly untilServing = async (
    deadlineMs: number,
    signal?: AbortSignal,
    avoid: ReadonlySet<string> = nobody,
  ): Promise<InstanceTarget | undefined> => {
    await this.#until(() => this.choose(avoid) !== undefined, deadlineMs, signal);
    return signal?.aborted === true ? undefined : this.choose(avoid);
  };

  /** Waits until it is so, the deadline has passed, or nobody waits any more. */
  async #until(isSo: () => boolean, deadlineMs: number, signal?: AbortSignal): Promise<void> {
    if (isSo() || this.#closing.signal.aborted || signal?.aborted === true) return;
    const done = new AbortController();
    const wake = (): void => {
      if (isSo()) done.abort();
    };
    const end = (): void => done.abort();
    this.#waiting.add(wake);
    signal?.addEventListener('abort', end, { once: true });
    this.#closing.signal.addEventListener('abort', end, { once: true });
    try {
      await this.#clock.sleep(Math.max(1, deadlineMs), done.signal);
    } catch (error) {
      // Being ended is what it waits for.
      if (!done.signal.aborted) throw error;
    } finally {
      this.#waiting.delete(wake);
      signal?.removeEventListener('abort', end);
      this.#closing.signal.removeEventListener('abort', end);
    }
  }

  async untilKnown(deadlineMs: number): Promise<void> {
    const known = (): boolean => this.#facts !== undefined && this.choose() !== undefined;
    // That all of them are wrong does not change by waiting.
    const hopeless = (): boolean => this.#entries.every(({ health }) => health.state === 'foreign');
    await this.#until(() => known() || hopeless(), deadlineMs);
    if (this.#facts !== undefined) return;
    const states = this.views().map(({ target, state, reason }) => `${target.name} is ${state} (${reason})`);
    const refused = this.#entries.some(
      ({ health }) => health.state === 'foreign' && health.reason.includes('refuses the account'),
    );
    throw fail('GATEWAY_NO_INSTANCE', {
      service: this.#settings.service,
      seconds: deadlineMs / 1_000,
      states: states.join('; '),
      advice: refused
        ? `Let an administrator run: ${accountStatements(this.#access.user, '%', this.#settings.instanceTls).join('; ')}. Then check the password file.`
        : 'Check that instances run, and that the gateway reaches their addresses.',
    });
  }

  readonly saw: Directory['saw'] = (name, what) => {
    const entry = this.#entries.find(({ target }) => target.name === name);
    if (entry === undefined) return;
    this.#take(entry, { kind: 'saw', atMs: this.#clock.monotonic(), what });
    if (what !== 'answered') entry.monitor.ask();
  };

  readonly onLeave = (listener: LeaveListener): (() => void) => {
    this.#leaveListeners.add(listener);
    return () => this.#leaveListeners.delete(listener);
  };

  readonly onState = (listener: StateListener): (() => void) => {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  };

  readonly drain = (name: string, on: boolean): void => {
    const entry = this.#entries.find(({ target }) => target.name === name);
    if (entry === undefined || entry.drained === on) return;
    entry.drained = on;
    if (on) this.#leave(name, 'drained', true);
  };

  readonly hold = (name: string): (() => void) => {
    const entry = this.#entries.find(({ target }) => target.name === name);
    if (entry === undefined) return () => undefined;
    entry.sessions += 1;
    let held = true;
    return () => {
      if (held) entry.sessions -= 1;
      held = false;
    };
  };

  readonly facts = (): ServerFacts => {
    if (this.#facts === undefined) throw new Error('Bug: facts before an instance has served');
    return this.#facts;
  };

  readonly close = (): void => {
    this.#closing.abort();
    for (const { monitor } of this.#entries) monitor.close();
  };
}
