/**
 * The onset of an incident that is going on: the second at which most signals left their level for the one they have now. Every signal
 * votes for the split that parts it best, around the time at which something fired; the earliest second with enough votes wins,
 * because a fault spreads: what moved later moved because of it.
 */
import { robustOf } from '../statistics.ts';
import type { SignalWindow } from '../window.ts';
import { isCounter } from './names.ts';
import { ratesOf } from './view.ts';

export type LiveOnset = {
  readonly row: number;
  /** Signals that moved around there; 0: none did, and the row is only when something fired. */
  readonly moved: number;
};

/**
 * Seconds before the first trigger in which a fault may have begun: a few, and only where nothing moved then, more. The farther back,
 * the more often something else is found.
 */
const [nearBack, farBack] = [10, 60];
/** So many signals that moved are something that happened; farther back it must be so many times more. */
const enoughMoved = 5;
const lookAhead = 3;
/** Levels are compared over so many seconds to both sides of a split. */
const side = 60;
const nearSide = 10;
/** A jump by fewer deviations, or one that is less sure, says nothing. */
const [leastJump, leastSure] = [2, 6];
const clip = 10;
/** A signal without a value for so long has fallen silent, which weighs as much as a jump by so many deviations. */
const [silentRows, silentWeight] = [3, 4];
/** A second counts as the onset from this share of the votes of the strongest. */
const enoughVotes = 0.35;

/** @param firedRow of the first trigger; undefined: nobody knows, all of the window but its beginning is looked at */
export const liveOnset = (window: SignalWindow, firedRow: number | undefined): LiveOnset => {
  const { length } = window;
  if (firedRow === undefined)
    return onsetWithin(window, Math.max(5, Math.min(30, length >> 2)), length - 1) ?? nowhere(length - 5);
  const fired = Math.floor(firedRow);
  const to = Math.min(length - 1, fired + lookAhead);
  const near = onsetWithin(window, Math.max(5, fired - nearBack), to);
  if (near !== undefined && near.moved >= enoughMoved) return near;
  const far = onsetWithin(window, Math.max(5, fired - farBack), to);
  if (near === undefined) return far ?? nowhere(Math.min(length - 1, fired));
  return far !== undefined && far.moved >= enoughMoved * near.moved ? far : near;
};

const nowhere = (row: number): LiveOnset => ({ row: Math.max(0, row), moved: 0 });

const onsetWithin = (window: SignalWindow, from: number, to: number): LiveOnset | undefined => {
  if (to <= from) return undefined;
  const votes = new Float64Array(to - from + 1);
  const voters = new Int32Array(votes.length);
  for (const signal of window.signals) {
    const begin = Math.max(0, from - side);
    const raw = signal.values.subarray(begin, Math.min(window.length, to + nearSide + silentRows));
    const vote = bestSplit(isCounter(signal) ? ratesOf(raw) : raw, from - begin, to - begin);
    if (vote === undefined) continue;
    const place = vote.row + begin - from;
    votes[place] = (votes[place] ?? 0) + vote.weight;
    voters[place] = (voters[place] ?? 0) + 1;
  }
  // Collectors read once a second, each at its own moment: votes for neighbouring seconds belong together.
  const smooth = votes.map((vote, place) => vote + 0.6 * ((votes[place - 1] ?? 0) + (votes[place + 1] ?? 0)));
  const most = Math.max(...smooth);
  if (most === 0) return undefined;
  let place = smooth.findIndex((vote) => vote >= most * enoughVotes);
  while (place + 1 < votes.length && (smooth[place + 1] ?? 0) > (smooth[place] ?? 0)) place += 1;
  return { row: from + place, moved: [place - 1, place, place + 1].reduce((sum, at) => sum + (voters[at] ?? 0), 0) };
};

/**
 * The row at which a signal left its level most sharply: means of some seconds to both sides, by how sure their difference is. A
 * signal that fell silent left its level too. Load that wanders parts nowhere sharply, so it has no vote.
 */
const bestSplit = (values: Float64Array, from: number, to: number) => {
  const { median, scale } = robustOf(values.subarray(Math.max(0, from - side), from));
  if (Number.isNaN(median)) return undefined;
  let newest = values.length - 1;
  while (newest >= 0 && !Number.isFinite(values[newest])) newest -= 1;
  if (values.length - 1 - newest >= silentRows && newest + 1 >= from && newest + 1 <= to)
    return { row: newest + 1, weight: silentWeight };
  const unit = Math.max(scale, Math.abs(median) * 0.05, 1e-9);
  const sums = new Float64Array(values.length + 1);
  const counts = new Int32Array(values.length + 1);
  for (let row = 0; row < values.length; row += 1) {
    const deviation = ((values[row] ?? Number.NaN) - median) / unit;
    const measured = Number.isFinite(deviation);
    sums[row + 1] = (sums[row] ?? 0) + (measured ? Math.max(-clip, Math.min(clip, deviation)) : 0);
    counts[row + 1] = (counts[row] ?? 0) + (measured ? 1 : 0);
  }
  const meanOf = (start: number, end: number): readonly [mean: number, count: number] => {
    const count = (counts[end] ?? 0) - (counts[start] ?? 0);
    return [((sums[end] ?? 0) - (sums[start] ?? 0)) / count, count];
  };
  let best: { readonly row: number; readonly sure: number; readonly jump: number } | undefined;
  for (let row = from; row <= to; row += 1) {
    const [before, countBefore] = meanOf(Math.max(0, row - nearSide), row);
    const [after, countAfter] = meanOf(row, Math.min(values.length, row + nearSide));
    if (countBefore < 4 || countAfter < 2) continue;
    const jump = Math.abs(after - before);
    const sure = jump / Math.sqrt(1 / countBefore + 1 / countAfter);
    if (best === undefined || sure > best.sure) best = { row, sure, jump };
  }
  return best === undefined || best.sure < leastSure || best.jump < leastJump
    ? undefined
    : { row: best.row, weight: Math.min(8, best.jump) };
};
