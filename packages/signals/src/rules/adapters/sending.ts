/**
 * Results of rules on their way to a store: in order, one at a time, and bounded while the store is away; then the oldest go, counted.
 * Nobody waits for it: an evaluation is not held up by where its results go.
 */
import { type Log, reasonOf } from '@coequal/kernel';
import type { WriteOutcome } from '../../store/sending.ts';

/** Where results go: a `StoreClient`, of the store that is asked or of another one. */
export type RuleSink = { readonly write: (body: Uint8Array) => Promise<WriteOutcome> };

/** Bodies that wait: several minutes of groups that are evaluated every second, hours of others. */
const bodyLimit = 2_000;

export class Sending {
  readonly #sink: RuleSink;
  readonly #log: Log;
  readonly #dropped: () => void;
  readonly #bodies: Uint8Array[] = [];
  #current: Promise<void> | undefined;

  constructor(sink: RuleSink, log: Log, dropped: () => void) {
    this.#sink = sink;
    this.#log = log;
    this.#dropped = dropped;
  }

  send(body: Uint8Array): void {
    this.#bodies.push(body);
    // The one at the head may be under way.
    if (this.#bodies.length > bodyLimit) {
      this.#bodies.splice(1, 1);
      this.#dropped();
    }
    this.#current ??= this.#sendWaiting().finally(() => {
      this.#current = undefined;
    });
  }

  /** Resolves when nothing is under way; what waits for a store that is away is left. */
  async idle(): Promise<void> {
    await this.#current;
  }

  async #sendWaiting(): Promise<void> {
    try {
      for (let body = this.#bodies[0]; body !== undefined; body = this.#bodies[0]) {
        const answer = await this.#sink.write(body);
        // It comes again with what is sent next.
        if (answer.outcome === 'again') return;
        this.#bodies.shift();
        if (answer.outcome === 'taken') continue;
        this.#dropped();
        this.#log('error', 'results of rules refused', { what: answer.what });
      }
    } catch (error) {
      // A sink that throws has a bug; rules go on, and say so with every evaluation.
      this.#log('error', 'results of rules not sent', { reason: reasonOf(error) });
    }
  }
}
