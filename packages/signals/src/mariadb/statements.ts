/**
 * Statement digests of performance_schema: what each kind of statement cost, as counters of mysqld_exporter for those that took the most
 * time ever, and as differences for those that were active since the reading before. Texts come without literals from the
 * server; they pass our own mask all the same.
 */

import type { StatementRow } from '../database/activity.ts';
import { numberOf, type Row, textOf } from '../database/answer.ts';
import { maskLiterals } from '../database/mask.ts';
import { point } from '../database/points.ts';
import type { Label, Point } from '../sample.ts';

const picoseconds = 1e-12;
const table = 'performance_schema.events_statements_summary_by_digest';

/**
 * Those that ended within the last seconds. Times there are whole seconds, hence one more. Our own questions are told by a name in
 * them, and left out.
 */
export const recentStatements = (
  seconds: number,
): string => `SELECT SCHEMA_NAME, DIGEST, COUNT_STAR, SUM_TIMER_WAIT, SUM_LOCK_TIME,
  SUM_ROWS_EXAMINED, SUM_ROWS_SENT, SUM_ROWS_AFFECTED, SUM_ERRORS, SUM_NO_INDEX_USED, SUM_CREATED_TMP_DISK_TABLES,
  FIRST_SEEN >= NOW() - INTERVAL ${Math.ceil(seconds) + 1} SECOND AS coequal_own
  FROM ${table} WHERE DIGEST IS NOT NULL AND LAST_SEEN >= NOW() - INTERVAL ${Math.ceil(seconds) + 1} SECOND
  ORDER BY SUM_TIMER_WAIT DESC LIMIT 1000`;

export const readRecentStatements = (rows: readonly Row[]): readonly StatementRow[] =>
  rows.flatMap((row) => {
    const [schema, digest, ...figures] = row;
    if (digest === null || digest === undefined) return [];
    const [
      calls = 0,
      time = 0,
      lock = 0,
      examined = 0,
      sent = 0,
      changed = 0,
      errors = 0,
      unindexed = 0,
      onDisk = 0,
      isNew,
    ] = figures.map((cell) => Math.max(0, numberOf(cell) ?? 0));
    return [
      {
        key: `${textOf(schema)}\n${digest}`,
        digest,
        database: schema ?? undefined,
        isNew: isNew === 1,
        counters: {
          calls,
          seconds: time * picoseconds,
          lockSeconds: lock * picoseconds,
          rowsExamined: examined,
          rowsSent: sent,
          rowsChanged: changed,
          errors,
          withoutIndex: unindexed,
          temporaryTablesOnDisk: onDisk,
        },
      },
    ];
  });

/** The texts of some digests, as placeholders. */
export const digestTexts = (count: number): string =>
  `SELECT DIGEST, MAX(DIGEST_TEXT) AS coequal_own FROM ${table} WHERE DIGEST IN (${Array(count).fill('?').join(', ')}) GROUP BY DIGEST`;

/** Without the blanks that the server puts between all words: `bank . t` is what nobody writes. */
export const tidyDigest = (text: string): string =>
  maskLiterals(text, 'mysql')
    .replaceAll(/ ?\. ?/g, '.')
    .replaceAll(/\( /g, '(')
    .replaceAll(/ ([),;])/g, '$1')
    .replaceAll(/\? ?@ ?\?/g, '?@?')
    // How MariaDB writes the word USER of CREATE USER there.
    .replace(/^(CREATE|ALTER|DROP|RENAME) SYSTEM_USER\b/, '$1 USER');

const watchers: ReadonlySet<string> = new Set([
  'SHOW PROCESSLIST',
  'SHOW ALL SLAVES STATUS',
  'SHOW SLAVE STATUS',
  'SHOW REPLICA STATUS',
  'SHOW BINARY LOGS',
]);

/** Whether a text is a question of this collector, or one that only watchers ask. */
export const isOwnDigest = (text: string): boolean => text.includes('coequal_own') || watchers.has(text.trim());

const sums = [
  ['SUM_ERRORS', 'errors_total', 1],
  ['SUM_WARNINGS', 'warnings_total', 1],
  ['SUM_ROWS_AFFECTED', 'rows_affected_total', 1],
  ['SUM_ROWS_SENT', 'rows_sent_total', 1],
  ['SUM_ROWS_EXAMINED', 'rows_examined_total', 1],
  ['SUM_CREATED_TMP_TABLES', 'tmp_tables_total', 1],
  ['SUM_CREATED_TMP_DISK_TABLES', 'tmp_disk_tables_total', 1],
  ['SUM_SORT_MERGE_PASSES', 'sort_merge_passes_total', 1],
  ['SUM_SORT_ROWS', 'sort_rows_total', 1],
  ['SUM_NO_INDEX_USED', 'no_index_used_total', 1],
] as const;

/** As mysqld_exporter chooses and cuts them; it takes 250. */
export const topStatementCount = 50;
export const topStatements = `SELECT SCHEMA_NAME, DIGEST, LEFT(DIGEST_TEXT, 120) AS coequal_own, COUNT_STAR, SUM_TIMER_WAIT, ${sums
  .map(([column]) => column)
  .join(', ')}
  FROM ${table} WHERE SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema') AND LAST_SEEN > NOW() - INTERVAL 86400 SECOND
  ORDER BY SUM_TIMER_WAIT DESC LIMIT ${topStatementCount}`;

export const readTopStatements = (rows: readonly Row[]): readonly Point[] => {
  const prefix = 'mysql_perf_schema_events_statements';
  return rows.flatMap(([schema, digest, text, calls, time, ...figures]) => {
    const labels: readonly Label[] = [
      ['schema', textOf(schema)],
      ['digest', textOf(digest)],
      ['digest_text', textOf(text)],
    ];
    return [
      point(`${prefix}_total`, labels, numberOf(calls) ?? 0),
      point(`${prefix}_seconds_total`, labels, (numberOf(time) ?? 0) * picoseconds),
      ...sums.map(([, name], index) => point(`${prefix}_${name}`, labels, numberOf(figures[index]) ?? 0)),
    ];
  });
};

const grandSums = [
  ['SUM_CREATED_TMP_DISK_TABLES', 'created_tmp_disk_tables', 1],
  ['SUM_CREATED_TMP_TABLES', 'created_tmp_tables', 1],
  ['SUM_ERRORS', 'errors', 1],
  // In picoseconds, as the exporter leaves it.
  ['SUM_LOCK_TIME', 'lock_time', 1],
  ['SUM_NO_GOOD_INDEX_USED', 'no_good_index_used', 1],
  ['SUM_NO_INDEX_USED', 'no_index_used', 1],
  ['SUM_ROWS_AFFECTED', 'rows_affected', 1],
  ['SUM_ROWS_EXAMINED', 'rows_examined', 1],
  ['SUM_ROWS_SENT', 'rows_sent', 1],
  ['SUM_SELECT_FULL_JOIN', 'select_full_join', 1],
  ['SUM_SELECT_FULL_RANGE_JOIN', 'select_full_range_join', 1],
  ['SUM_SELECT_RANGE', 'select_range', 1],
  ['SUM_SELECT_RANGE_CHECK', 'select_range_check', 1],
  ['SUM_SELECT_SCAN', 'select_scan', 1],
  ['SUM_SORT_MERGE_PASSES', 'sort_merge_passes', 1],
  ['SUM_SORT_RANGE', 'sort_range', 1],
  ['SUM_SORT_ROWS', 'sort_rows', 1],
  ['SUM_SORT_SCAN', 'sort_scan', 1],
  ['SUM_TIMER_WAIT', 'timer_wait', picoseconds],
  ['COUNT_STAR', 'total', 1],
  ['SUM_WARNINGS', 'warnings', 1],
] as const;

export const statementSums = `SELECT ${grandSums.map(([column]) => `SUM(${column})`).join(', ')}, 1 AS coequal_own FROM ${table}`;

export const readStatementSums = (rows: readonly Row[]): readonly Point[] =>
  grandSums.flatMap(([, name, factor], index) => {
    const value = numberOf(rows[0]?.[index]);
    return value === undefined ? [] : [point(`mysql_perf_schema_events_statements_sum_${name}`, [], value * factor)];
  });

/** Statements that changed something beyond rows and ended within the last seconds. */
export const recentChanges = (seconds: number): string =>
  `SELECT SCHEMA_NAME, DIGEST, LEFT(DIGEST_TEXT, 1024) AS coequal_own, COUNT_STAR,
  FIRST_SEEN >= NOW() - INTERVAL ${Math.ceil(seconds) + 1} SECOND FROM ${table}
  WHERE LAST_SEEN >= NOW() - INTERVAL ${Math.ceil(seconds) + 1} SECOND
  AND DIGEST_TEXT REGEXP '^(CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|REVOKE|SET PASSWORD|ANALYZE|OPTIMIZE)' LIMIT 100`;
