/**
 * The bank's tables and every statement that touches them, as data. Two entries a transfer, summing to zero;
 * `entries` is deliberately not unique on the transfer, so that a transfer executed twice shows instead of being
 * refused. Legacy clients have no entries: a slip counts how often it was carried out, and is read as its row and entries. Every table is InnoDB with a primary key: nothing else replicates under Galera.
 */

export const schema: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS accounts (
    id INT NOT NULL PRIMARY KEY,
    opening BIGINT NOT NULL COMMENT 'cents when the account was opened: balance = opening + its entries, always',
    balance BIGINT NOT NULL COMMENT 'cents',
    version BIGINT NOT NULL DEFAULT 0
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS transfers (
    id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    from_account INT NOT NULL,
    to_account INT NOT NULL,
    amount BIGINT NOT NULL COMMENT 'cents',
    site VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    at BIGINT NOT NULL COMMENT 'milliseconds since 1970 by the clock of the client'
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS entries (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    transfer VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    account INT NOT NULL,
    amount BIGINT NOT NULL COMMENT 'cents, negative where money leaves'
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS slips (
    n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE COMMENT 'as in transfers',
    from_account INT NOT NULL,
    to_account INT NOT NULL,
    amount BIGINT NOT NULL COMMENT 'cents',
    site VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    at BIGINT NOT NULL COMMENT 'milliseconds since 1970 by the clock of the client',
    done INT NOT NULL DEFAULT 0 COMMENT 'how often it was carried out'
  ) ENGINE=InnoDB`,
];

export const statements = {
  begin: 'BEGIN',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  /** Reads a row, so that an instance without a majority refuses it and one that lags waits for its turn. */
  probe: 'SELECT 1 FROM accounts WHERE id = 1',
  /** Locks in the order of the key whatever the order asked for, so that two transfers never wait for each other. */
  funds: 'SELECT id, balance, version FROM accounts WHERE id IN (?, ?) ORDER BY id FOR UPDATE',
  move: 'UPDATE accounts SET balance = balance + IF(id = ?, ?, ?), version = version + 1 WHERE id IN (?, ?)',
  transfer: 'INSERT INTO transfers (id, from_account, to_account, amount, site, at) VALUES (?, ?, ?, ?, ?, ?)',
  entries: 'INSERT INTO entries (transfer, account, amount) VALUES (?, ?, ?), (?, ?, ?)',
  slip: 'INSERT INTO slips (id, from_account, to_account, amount, site, at) VALUES (?, ?, ?, ?, ?, ?)',
  /** A whole transfer in one statement. The slip's row matches twice and is changed once. */
  carryOut:
    'UPDATE accounts a JOIN slips s ON s.id = ? SET a.version = a.version + 1, s.done = s.done + 1, ' +
    'a.balance = a.balance + CASE a.id WHEN s.from_account THEN -s.amount ELSE s.amount END WHERE a.id IN (?, ?)',
  /** Answered by a gateway: by what it gives any gateway will tell later what became of the next write. */
  sessionKey: 'SELECT coequal.session()',
  outcomeOf: (key: string) => `SELECT coequal.outcome('${key}')`,
} as const;

/** A row of `accounts`. */
export type AccountRow = {
  readonly id: number;
  readonly opening: number;
  readonly balance: number;
  readonly version: number;
};

/** A row of `transfers`. */
export type TransferRow = {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  readonly site: string;
  readonly at: number;
};

/** A row of `entries`. */
export type EntryRow = {
  readonly id: number;
  readonly transfer: string;
  readonly account: number;
  readonly amount: number;
};

/** Everything one instance holds of the bank, read in one snapshot. */
export type Contents = {
  readonly instance: string;
  readonly accounts: readonly AccountRow[];
  readonly transfers: readonly TransferRow[];
  readonly entries: readonly EntryRow[];
};
