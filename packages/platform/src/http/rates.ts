/** How many requests of a class may come: a bucket of tokens for each, filled by time. All clients of a class share it: on loopback they have one address. */
import type { Clock } from '@coequal/kernel';
import { limits } from '../limits.ts';
import type { RateClass } from './route.ts';

type Bucket = { tokens: number; atMs: number };

export const makeRates = (clock: Clock): ((rate: RateClass) => boolean) => {
  const buckets = new Map<RateClass, Bucket>();
  return (rate) => {
    const { perSecond, burst } = limits.http.rates[rate];
    const nowMs = clock.monotonic();
    const bucket = buckets.get(rate) ?? { tokens: burst, atMs: nowMs };
    buckets.set(rate, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  };
};
