/**
 * The tables of a bank's branches and every statement on them: ordinary, varied work beside the transfers of the bank, with indexes that can
 * be missed, rows that one branch alone writes, and texts that only a full scan finds. Money here proves nothing; that is
 * the bank's part (`@coequal/proof`).
 */

export const customers = 5_000;
export const payments = 60_000;
/** Of each branch. */
export const tills = 4;
/** Rows a statement writes while the tables are filled: far below what one write set may have. */
const fillRows = 10_000;

export const branchSchema: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS branch_customers (
    id INT NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    email VARCHAR(96) NOT NULL,
    note VARCHAR(200) NOT NULL,
    KEY email (email)
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS branch_payments (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    customer INT NOT NULL,
    branch VARCHAR(64) NOT NULL,
    amount BIGINT NOT NULL COMMENT 'cents',
    status TINYINT NOT NULL DEFAULT 0,
    at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    memo VARCHAR(120) NOT NULL,
    KEY customer (customer),
    KEY branch_at (branch, at)
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS branch_tills (
    branch VARCHAR(64) NOT NULL,
    number INT NOT NULL,
    amount BIGINT NOT NULL COMMENT 'cents',
    PRIMARY KEY (branch, number)
  ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS branch_rates (
    id INT NOT NULL PRIMARY KEY,
    rate BIGINT NOT NULL,
    changes BIGINT NOT NULL DEFAULT 0
  ) ENGINE=InnoDB`,
];

const chunks = (rows: number): readonly (readonly [first: number, last: number])[] =>
  Array.from({ length: Math.ceil(rows / fillRows) }, (_, chunk) => [
    chunk * fillRows + 1,
    Math.min(rows, (chunk + 1) * fillRows),
  ]);

/** Statements that fill the tables; each is repeatable, so that a kept lab is filled once. */
export const fillStatements = (branches: readonly string[]): readonly string[] => [
  ...chunks(customers).map(
    ([first, last]) =>
      `INSERT IGNORE INTO branch_customers (id, name, email, note) SELECT seq, CONCAT('customer ', seq), ` +
      `CONCAT('c', seq, '@example.com'), CONCAT(MD5(seq), ' ', MD5(seq + 7), ' ', MD5(seq + 13)) FROM seq_${first}_to_${last}`,
  ),
  ...chunks(payments).map(
    ([first, last]) =>
      'INSERT IGNORE INTO branch_payments (id, customer, branch, amount, status, memo) ' +
      `SELECT seq, 1 + MOD(seq * 7919, ${customers}), ELT(1 + MOD(seq, ${branches.length}), ${branches.map(quoted).join(', ')}), ` +
      `MOD(seq * 31, 100000), 1, CONCAT('payment ', MD5(seq)) FROM seq_${first}_to_${last}`,
  ),
  ...branches.map(
    (branch) =>
      `INSERT IGNORE INTO branch_tills (branch, number, amount) SELECT ${quoted(branch)}, seq, 0 FROM seq_1_to_${tills}`,
  ),
  'INSERT IGNORE INTO branch_rates (id, rate) SELECT seq, 100 FROM seq_1_to_4',
];

/** Names of sites are names of the estate: letters, digits and dashes. */
const quoted = (name: string): string => `'${name.replaceAll(/[^A-Za-z0-9._-]/g, '')}'`;

export const branchStatements = {
  customerByEmail: 'SELECT id, name FROM branch_customers WHERE email = ?',
  paymentsOf: 'SELECT id, amount, memo FROM branch_payments WHERE customer = ? ORDER BY id DESC LIMIT 20',
  latestOfBranch:
    'SELECT SUM(amount) FROM (SELECT amount FROM branch_payments WHERE branch = ? ORDER BY at DESC LIMIT 50) AS latest',
  pay: 'INSERT INTO branch_payments (customer, branch, amount, memo) VALUES (?, ?, ?, ?)',
  till: 'UPDATE branch_tills SET amount = amount + ? WHERE branch = ? AND number = ?',
} as const;
