/**
 * Which server answers, and what it is asked because of that: MariaDB and MySQL went apart in names of tables and statements. Pure.
 * MySQL's side is written from its documentation and tried on rows of its shape only: no distribution that we test on has its server.
 */

import type { NamedRow } from './status.ts';

export type Flavour = 'mariadb' | 'mysql';
export type Server = { readonly flavour: Flavour; readonly major: number; readonly minor: number };

/** From `VERSION()`: `10.11.19-MariaDB-0+deb12u1-log`, `8.0.36`. */
export const serverOf = (version: string): Server => {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  const flavour = /mariadb/i.test(version) ? 'mariadb' : 'mysql';
  return { flavour, major: Number(major), minor: Number(minor) };
};

const atLeast = ({ major, minor }: Server, wantedMajor: number, wantedMinor: number): boolean =>
  major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

/**
 * What makes the session harmless, before anything else. A read must not wait for other members of a group, and must answer also where
 * the group is lost; no statement of ours takes long, waits for a lock, or writes. What only MariaDB knows stands in a comment that only
 * MariaDB reads.
 */
export const firstSettings = (statementMs: number): readonly string[] => [
  `SET SESSION /*M!100200 wsrep_sync_wait = 0, wsrep_dirty_reads = 1, max_statement_time = ${statementMs / 1_000}, */ innodb_lock_wait_timeout = 1, group_concat_max_len = 4194304`,
  'SET SESSION TRANSACTION READ ONLY',
];

export const furtherSettings = ({ flavour }: Server, statementMs: number): string =>
  flavour === 'mariadb'
    ? 'SET SESSION lock_wait_timeout = 0'
    : `SET SESSION lock_wait_timeout = 1, max_execution_time = ${Math.round(statementMs)}`;

const [betweenParts, betweenRows] = ['\u0001', '\u0002'];

/** Hundreds of rows as one: what a row costs both ends would be most of the cost of a reading. */
const asOneRow = (server: Server, table: 'STATUS' | 'VARIABLES', condition: string): string =>
  `SELECT GROUP_CONCAT(VARIABLE_NAME, '${betweenParts}', VARIABLE_VALUE SEPARATOR '${betweenRows}') AS coequal_own FROM ${
    server.flavour === 'mariadb' ? 'information_schema.GLOBAL_' : 'performance_schema.global_'
  }${server.flavour === 'mariadb' ? table : table.toLowerCase()}${condition}`;

export const status = (server: Server): string => asOneRow(server, 'STATUS', '');

/** Without positions: they are no settings, and the rest stands still. */
export const variables = (server: Server): string =>
  asOneRow(
    server,
    'VARIABLES',
    " WHERE VARIABLE_NAME NOT IN ('gtid_binlog_pos', 'gtid_binlog_state', 'gtid_current_pos', 'gtid_slave_pos', 'gtid_executed', 'gtid_purged', 'timestamp')",
  );

/** Names in small letters: engines and versions differ in case. */
export const readOneRow = (text: string): readonly NamedRow[] =>
  text.split(betweenRows).flatMap((row) => {
    const at = row.indexOf(betweenParts);
    return at < 0 ? [] : [[row.slice(0, at).toLowerCase(), row.slice(at + 1)] as const];
  });

/** Number of the own session, and of the thread that serves it. */
export const ownThread = (server: Server): string =>
  server.flavour === 'mariadb'
    ? 'SELECT ID AS coequal_own, TID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()'
    : 'SELECT PROCESSLIST_ID AS coequal_own, THREAD_OS_ID FROM performance_schema.threads WHERE PROCESSLIST_ID = CONNECTION_ID()';

/** Transactions that are open, the oldest first. */
export const transactions = `SELECT trx_mysql_thread_id AS coequal_own, trx_id, trx_state,
  TIMESTAMPDIFF(SECOND, trx_started, NOW()), TIMESTAMPDIFF(SECOND, trx_wait_started, NOW()), trx_rows_locked, trx_rows_modified
  FROM information_schema.INNODB_TRX ORDER BY trx_started LIMIT 1000`;

/** Pairs of transactions: who waits, and for whom. */
export const lockWaits = (server: Server): string =>
  server.flavour === 'mysql' && server.major >= 8
    ? `SELECT REQUESTING_ENGINE_TRANSACTION_ID AS coequal_own, BLOCKING_ENGINE_TRANSACTION_ID FROM performance_schema.data_lock_waits LIMIT 1000`
    : `SELECT requesting_trx_id AS coequal_own, blocking_trx_id FROM information_schema.INNODB_LOCK_WAITS LIMIT 1000`;

/** Locks on the definitions of tables that somebody waits for. */
export const metadataLocks = `SELECT t.PROCESSLIST_ID AS coequal_own, m.OBJECT_SCHEMA, m.OBJECT_NAME, m.LOCK_TYPE, m.LOCK_STATUS
  FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
  WHERE m.OBJECT_TYPE = 'TABLE' AND (m.OBJECT_SCHEMA, m.OBJECT_NAME) IN (SELECT OBJECT_SCHEMA, OBJECT_NAME
    FROM performance_schema.metadata_locks WHERE OBJECT_TYPE = 'TABLE' AND LOCK_STATUS = 'PENDING') LIMIT 2000`;

export const replicas = (server: Server): string => {
  if (server.flavour === 'mariadb')
    return atLeast(server, 10, 5) ? 'SHOW ALL REPLICAS STATUS' : 'SHOW ALL SLAVES STATUS';
  return atLeast(server, 8, 1) ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS';
};

/** The texts of sessions whose statements SHOW PROCESSLIST cut off. */
export const statementTexts = (sessions: readonly number[]): string =>
  `SELECT ID AS coequal_own, LEFT(INFO, 2048) FROM information_schema.PROCESSLIST WHERE ID IN (${sessions.map(Math.trunc).join(', ')})`;
