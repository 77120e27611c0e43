/**
 * Statements of the gateway's own account on any instance: a few connections each, opened when they are needed and kept for the
 * next time. Every statement has a deadline. When an instance must be left, everything that waits for it ends at once.
 */
import type { Clock } from '@coequal/kernel';
import type { InstanceTarget } from '../../settings.ts';
import type { Row } from '../rows.ts';
import { serverError } from '../sql-failure.ts';
import { connectSql, failureOf, type InstanceAccess, type Sql } from './sql.ts';

export type RunOptions = { readonly deadlineMs: number; readonly signal?: AbortSignal };

export type Administration = {
  /** Runs statements on one instance, in one session and one after the other. Rejects with an error for `failureOf`. */
  readonly run: (instance: string, text: string, options: RunOptions) => Promise<readonly (readonly Row[])[]>;
  /** Opens a connection to have it at hand: what is asked first after a loss should not wait for a handshake. */
  readonly warm: (instance: string) => void;
  /** Ends every connection to an instance: what waits for an answer gets its failure now. */
  readonly abandon: (instance: string) => void;
  readonly close: () => void;
};

/** Sees everything that was acknowledged anywhere, and does not wait for a lock longer than it takes to try elsewhere. */
const session =
  'SET SESSION wsrep_sync_wait = 7, innodb_lock_wait_timeout = 1, lock_wait_timeout = 5, autocommit = 1, ' +
  "sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'";

/** Connections to one instance; more statements wait their turn. */
const connectionsAtMost = 16;
/** One idle connection is kept for ever, more of them for so long. */
const idleMs = 30_000;
const warmMs = 5_000;

export const openAdministration = (
  targets: readonly InstanceTarget[],
  access: InstanceAccess,
  clock: Clock,
): Administration => {
  const pools = new Map(targets.map((target) => [target.name, new Pool(target, access, clock)]));
  const poolOf = (name: string): Pool => {
    const pool = pools.get(name);
    if (pool === undefined) throw new Error(`Bug: no instance ${name}`);
    return pool;
  };
  return {
    run: (instance, text, options) => poolOf(instance).run(text, options),
    warm: (instance) => poolOf(instance).warm(),
    abandon: (instance) => poolOf(instance).abandon(),
    close: () => {
      for (const pool of pools.values()) pool.close();
    },
  };
};

type Idle = { readonly sql: Sql; readonly sinceMs: number };
type Turn = (give: 'go' | 'closed') => void;

class Pool {
  readonly #target: InstanceTarget;
  readonly #access: InstanceAccess;
  readonly #clock: Clock;
  readonly #idle: Idle[] = [];
  readonly #busy = new Set<AbortController>();
  readonly #waiting = new Set<Turn>();
  #closed = false;
  #trim: NodeJS.Timeout | undefined;

  constructor(target: InstanceTarget, access: InstanceAccess, clock: Clock) {
    this.#target = target;
    this.#access = access;
    this.#clock = clock;
  }

  async run(text: string, { deadlineMs, signal }: RunOptions): Promise<readonly (readonly Row[])[]> {
    const untilMs = this.#clock.monotonic() + deadlineMs;
    const leftMs = (): number => Math.max(1, untilMs - this.#clock.monotonic());
    await this.#turn(deadlineMs, signal);
    const ending = new AbortController();
    const signals = signal === undefined ? ending.signal : AbortSignal.any([ending.signal, signal]);
    this.#busy.add(ending);
    let sql: Sql | undefined;
    try {
      sql = this.#take() ?? (await this.#open(leftMs(), signals));
      const results = await sql.run(text, leftMs(), signals);
      this.#keep(sql);
      return results;
    } catch (error) {
      if (sql !== undefined) this.#afterFailure(sql, error);
      throw error;
    } finally {
      this.#busy.delete(ending);
      for (const next of this.#waiting) {
        this.#waiting.delete(next);
        next('go');
        break;
      }
    }
  }

  /** After an answer of the server the session is as good as before, once what it left open is rolled back. */
  #afterFailure(sql: Sql, error: unknown): void {
    const failure = failureOf(error);
    const usable = failure.kind === 'answer' && failure.errno !== serverError.unreadyInstance;
    if (!usable || this.#closed) {
      sql.destroy();
      return;
    }
    sql.run('ROLLBACK', idleMs).then(
      () => this.#keep(sql),
      () => sql.destroy(),
    );
  }

  async #turn(deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#closed) throw new Error('the gateway ends');
    if (this.#busy.size < connectionsAtMost) return;
    const done = new AbortController();
    let given: 'go' | 'closed' | undefined;
    const turn: Turn = (give) => {
      given = give;
      done.abort();
    };
    this.#waiting.add(turn);
    const end = (): void => done.abort();
    signal?.addEventListener('abort', end, { once: true });
    try {
      await this.#clock.sleep(deadlineMs, done.signal).catch((error: unknown) => {
        // Ended is what it waits for.
        if (!done.signal.aborted) throw error;
      });
    } finally {
      this.#waiting.delete(turn);
      signal?.removeEventListener('abort', end);
    }
    if (given !== 'go') throw new Error('no connection to the instance became free in time');
  }

  /** The newest first, so that those of a rush grow old. One that has ended is not among them. */
  #take(): Sql | undefined {
    return this.#idle.pop()?.sql;
  }

  async #open(deadlineMs: number, signal: AbortSignal): Promise<Sql> {
    const sql = await connectSql(this.#clock, {
      target: this.#target,
      access: this.#access,
      setup: session,
      deadlineMs,
      signal,
    });
    sql.onEnd(() => {
      const index = this.#idle.findIndex((idle) => idle.sql === sql);
      if (index >= 0) this.#idle.splice(index, 1);
    });
    return sql;
  }

  #keep(sql: Sql): void {
    if (this.#closed) {
      sql.destroy();
      return;
    }
    this.#idle.push({ sql, sinceMs: this.#clock.monotonic() });
    this.#trim ??= setTimeout(() => this.#trimIdle(), idleMs).unref();
  }

  #trimIdle(): void {
    this.#trim = undefined;
    const old = this.#clock.monotonic() - idleMs / 2;
    while (this.#idle.length > 1 && (this.#idle[0]?.sinceMs ?? old) < old) this.#idle.shift()?.sql.destroy();
    if (this.#idle.length > 1) this.#trim = setTimeout(() => this.#trimIdle(), idleMs).unref();
  }

  warm(): void {
    if (this.#closed || this.#idle.length + this.#busy.size > 0) return;
    // That it failed is seen by the monitor.
    this.run('DO 0', { deadlineMs: warmMs }).catch(() => undefined);
  }

  abandon(): void {
    for (const { sql } of this.#idle.splice(0)) sql.destroy();
    for (const ending of this.#busy) ending.abort(new Error('the instance was left'));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#trim);
    this.abandon();
    for (const turn of this.#waiting) turn('closed');
  }
}
