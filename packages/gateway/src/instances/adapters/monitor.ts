/**
 * Watches one instance over a connection of its own: small questions many times a second, the full status now and then and
 * whenever something is wrong. Everything has a deadline; a hung instance accepts the connection and never answers.
 *
 * It tells what it sees and judges nothing (`health.ts` does).
 */
import type { Clock } from '@coequal/kernel';
import type { InstanceTarget } from '../../settings.ts';
import type { ServerFacts } from '../directory.ts';
import type { Observation } from '../health.ts';
import { type SqlFailure, serverError } from '../sql-failure.ts';
import { beatText, factsText, monitorSession, readFacts, readOnlyOf, readStatus, statusText } from '../status.ts';
import { connectSql, failureOf, type InstanceAccess, type Sql } from './sql.ts';

export type MonitorOptions = {
  readonly target: InstanceTarget;
  readonly access: InstanceAccess;
  readonly clock: Clock;
  readonly silenceMs: number;
  readonly tell: (seen: Observation) => void;
  readonly tellFacts: (facts: ServerFacts) => void;
  /** Small questions are enough: it serves. */
  readonly serves: () => boolean;
};

export type Monitor = {
  /** Asks at once: a session has met trouble. */
  readonly ask: () => void;
  readonly close: () => void;
};

const beatEveryMs = 100;
const statusEveryMs = 500;
/** While it does not serve, so often: the way back is worth a closer look. */
const awayEveryMs = 100;
const retryEveryMs = 100;

export const openMonitor = (options: MonitorOptions): Monitor => {
  const watch = new Watch(options);
  void watch.run();
  return { ask: () => watch.wake(), close: () => watch.close() };
};

class Watch {
  readonly #options: MonitorOptions;
  readonly #closing = new AbortController();
  #sleep = new AbortController();
  #woken = false;
  #factsKnown = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closing.abort();
    this.wake();
  }

  wake(): void {
    // All sessions of an instance ask at once when it is lost.
    if (this.#woken) return;
    this.#woken = true;
    this.#sleep.abort();
  }

  async run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#closing.signal.aborted) {
      const startedMs = clock.monotonic();
      const connected = await this.#connect();
      if (connected !== undefined) {
        await this.#converse(connected);
        connected.destroy();
      }
      // One that had answered and was lost is tried at once: if its process is gone, that is what the next attempt says.
      if (connected !== undefined) continue;
      // Whoever asked meanwhile has been answered by the attempt.
      this.#woken = false;
      await this.#pause(startedMs + retryEveryMs);
    }
  }

  async #connect(): Promise<Sql | undefined> {
    const { clock, target, access, silenceMs, tell } = this.#options;
    try {
      return await connectSql(clock, {
        target,
        access,
        setup: monitorSession,
        // A first packet that is lost is sent again by the system after a second: better to begin anew.
        deadlineMs: Math.min(2_000, Math.max(500, silenceMs)),
        signal: this.#closing.signal,
      });
    } catch (error) {
      const seen = observationOf(failureOf(error), access.user, clock.monotonic());
      if (seen !== undefined && !this.#closing.signal.aborted) tell(seen);
      return undefined;
    }
  }

  /** Asks until the connection is lost or does not answer any more. */
  async #converse(sql: Sql): Promise<void> {
    const { clock, serves } = this.#options;
    sql.onEnd(() => this.wake());
    let statusDueMs = clock.monotonic();
    try {
      while (!this.#closing.signal.aborted) {
        const askedMs = clock.monotonic();
        const well = serves();
        if (!well || askedMs >= statusDueMs || this.#woken) {
          this.#woken = false;
          await this.#askStatus(sql, askedMs);
          statusDueMs = askedMs + statusEveryMs;
        } else if (!(await this.#askBeat(sql, askedMs))) {
          statusDueMs = askedMs;
          continue;
        }
        await this.#pause(askedMs + (serves() ? beatEveryMs : awayEveryMs));
      }
    } catch (error) {
      const failure = failureOf(error);
      // Its silence has been counted all the while; a lost connection shows in the next attempt.
      if (failure.kind === 'answer') this.#tellAnswered();
    }
  }

  async #askStatus(sql: Sql, askedMs: number): Promise<void> {
    const { clock, tell, tellFacts, serves } = this.#options;
    const status = readStatus(await sql.run(statusText, this.#answerMs, this.#closing.signal));
    tell({ kind: 'status', askedMs, atMs: clock.monotonic(), status });
    if (this.#factsKnown || !serves()) return;
    tellFacts(readFacts(await sql.run(factsText, this.#answerMs, this.#closing.signal)));
    this.#factsKnown = true;
  }

  /** False: it does not serve, and says so. */
  async #askBeat(sql: Sql, askedMs: number): Promise<boolean> {
    const { clock, tell } = this.#options;
    try {
      const [rows] = await sql.run(beatText, this.#answerMs, this.#closing.signal);
      tell({ kind: 'beat', askedMs, atMs: clock.monotonic(), readOnly: readOnlyOf(rows) });
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== 'answer') throw error;
      if (failure.errno === serverError.unreadyInstance) {
        tell({ kind: 'unready', askedMs, atMs: clock.monotonic() });
        return false;
      }
      // Before the schema is there, that it is not there is an answer too.
      this.#tellAnswered();
    }
    return true;
  }

  #tellAnswered(): void {
    this.#options.tell({ kind: 'saw', atMs: this.#options.clock.monotonic(), what: 'answered' });
  }

  /** Longer than silence: one that wakes up answers on the connection it has, sooner than on a new one. */
  get #answerMs(): number {
    return Math.max(2_000, 2 * this.#options.silenceMs);
  }

  async #pause(untilMs: number): Promise<void> {
    const { clock } = this.#options;
    const ms = untilMs - clock.monotonic();
    if (ms <= 0 || this.#woken) return;
    this.#sleep = new AbortController();
    const { signal } = this.#sleep;
    // Being woken is not a failure.
    await clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

/** What a failed attempt to connect says about the instance; undefined: nothing that its silence does not say. */
const observationOf = (failure: SqlFailure, user: string, atMs: number): Observation | undefined => {
  switch (failure.kind) {
    case 'refused':
      return { kind: 'refused', atMs, reason: 'Nobody listens at its address.' };
    case 'lost':
      return { kind: 'refused', atMs, reason: 'It ends connections before it says a word.' };
    case 'deadline':
      return undefined;
    case 'certificate':
      return { kind: 'foreign', atMs, reason: `Its certificate is not right: ${failure.reason}` };
    case 'answer':
      return answerToConnecting(failure.errno, failure.reason, user, atMs);
  }
};

const answerToConnecting = (errno: number, reason: string, user: string, atMs: number): Observation => {
  switch (errno) {
    case serverError.accessDenied:
      return { kind: 'foreign', atMs, reason: `It refuses the account ${user}: ${reason}` };
    // It lives, and has no room for us.
    case serverError.tooManyConnections:
      return { kind: 'saw', atMs, what: 'answered' };
    case serverError.shutdown:
      return { kind: 'refused', atMs, reason: 'It is shutting down.' };
    default:
      return { kind: 'foreign', atMs, reason: `It does not let the gateway in: ${reason}` };
  }
};
