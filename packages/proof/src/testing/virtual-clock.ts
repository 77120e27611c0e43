/** A clock for tests on which nothing takes time: it jumps to the next sleeper whenever nobody has anything else to do. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '@coequal/kernel';

type Sleeper = { readonly atMs: number; readonly order: number; readonly wake: () => void };

export type VirtualClock = Clock & {
  readonly stampUs: () => number;
  /** Lets time pass until the work is done. */
  readonly run: <T>(work: Promise<T>) => Promise<T>;
};

/** Turns without a sleeper after which the work must be waiting for something that never comes. */
const patience = 1_000;

export const virtualClock = (): VirtualClock => {
  const sleepers: Sleeper[] = [];
  let nowMs = 0;
  let order = 0;
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      order += 1;
      const sleeper = { atMs: nowMs + Math.max(0, ms), order, wake };
      sleepers.push(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  const wakeNext = (): boolean => {
    let next: Sleeper | undefined;
    for (const one of sleepers) {
      if (next === undefined || one.atMs < next.atMs || (one.atMs === next.atMs && one.order < next.order)) next = one;
    }
    if (next === undefined) return false;
    sleepers.splice(sleepers.indexOf(next), 1);
    nowMs = Math.max(nowMs, next.atMs);
    next.wake();
    return true;
  };
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    work.then(settle, settle);
    for (let idle = 0; !settled; ) {
      await turn();
      idle = settled || wakeNext() ? 0 : idle + 1;
      if (idle > patience) throw new Error('The work waits for something that never comes.');
    }
    return work;
  };
  return {
    now: () => 1_800_000_000_000 + nowMs,
    monotonic: () => nowMs,
    sleep,
    stampUs: () => Math.round(nowMs * 1_000),
    run,
  };
};
