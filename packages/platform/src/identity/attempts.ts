/**
 * How often somebody may be wrong. Failures count for a source against an account, for a source, and for an account; the last does not
 * hold for devices that the account knows, so that nobody can lock the owner out by being wrong in their name. Pure but
 * for what it remembers, which is bounded.
 */
import { identityLimits } from './limits.ts';

export type Attempt = {
  readonly source: string;
  /** As it was typed: also accounts that do not exist are counted. */
  readonly account: string;
  /** It comes from a device that the account knows. */
  readonly known: boolean;
};

type Count = { count: number; sinceMs: number };

export class Attempts {
  readonly #counts = new Map<string, Count>();

  /** Which bound is reached; undefined: go on. */
  blocked(attempt: Attempt, nowMs: number): 'pair' | 'source' | 'account' | undefined {
    return this.#of(attempt).find(({ key, most }) => this.#count(key, nowMs) >= most)?.bound;
  }

  failed(attempt: Attempt, nowMs: number): void {
    for (const { key } of this.#of(attempt)) {
      const count = this.#count(key, nowMs);
      const sinceMs = count === 0 ? nowMs : (this.#counts.get(key)?.sinceMs ?? nowMs);
      this.#counts.delete(key);
      this.#counts.set(key, { count: count + 1, sinceMs });
    }
    for (const key of this.#counts.keys()) {
      if (this.#counts.size <= identityLimits.attempts.kept) break;
      this.#counts.delete(key);
    }
  }

  /** Forgives what this source did to this account, and the one attempt that was right; not what it did to others. */
  succeeded(attempt: Attempt): void {
    this.#counts.delete(pairOf(attempt.source, attempt.account));
    for (const { key } of this.#of(attempt)) {
      const count = this.#counts.get(key);
      if (count !== undefined) count.count = Math.max(0, count.count - 1);
    }
  }

  #count(key: string, nowMs: number): number {
    const found = this.#counts.get(key);
    return found === undefined || nowMs - found.sinceMs >= identityLimits.attempts.windowMs ? 0 : found.count;
  }

  #of({ source, account, known }: Attempt) {
    const { attempts } = identityLimits;
    return [
      { bound: 'pair', key: pairOf(source, account), most: attempts.pair },
      { bound: 'source', key: `source ${source}`, most: attempts.source },
      ...(known
        ? []
        : [{ bound: 'account', key: `account ${account.toLowerCase()}`, most: attempts.account } as const]),
    ] as const;
  }
}

const pairOf = (source: string, account: string): string => `pair ${source} ${account.toLowerCase()}`;
