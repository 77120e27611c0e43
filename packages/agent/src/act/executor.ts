/**
 * Carries out orders. The invariant: an order with a key is begun at most once, whatever is said how often and whenever this process is killed;
 * and every order that was taken ends in the journal as done, refused, untouched, undone or stopped. One order at a time for each thing.
 */
import {
  type Action,
  type ActionType,
  type Order,
  type OrderState,
  type Outcome,
  type Preview,
  subjectOf,
} from '@coequal/contract';
import { type Clock, CoequalError, codeOf, fail, type Log, reasonOf, within } from '@coequal/kernel';
import { canonicalJson } from '@coequal/trust';
import { doingOf } from './catalogue.ts';
import type { Doing, Notes, Result, Standing } from './doing.ts';
import type { Entry, Journal } from './journal.ts';
import { checkEveryMs, checkMs, ordersAtOnce, putBackMs, quietMs, settleMs } from './limits.ts';
import type { HandsPorts } from './ports.ts';

export type ExecutorOptions = {
  readonly ports: HandsPorts;
  readonly journal: Journal;
  readonly allowed: ReadonlySet<ActionType>;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with everything that is new about an order. */
  readonly tell: (state: OrderState) => void;
};

type Active = {
  readonly order: Order;
  readonly subject: string;
  readonly cancel: AbortController;
  state: OrderState;
  done: Promise<void>;
};

const cancelled = Symbol('cancelled');

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #active = new Map<string, Active>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /**
   * Takes an order, or answers what is known of it when it was taken before.
   * @throws ACTION_REFUSED, ACTION_KEY_USED: it was not taken
   */
  async take(order: Order): Promise<OrderState> {
    const { journal, ports, allowed, clock } = this.#options;
    const known = journal.entries.get(order.key)?.order ?? this.#active.get(order.key)?.order;
    if (known !== undefined) {
      if (canonicalJson(known.action) !== canonicalJson(order.action))
        throw fail('ACTION_KEY_USED', { key: order.key });
      return this.state(order.key) ?? this.#stateOf(order.key, 'accepted', 'It was taken before.');
    }
    const doing = doingOf(order.action, ports, allowed);
    const subject = subjectOf(order.action);
    const other = this.busyWith(subject);
    if (other !== undefined) throw fail('ACTION_REFUSED', { reason: `another action is in progress there (${other})` });
    if (this.#active.size >= ordersAtOnce)
      throw fail('ACTION_REFUSED', { reason: `${ordersAtOnce} actions are in progress here` });
    const state = this.#stateOf(order.key, 'accepted', 'It was taken.');
    const active: Active = { order, subject, cancel: new AbortController(), state, done: Promise.resolve() };
    this.#active.set(order.key, active);
    try {
      await journal.write({ t: 'taken', atMs: clock.now(), order });
    } catch (error) {
      this.#active.delete(order.key);
      throw error;
    }
    active.done = this.#carryOut(active, doing).finally(() => this.#active.delete(order.key));
    // What goes wrong in there is in the log: the journal is of no use then, and a start after it settles what is open.
    active.done.catch((error: unknown) =>
      this.#options.log('error', 'an order was left open', { key: order.key, reason: reasonOf(error) }),
    );
    return state;
  }

  /** The key of what is in progress at a thing. */
  busyWith(subject: string): string | undefined {
    for (const { order, subject: one } of this.#active.values()) if (one === subject) return order.key;
    return undefined;
  }

  /** What is known of an order; undefined: it was never taken here. */
  state(key: string): OrderState | undefined {
    return this.#active.get(key)?.state ?? this.#options.journal.entries.get(key)?.ended;
  }

  /** False: it is not in progress. What is changed already is checked, and put back where that is certain. */
  cancel(key: string): boolean {
    const active = this.#active.get(key);
    active?.cancel.abort(cancelled);
    return active !== undefined;
  }

  /** What would be done. Looks, and changes nothing. */
  async preview(action: Action): Promise<Preview> {
    const { ports, allowed, clock } = this.#options;
    try {
      const doing = doingOf(action, ports, allowed);
      const wait = { what: 'A look at what the action needs', deadlineMs: checkMs };
      const before = await within(clock, wait, doing.before());
      return { class: doing.class, does: [...doing.does], possible: before.ok, reason: before.ok ? '' : before.reason };
    } catch (error) {
      return { class: 'C3', does: [], possible: false, reason: wordsOf(error) };
    }
  }

  /** Ended orders that no platform has written down yet. */
  unheard(): readonly OrderState[] {
    return [...this.#options.journal.entries.values()].flatMap(({ ended, heard }) =>
      ended === undefined || heard ? [] : [ended],
    );
  }

  async heard(key: string): Promise<void> {
    const { journal, clock } = this.#options;
    const entry = journal.entries.get(key);
    if (entry?.ended === undefined || entry.heard) return;
    await journal.write({ t: 'heard', atMs: clock.now(), key });
  }

  /** At the start: says of everything that was in progress when the last process ended what became of it. */
  async settle(): Promise<void> {
    const open = [...this.#options.journal.entries.values()].filter(({ ended }) => ended === undefined);
    await Promise.all(open.map((entry) => this.#settleOne(entry)));
  }

  /** Waits for what is in progress; what is not over by then is settled by the next start. */
  async end(deadlineMs: number): Promise<void> {
    const all = Promise.allSettled([...this.#active.values()].map(({ done }) => done));
    const wait = { what: 'The end of all actions', deadlineMs };
    await within(this.#options.clock, wait, all).catch(() => undefined);
  }

  async #settleOne({ order, seen }: Entry): Promise<void> {
    const subject = subjectOf(order.action);
    const state = this.#stateOf(
      order.key,
      'running',
      'The agent ended meanwhile; what became of it is being looked at.',
    );
    const active: Active = { order, subject, cancel: new AbortController(), state, done: Promise.resolve() };
    this.#active.set(order.key, active);
    try {
      if (seen === undefined) {
        await this.#end(active, 'untouched', 'The agent ended before it was begun.');
        return;
      }
      const { ports, allowed, clock } = this.#options;
      let doing: Doing;
      try {
        doing = doingOf(order.action, ports, allowed);
      } catch (error) {
        await this.#end(
          active,
          'stopped',
          `The agent ended while it was in progress, and cannot look: ${wordsOf(error)}`,
        );
        return;
      }
      const untilMs = clock.monotonic() + Math.min(order.deadlineMs, settleMs);
      const standing = await this.#checked(doing, seen, undefined, untilMs, active.cancel.signal);
      await this.#conclude(active, doing, seen, standing, 'The agent ended while it was in progress. ');
    } finally {
      this.#active.delete(order.key);
    }
  }

  async #carryOut(active: Active, doing: Doing): Promise<void> {
    const { journal, clock } = this.#options;
    const { key, deadlineMs } = active.order;
    const untilMs = clock.monotonic() + deadlineMs;
    const timed = new AbortController();
    const { signal } = timed;
    const onCancel = (): void => timed.abort(cancelled);
    active.cancel.signal.addEventListener('abort', onCancel, { once: true });
    if (active.cancel.signal.aborted) onCancel();
    const over = new AbortController();
    const passed = fail('DEADLINE_PASSED', { what: 'The action', seconds: deadlineMs / 1_000, last: '', advice: '' });
    clock.sleep(deadlineMs, over.signal).then(
      () => timed.abort(passed),
      () => undefined,
    );
    try {
      this.#progress(active, 'Looking whether it can be done.');
      const before = await this.#look(doing, signal);
      if (!before.ok) return await this.#end(active, 'refused', before.reason);
      if (signal.aborted) return await this.#end(active, 'untouched', `${whyAborted(signal)} Nothing was begun.`);
      await journal.write({ t: 'begun', atMs: clock.now(), key, seen: before.seen });
      let result: Result | undefined;
      let trouble = '';
      try {
        result = await doing.perform({
          key,
          signal,
          seen: before.seen,
          step: (words) => this.#progress(active, words),
          leftMs: () => Math.max(1, untilMs - clock.monotonic()),
        });
      } catch (error) {
        trouble = signal.aborted ? whyAborted(signal) : wordsOf(error);
        this.#options.log('warn', 'an action did not go through', { key, reason: reasonOf(error) });
      }
      // After trouble one look is enough: it will not come by waiting.
      const end = trouble === '' ? untilMs : clock.monotonic();
      const standing = await this.#checked(
        doing,
        before.seen,
        trouble === '' ? (result ?? {}) : undefined,
        end,
        signal,
      );
      await this.#conclude(active, doing, before.seen, standing, trouble === '' ? '' : `${trouble} `, result);
    } finally {
      over.abort();
      active.cancel.signal.removeEventListener('abort', onCancel);
    }
  }

  /** What cannot be looked at is not done. */
  async #look(doing: Doing, signal: AbortSignal) {
    if (signal.aborted) return { ok: false as const, reason: whyAborted(signal) };
    try {
      const wait = { what: 'A look at what the action needs', deadlineMs: checkMs };
      return await within(this.#options.clock, wait, doing.before());
    } catch (error) {
      return { ok: false as const, reason: wordsOf(error) };
    }
  }

  /** Asks until it is done, the time is over, or nothing is to be waited for. Asks once in any case. */
  async #checked(
    doing: Doing,
    seen: Notes,
    result: Result | undefined,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<Standing> {
    const { clock } = this.#options;
    let quietSinceMs: number | undefined;
    for (;;) {
      const standing = await this.#standing(doing, seen, result);
      const nowMs = clock.monotonic();
      if (standing.is === 'done' || standing.final === true || signal.aborted || nowMs >= untilMs) return standing;
      // After an interruption nobody does anything more, but what was set going last may take a while to show.
      quietSinceMs = standing.is === 'untouched' ? (quietSinceMs ?? nowMs) : undefined;
      if (result === undefined && quietSinceMs !== undefined && nowMs - quietSinceMs >= quietMs) return standing;
      await clock.sleep(checkEveryMs, signal).catch(() => undefined);
    }
  }

  async #standing(doing: Doing, seen: Notes, result: Result | undefined): Promise<Standing> {
    try {
      const wait = { what: 'The check afterwards', deadlineMs: checkMs };
      return await within(this.#options.clock, wait, doing.after(seen, result));
    } catch (error) {
      return { is: 'between', words: `What became of it could not be seen: ${wordsOf(error)}` };
    }
  }

  async #conclude(
    active: Active,
    doing: Doing,
    seen: Notes,
    standing: Standing,
    trouble: string,
    result?: Result,
  ): Promise<void> {
    const words = `${trouble}${standing.words}`;
    const undo = doing.undo(seen);
    switch (standing.is) {
      case 'done':
        return this.#end(active, 'done', words, undo, result);
      case 'untouched':
        return this.#end(active, 'untouched', words);
      case 'between':
        if (doing.putsBack && undo !== undefined && (await this.#putBack(active, undo)))
          return this.#end(active, 'undone', `${words} It was put back.`);
        return this.#end(active, 'stopped', words, undo, result);
    }
  }

  /** True: it is certain that everything is as it was. */
  async #putBack(active: Active, undo: Action): Promise<boolean> {
    const { ports, allowed, clock, log } = this.#options;
    this.#progress(active, 'Putting it back.');
    try {
      const doing = doingOf(undo, ports, new Set([...allowed, undo.type]));
      const untilMs = clock.monotonic() + putBackMs;
      const signal = AbortSignal.timeout(putBackMs);
      const leftMs = () => Math.max(1, untilMs - clock.monotonic());
      await doing.perform({ key: active.order.key, seen: {}, step: () => undefined, signal, leftMs });
      return (await this.#checked(doing, {}, {}, untilMs, signal)).is === 'done';
    } catch (error) {
      log('error', 'an action was not put back', { key: active.order.key, reason: reasonOf(error) });
      return false;
    }
  }

  async #end(active: Active, outcome: Outcome, words: string, undo?: Action, result?: Result): Promise<void> {
    const { journal, clock, log, tell } = this.#options;
    const state: OrderState = {
      ...this.#stateOf(active.order.key, 'ended', words),
      outcome,
      ...(undo === undefined ? {} : { undo }),
      ...(result === undefined ? {} : { result: { ...result } }),
    };
    await journal.write({ t: 'ended', atMs: clock.now(), key: active.order.key, state });
    active.state = state;
    const { type } = active.order.action;
    log(outcome === 'stopped' ? 'error' : 'info', 'action ended', {
      key: state.key,
      type,
      outcome,
      words: state.words,
    });
    tell(state);
  }

  #progress(active: Active, words: string): void {
    active.state = this.#stateOf(active.order.key, 'running', words);
    this.#options.tell(active.state);
  }

  #stateOf(key: string, state: OrderState['state'], words: string): OrderState {
    return { key, state, atMs: this.#options.clock.now(), words: words.slice(0, 2_000) };
  }
}

const whyAborted = ({ reason }: AbortSignal): string =>
  reason === cancelled ? 'It was cancelled.' : 'Its time was over.';

/** Messages of our own hold no secret; of others only the code is told. */
const wordsOf = (error: unknown): string =>
  error instanceof CoequalError ? error.message : `It failed (${codeOf(error) ?? 'its log says why'}).`;
