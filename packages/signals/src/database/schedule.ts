/**
 * When what is asked next. Most questions are due every so many milliseconds; one that the server would not answer is due later, the
 * later the more it cost, and what was wrong with it stays known until it is answered. Few slow questions come in one reading, so
 * that no reading is much dearer than another.
 */

export type Task = { readonly name: string; readonly everyMs: number };

/** A privilege or a table that is not there will not be there a second later. */
const refusedMs = 60_000;
const slowestMs = 600_000;
const inOneReading = 3;

type State = { dueMs: number; delayMs: number; problem: string | undefined };

export class Schedule<T extends Task> {
  readonly #tasks: readonly T[];
  readonly #states = new Map<string, State>();

  constructor(tasks: readonly T[]) {
    this.#tasks = tasks;
  }

  /** Those that are due, in the order of the tasks; of those that come less often than every two seconds the ones that waited longest. */
  due(nowMs: number): readonly T[] {
    const due = this.#tasks.filter(({ name }) => this.#state(name).dueMs <= nowMs);
    const seldom = due
      .filter(({ everyMs }) => everyMs > 2_000)
      .sort((a, b) => this.#state(a.name).dueMs - this.#state(b.name).dueMs)
      .slice(0, inOneReading);
    return due.filter((task) => task.everyMs <= 2_000 || seldom.includes(task));
  }

  answered({ name, everyMs }: Task, nowMs: number): void {
    this.#states.set(name, { dueMs: nowMs + everyMs - toleranceMs, delayMs: 0, problem: undefined });
  }

  /** `tooDear`: it was ended because it took too long. */
  refused({ name, everyMs }: Task, nowMs: number, problem: string, tooDear: boolean): void {
    const before = this.#state(name);
    const delayMs = tooDear
      ? Math.min(slowestMs, Math.max(everyMs * 4, before.delayMs * 2))
      : Math.max(everyMs, refusedMs);
    this.#states.set(name, { dueMs: nowMs + delayMs, delayMs, problem: `${name}: ${problem}` });
  }

  /** After a new connection everything may be different. */
  again(): void {
    this.#states.clear();
  }

  problems(): readonly string[] {
    return [...this.#states.values()].flatMap(({ problem }) => problem ?? []);
  }

  #state(name: string): State {
    return this.#states.get(name) ?? { dueMs: -Infinity, delayMs: 0, problem: undefined };
  }
}

/** A reading is a little early or late; what is due every two seconds shall not be late by one. */
const toleranceMs = 200;
