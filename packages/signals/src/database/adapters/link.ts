/**
 * The one connection of a collector to its database. There is never a second one, and never a second question while an answer is owed: a
 * database that hangs is waited for, each time for as long as the caller allows, and given up after a while by destroying the
 * socket. Opening again waits longer each time; a refused log-in longest, because each one is a failed log-in in somebody's statistics.
 */
import { type Clock, codeOf, reasonOf, until } from '@coequal/kernel';
import type { Answer, Rows } from '../answer.ts';

/** What a driver offers. Both reject with the driver's own error. */
export type Session = {
  readonly query: (text: string, values: readonly (string | number)[]) => Promise<Rows>;
  /** In order, with a word to the server; the connection ends when the server has heard it. */
  readonly leave: () => void;
  /** At once, without a word to the server; an answer that is waited for rejects. */
  readonly destroy: () => void;
  /** False once the peer or the way to it ended the connection. */
  readonly isOpen: () => boolean;
  readonly bytes: () => { readonly sent: number; readonly received: number };
  /** Of the error of a query: the server's code; undefined when there is no connection any more. */
  readonly refusalOf: (error: unknown) => string | undefined;
};

export type LinkOptions = {
  readonly clock: Clock;
  /** Rejects when there is no way in. Aborted when it took too long: then what it opened must be closed. */
  readonly open: (signal: AbortSignal) => Promise<Session>;
  /** Whether an error of `open` means that the account is refused. */
  readonly isLogInRefused: (error: unknown) => boolean;
};

export type LinkFigures = {
  readonly connects: number;
  readonly statements: number;
  readonly sent: number;
  readonly received: number;
  readonly silences: number;
};

/** One for a whole reading: a timer for each question would cost more than most questions do. */
export class Deadline {
  readonly late: Promise<'late'>;
  readonly #clock: Clock;
  readonly #end: number;
  readonly #over = new AbortController();

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#end = clock.monotonic() + ms;
    this.late = clock.sleep(ms, this.#over.signal).then(
      () => 'late',
      () => new Promise<never>(() => {}),
    );
  }

  leftMs(): number {
    return this.#end - this.#clock.monotonic();
  }

  /** Nobody waits any more. */
  over(): void {
    this.#over.abort();
  }
}

/** An answer that is owed for longer will not come: the peer is gone without a word, or the answer is not worth the wait. */
const giveUpMs = 10_000;
const leaveMs = 500;
const retryMs = { first: 250, most: 2_000 };
const refusedLogInMs = { first: 5_000, most: 60_000 };

type Owed = { readonly since: number; readonly settled: Promise<void> };

export class Link {
  readonly #options: LinkOptions;
  #session: Session | undefined;
  #owed: Owed | undefined;
  #retryAt = -Infinity;
  #retryDelayMs = 0;
  #trouble = 'not connected yet';
  #closed = false;
  #connects = 0;
  #statements = 0;
  #silences = 0;
  /** Of connections that are gone. */
  #past = { sent: 0, received: 0 };

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Counts the connections that were made; a session's settings and what is known of it hold for one of them. */
  get connects(): number {
    return this.#connects;
  }

  figures(): LinkFigures {
    const now = this.#session?.bytes() ?? { sent: 0, received: 0 };
    return {
      connects: this.#connects,
      statements: this.#statements,
      sent: this.#past.sent + now.sent,
      received: this.#past.received + now.received,
      silences: this.#silences,
    };
  }

  /** Undefined when the next question can be asked; otherwise why it cannot. */
  async ready(deadline: Deadline): Promise<Exclude<Answer, { kind: 'rows' }> | undefined> {
    const owed = await this.#waitForOwed(deadline);
    if (owed !== undefined) return owed;
    if (this.#session?.isOpen() === false) this.#drop();
    if (this.#session !== undefined) return undefined;
    if (this.#closed) return { kind: 'lost', reason: 'closed' };
    if (this.#options.clock.monotonic() < this.#retryAt) return { kind: 'lost', reason: this.#trouble };
    this.#owe(this.#open());
    const silent = await this.#waitForOwed(deadline);
    if (silent !== undefined) return silent;
    return this.#session === undefined ? { kind: 'lost', reason: this.#trouble } : undefined;
  }

  /** Only after `ready`, one at a time. */
  async ask(text: string, values: readonly (string | number)[], deadline: Deadline): Promise<Answer> {
    const session = this.#session;
    if (session === undefined) return { kind: 'lost', reason: this.#trouble };
    this.#statements += 1;
    let answer: Answer | undefined;
    const asked = session.query(text, values).then(
      (rows) => {
        answer = { kind: 'rows', ...rows };
      },
      (error: unknown) => {
        const code = session.refusalOf(error);
        answer = code === undefined ? this.#lost(session, error) : { kind: 'refused', code, reason: reasonOf(error) };
      },
    );
    this.#owe(asked);
    const silent = await this.#waitForOwed(deadline);
    return silent ?? answer ?? { kind: 'lost', reason: this.#trouble };
  }

  /** In order where that is quickly done: the server counts connections that end without a word, and writes them into its log. */
  async close(): Promise<void> {
    this.#closed = true;
    const session = this.#session;
    if (session !== undefined && this.#owed === undefined && session.isOpen()) {
      session.leave();
      const wait = { what: 'a connection to end', deadlineMs: leaveMs, everyMs: 5 };
      await until(this.#options.clock, wait, () => !session.isOpen()).catch((error: unknown) => {
        // It is destroyed all the same.
        if (codeOf(error) !== 'DEADLINE_PASSED') throw error;
      });
    }
    this.#drop();
  }

  #owe(settled: Promise<void>): void {
    const since = this.#options.clock.monotonic();
    const owed: Owed = { since, settled };
    this.#owed = owed;
    const done = (): void => {
      if (this.#owed === owed) this.#owed = undefined;
    };
    settled.then(done, done);
  }

  async #waitForOwed({ late }: Deadline): Promise<Exclude<Answer, { kind: 'rows' }> | undefined> {
    const owed = this.#owed;
    if (owed === undefined) return undefined;
    const { clock } = this.#options;
    const first = await Promise.race([owed.settled.then(() => 'settled' as const), late]);
    if (first === 'settled') return undefined;
    this.#silences += 1;
    const sinceMs = clock.monotonic() - owed.since;
    // A driver may leave the question of a destroyed connection open for ever.
    if (sinceMs > giveUpMs && this.#session !== undefined) {
      this.#drop();
      this.#owed = undefined;
      this.#failed('it does not answer', retryMs);
    }
    return { kind: 'silent', seconds: sinceMs / 1_000 };
  }

  async #open(): Promise<void> {
    const { clock } = this.#options;
    const [giveUp, waited] = [new AbortController(), new AbortController()];
    const late = clock.sleep(giveUpMs, waited.signal).then(
      () => undefined,
      () => undefined,
    );
    const opening = this.#options.open(giveUp.signal);
    try {
      const session = await Promise.race([opening, late]);
      if (session !== undefined && !this.#closed) {
        this.#session = session;
        this.#connects += 1;
        this.#retryDelayMs = 0;
        return;
      }
      giveUp.abort();
      // One that comes after all is destroyed; that it failed so late is no news.
      opening.then(
        (one) => one.destroy(),
        () => undefined,
      );
      this.#failed('it does not answer', retryMs);
    } catch (error) {
      this.#failed(reasonOf(error), this.#options.isLogInRefused(error) ? refusedLogInMs : retryMs);
    } finally {
      waited.abort();
    }
  }

  #failed(reason: string, { first, most }: { readonly first: number; readonly most: number }): void {
    this.#trouble = reason;
    this.#retryDelayMs = Math.min(most, Math.max(first, this.#retryDelayMs * 2));
    this.#retryAt = this.#options.clock.monotonic() + this.#retryDelayMs;
  }

  #lost(session: Session, error: unknown): Answer {
    const reason = reasonOf(error);
    if (this.#session === session) {
      this.#drop();
      this.#failed(reason, retryMs);
    }
    return { kind: 'lost', reason };
  }

  #drop(): void {
    const session = this.#session;
    if (session === undefined) return;
    const { sent, received } = session.bytes();
    this.#past = { sent: this.#past.sent + sent, received: this.#past.received + received };
    this.#session = undefined;
    session.destroy();
  }
}
