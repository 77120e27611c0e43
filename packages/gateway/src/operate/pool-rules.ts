/** Decisions about workers, without the workers: who gets the next connection, which number is free, when to try again. */
import { slotCount } from './connection-ids.ts';

export type Candidate = { readonly slot: number; readonly open: number };

/** The one with the fewest connections; among equals the first. Undefined: there is none. */
export const leastBusy = <W extends Candidate>(workers: readonly W[]): W | undefined =>
  workers.reduce<W | undefined>((best, each) => (best === undefined || each.open < best.open ? each : best), undefined);

/**
 * The next number for a worker: the one after the last, so that a number returns as late as possible, and never one
 * that lives. Session numbers of a worker outlive it when its sessions are handed over.
 */
export const nextSlot = (last: number, living: ReadonlySet<number>): number => {
  for (let step = 1; step <= slotCount; step += 1) {
    const slot = (last + step) % slotCount;
    if (!living.has(slot)) return slot;
  }
  throw new Error('Bug: more workers than numbers for them');
};

const windowMs = 60_000;
/** Workers that die now and then are replaced at once; this many in a minute mean that something is wrong. */
const unsuspicious = 3;
const longestPauseMs = 15_000;

/** How long to wait before the next start, from the times at which workers died or did not start. */
export const pauseBeforeStart = (deaths: readonly number[], now: number): number => {
  const recent = deaths.filter((at) => now - at < windowMs).length;
  return recent <= unsuspicious ? 0 : Math.min(longestPauseMs, 1_000 * 2 ** (recent - unsuspicious - 1));
};

/** The deaths that still count. */
export const recentDeaths = (deaths: readonly number[], now: number): readonly number[] =>
  deaths.filter((at) => now - at < windowMs);
