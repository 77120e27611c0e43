/**
 * When a group of rules is evaluated: at whole multiples of its interval, moved by a part of it that depends on the group's name, so that
 * groups of one interval do not all ask at once, and one group asks at the same times after a restart. Pure.
 */

/** FNV-1a, 32 bits; spreads names, and is no secret. */
const hashOf = (text: string): number => {
  let hash = 0x811c_9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x0100_0193) >>> 0;
  return hash;
};

export type Turn = {
  /** Number of the turn since 1970; the same at the same time, whoever counts. */
  readonly turn: number;
  /** When it is, milliseconds since 1970; not after now. */
  readonly atMs: number;
  /** Until the next one. */
  readonly nextInMs: number;
};

export const turnAt = (nowMs: number, intervalMs: number, group: string): Turn => {
  const offsetMs = hashOf(group) % intervalMs;
  const turn = Math.floor((nowMs - offsetMs) / intervalMs);
  const atMs = turn * intervalMs + offsetMs;
  return { turn, atMs, nextInMs: Math.max(1, atMs + intervalMs - nowMs) };
};

/** Turns between two that nobody took; a clock that jumped back misses none. */
export const missedBetween = (last: number | undefined, turn: number): number =>
  last === undefined ? 0 : Math.max(0, turn - last - 1);
