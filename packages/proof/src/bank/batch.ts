/** The large table of the drill `batch`, as data: made once, changed by one statement, counted afterwards. */

export const batchTable = `CREATE TABLE IF NOT EXISTS batch (
  id INT NOT NULL PRIMARY KEY,
  n BIGINT NOT NULL DEFAULT 0 COMMENT 'how often it was changed',
  filler CHAR(64) CHARACTER SET ascii NOT NULL
) ENGINE=InnoDB`;

/** Rows an INSERT: a write set of a few megabytes. */
export const batchInsertRows = 20_000;

export const batchStatements = {
  fill: (from: number, to: number): string =>
    `INSERT IGNORE INTO batch (id, filler) SELECT seq, REPEAT('x', 64) FROM seq_${from}_to_${to}`,
  highest: 'SELECT COALESCE(MAX(id), 0) FROM batch',
  change: 'UPDATE batch SET n = n + 1',
  /** How often the rows were changed, each with its number of rows. */
  count: 'SELECT n, COUNT(*) FROM batch GROUP BY n ORDER BY n',
} as const;
