/**
 * Looks at the instances of the host, and starts again what crashed, within what the estate allows. It needs no platform. A restart of its own is an
 * order like any other, with a key, in the journal; the journal also says how often there were some, so that an agent that is started again
 * goes on counting.
 */
import { type Clock, CoequalError, type Log, reasonOf } from '@coequal/kernel';
import type { Executor } from '../executor.ts';
import { decideHealing, type HealingLimits } from '../healing.ts';
import type { Journal } from '../journal.ts';
import { healDeadlineMs, healEveryMs } from '../limits.ts';
import type { Holds, InstanceHands } from '../ports.ts';

export type HealerOptions = {
  readonly instances: readonly InstanceHands[];
  readonly limits: HealingLimits;
  readonly executor: Executor;
  readonly journal: Journal;
  readonly holds: Holds;
  readonly clock: Clock;
  readonly log: Log;
};

/** Who orders what this process does by itself. */
const own = 'self-healing';

export class Healer {
  readonly #options: HealerOptions;
  readonly #ending = new AbortController();
  readonly #down = new Map<string, number>();
  readonly #said = new Map<string, string>();
  #loops: readonly Promise<void>[] = [];

  constructor(options: HealerOptions) {
    this.#options = options;
  }

  /** Each instance has a loop of its own: one that hangs holds up no other. */
  begin(): void {
    this.#loops = this.#options.instances.map((instance) => this.#watch(instance));
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#loops);
  }

  async #watch(instance: InstanceHands): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#ending.signal.aborted) {
      try {
        await this.#look(instance);
      } catch (error) {
        log('error', 'a look at an instance failed', { instance: instance.name, reason: reasonOf(error) });
      }
      await clock.sleep(healEveryMs, this.#ending.signal).catch(() => undefined);
    }
  }

  async #look(instance: InstanceHands): Promise<void> {
    const { executor, holds, limits, clock } = this.#options;
    const { name } = instance;
    const { state, reason } = await instance.observe();
    const nowMs = clock.now();
    if (state !== 'gone') {
      this.#down.delete(name);
      this.#said.delete(name);
      return;
    }
    const downSinceMs = this.#down.get(name) ?? nowMs;
    this.#down.set(name, downSinceMs);
    const decision = decideHealing(
      {
        ...{ state, downSinceMs, nowMs },
        hasProcess: instance.process() !== undefined,
        held: holds.has(name),
        busy: executor.busyWith(`instance:${name}`) !== undefined,
        attempts: this.#attempts(name),
      },
      limits,
    );
    if (decision.kind === 'restart') await this.#restart(name, decision.attempt, reason);
    else if (decision.kind === 'give-up') this.#say(name, decision.reason);
  }

  #attempts(name: string): readonly number[] {
    return [...this.#options.journal.entries.values()].flatMap(({ order, takenMs }) =>
      order.by === own && order.action.type === 'instance-start' && order.action.instance === name ? [takenMs] : [],
    );
  }

  async #restart(instance: string, attempt: number, reason: string): Promise<void> {
    const { executor, clock, log } = this.#options;
    log('warn', 'starting an instance that crashed', { instance, attempt, reason });
    try {
      await executor.take({
        key: `heal-${instance}-${clock.now()}`.slice(0, 64),
        action: { type: 'instance-start', instance },
        deadlineMs: healDeadlineMs,
        by: own,
      });
    } catch (error) {
      // Somebody else was quicker, or it may not be started here.
      if (!(error instanceof CoequalError) || error.kind === 'bug') throw error;
      this.#say(instance, error.message);
    }
  }

  #say(instance: string, reason: string): void {
    if (this.#said.get(instance) === reason) return;
    this.#said.set(instance, reason);
    this.#options.log('error', 'an instance is not healed', { instance, reason });
  }
}
