/**
 * The named states of an embedded store, and what its supervisor does about each: a function from what was seen to what is
 * said and done. Nothing here ends a store that serves, and one that dies again and again is tried ever more rarely, never given up.
 */
export const storeStates = ['stopped', 'starting', 'serving', 'read-only', 'silent', 'waiting'] as const;

/**
 * `starting`: it runs and has not answered yet. `read-only`: its disk is nearly full: it answers questions and takes no samples.
 * `silent`: it runs and does not answer. `waiting`: it died, and is started again in a while.
 */
export type StoreState = (typeof storeStates)[number];

export type StoreView = {
  readonly state: StoreState;
  /** One sentence without a full stop: why this state. */
  readonly reason: string;
  /** Times it was started again since its supervisor began. */
  readonly restarts: number;
};

/** What one look at it found. */
export type StoreLook =
  | { readonly kind: 'gone'; readonly lastWords: string }
  | { readonly kind: 'mute'; readonly what: string; readonly forMs: number; readonly everAnswered: boolean }
  | { readonly kind: 'answers'; readonly readOnly: boolean; readonly freeBytes: number | undefined };

export const storeLimits = {
  /** A start replays what was in memory; a large index takes minutes on a slow disk. */
  startMs: 300_000,
  /** Answering `/health` takes no time; a store that cannot for this long will not. */
  silentMs: 30_000,
  firstPauseMs: 500,
  longestPauseMs: 60_000,
  /** Having served for so long, it begins with the first pause again. */
  soundMs: 60_000,
} as const;

export type StoreVerdict = { readonly state: StoreState; readonly reason: string; readonly action: 'none' | 'restart' };

export const judgeStore = (look: StoreLook): StoreVerdict => {
  switch (look.kind) {
    case 'gone':
      return {
        state: 'waiting',
        reason: look.lastWords === '' ? 'it ended' : `it ended: ${look.lastWords}`,
        action: 'restart',
      };
    case 'mute': {
      const { everAnswered, forMs, what } = look;
      const limitMs = everAnswered ? storeLimits.silentMs : storeLimits.startMs;
      const since = `no answer for ${Math.round(forMs / 1_000)} s: ${what}`;
      return {
        state: everAnswered ? 'silent' : 'starting',
        reason: everAnswered ? since : `it has not answered yet: ${what}`,
        action: forMs > limitMs ? 'restart' : 'none',
      };
    }
    case 'answers':
      return look.readOnly
        ? {
            state: 'read-only',
            reason: `its disk is nearly full${look.freeBytes === undefined ? '' : ` (${Math.floor(look.freeBytes / 2 ** 20)} MiB left)`}: it takes no samples until there is room`,
            action: 'none',
          }
        : { state: 'serving', reason: 'it answers', action: 'none' };
  }
};

/** Before the next start, after so many deaths in a row. */
export const pauseMs = (deathsInRow: number): number =>
  Math.min(storeLimits.longestPauseMs, storeLimits.firstPauseMs * 2 ** Math.min(20, Math.max(0, deathsInRow - 1)));
