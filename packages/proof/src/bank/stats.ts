/**
 * What the clients of one site count while they work, and the line they report. Bounded: counters, a histogram of
 * the last second in four slices, and a few recent ids. Pure; times are microseconds of the monotonic clock.
 */
import type { Verdict } from '../history.ts';
import type { ClientReport } from './protocol.ts';

/** Latency buckets grow by a tenth, from 0.1 ms to about a minute: a percentile is right within 5 %. */
const bucketBaseMs = 0.1;
const bucketGrowth = Math.log(1.1);
const buckets = 142;
const slices = 4;
/** Ids kept for looking up at another site. More would not make the check surer, only dearer. */
const recentLimit = 8;

export type Stats = {
  readonly acknowledged: (id: string, invokeUs: number, completeUs: number) => void;
  readonly conflict: () => void;
  readonly refused: () => void;
  readonly error: (code: string) => void;
  readonly inDoubt: () => void;
  /** What a gateway said of an attempt in doubt. */
  readonly decided: (verdict: Verdict) => void;
  readonly committing: (change: 1 | -1) => void;
  readonly reconnected: () => void;
  /** An instance could not be connected to, or did not serve: why. */
  readonly unreachable: (reason: string) => void;
  /** The report of this moment. Moves the window of latencies on, so call it once a period of a quarter of a second. */
  readonly report: (nowUs: number) => Counts;
};

/** The report without what only the seats know. */
export type Counts = Omit<ClientReport, 'type' | 'site' | 'via' | 'run' | 'at' | 'connectedTo' | 'final'>;

export const makeStats = (): Stats => {
  const counts = { acknowledged: 0, conflicts: 0, refused: 0, inDoubt: 0, committing: 0, reconnects: 0 };
  const errors = new Map<string, number>();
  const verdicts: Record<Verdict, number> = { committed: 0, 'not-committed': 0, unknown: 0 };
  const window = latencyWindow();
  let recent: string[] = [];
  let unreachable: string | null = null;
  let firstAckUs: number | undefined;
  let lastAckUs = 0;
  let longestPauseUs = 0;
  return {
    acknowledged: (id, invokeUs, completeUs) => {
      counts.acknowledged += 1;
      if (firstAckUs === undefined) firstAckUs = completeUs;
      else longestPauseUs = Math.max(longestPauseUs, completeUs - lastAckUs);
      lastAckUs = completeUs;
      window.add((completeUs - invokeUs) / 1_000);
      if (recent.length < recentLimit) recent.push(id);
    },
    conflict: () => {
      counts.conflicts += 1;
    },
    refused: () => {
      counts.refused += 1;
    },
    error: (code) => {
      errors.set(code, (errors.get(code) ?? 0) + 1);
    },
    inDoubt: () => {
      counts.inDoubt += 1;
    },
    decided: (verdict) => {
      verdicts[verdict] += 1;
    },
    committing: (change) => {
      counts.committing += change;
    },
    reconnected: () => {
      counts.reconnects += 1;
    },
    unreachable: (reason) => {
      unreachable = reason;
    },
    report: (nowUs) => {
      const sinceAckUs = firstAckUs === undefined ? undefined : Math.max(0, nowUs - lastAckUs);
      const recentAcked = recent;
      recent = [];
      return {
        ...counts,
        errors: Object.fromEntries(errors),
        decided: { ...verdicts },
        ...window.percentiles(),
        longestPauseMs: milliseconds(Math.max(longestPauseUs, sinceAckUs ?? 0)),
        sinceAckMs: sinceAckUs === undefined ? null : milliseconds(sinceAckUs),
        recentAcked,
        unreachable,
      };
    },
  };
};

const milliseconds = (us: number): number => Math.round(us / 100) / 10;

/** Latencies of the last second, as counts in buckets; each call of `percentiles` drops the oldest quarter. */
const latencyWindow = () => {
  const counts = Array.from({ length: slices }, () => new Uint32Array(buckets));
  let current = 0;
  const sum = new Uint32Array(buckets);
  return {
    add: (ms: number): void => {
      const bucket = Math.max(0, Math.min(buckets - 1, Math.ceil(Math.log(ms / bucketBaseMs) / bucketGrowth)));
      const slice = counts[current];
      if (slice !== undefined) slice[bucket] = (slice[bucket] ?? 0) + 1;
    },
    percentiles: () => {
      sum.fill(0);
      for (const slice of counts) addInto(sum, slice);
      current = (current + 1) % slices;
      counts[current]?.fill(0);
      return { perSecond: total(sum), p50Ms: percentile(sum, 0.5), p99Ms: percentile(sum, 0.99) };
    },
  };
};

const addInto = (sum: Uint32Array, slice: Uint32Array): void => {
  for (let index = 0; index < buckets; index += 1) sum[index] = (sum[index] ?? 0) + (slice[index] ?? 0);
};

const total = (sum: Uint32Array): number => sum.reduce((a, b) => a + b, 0);

/** The upper edge of the bucket in which the share lies; null without any value. */
const percentile = (sum: Uint32Array, share: number): number | null => {
  const wanted = Math.ceil(total(sum) * share);
  if (wanted === 0) return null;
  let seen = 0;
  for (let index = 0; index < buckets; index += 1) {
    seen += sum[index] ?? 0;
    if (seen >= wanted) return Math.round(bucketBaseMs * Math.exp(bucketGrowth * index) * 100) / 100;
  }
  return null;
};
