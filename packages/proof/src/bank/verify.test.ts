import { describe, expect, test } from 'vitest';
import { booksExact, missingFrom, totalsExact } from './verify.ts';

const books = { accounts: 2, opening: 2_000, balance: 2_000, transfers: 5, wrongAccounts: 0, wrongTransfers: 0 };

describe('the continuous check', () => {
  test('names what another instance does not have', () => {
    expect(missingFrom(['a', 'b', 'c'], ['c', 'a', 'z'])).toEqual(['b']);
  });

  test('is exact only when money, accounts and transfers all are', () => {
    expect(booksExact(books)).toBe(true);
    expect(totalsExact({ ...books, balance: 1_999 })).toBe(false);
    expect(
      [{ balance: 2_001 }, { wrongAccounts: 1 }, { wrongTransfers: 1 }].map((change) =>
        booksExact({ ...books, ...change }),
      ),
    ).toEqual([false, false, false]);
  });
});
