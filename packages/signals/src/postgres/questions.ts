/**
 * What a PostgreSQL server is asked. Written for 13 and newer; where columns came, went or moved between versions, the question depends on
 * the version. Pure.
 */

/** Tells our own questions from those of others: pg_stat_statements keeps comments. */
export const ownMark = '/* coequal_own */';
export const markedOwn = (text: string): string => text.replace(/^SELECT\b/, `SELECT ${ownMark}`);

/** Reads only; no statement of ours takes long or waits for a lock. */
export const sessionSettings = (statementMs: number): string =>
  `SET statement_timeout = ${Math.round(statementMs)}; SET lock_timeout = 100; SET default_transaction_read_only = on; SET jit = off`;

/** Of settings that this session made its own, what it would be without. */
const madeOwn =
  "('statement_timeout', 'lock_timeout', 'default_transaction_read_only', 'jit', 'application_name', 'client_encoding')";

/** The first question of every reading. */
export const basics = `SELECT pg_backend_pid(), current_setting('server_version_num'), version(),
  extract(epoch FROM pg_postmaster_start_time()), pg_is_in_recovery(), current_database(),
  CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
    THEN GREATEST(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())) ELSE 0 END,
  EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')`;

export const databases = 'SELECT datname FROM pg_database ORDER BY datname LIMIT 1000';

/** Those that work, wait, or hold a transaction open, and how many others there are in which state. */
export const activity = `SELECT pid, datname, usename, host(client_addr), coalesce(state, ''), backend_type,
  coalesce(wait_event_type, ''), coalesce(wait_event, ''), extract(epoch FROM clock_timestamp() - xact_start),
  extract(epoch FROM clock_timestamp() - CASE WHEN state = 'active' THEN query_start ELSE state_change END),
  CASE WHEN state = 'idle' THEN '' ELSE left(query, 2048) END
  FROM pg_stat_activity WHERE pid <> pg_backend_pid() LIMIT 5000`;

export const blockers = `SELECT pid, unnest(pg_blocking_pids(pid)) FROM pg_stat_activity
  WHERE wait_event_type = 'Lock' LIMIT 1000`;

export const locks = `SELECT d.datname, lower(l.mode), count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  GROUP BY d.datname, lower(l.mode)`;

export const databaseStatistics = `SELECT s.*, extract(epoch FROM s.stats_reset) AS stats_reset_epoch,
  extract(epoch FROM checksum_last_failure) AS checksum_last_failure_epoch FROM pg_stat_database s LIMIT 1000`;

export const conflicts = 'SELECT * FROM pg_stat_database_conflicts LIMIT 1000';

/** Since 17 checkpoints have a view of their own. */
export const writer = (version: number): string =>
  version >= 170_000
    ? `SELECT c.num_timed AS checkpoints_timed, c.num_requested AS checkpoints_req, c.write_time AS checkpoint_write_time,
       c.sync_time AS checkpoint_sync_time, c.buffers_written AS buffers_checkpoint, b.buffers_clean, b.maxwritten_clean, b.buffers_alloc,
       extract(epoch FROM b.stats_reset) AS stats_reset FROM pg_stat_bgwriter b, pg_stat_checkpointer c`
    : `SELECT checkpoints_timed, checkpoints_req, checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint, buffers_clean,
       maxwritten_clean, buffers_backend, buffers_backend_fsync, buffers_alloc, extract(epoch FROM stats_reset) AS stats_reset
       FROM pg_stat_bgwriter`;

export const archiver = `SELECT archived_count, failed_count, extract(epoch FROM now() - last_archived_time) AS last_archive_age
  FROM pg_stat_archiver`;

export const replication = `SELECT application_name, client_addr, state, s.slot_name,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END AS pg_current_wal_lsn_bytes,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END AS pg_wal_lsn_diff
  FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid LIMIT 100`;

export const slots = `SELECT slot_name, database, active, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
  ELSE pg_current_wal_lsn() END, restart_lsn) AS pg_wal_lsn_diff FROM pg_replication_slots LIMIT 100`;

export const databaseSizes = 'SELECT datname, pg_database_size(oid) AS bytes FROM pg_database LIMIT 200';

/** Of the database that the collector is connected to. */
export const tables = `SELECT current_database() AS datname, t.schemaname, t.relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins,
  n_tup_upd, n_tup_del, n_tup_hot_upd, n_live_tup, n_dead_tup, n_mod_since_analyze, extract(epoch FROM last_vacuum) AS last_vacuum,
  extract(epoch FROM last_autovacuum) AS last_autovacuum, extract(epoch FROM last_analyze) AS last_analyze,
  extract(epoch FROM last_autoanalyze) AS last_autoanalyze, vacuum_count, autovacuum_count, analyze_count, autoanalyze_count
  FROM pg_stat_user_tables t ORDER BY coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del DESC LIMIT 100`;

/** All as one row, which costs less on both ends: name, value, unit, type. */
export const settings = `SELECT string_agg(concat_ws(chr(1), name, coalesce(CASE
    WHEN name = 'transaction_read_only' THEN CASE WHEN pg_is_in_recovery() THEN 'on' ELSE reset_val END
    WHEN name IN ${madeOwn} THEN reset_val ELSE setting END, ''), coalesce(unit, ''), vartype), chr(2) ORDER BY name) FROM pg_settings`;

/** Without the texts: they lie in a file. Beyond so many, those that took the most time ever. */
export const statementLimit = 2_000;
export const statements = (version: number): string => {
  const [read, write] =
    version >= 170_000 ? ['shared_blk_read_time', 'shared_blk_write_time'] : ['blk_read_time', 'blk_write_time'];
  return `SELECT s.queryid, d.datname, r.rolname, s.calls, s.total_exec_time, s.rows,
  s.${read}, s.${write} FROM pg_stat_statements(false) s LEFT JOIN pg_database d ON d.oid = s.dbid
  LEFT JOIN pg_roles r ON r.oid = s.userid WHERE s.queryid IS NOT NULL ORDER BY s.total_exec_time DESC LIMIT ${statementLimit}`;
};

/** Parameter: a list of their numbers as one text. */
export const statementTexts = `SELECT queryid, left(max(query), 2048) FROM pg_stat_statements
  WHERE queryid = ANY (string_to_array($1, ',')::bigint[]) GROUP BY queryid`;
