/**
 * The bank's tables over one session: made, looked into while the bank works, and read out at the end. Reads happen
 * in one snapshot each, page by page along the key, so that neither side holds more than a page in flight.
 */
import { assert } from '@coequal/kernel';
import type { Link, Row, Value } from '../link.ts';
import { type AccountRow, type Contents, type EntryRow, schema, type TransferRow } from '../schema.ts';
import type { Books, Totals } from '../verify.ts';

/** Rows a page: large enough that round trips do not count, small enough that a page is a few megabytes. */
const pageRows = 20_000;
/** Accounts an INSERT: below the limit of 65,535 parameters, and a write set of well under a megabyte. */
const insertRows = 5_000;

export type BankOptions = {
  readonly accounts: number;
  /** Cents in every account at its opening. */
  readonly initialBalance: number;
};

/** Makes tables and accounts where they are missing. Repeating it, also by several at once, changes nothing. */
export const createBank = async (link: Link, options: BankOptions): Promise<void> => {
  for (const table of schema) await link.query(table);
  const present = new Set((await link.query('SELECT id FROM accounts')).map((row) => numberOf(row[0])));
  const missing = Array.from({ length: options.accounts }, (_, index) => index + 1).filter((id) => !present.has(id));
  for (let start = 0; start < missing.length; start += insertRows) {
    const ids = missing.slice(start, start + insertRows);
    const values = ids.flatMap((id) => [id, options.initialBalance, options.initialBalance]);
    const places = ids.map(() => '(?, ?, ?)').join(', ');
    await link.execute(`INSERT IGNORE INTO accounts (id, opening, balance) VALUES ${places}`, values);
  }
};

/** Which of these transfers are there. The session's reads must be synchronous for the answer to mean anything. */
export const lookUpTransfers = async (link: Link, ids: readonly string[]): Promise<readonly string[]> => {
  if (ids.length === 0) return [];
  const places = ids.map(() => '?').join(', ');
  const rows = await link.execute(
    `SELECT id FROM transfers WHERE id IN (${places}) UNION ALL SELECT id FROM slips WHERE done > 0 AND id IN (${places})`,
    [...ids, ...ids],
  );
  return rows.map((row) => textOf(row[0]));
};

/** The cheap check: one scan over the accounts. One statement is one snapshot. */
export const readTotals = async (link: Link): Promise<Totals> => {
  const [row] = await link.query('SELECT COUNT(*), COALESCE(SUM(opening), 0), COALESCE(SUM(balance), 0) FROM accounts');
  assert(row !== undefined, 'an aggregate answers one row');
  return { accounts: numberOf(row[0]), opening: numberOf(row[1]), balance: numberOf(row[2]) };
};

/** The full check of the books, on the server, in one snapshot. Its cost grows with the ledger. */
export const readBooks = (link: Link): Promise<Books> =>
  inSnapshot(link, async () => {
    const totals = await readTotals(link);
    const [accounts] = await link.query(`
      SELECT COUNT(*) FROM accounts a
      LEFT JOIN (
        SELECT account, SUM(amount) AS moved FROM (
          SELECT account, amount FROM entries
          UNION ALL SELECT from_account, -amount * done FROM slips
          UNION ALL SELECT to_account, amount * done FROM slips
        ) m GROUP BY account
      ) e ON e.account = a.id
      WHERE a.balance <> a.opening + COALESCE(e.moved, 0)`);
    const [transfers] = await link.query(`
      SELECT COUNT(*), COALESCE(SUM(COALESCE(e.entries, 0) <> 2 OR e.total <> 0), 0) FROM transfers t
      LEFT JOIN (SELECT transfer, COUNT(*) AS entries, SUM(amount) AS total FROM entries GROUP BY transfer) e
        ON e.transfer = t.id`);
    const [slips] = await link.query('SELECT COALESCE(SUM(done > 0), 0), COALESCE(SUM(done > 1), 0) FROM slips');
    return {
      ...totals,
      transfers: numberOf(transfers?.[0]) + numberOf(slips?.[0]),
      wrongAccounts: numberOf(accounts?.[0]),
      wrongTransfers: numberOf(transfers?.[1]) + numberOf(slips?.[1]),
    };
  });

/** Everything the instance holds, in one snapshot. A slip that was carried out is a transfer with its entries. */
export const readContents = (link: Link): Promise<Contents> =>
  inSnapshot(link, async () => {
    const accounts = await pages(link, 'SELECT id, opening, balance, version FROM accounts', 0, accountOf);
    const transfers = await pages(
      link,
      'SELECT id, from_account, to_account, amount, site, at FROM transfers',
      '',
      transferOf,
    );
    const entries = await pages(link, 'SELECT id, transfer, account, amount FROM entries', 0, entryOf);
    const slips = await pages(
      link,
      'SELECT n, id, from_account, to_account, amount, site, at, done FROM slips',
      0,
      slipOf,
      'n',
    );
    const carriedOut = slips.filter(({ done }) => done > 0);
    return {
      instance: link.instance,
      accounts,
      transfers: [...transfers, ...carriedOut.map(({ transfer }) => transfer)],
      entries: [...entries, ...carriedOut.flatMap(slipEntries)],
    };
  });

/** Beyond so many times it does not matter how often a slip was carried out. */
const doneLimit = 100;

type Slip = { readonly number: number; readonly transfer: TransferRow; readonly done: number };

/** Two entries each time it was done, under numbers that no real entry has. */
const slipEntries = ({ number, transfer, done }: Slip): readonly EntryRow[] =>
  Array.from({ length: Math.min(done, doneLimit) }, (_, time): readonly EntryRow[] => {
    const id = -(number * 2 * doneLimit + 2 * time);
    return [
      { id, transfer: transfer.id, account: transfer.from, amount: -transfer.amount },
      { id: id - 1, transfer: transfer.id, account: transfer.to, amount: transfer.amount },
    ];
  }).flat();

const inSnapshot = async <T>(link: Link, read: () => Promise<T>): Promise<T> => {
  await link.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  try {
    return await read();
  } finally {
    await link.query('ROLLBACK');
  }
};

/** All rows along the key, which is the first column of every selection here. */
const pages = async <T>(
  link: Link,
  select: string,
  start: Value,
  make: (row: Row) => T,
  key = 'id',
): Promise<readonly T[]> => {
  const all: T[] = [];
  let after = start;
  for (;;) {
    const rows = await link.execute(`${select} WHERE ${key} > ? ORDER BY ${key} LIMIT ${pageRows}`, [after]);
    for (const row of rows) all.push(make(row));
    if (rows.length < pageRows) return all;
    after = rows.at(-1)?.[0] ?? after;
  }
};

const accountOf = ([id, opening, balance, version]: Row): AccountRow => ({
  id: numberOf(id),
  opening: numberOf(opening),
  balance: numberOf(balance),
  version: numberOf(version),
});

const transferOf = ([id, from, to, amount, site, at]: Row): TransferRow => ({
  id: textOf(id),
  from: numberOf(from),
  to: numberOf(to),
  amount: numberOf(amount),
  site: textOf(site),
  at: numberOf(at),
});

const slipOf = ([n, id, from, to, amount, site, at, done]: Row): Slip => ({
  number: numberOf(n),
  transfer: transferOf([id ?? '', from ?? 0, to ?? 0, amount ?? 0, site ?? '', at ?? 0]),
  done: numberOf(done),
});

const entryOf = ([id, transfer, account, amount]: Row): EntryRow => ({
  id: numberOf(id),
  transfer: textOf(transfer),
  account: numberOf(account),
  amount: numberOf(amount),
});

/** Sums arrive as decimal text. Amounts beyond 2^53 cents would not be exact, so they are refused. */
const numberOf = (value: Value | undefined): number => {
  const number = Number(value);
  assert(Number.isSafeInteger(number), 'the bank counts in whole cents below 2^53');
  return number;
};

const textOf = (value: Value | undefined): string => String(value);
