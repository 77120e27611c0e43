/**
 * How many requests of a class may come from one asker: a bucket of tokens for each, filled by time. Whoever asks too much is refused;
 * others do not feel it.
 */
import type { Clock } from '@coequal/kernel';
import { limits } from '../limits.ts';
import type { RateClass } from './route.ts';

type Bucket = { tokens: number; atMs: number };

/** @returns whether this request of somebody may come */
export const makeRates = (clock: Clock): ((rate: RateClass, who: string) => boolean) => {
  const buckets = new Map<string, Bucket>();
  return (rate, who) => {
    const { perSecond, burst } = limits.http.rates[rate];
    const nowMs = clock.monotonic();
    const key = `${rate} ${who}`;
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    // The one that asked longest ago goes first: its bucket is full again anyway.
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size > limits.http.askers) for (const oldest of buckets.keys()) if (buckets.delete(oldest)) break;
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  };
};
