/**
 * Watches the instances of an arena for as long as a drill lasts, and keeps every change of state with its time. What
 * drills say about detection, eviction and rejoining comes from here, so it is as coarse as its period.
 */
import { type Clock, reasonOf } from '@coequal/kernel';
import type { Arena, ArenaInstance } from '../arena.ts';
import type { Sighting } from './report.ts';

/** Ten looks a second: fine enough for stalls of half a second, and next to nothing for the databases. */
export const observeEveryMs = 100;

export type Observation = { readonly begunMs: number; readonly instances: readonly ArenaInstance[] };

export type Observer = {
  readonly latest: () => Observation | undefined;
  readonly sightings: () => readonly Sighting[];
  /** Why the last look failed; undefined when it did not. */
  readonly blind: () => string | undefined;
  readonly stop: () => Promise<void>;
};

/** `sinceStartMs` tells the time of the drill. */
export const startObserver = (arena: Arena, clock: Clock, sinceStartMs: () => number): Observer => {
  const sightings: Sighting[] = [];
  const last = new Map<string, Sighting>();
  const stopping = new AbortController();
  let latest: Observation | undefined;
  let blind: string | undefined;
  const look = async (): Promise<void> => {
    const begunMs = sinceStartMs();
    try {
      latest = { begunMs, instances: await arena.observe() };
      blind = undefined;
      for (const sighting of latest.instances.map((instance) => sightingOf(instance, sinceStartMs()))) {
        if (same(last.get(sighting.instance), sighting)) continue;
        last.set(sighting.instance, sighting);
        sightings.push(sighting);
      }
    } catch (error) {
      blind = reasonOf(error);
    }
  };
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await look();
      await restUnless(clock, stopping.signal);
    }
  })();
  return {
    latest: () => latest,
    sightings: () => sightings,
    blind: () => blind,
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
};

const restUnless = async (clock: Clock, signal: AbortSignal): Promise<void> => {
  try {
    await clock.sleep(observeEveryMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};

const sightingOf = ({ name, site, state, reason, members }: ArenaInstance, atMs: number): Sighting => ({
  atMs,
  instance: name,
  site,
  state,
  reason,
  members: members ?? null,
});

/** A silent look at the members is not a change: an instance that does not answer says nothing about them. */
const same = (a: Sighting | undefined, b: Sighting): boolean =>
  a !== undefined && a.state === b.state && (a.members === b.members || b.members === null);
