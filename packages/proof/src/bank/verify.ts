/**
 * The continuous check behind the live view: are transactions that one site acknowledged there at another, and do the
 * books agree while the bank is at work. Pure judgement over what `adapters/bank.ts` reads; the full account is
 * given by `reconcile.ts` at the end.
 */

/** Sums over all accounts, read in one snapshot. Cents. */
export type Totals = { readonly accounts: number; readonly opening: number; readonly balance: number };

/** Totals and the ledger behind them, read in one snapshot. */
export type Books = Totals & {
  readonly transfers: number;
  /** Accounts whose balance is not their opening plus their entries. */
  readonly wrongAccounts: number;
  /** Transfers without exactly two entries that sum to zero. */
  readonly wrongTransfers: number;
};

/** Ids that were acknowledged and that the other instance, asked afterwards by a synchronous read, does not have. */
export const missingFrom = (acknowledged: readonly string[], found: readonly string[]): readonly string[] => {
  const there = new Set(found);
  return acknowledged.filter((id) => !there.has(id));
};

export const totalsExact = (totals: Totals): boolean => totals.balance === totals.opening;

export const booksExact = (books: Books): boolean =>
  totalsExact(books) && books.wrongAccounts === 0 && books.wrongTransfers === 0;
