/** Deadlines: every wait on another process or machine has one, and says at its end what it waited for. */
import { fail } from './errors.ts';
import type { Clock } from './ports.ts';

export type Wait = {
  /** What is waited for, as a noun phrase: "the first answer of north-1". */
  readonly what: string;
  readonly deadlineMs: number;
  readonly everyMs?: number;
  readonly advice?: string;
  readonly signal?: AbortSignal;
  /** What was seen last, for the message of a passed deadline. */
  readonly last?: () => string;
};

/** Asks `probe` until it answers something other than undefined or false. Errors of the probe end the wait. */
export const until = async <T>(
  clock: Clock,
  wait: Wait,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> => {
  const end = clock.monotonic() + wait.deadlineMs;
  for (;;) {
    wait.signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (clock.monotonic() >= end) throw deadlinePassed(wait);
    await clock.sleep(wait.everyMs ?? 50, wait.signal);
  }
};

/** Gives up on a promise after `deadlineMs`. What the promise stands for goes on: abort it through its own signal. */
export const within = async <T>(clock: Clock, wait: Wait, promise: Promise<T>): Promise<T> => {
  const done = new AbortController();
  const timeout = clock.sleep(wait.deadlineMs, done.signal).then(
    () => {
      throw deadlinePassed(wait);
    },
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    done.abort();
  }
};

const deadlinePassed = (wait: Wait) =>
  fail('DEADLINE_PASSED', {
    what: wait.what,
    seconds: wait.deadlineMs / 1_000,
    last: wait.last?.() ?? '',
    advice: wait.advice ?? 'Try again; a slow or overloaded machine may need longer.',
  });
