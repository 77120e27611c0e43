import { describe, expect, test } from 'vitest';
import type { Row } from '../database/answer.ts';
import { blockingTrees } from '../database/blocking.ts';
import type { Point } from '../sample.ts';
import { postgresCollectorAccount } from './grants.ts';
import { lockModes, lockPoints, readView, settingPoints } from './points.ts';
import { markedOwn, ownMark, statements, writer } from './questions.ts';
import { activityPoints, backendPoints, detailSessions, readBackends, readWaits } from './sessions.ts';
import { changeOf, readStatements, statementPoints } from './statements.ts';

const shown = (points: readonly Point[]): readonly string[] =>
  points.map(({ name, labels, value }) => `${name}{${labels.map(([label, text]) => `${label}=${text}`)}} ${value}`);

test('a view becomes points by its columns; what is null or no number is none', () => {
  const columns = ['datid', 'datname', 'xact_commit', 'blk_read_time', 'checksum_failures', 'absurd', 'active'];
  const rows: readonly Row[] = [
    ['1', 'bank', '12', '0.5', null, 'NaN', 't'],
    ['0', null, '3', '0', null, 'Infinity', 'f'],
  ];
  expect(shown(readView('pg_stat_database', ['datid', 'datname'])({ columns, rows }))).toEqual([
    'pg_stat_database_xact_commit{datid=1,datname=bank} 12',
    'pg_stat_database_blk_read_time{datid=1,datname=bank} 0.5',
    'pg_stat_database_active{datid=1,datname=bank} 1',
    'pg_stat_database_xact_commit{datid=0} 3',
    'pg_stat_database_blk_read_time{datid=0} 0',
    'pg_stat_database_active{datid=0} 0',
  ]);
});

test('settings are told in seconds and bytes, and -1 stays what it says', () => {
  const setting = (name: string, value: string, unit: string, type: string) => ({ name, value, unit, type });
  expect(
    shown(
      settingPoints([
        setting('fsync', 'on', '', 'bool'),
        setting('shared_buffers', '16384', '8kB', 'integer'),
        setting('checkpoint_timeout', '5', 'min', 'integer'),
        setting('autovacuum_vacuum_cost_delay', '2', 'ms', 'real'),
        setting('autovacuum_work_mem', '-1', 'kB', 'integer'),
        setting('pg_stat_statements.max', '5000', '', 'integer'),
        setting('log_directory', 'log', '', 'string'),
        setting('odd', '1', 'fortnight', 'integer'),
        setting('broken', 'x', '', 'integer'),
      ]),
    ),
  ).toEqual([
    'pg_settings_fsync{} 1',
    'pg_settings_shared_buffers_bytes{} 134217728',
    'pg_settings_checkpoint_timeout_seconds{} 300',
    'pg_settings_autovacuum_vacuum_cost_delay_seconds{} 0.002',
    'pg_settings_autovacuum_work_mem_bytes{} -1',
    'pg_settings_pg_stat_statements_max{} 5000',
  ]);
});

test('every mode of lock is told of every database', () => {
  const points = lockPoints(
    ['bank', 'other'],
    [
      ['bank', 'exclusivelock', '3'],
      ['gone', 'sharelock', '1'],
    ],
  );
  expect(points).toHaveLength(2 * lockModes.length);
  expect(shown(points).filter((one) => !one.endsWith(' 0'))).toEqual([
    'pg_locks_count{datname=bank,mode=exclusivelock} 3',
  ]);
});

describe('sessions', () => {
  const backend = (
    pid: string,
    state: string,
    more: Partial<Record<'wait' | 'transaction' | 'seconds' | 'text' | 'kind', string>>,
  ): Row => [
    ...[pid, 'bank', 'app', '10.0.0.1', state, more.kind ?? 'client backend', more.wait === undefined ? '' : 'Lock'],
    ...[more.wait ?? '', more.transaction ?? null, more.seconds ?? '0', more.text ?? ''],
  ];
  const backends = readBackends([
    backend('1', 'idle in transaction', { transaction: '90.5', seconds: '80', text: "UPDATE t SET a = 'secret'" }),
    backend('2', 'active', {
      wait: 'tuple',
      transaction: '5',
      seconds: '4',
      text: "UPDATE t SET a = E'se\\'cret' WHERE x = 1",
    }),
    backend('3', 'active', { transaction: '1', seconds: '-3', text: 'SELECT 1' }),
    backend('4', 'idle', { seconds: '1000' }),
    backend('5', '', { kind: 'autovacuum launcher' }),
  ]);
  const waits = readWaits([
    ['2', '1'],
    ['3', '0'],
    ['x', '1'],
  ]);
  const trees = blockingTrees(waits);

  test('work, wait, or are idle in a transaction', () => {
    expect(shown(activityPoints(backends, waits, trees))).toEqual([
      'coequal_database_sessions{state=working} 1',
      'coequal_database_sessions{state=waiting} 1',
      'coequal_database_sessions{state=idle_in_transaction} 1',
      'coequal_database_longest_statement_seconds{} 4',
      'coequal_database_longest_transaction_seconds{} 90.5',
      'coequal_database_longest_idle_transaction_seconds{} 90.5',
      'coequal_database_lock_waits{} 1',
      'coequal_database_longest_lock_wait_seconds{} 4',
      'coequal_database_most_blocked_by_one{} 1',
    ]);
    expect(shown(backendPoints(['bank'], backends)).filter((one) => !one.endsWith(' 0'))).toEqual([
      'pg_stat_activity_count{datname=bank,state=active} 2',
      'pg_stat_activity_max_tx_duration{datname=bank,state=active} 5',
      'pg_stat_activity_count{datname=bank,state=idle} 1',
      'pg_stat_activity_count{datname=bank,state=idle in transaction} 1',
      'pg_stat_activity_max_tx_duration{datname=bank,state=idle in transaction} 90.5',
    ]);
  });

  test('are told the worst first, with masked statements', () => {
    const told = detailSessions(backends, waits, trees);
    expect(told.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(told.map(({ statement }) => statement)).toEqual(['UPDATE t SET a = ?', 'UPDATE t SET a = ?', 'SELECT ?']);
    expect(told[1]).toMatchObject({ state: 'Lock: tuple', transactionSeconds: 5, seconds: 4 });
  });
});

test('statements are counted by who ran them where, and those that change something are known', () => {
  const rows: readonly Row[] = [
    ['77', 'bank', 'app', '5', '1500', '9', '250', '0'],
    [null, null, null, null, null, null, null, null],
  ];
  expect(readStatements(rows, true)).toMatchObject([
    { digest: '77', database: 'bank', isNew: true, counters: { calls: 5, seconds: 1.5, rowsSent: 9 } },
  ]);
  expect(shown(statementPoints(rows.slice(0, 1)))).toContain(
    'pg_stat_statements_block_read_seconds_total{datname=bank,queryid=77,user=app} 0.25',
  );
  const kinds = [
    'ALTER TABLE t ADD c int',
    ' drop index i',
    'CREATE ROLE a',
    'GRANT a TO b',
    'ALTER SYSTEM SET x = $1',
    'CREATE TEMP TABLE t (a int)',
    'SELECT 1',
  ];
  expect(kinds.map(changeOf)).toEqual(['ddl', 'ddl', 'account', 'account', undefined, undefined, undefined]);
});

test('what is asked depends on the version, and is marked as ours', () => {
  expect([
    statements(150_000).includes('s.blk_read_time'),
    statements(170_000).includes('s.shared_blk_read_time'),
  ]).toEqual([true, true]);
  expect([writer(160_000).includes('pg_stat_checkpointer'), writer(170_000).includes('pg_stat_checkpointer')]).toEqual([
    false,
    true,
  ]);
  expect(markedOwn('SELECT 1')).toBe(`SELECT ${ownMark} 1`);
  expect(postgresCollectorAccount({ user: 'a"b', password: "c'd" })[2]).toBe(
    `CREATE ROLE "a""b" LOGIN PASSWORD 'c''d' CONNECTION LIMIT 3`,
  );
});
