/**
 * Reconciliation: every attempt that any client ever made against everything that every instance holds. It answers
 * the only questions that count after a disaster: was anything lost that had been acknowledged, was anything done
 * twice, do the instances hold the same rows, is every cent accounted for.
 *
 * Pure, and re-run from files by whoever doubts the verdict (`evidence.ts`). It trusts the histories, never a count
 * the database or a client made of itself.
 */
import type { Transaction } from '../history.ts';
import { isConflict, refusedCode } from './link.ts';
import type { AccountRow, Contents, EntryRow, TransferRow } from './schema.ts';

/** What was there before the clients began. */
export type Opening = {
  readonly accounts: readonly { readonly id: number; readonly opening: number }[];
  /** Transfers that were there already: they must still be there, and are otherwise not ours. */
  readonly transfers: readonly string[];
};

export type Reconciliation = {
  readonly acknowledged: number;
  /** Refused by the bank for want of funds. */
  readonly refused: number;
  /** Attempts that were rolled back for certain (1213), which applications try again. */
  readonly conflicts: number;
  /** Attempts that failed otherwise and surely did nothing. */
  readonly failed: number;
  /** Attempts that got no answer. */
  readonly inDoubt: number;
  /** Those of them that all instances agree on by now: done once, or not at all. */
  readonly decided: number;
  /** Those of which a gateway said, when it was asked, whether they had committed. */
  readonly answered: number;
  /** Those of which it said what is not so. Each is also lost or doubled. */
  readonly misjudged: number;
  /** Acknowledged, or called committed, and absent or damaged on an instance; or there before the clients began, and absent now. */
  readonly lost: number;
  /** Done more than once, or done although the client was told it surely was not. */
  readonly doubled: number;
  /** Rows, of any table, that are not the same on all instances. */
  readonly diverged: number;
  /** Transfers that are half there: without their row, or without exactly their entries. */
  readonly damaged: number;
  /** Transfers that nobody asked for. */
  readonly unexplained: number;
  /** On every instance: every balance is its opening plus its entries, and the total is what it was. */
  readonly balanceExact: boolean;
  readonly rpo: { readonly transactions: number /** Cents. */; readonly amount: number };
  /** The first few of each kind, for whoever has to look into it. */
  readonly findings: readonly Finding[];
};

export type FindingKind =
  | 'lost'
  | 'doubled'
  | 'resurrected'
  | 'repeated'
  | 'damaged'
  | 'unexplained'
  | 'diverged'
  | 'balance';
export type Finding = {
  readonly kind: FindingKind;
  readonly subject: string;
  readonly instance: string;
  readonly detail: string;
};

/** True when nothing at all is wrong. */
export const clean = (found: Reconciliation): boolean =>
  found.lost + found.doubled + found.diverged + found.damaged + found.unexplained === 0 && found.balanceExact;

/** Findings kept of each kind. The counts are complete; a list of thousands helps nobody. */
const findingsLimit = 20;

export const reconcile = (
  opening: Opening,
  transactions: readonly Transaction[],
  instances: readonly Contents[],
): Reconciliation => {
  const note = notebook();
  const books = indexAll(instances);
  const { lostAmount, ...attempts } = attemptsAgainst(transactions, books, note);
  const before = openingTransfersLost(opening, books, note);
  const lost = attempts.lost + before;
  return {
    ...attempts,
    lost,
    doubled: attempts.doubled + repeatedIntents(transactions, books, note),
    diverged: diverged(instances, books, note),
    unexplained: unexplained(opening, transactions, books, note),
    balanceExact: instances.length > 0 && instances.every((contents) => balanced(opening, contents, note)),
    rpo: { transactions: lost, amount: lostAmount },
    findings: note.findings(),
  };
};

/** How often one transfer is there, on one instance. */
type Presence = 'absent' | 'once' | 'doubled' | 'damaged';

type Book = {
  readonly instance: string;
  readonly transfers: ReadonlyMap<string, TransferRow>;
  readonly entries: ReadonlyMap<string, readonly EntryRow[]>;
};

/** Instances usually hold the same rows; those share one index, which is most of the memory and the time. */
const indexAll = (instances: readonly Contents[]): readonly Book[] => {
  const [first, ...others] = instances;
  if (first === undefined) return [];
  const book = indexContents(first);
  const index = (contents: Contents): Book =>
    sameContents(first, contents) ? { ...book, instance: contents.instance } : indexContents(contents);
  return [book, ...others.map(index)];
};

const sameContents = (a: Contents, b: Contents): boolean =>
  sameRows(a.accounts, b.accounts, sameAccount) &&
  sameRows(a.transfers, b.transfers, sameTransfer) &&
  sameRows(a.entries, b.entries, sameEntry);

/** The same rows in the same order: no, for the same rows in another order, costs time and nothing else. */
const sameRows = <Row extends { readonly id: string | number }>(
  a: readonly Row[],
  b: readonly Row[],
  same: (a: Row, b: Row) => boolean,
): boolean =>
  a.length === b.length &&
  a.every((row, index) => {
    const other = b[index];
    return other !== undefined && row.id === other.id && same(row, other);
  });

const indexContents = (contents: Contents): Book => {
  const entries = new Map<string, EntryRow[]>();
  for (const entry of contents.entries) {
    const known = entries.get(entry.transfer);
    if (known === undefined) entries.set(entry.transfer, [entry]);
    else known.push(entry);
  }
  return {
    instance: contents.instance,
    transfers: new Map(contents.transfers.map((transfer) => [transfer.id, transfer])),
    entries,
  };
};

type Wanted = { readonly from: number; readonly to: number; readonly amount: number };

/** The transfer that an attempt stands for; undefined when the record is not one of the bank's. */
const wantedBy = (transaction: Transaction): Wanted | undefined => {
  for (const [name, from, to, amount] of transaction.operations) {
    if (name !== 'transfer') continue;
    if (typeof from === 'number' && typeof to === 'number' && typeof amount === 'number') return { from, to, amount };
  }
  return undefined;
};

const presence = (book: Book, id: string, wanted: Wanted): Presence => {
  const row = book.transfers.get(id);
  const entries = book.entries.get(id) ?? [];
  if (row === undefined && entries.length === 0) return 'absent';
  if (row === undefined || row.from !== wanted.from || row.to !== wanted.to || row.amount !== wanted.amount) {
    return 'damaged';
  }
  const out = entries.filter((entry) => entry.account === wanted.from && entry.amount === -wanted.amount).length;
  const back = entries.filter((entry) => entry.account === wanted.to && entry.amount === wanted.amount).length;
  if (out !== back || out === 0 || out + back !== entries.length) return 'damaged';
  return out === 1 ? 'once' : 'doubled';
};

/** On every instance, in their order. What an index that is shared says is asked once. */
const presences = (books: readonly Book[], id: string, wanted: Wanted): readonly Presence[] => {
  const [first] = books;
  if (first === undefined) return [];
  const known = presence(first, id, wanted);
  return books.map((book) => (book.transfers === first.transfers ? known : presence(book, id, wanted)));
};

const attemptsAgainst = (transactions: readonly Transaction[], books: readonly Book[], note: Notebook) => {
  const counts = {
    acknowledged: 0,
    refused: 0,
    conflicts: 0,
    failed: 0,
    inDoubt: 0,
    decided: 0,
    answered: 0,
    misjudged: 0,
    lost: 0,
    doubled: 0,
    damaged: 0,
    lostAmount: 0,
  };
  for (const transaction of transactions) {
    const wanted = wantedBy(transaction);
    if (wanted === undefined) continue;
    countOutcome(counts, transaction);
    const seen = presences(books, transaction.id, wanted);
    judgePresence(counts, transaction, wanted, seen, books, note);
  }
  return counts;
};

type AttemptCounts = ReturnType<typeof attemptsAgainst>;

const countOutcome = (counts: AttemptCounts, { outcome, error }: Transaction): void => {
  if (outcome === 'ok') counts.acknowledged += 1;
  else if (outcome === 'info') counts.inDoubt += 1;
  else if (error === refusedCode) counts.refused += 1;
  else if (isConflict(error)) counts.conflicts += 1;
  else counts.failed += 1;
};

const judgePresence = (
  counts: AttemptCounts,
  { id, outcome, decision }: Transaction,
  wanted: Wanted,
  seen: readonly Presence[],
  books: readonly Book[],
  note: Notebook,
): void => {
  const where = (wrong: (presence: Presence) => boolean): string =>
    books
      .filter((_, index) => wrong(seen[index] ?? 'absent'))
      .map((book) => book.instance)
      .join(', ');
  if (seen.includes('damaged')) {
    counts.damaged += 1;
    note.add(
      'damaged',
      id,
      where((one) => one === 'damaged'),
      'its row and its entries do not belong together',
    );
  }
  if (seen.includes('doubled')) {
    counts.doubled += 1;
    note.add(
      'doubled',
      id,
      where((one) => one === 'doubled'),
      'it has more than its two entries',
    );
  }
  const verdict = decision?.verdict;
  if (verdict === 'committed' || verdict === 'not-committed') counts.answered += 1;
  const lacking = seen.some((one) => one === 'absent' || one === 'damaged');
  if ((outcome === 'ok' || verdict === 'committed') && lacking) {
    counts.lost += 1;
    counts.lostAmount += wanted.amount;
    if (verdict === 'committed') counts.misjudged += 1;
    note.add(
      'lost',
      id,
      where((one) => one === 'absent' || one === 'damaged'),
      `${outcome === 'ok' ? 'acknowledged' : `called committed by ${decision?.by}`}: ${wanted.amount} cents from ${wanted.from} to ${wanted.to}`,
    );
  }
  const there = seen.some((one) => one === 'once' || one === 'damaged');
  if ((outcome === 'fail' || verdict === 'not-committed') && there) {
    counts.doubled += 1;
    if (verdict === 'not-committed') counts.misjudged += 1;
    note.add(
      'resurrected',
      id,
      where((one) => one !== 'absent'),
      outcome === 'fail'
        ? 'its client was told that it surely was not done'
        : `${decision?.by} said that it was not committed, and never would be`,
    );
  }
  const agreed = seen.every((one) => one === 'absent') || seen.every((one) => one === 'once');
  if (outcome === 'info' && agreed) counts.decided += 1;
};

/** Attempts beyond the first that took effect for the same intent. */
const repeatedIntents = (transactions: readonly Transaction[], books: readonly Book[], note: Notebook): number => {
  const done = new Map<string, string>();
  let repeated = 0;
  for (const { id, intent } of transactions) {
    if (intent === undefined || !books.some((book) => book.transfers.has(id))) continue;
    const earlier = done.get(intent);
    if (earlier === undefined) done.set(intent, id);
    else {
      repeated += 1;
      note.add('repeated', id, '', `what it is an attempt at was done by ${earlier} already`);
    }
  }
  return repeated;
};

const openingTransfersLost = (opening: Opening, books: readonly Book[], note: Notebook): number => {
  let lost = 0;
  for (const id of opening.transfers) {
    const missing = books.filter((book) => !book.transfers.has(id));
    if (missing.length === 0) continue;
    lost += 1;
    note.add('lost', id, missing.map((book) => book.instance).join(', '), 'it was there before the clients began');
  }
  return lost;
};

/** Transfers, by their rows or by their entries, that are in no history and were not there before. */
const unexplained = (
  opening: Opening,
  transactions: readonly Transaction[],
  books: readonly Book[],
  note: Notebook,
): number => {
  const explained = new Set(opening.transfers);
  for (const { id } of transactions) explained.add(id);
  const strange = new Set<string>();
  for (const book of books) {
    for (const id of [...book.transfers.keys(), ...book.entries.keys()]) {
      if (explained.has(id) || strange.has(id)) continue;
      strange.add(id);
      note.add('unexplained', id, book.instance, 'no history knows of it');
    }
  }
  return strange.size;
};

const diverged = (instances: readonly Contents[], books: readonly Book[], note: Notebook): number => {
  if (books.every((book) => book.transfers === books[0]?.transfers)) return 0;
  return (
    differing('accounts', instances, (contents) => contents.accounts, sameAccount, note) +
    differing('transfers', instances, (contents) => contents.transfers, sameTransfer, note) +
    differing('entries', instances, (contents) => contents.entries, sameEntry, note)
  );
};

/** Rows of one table, by key, that are missing somewhere or not the same everywhere. */
const differing = <Row extends { readonly id: string | number }>(
  table: string,
  instances: readonly Contents[],
  rowsOf: (contents: Contents) => readonly Row[],
  same: (a: Row, b: Row) => boolean,
  note: Notebook,
): number => {
  const known = new Map<string | number, { readonly row: Row; seen: number; same: boolean }>();
  for (const contents of instances) {
    for (const row of rowsOf(contents)) {
      const first = known.get(row.id);
      if (first === undefined) known.set(row.id, { row, seen: 1, same: true });
      else {
        first.seen += 1;
        first.same &&= same(first.row, row);
      }
    }
  }
  let count = 0;
  for (const [id, found] of known) {
    if (found.same && found.seen === instances.length) continue;
    count += 1;
    const detail = found.same ? `on ${found.seen} of ${instances.length} instances` : 'not the same everywhere';
    note.add('diverged', `${table} ${id}`, '', detail);
  }
  return count;
};

const sameAccount = (a: AccountRow, b: AccountRow): boolean =>
  a.opening === b.opening && a.balance === b.balance && a.version === b.version;
const sameTransfer = (a: TransferRow, b: TransferRow): boolean =>
  a.from === b.from && a.to === b.to && a.amount === b.amount && a.site === b.site && a.at === b.at;
const sameEntry = (a: EntryRow, b: EntryRow): boolean =>
  a.transfer === b.transfer && a.account === b.account && a.amount === b.amount;

const balanced = (opening: Opening, contents: Contents, note: Notebook): boolean => {
  const moved = new Map<number, number>();
  for (const { account, amount } of contents.entries) moved.set(account, (moved.get(account) ?? 0) + amount);
  const accounts = new Map(contents.accounts.map((account) => [account.id, account]));
  const wrong = opening.accounts.filter(({ id, opening: cents }) => {
    const account = accounts.get(id);
    const expected = cents + (moved.get(id) ?? 0);
    if (account?.balance === expected) return false;
    note.add(
      'balance',
      `account ${id}`,
      contents.instance,
      `${account?.balance ?? 'no account'}, expected ${expected} cents`,
    );
    return true;
  });
  const total = contents.accounts.reduce((sum, account) => sum + account.balance, 0);
  const expected = opening.accounts.reduce((sum, account) => sum + account.opening, 0);
  if (total !== expected) note.add('balance', 'total', contents.instance, `${total}, expected ${expected} cents`);
  return wrong.length === 0 && total === expected;
};

type Notebook = ReturnType<typeof notebook>;

const notebook = () => {
  const findings: Finding[] = [];
  const kept = new Map<FindingKind, number>();
  return {
    add: (kind: FindingKind, subject: string, instance: string, detail: string): void => {
      const count = (kept.get(kind) ?? 0) + 1;
      kept.set(kind, count);
      if (count <= findingsLimit) findings.push({ kind, subject, instance, detail });
    },
    findings: (): readonly Finding[] => findings,
  };
};
