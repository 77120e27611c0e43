/**
 * When rounds begin: once a second by the wall clock, at the same fraction of each second, so that no drift adds up and every second
 * has one value. Each agent has a fraction of its own, or all agents of an estate would send at the same moment. A round that
 * took too long makes the next one late by nothing: seconds that are over are left out.
 */

/** Milliseconds into the second: far enough from its ends that a timer that is late or early stays in it. */
const [earliest, span] = [150, 500];

/** The fraction of an agent, from its name. FNV-1a. */
export const phaseOf = (name: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1)
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  return earliest + (hash % span);
};

/** Milliseconds from now until the next round. `lastSecond`: that of the last round, which is not begun twice. */
export const untilNext = (nowMs: number, phaseMs: number, lastSecond: number): number => {
  const second = Math.floor(nowMs / 1_000);
  const first = nowMs - second * 1_000 <= phaseMs ? second : second + 1;
  // A clock that was set back would otherwise wait for the time it had reached before.
  const next = lastSecond - first > 1 ? first : Math.max(first, lastSecond + 1);
  return next * 1_000 + phaseMs - nowMs;
};
