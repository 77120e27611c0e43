/**
 * Fences on real instances. Many sessions may be in doubt at once, when a site is lost: while a flight is on its way to an
 * instance, what comes in waits and goes together in the next one.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { Directory } from '../directory.ts';
import {
  type Attempt,
  answerOf,
  askedEpoch,
  attemptOf,
  type Fence,
  type FencePorts,
  fenceText,
  fenceUntilDecided,
  type OutcomeAnswer,
  type Outcomes,
  parseOutcomeKey,
  readFences,
  type Verdict,
  verdictOf,
} from '../outcomes.ts';
import type { Administration } from './administration.ts';
import { failureOf } from './sql.ts';
import { openSweeper } from './sweep.ts';

export type OutcomesOptions = {
  readonly directory: Pick<Directory, 'choose' | 'untilServing' | 'onLeave' | 'saw'>;
  readonly administration: Administration;
  readonly clock: Clock;
  readonly log: Log;
  /** An attempt that takes longer is tried elsewhere, ms: above the time in which the group decides who is left. */
  readonly attemptMs: number;
};

/** A question of an application is tried for so long. */
const askMs = 30_000;
const flightsAtOnce = 4;
const fencesInAFlight = 64;

export const openOutcomes = (options: OutcomesOptions): Outcomes => {
  const { directory, administration, clock } = options;
  const lanes = new Map<string, Lane>();
  const laneOf = (instance: string): Lane => {
    const lane = lanes.get(instance) ?? new Lane(instance, options);
    lanes.set(instance, lane);
    return lane;
  };
  const ports: FencePorts = {
    clock,
    choose: (avoid) => directory.choose(avoid)?.name,
    untilServing: async (deadlineMs, signal) => (await directory.untilServing(deadlineMs, signal))?.name,
    attempt: (instance, fence, deadlineMs, signal) =>
      laneOf(instance).fence(fence, Math.min(deadlineMs, options.attemptMs), signal),
    pauseMs: () => 2 + randomInt(20),
  };
  const stopListening = directory.onLeave((name, _, gentle) => {
    if (!gentle) administration.abandon(name);
  });
  const sweeper = openSweeper(options);

  const settle: Outcomes['settle'] = async (session, epoch, sequence, wishes): Promise<Verdict> => {
    const fence: Fence = { session, epoch: epoch + 1, token: randomBytes(8) };
    const fenced = await fenceUntilDecided(ports, fence, wishes);
    return fenced.kind === 'row' ? verdictOf(fenced.row, epoch, sequence) : fenced;
  };

  const ask: Outcomes['ask'] = async (bytes, wishes = { deadlineMs: askMs }): Promise<OutcomeAnswer> => {
    const key = parseOutcomeKey(bytes);
    if (key === undefined) return 'unknown';
    const fence: Fence = { session: key.session, epoch: askedEpoch, token: randomBytes(8) };
    const fenced = await fenceUntilDecided(ports, fence, { ...wishes, avoid: new Set() });
    return fenced.kind === 'row' ? answerOf(fenced.row, key, clock.now()) : 'unknown';
  };

  return {
    settle,
    ask,
    forget: sweeper.forget,
    sweep: sweeper.sweep,
    close: () => {
      stopListening();
      sweeper.close();
    },
  };
};

type Waiting = {
  readonly fence: Fence;
  readonly untilMs: number;
  readonly resolve: (attempt: Attempt) => void;
};

/** The flights to one instance. */
class Lane {
  readonly #instance: string;
  readonly #options: OutcomesOptions;
  readonly #waiting: Waiting[] = [];
  #flights = 0;

  constructor(instance: string, options: OutcomesOptions) {
    this.#instance = instance;
    this.#options = options;
  }

  fence(fence: Fence, deadlineMs: number, signal: AbortSignal | undefined): Promise<Attempt> {
    return new Promise((resolve) => {
      // A fence on its way with others goes on when its own session ends; it does no harm.
      const onAbort = (): void => resolve({ kind: 'elsewhere', reason: 'nobody waits any more' });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push({
        fence,
        untilMs: this.#options.clock.monotonic() + deadlineMs,
        resolve: (attempt) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(attempt);
        },
      });
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#flights < flightsAtOnce) {
      const batch = this.#waiting.splice(0, fencesInAFlight);
      this.#flights += 1;
      this.#fly(batch)
        .catch((error: unknown) => {
          for (const one of batch) one.resolve({ kind: 'elsewhere', reason: reasonOf(error) });
        })
        .finally(() => {
          this.#flights -= 1;
          this.#pump();
        });
    }
  }

  async #fly(batch: readonly Waiting[]): Promise<void> {
    const attempt = await this.#send(batch);
    if (attempt === undefined) return;
    // One of many met a conflict: which one is not said, so each goes on its own.
    if (attempt.kind === 'again' && batch.length > 1) {
      for (const one of batch) {
        const alone = await this.#send([one]);
        if (alone !== undefined) one.resolve(alone);
      }
      return;
    }
    for (const one of batch) one.resolve(attempt);
  }

  /** Undefined: all have their rows. */
  async #send(batch: readonly Waiting[]): Promise<Attempt | undefined> {
    const { administration, clock, directory } = this.#options;
    const untilMs = Math.max(...batch.map((one) => one.untilMs));
    try {
      const results = await administration.run(this.#instance, fenceText(batch.map(({ fence }) => fence)), {
        deadlineMs: Math.max(1, untilMs - clock.monotonic()),
      });
      const rows = readFences(results);
      for (const { fence, resolve } of batch) {
        const row = rows.get(fence.session.toString('hex'));
        resolve(row === undefined ? { kind: 'elsewhere', reason: 'the row was not answered' } : { kind: 'row', row });
      }
      return undefined;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'refused' || failure.kind === 'lost') directory.saw(this.#instance, failure.kind);
      if (failure.kind === 'deadline') directory.saw(this.#instance, 'silent');
      return attemptOf(failure);
    }
  }
}
