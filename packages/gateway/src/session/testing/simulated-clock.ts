/** Time that passes only when the simulation lets it: nothing in a run depends on the machine that it runs on. */
import type { Clock } from '@coequal/kernel';

type Timer = { readonly at: number; readonly wake: () => void };

export class SimulatedClock implements Clock {
  #ms = 0;
  readonly #timers = new Set<Timer>();

  readonly now = (): number => 1_700_000_000_000 + this.#ms;
  readonly monotonic = (): number => this.#ms;

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const timer = { at: this.#ms + Math.max(0, ms), wake: resolve };
      this.#timers.add(timer);
      signal?.addEventListener(
        'abort',
        () => {
          this.#timers.delete(timer);
          reject(signal.reason);
        },
        { once: true },
      );
    });

  get waiting(): number {
    return this.#timers.size;
  }

  /** On to the next moment for which somebody waits, or by this much. */
  advance(ms: number): void {
    const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
    this.#ms = next === undefined ? this.#ms + ms : Math.max(this.#ms, next.at);
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#ms)) {
      this.#timers.delete(timer);
      timer.wake();
    }
  }
}
