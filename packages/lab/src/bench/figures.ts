/**
 * Figures of the bench: what was measured, how far it spread, beside what, and what it must not exceed. Pure.
 * The invariant: a figure without a measurement is null and never a guess, and a ratio is ours over the peer's.
 */
import { type Spread, spreadOf } from '@coequal/proof';

export type Figure = {
  /** Parts with slashes between, the bench first: `stall/kill/default`. */
  readonly name: string;
  /** The median of all runs unless the name says otherwise; null: it could not be measured, `note` says why. */
  readonly value: number | null;
  readonly unit: Unit;
  readonly spread: Spread | null;
  /** What it was measured beside, in words; null: it stands alone. */
  readonly peer: string | null;
  readonly peer_value: number | null;
  /** Value divided by the peer's; of runs in turn, the median of the pairs' ratios. */
  readonly ratio: number | null;
  /** What the value should not exceed; null: there is no such promise. */
  readonly bar: number | null;
  /** What the largest of all runs should not exceed. */
  readonly worst_bar: number | null;
  /** What the ratio should not be below. */
  readonly ratio_bar: number | null;
  readonly note: string | null;
  /** More that was seen in the same runs, with units in the names. */
  readonly detail: Readonly<Record<string, number | string | null>>;
};

export type Unit =
  | 'ms'
  | 'µs'
  | 's'
  | 'transactions/s'
  | 'queries/s'
  | 'MB'
  | 'evictions'
  | 'failures'
  | 'samples'
  | 'series'
  | '%';

export type Peer = {
  readonly name: string;
  readonly values: readonly number[];
  /** Each run of the peer followed the run of ours with the same number. */
  readonly inTurn?: true;
};

export type FigureParts = {
  readonly name: string;
  readonly unit: Unit;
  readonly values: readonly number[];
  readonly peer?: Peer;
  readonly bar?: number;
  readonly worstBar?: number;
  readonly ratioBar?: number;
  readonly note?: string;
  readonly detail?: Figure['detail'];
};

/** The figure of some runs: their median, beside the median of the peer's. */
export const figureOf = (parts: FigureParts): Figure => {
  const spread = roundedSpread(parts.values);
  const value = spread?.median ?? null;
  const peerValue = roundedSpread(parts.peer?.values ?? [])?.median ?? null;
  return {
    name: parts.name,
    value,
    unit: parts.unit,
    spread,
    peer: parts.peer?.name ?? null,
    peer_value: peerValue,
    ratio: parts.peer?.inTurn === true ? ratioOfPairs(parts.values, parts.peer.values) : ratioOf(value, peerValue),
    bar: parts.bar ?? null,
    worst_bar: parts.worstBar ?? null,
    ratio_bar: parts.ratioBar ?? null,
    note: parts.note ?? null,
    detail: parts.detail ?? {},
  };
};

/** Null where there is nothing to divide, or by. */
export const ratioOf = (value: number | null, peer: number | null): number | null =>
  value === null || peer === null || peer === 0 ? null : Math.round((value / peer) * 1_000) / 1_000;

const ratioOfPairs = (values: readonly number[], peers: readonly number[]): number | null => {
  const ratios = values.flatMap((value, index) => ratioOf(value, peers[index] ?? null) ?? []);
  return ratios.length === 0 ? null : medianOf(ratios);
};

/** True: within its bars. False: beyond one. Null: there is no bar, or nothing was measured. */
export const withinBars = (figure: Figure): boolean | null => {
  const { value, spread, ratio, bar, worst_bar: worstBar, ratio_bar: ratioBar } = figure;
  if (value === null || (bar === null && worstBar === null && ratioBar === null)) return null;
  return (
    value <= (bar ?? Number.POSITIVE_INFINITY) &&
    (spread?.largest ?? value) <= (worstBar ?? Number.POSITIVE_INFINITY) &&
    (ratio ?? 0) >= (ratioBar ?? 0)
  );
};

/** One decimal: what is behind it is noise in every unit of this bench. */
export const tenth = (value: number): number => Math.round(value * 10) / 10;

const roundedSpread = (values: readonly number[]): Spread | null => {
  const spread = spreadOf(values);
  if (spread === null) return null;
  const { runs, smallest, largest } = spread;
  return { runs, median: tenth(medianOf(values)), smallest: tenth(smallest), largest: tenth(largest) };
};

/** Between the two in the middle of an even number: with few runs the lower one would flatter. */
const medianOf = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
  return (lower + upper) / 2;
};
