/** How long to wait before the next attempt: twice as long each time, up to a limit, and never all senders at once. */
import type { Random } from '@coequal/kernel';

export class Pause {
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #random: Random;
  #nextMs: number;

  constructor(firstMs: number, longestMs: number, random: Random) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#random = random;
    this.#nextMs = firstMs;
  }

  /** Between half and all of it. */
  next(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, this.#longestMs);
    return ms * (0.5 + this.#random.next() / 2);
  }

  reset(): void {
    this.#nextMs = this.#firstMs;
  }
}
