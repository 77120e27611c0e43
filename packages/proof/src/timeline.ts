/**
 * What customers felt, from the histories alone: second by second for each site, and the longest time without an
 * acknowledgement. Pure. Times in histories are microseconds of the monotonic clock; times here are milliseconds
 * since the start of the load.
 */
import type { Via } from './arena.ts';
import { isConflict, refusedCode } from './bank/link.ts';
import type { Transaction } from './history.ts';

export type Second = {
  /** Seconds since the start of the load. */
  readonly second: number;
  readonly acknowledged: number;
  readonly conflicts: number;
  readonly errors: number;
  readonly inDoubt: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
};

export type Pause = { readonly fromMs: number; readonly toMs: number; readonly ms: number };

export type SiteTimeline = {
  readonly site: string;
  readonly seconds: readonly Second[];
  readonly acknowledged: number;
  /** The longest time without an acknowledgement between the first of this site and the end; null without any. */
  readonly longestPause: Pause | null;
  /** The longest time one customer waited for one transfer, further attempts included; null without any. */
  readonly longestWait: Pause | null;
  readonly conflicts: number;
  readonly inDoubt: number;
  readonly errors: Readonly<Record<string, number>>;
  /** How often a seat's transactions went to another instance than its last one. */
  readonly reconnects: number;
};

export type Window = { readonly startUs: number; readonly endUs: number };

/** The transactions of one site's clients that went this way. */
export const customersOf = (transactions: readonly Transaction[], site: string, via: Via): readonly Transaction[] =>
  transactions.filter((one) => one.site === site && (one.via === 'gateway') === (via === 'gateway'));

/** `own` are the transactions of one group of the site's clients. */
export const siteTimeline = (site: string, own: readonly Transaction[], window: Window): SiteTimeline => {
  const acks = acknowledgements(own);
  return {
    site,
    seconds: secondBySecond(own, window),
    acknowledged: acks.length,
    longestPause: longestPause(acks, window, window),
    longestWait: longestWait(waitsOf(own), window, window),
    conflicts: own.filter((one) => isConflict(one.error) && !isError(one)).length,
    inDoubt: own.filter(({ outcome }) => outcome === 'info').length,
    errors: errorsByCode(own),
    reconnects: moves(own),
  };
};

/** Times of all acknowledgements, in order. */
export const acknowledgements = (transactions: readonly Transaction[]): readonly number[] =>
  transactions
    .flatMap(({ outcome, complete }) => (outcome === 'ok' && complete !== null ? [complete] : []))
    .sort((a, b) => a - b);

/**
 * The longest gap that touches `within`: from the last acknowledgement before it to the first after it, the gap still
 * open at the end of `window` included. What lies before the first acknowledgement of all is starting, not pausing.
 */
export const longestPause = (acks: readonly number[], within: Window, window: Window): Pause | null => {
  const first = acks[0];
  if (first === undefined) return null;
  let best: Pause | null = null;
  let from = first;
  for (const to of [...acks.slice(1), Math.max(window.endUs, from)]) {
    const touches = to >= within.startUs && from <= within.endUs;
    if (touches && (best === null || to - from > best.ms * 1_000)) best = pauseOf(from, to, window.startUs);
    from = to;
  }
  return best;
};

/** From the first attempt at a transfer until its customer knew that it was done. */
export type Waiting = { readonly fromUs: number; readonly toUs: number };

export const waitsOf = (transactions: readonly Transaction[]): readonly Waiting[] => {
  const begun = new Map<string, number>();
  const waits: Waiting[] = [];
  for (const { intent, id, invoke, complete, outcome, decision } of transactions) {
    const what = intent ?? id;
    const fromUs = begun.get(what) ?? invoke;
    begun.set(what, fromUs);
    const toUs = outcome === 'ok' ? complete : decision?.verdict === 'committed' ? decision.at : null;
    if (toUs !== null) waits.push({ fromUs, toUs });
  }
  return waits;
};

/** The longest of those that touch `within`. */
export const longestWait = (waits: readonly Waiting[], within: Window, window: Window): Pause | null => {
  let best: Waiting | null = null;
  for (const wait of waits) {
    if (wait.toUs < within.startUs || wait.fromUs > within.endUs) continue;
    if (best === null || wait.toUs - wait.fromUs > best.toUs - best.fromUs) best = wait;
  }
  return best === null ? null : pauseOf(best.fromUs, best.toUs, window.startUs);
};

const pauseOf = (fromUs: number, toUs: number, startUs: number): Pause => ({
  fromMs: (fromUs - startUs) / 1_000,
  toMs: (toUs - startUs) / 1_000,
  ms: (toUs - fromUs) / 1_000,
});

/**
 * True when an application would have seen an error: not a conflict, not the bank's own no, not a client that died. To a legacy
 * application, which never tries again, a conflict is an error too.
 */
export const isError = ({ outcome, error, complete, style }: Transaction): boolean =>
  outcome !== 'ok' && complete !== null && error !== refusedCode && (style === 'legacy' || !isConflict(error));

const errorsByCode = (transactions: readonly Transaction[]): Readonly<Record<string, number>> => {
  const codes = new Map<string, number>();
  for (const transaction of transactions) {
    if (!isError(transaction)) continue;
    const code = transaction.error ?? 'UNKNOWN';
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  return Object.fromEntries([...codes].sort(([a], [b]) => a.localeCompare(b)));
};

const moves = (transactions: readonly Transaction[]): number => {
  const last = new Map<string, string>();
  let count = 0;
  for (const { process, instance } of transactions) {
    const before = last.get(process);
    if (before !== undefined && before !== instance) count += 1;
    last.set(process, instance);
  }
  return count;
};

type Bin = { acknowledged: number; conflicts: number; errors: number; inDoubt: number; latencies: number[] };

const secondBySecond = (transactions: readonly Transaction[], { startUs, endUs }: Window): readonly Second[] => {
  const bins: Bin[] = Array.from({ length: Math.max(1, Math.ceil((endUs - startUs) / 1e6)) }, () => ({
    acknowledged: 0,
    conflicts: 0,
    errors: 0,
    inDoubt: 0,
    latencies: [],
  }));
  for (const transaction of transactions) {
    const bin = bins[Math.floor(((transaction.complete ?? transaction.invoke) - startUs) / 1e6)];
    if (bin !== undefined) addTo(bin, transaction);
  }
  return bins.map(({ latencies, ...counts }, second) => {
    latencies.sort((a, b) => a - b);
    return { second, ...counts, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
  });
};

const addTo = (bin: Bin, transaction: Transaction): void => {
  if (transaction.outcome === 'info') bin.inDoubt += 1;
  if (transaction.outcome === 'ok' && transaction.complete !== null) {
    bin.acknowledged += 1;
    bin.latencies.push((transaction.complete - transaction.invoke) / 1_000);
  } else if (isError(transaction)) bin.errors += 1;
  else if (isConflict(transaction.error)) bin.conflicts += 1;
};

/** Nearest rank, of values in order. */
export const percentile = (sorted: readonly number[], share: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
