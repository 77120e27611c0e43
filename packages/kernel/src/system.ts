/**
 * The real clock and the real randomness. Only composition roots (the `main` of lab, cli, later gateway, agent
 * and platform) and tests import this file's values; the tidy test checks it.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Random } from './ports.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  },
};

export const systemRandom: Random = {
  next: () => Math.random(),
  below: (below) => randomInt(below),
};
