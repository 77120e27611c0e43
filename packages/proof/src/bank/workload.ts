/**
 * What the bank's customers want: an endless sequence of transfers, the same for the same seed, site and
 * process on every machine. Pure; who carries the transfers out is `client.ts`.
 */
import { assert, seededRandom } from '@coequal/kernel';
import { zipf } from './zipf.ts';

/** Money is in cents throughout, so that every sum is exact. */
export type Transfer = { readonly from: number; readonly to: number; readonly amount: number };

export type WorkloadOptions = {
  readonly seed: number;
  readonly site: string;
  /** Number of the sequential client within its site. */
  readonly process: number;
  /** Accounts are numbered from 1. */
  readonly accounts: number;
  /** Zipf exponent; 0 or undefined: every account is as likely as any other. Account 1 is the hottest. */
  readonly skew?: number;
};

/** The largest single transfer, cents. */
export const largestAmount = 10_000;

export const transfers = (options: WorkloadOptions): (() => Transfer) => {
  const { accounts } = options;
  assert(accounts >= 2, 'a transfer needs two accounts');
  const random = seededRandom(hash(`${options.seed}/${options.site}/${options.process}`));
  const rank = zipf(accounts, options.skew ?? 0);
  return () => {
    const from = rank(random);
    const drawn = rank(random);
    // A second draw of the same account falls to its neighbour, so that every draw costs the same and ends.
    const to = drawn === from ? (drawn + 1) % accounts : drawn;
    return { from: from + 1, to: to + 1, amount: 1 + random.below(largestAmount) };
  };
};

/** FNV-1a, 32 bits: spreads similar texts over all seeds. */
const hash = (text: string): number => {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
};
