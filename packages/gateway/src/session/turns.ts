/**
 * So many at once, the others wait: first those that somebody waits for, each kind in the order in which it came. Without it three
 * thousand sessions that lose their instance all connect at the same moment, and none of them in time.
 */
export class Turns {
  readonly #most: number;
  #taken = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it is its turn, with what gives the turn back; calling that again does nothing. */
  async take(urgent: boolean): Promise<() => void> {
    if (this.#taken >= this.#most) {
      const { promise, resolve } = Promise.withResolvers<void>();
      (urgent ? this.#urgent : this.#others).push(resolve);
      // The turn is handed on, and stays taken.
      await promise;
    } else this.#taken += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
    };
  }
}
