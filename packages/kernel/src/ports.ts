/**
 * What the house needs from the world, as values that are passed in. Only composition roots make the real
 * ones (`systemClock`, `systemRandom`); everything else takes them as arguments, so that a test or a seed
 * can stand in their place.
 */

export type Clock = {
  /** Wall clock, milliseconds since 1970. For records, never for measuring. */
  readonly now: () => number;
  /** Milliseconds since an arbitrary start, never going back. For measuring. */
  readonly monotonic: () => number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};

export type Random = {
  /** Uniform in [0, 1). */
  readonly next: () => number;
  /** Uniform integer in [0, below). */
  readonly below: (below: number) => number;
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Structured log: `event` is a constant, values go into `fields` (never a secret). */
export type Log = (level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>) => void;

export const silentLog: Log = () => {};

/** A log of one JSON object a line. */
export const jsonLog =
  (write: (line: string) => void, clock: Clock): Log =>
  (level, event, fields = {}) =>
    write(`${JSON.stringify({ at: new Date(clock.now()).toISOString(), level, event, ...fields })}\n`);

/**
 * Random numbers from a seed: the same seed gives the same sequence everywhere.
 * SplitMix32 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, 2014). Not for secrets.
 */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  return { next, below: (below) => Math.floor(next() * below) };
};
