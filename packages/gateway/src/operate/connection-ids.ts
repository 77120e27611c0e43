/**
 * The connection ids that clients are shown: 0x80000000 and above, which no instance gives out (it would need two
 * billion connections), so that `KILL` knows whose number it was given. Below the highest bit stand 8 bits of the
 * worker that accepted the session and 23 bits of a counter.
 *
 * The counter starts anywhere: a client of two gateways that sends its `KILL` to the wrong one should find no such
 * session there, rather than somebody else's.
 */
import type { Random } from '@coequal/kernel';

const counterBits = 23;
const counters = 2 ** counterBits;
export const slotCount = 256;
export const lowestConnectionId = 0x8000_0000;

/** Whether a number of a `KILL` is one of a gateway's own. */
export const isConnectionId = (id: number): boolean => id >= lowestConnectionId && id <= 0xffff_ffff;

/** The worker that accepted the session; it may have moved since. */
export const slotOf = (id: number): number => Math.floor((id - lowestConnectionId) / counters);

/** Numbers of one worker. `inUse` tells whether a session of this worker still has a number. */
export const makeConnectionIds = (slot: number, random: Random, inUse: (id: number) => boolean): (() => number) => {
  let counter = random.below(counters);
  const next = (): number => {
    counter = (counter + 1) % counters;
    return lowestConnectionId + slot * counters + counter;
  };
  return () => {
    let id = next();
    while (inUse(id)) id = next();
    return id;
  };
};
