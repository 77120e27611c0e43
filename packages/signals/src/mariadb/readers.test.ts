import { describe, expect, test } from 'vitest';
import type { Row } from '../database/answer.ts';
import type { Point } from '../sample.ts';
import { MembershipWatch, StatementWatch } from './changes.ts';
import { readBinaryLogs, readInnodbMetrics, readReplicas } from './engine.ts';
import { collectorAccount } from './grants.ts';
import { metadataLockWaits, rowLockWaits } from './locks.ts';
import { lockWaits, readOneRow, replicas, serverOf, status } from './server.ts';
import {
  activityPoints,
  chooseProcesses,
  detailSessions,
  processPoints,
  readProcesses,
  readTransactions,
} from './sessions.ts';
import { isOwnDigest, readRecentStatements, tidyDigest } from './statements.ts';

const shown = (points: readonly Point[]): readonly string[] =>
  points.map(({ name, labels, value }) => `${name}{${labels.map(([label, text]) => `${label}=${text}`)}} ${value}`);
const where = { place: { service: 'bank', instance: 'db-1' }, instance: 'db-1', grouped: true };
const alone = { ...where, grouped: false };

describe('sessions', () => {
  const rows: readonly Row[] = [
    ['1', 'system user', '', null, 'Sleep', '33', 'wsrep applier idle', null, '0.000'],
    ['7', 'app', '10.0.0.1:4711', 'bank', 'Sleep', '90', '', null, '0.000'],
    ['8', 'app', '10.0.0.1:4712', 'bank', 'Query', '4', 'Updating', "UPDATE t SET a = 'secret' WHERE id = 1", '0.000'],
    ['9', 'app', '[::1]:4713', 'bank', 'Query', '-1', 'Sending data', 'SELECT 1', '0.000'],
    [
      '10',
      'app',
      'localhost',
      null,
      'Query',
      '4294967295',
      'Waiting for table metadata lock',
      'ALTER TABLE t',
      '0.000',
    ],
    ['11', 'me', 'localhost', null, 'Query', '0', 'starting', 'SHOW PROCESSLIST', '0.000'],
    ['not a number', null, null, null, null, null, null, null, null],
  ];
  const processes = readProcesses(rows, 11);
  const transactions = readTransactions([
    ['7', '100', 'RUNNING', '90', null, '5', '2'],
    ['8', '101', 'LOCK WAIT', '4', '3', '1', '0'],
    ['0', '102', 'RUNNING', '1', null, '0', '0'],
  ]);
  const waits = rowLockWaits(
    [
      ['101', '100'],
      ['101', '999'],
    ],
    transactions,
  );
  const activity = { processes, transactions, waits, blocked: new Map([[7, 1]]) };

  test('are counted as mysqld_exporter counts them, without the own one, and with no absurd age', () => {
    expect(shown(processPoints(processes))).toEqual([
      'mysql_info_schema_processlist_threads{command=sleep,state=wsrep_applier_idle} 1',
      'mysql_info_schema_processlist_seconds{command=sleep,state=wsrep_applier_idle} 33',
      'mysql_info_schema_processlist_threads{command=sleep,state=unknown} 1',
      'mysql_info_schema_processlist_seconds{command=sleep,state=unknown} 90',
      'mysql_info_schema_processlist_threads{command=query,state=updating} 1',
      'mysql_info_schema_processlist_seconds{command=query,state=updating} 4',
      'mysql_info_schema_processlist_threads{command=query,state=sending_data} 1',
      'mysql_info_schema_processlist_seconds{command=query,state=sending_data} 0',
      'mysql_info_schema_processlist_threads{command=query,state=waiting_for_table_metadata_lock} 1',
      'mysql_info_schema_processlist_seconds{command=query,state=waiting_for_table_metadata_lock} 0',
      'mysql_info_schema_processlist_processes_by_user{mysql_user=system user} 1',
      'mysql_info_schema_processlist_processes_by_user{mysql_user=app} 4',
      'mysql_info_schema_processlist_processes_by_host{client_host=unknown} 1',
      'mysql_info_schema_processlist_processes_by_host{client_host=10.0.0.1} 2',
      'mysql_info_schema_processlist_processes_by_host{client_host=[::1]} 1',
      'mysql_info_schema_processlist_processes_by_host{client_host=localhost} 1',
    ]);
  });

  test('work, wait, or are idle in a transaction', () => {
    expect(shown(activityPoints(activity)).slice(0, 9)).toEqual([
      'coequal_database_sessions{state=working} 1',
      'coequal_database_sessions{state=waiting} 2',
      'coequal_database_sessions{state=idle_in_transaction} 1',
      'coequal_database_longest_statement_seconds{} 4',
      'coequal_database_longest_transaction_seconds{} 90',
      'coequal_database_longest_idle_transaction_seconds{} 90',
      'coequal_database_lock_waits{} 1',
      'coequal_database_longest_lock_wait_seconds{} 3',
      'coequal_database_most_blocked_by_one{} 1',
    ]);
  });

  test('are told the worst first, with masked statements', () => {
    const chosen = chooseProcesses(activity);
    expect(chosen.map(({ id }) => id)).toEqual([7, 8, 10, 9]);
    const told = detailSessions(chosen, transactions, new Map([[8, "UPDATE t SET a = 'secret', b = 'cut"]]));
    expect(told[0]).toEqual({
      ...{ id: 7, user: 'app', address: '10.0.0.1', database: 'bank', command: 'Sleep', state: '', seconds: 90 },
      ...{ transactionSeconds: 90, rowsLocked: 5, rowsChanged: 2 },
    });
    expect(told[1]?.statement).toBe('UPDATE t SET a = ?, b = ?');
  });
});

test('metadata locks: held ones block what does not go with them; the rest waits in the queue', () => {
  const lock = (session: number, kind: string, status: string, table = 't'): Row => [
    String(session),
    'bank',
    table,
    kind,
    status,
  ];
  const rows = [
    lock(1, 'SHARED_READ', 'GRANTED'),
    lock(2, 'SHARED_UPGRADABLE', 'GRANTED'),
    lock(2, 'EXCLUSIVE', 'PENDING'),
    lock(3, 'SHARED_READ', 'PENDING'),
    lock(4, 'SHARED_WRITE', 'GRANTED', 'other'),
  ];
  expect(metadataLockWaits(rows)).toEqual([
    { waiting: 2, blocking: 1 },
    { waiting: 3, blocking: 2 },
  ]);
});

describe('changes', () => {
  test('of membership have one identifier for every member, and the loss of the group is of the instance', () => {
    const status = (
      size: string,
      configuration: string,
      members: string,
      state = 'Primary',
    ): ReadonlyMap<string, string> =>
      new Map([
        ['wsrep_cluster_conf_id', configuration],
        ['wsrep_cluster_state_uuid', 'u'],
        ['wsrep_cluster_status', state],
        ['wsrep_cluster_size', size],
        ['wsrep_incoming_addresses', members],
      ]);
    const [one, two] = [new MembershipWatch(), new MembershipWatch()];
    expect(one.step(status('3', '7', 'a:1,b:1,c:1'), where, 60_000)).toEqual([]);
    expect(two.step(status('3', '7', 'a:1,b:1,c:1'), where, 60_000)).toEqual([]);
    expect(one.step(status('3', '7', 'a:1,b:1,c:1'), where, 61_000)).toEqual([]);
    const [told] = one.step(status('2', '8', 'a:1,b:1'), where, 62_000);
    expect(told).toMatchObject({ text: 'the group went from 3 to 2 members; c:1 left', place: { service: 'bank' } });
    const [again] = two.step(status('2', '8', 'a:1,b:1'), { ...where, instance: 'db-2' }, 62_900);
    expect(again?.id).toBe(told?.id);
    const [lost] = one.step(status('1', '18446744073709551615', 'AUTO', 'non-Primary'), where, 70_000);
    expect(lost).toMatchObject({ text: 'db-1 lost its group', place: { instance: 'db-1' } });
    expect(one.step(status('3', '9', 'a:1,b:1,c:1'), where, 71_000)[0]?.text).toBe('the group has 3 members again');
  });

  test('of the schema are told by the running statement, by its digest when it ended, or without a text', () => {
    const running = readProcesses(
      [
        [
          '5',
          'ann',
          'h:1',
          'bank',
          'Query',
          '1',
          'altering table',
          "alter table `t` add c int default 5 comment 'x'",
          '0',
        ],
      ],
      undefined,
    );
    const watch = new StatementWatch();
    expect(
      watch.count(
        [
          ['com_alter_table', '5'],
          ['com_drop_index', '2'],
        ],
        0,
      ),
    ).toBe(false);
    expect(
      watch.count(
        [
          ['com_alter_table', '6'],
          ['com_drop_index', '2'],
        ],
        1_000,
      ),
    ).toBe(true);
    const [began] = watch.resolve([], running, where);
    expect(began).toMatchObject({
      text: 'the schema change alter table `t` add c int default ? comment ?',
      by: 'ann',
      source: 'processlist',
    });
    // The same on another member, which saw it end: one identifier.
    const other = new StatementWatch();
    other.count([['com_alter_table', '0']], 0);
    other.count([['com_alter_table', '1']], 1_500);
    const digest = 'ALTER TABLE `t` ADD `c` INTEGER DEFAULT ? COMMENT ? ';
    const [ended] = other.resolve([['bank', 'd', digest, '1', '1']], [], { ...where, instance: 'db-2' });
    expect(ended).toMatchObject({ id: began?.id, source: 'performance_schema' });
    // It ends, and is not told again; another one comes and nobody knows its text.
    expect(
      watch.count(
        [
          ['com_alter_table', '6'],
          ['com_drop_index', '3'],
        ],
        3_000,
      ),
    ).toBe(true);
    for (const _ of [1, 2, 3]) expect(watch.resolve([['bank', 'd', digest, '1', '1']], [], where)).toEqual([]);
    expect(watch.resolve([], [], where)).toMatchObject([{ text: 'the schema change DROP INDEX', source: 'counters' }]);
    expect(
      watch.count(
        [
          ['com_alter_table', '6'],
          ['com_drop_index', '3'],
        ],
        9_000,
      ),
    ).toBe(false);
  });

  test('that come by the thousand are bounded, and counters that begin anew are none', () => {
    const watch = new StatementWatch();
    watch.count([['com_create_table', '10']], 0);
    expect(watch.count([['com_create_table', '3']], 1_000)).toBe(false);
    watch.count([['com_create_table', '5003']], 2_000);
    for (const _ of [1, 2, 3]) watch.resolve([], [], alone);
    expect(watch.resolve([], [], alone)).toHaveLength(50);
  });
});

test('digests lose blanks, our own are known, and broken figures are no figures', () => {
  expect(tidyDigest('SELECT `a` . `b` , COUNT ( * ) FROM `bank` . `t` WHERE `x` IN (...) ')).toBe(
    'SELECT `a`.`b`, COUNT (*) FROM `bank`.`t` WHERE `x` IN (...)',
  );
  expect(tidyDigest('CREATE SYSTEM_USER ? @? IDENTIFIED BY ? ')).toBe('CREATE USER ?@? IDENTIFIED BY ?');
  expect([isOwnDigest('SELECT `ID` AS `coequal_own` FROM `x`'), isOwnDigest('SELECT ?')]).toEqual([true, false]);
  const [row] = readRecentStatements([[null, 'd', 'NaN', '-5', '1e400', '3', '', null, '0', '0', '0', '1']]);
  expect(row?.counters).toMatchObject({ calls: 0, seconds: 0, lockSeconds: 0, rowsExamined: 3 });
});

test('InnoDB metrics, binary logs and replicas have the names of mysqld_exporter', () => {
  expect(
    shown(
      readInnodbMetrics([
        ['lock_deadlocks', 'lock', 'value', '2'],
        ['buffer_pool_reads', 'buffer', 'status_counter', '3'],
        ['buffer_pool_pages_data', 'buffer', 'value', '4'],
        ['buffer_pool_pages_dirty', 'buffer', 'value', '5'],
        ['buffer_pool_pages_total', 'buffer', 'value', '6'],
        ['buffer_page_read_index_leaf', 'buffer_page_io', 'counter', '7'],
        ['log_waits', 'recovery', 'counter', '-1'],
        ['bad name', 'x', 'counter', '1'],
        ['no_number', 'x', 'counter', null],
      ]),
    ),
  ).toEqual([
    'mysql_info_schema_innodb_metrics_lock_lock_deadlocks{} 2',
    'mysql_info_schema_innodb_metrics_buffer_buffer_pool_reads_total{} 3',
    'mysql_info_schema_innodb_metrics_buffer_pool_pages{state=data} 4',
    'mysql_info_schema_innodb_metrics_buffer_pool_dirty_pages{} 5',
    'mysql_info_schema_innodb_metrics_buffer_page_read_total{type=index_leaf} 7',
    'mysql_info_schema_innodb_metrics_recovery_log_waits{} -1',
  ]);
  expect(
    shown(
      readBinaryLogs([
        ['binlog.000041', '100'],
        ['binlog.000042', '17'],
      ]),
    ),
  ).toEqual(['mysql_binlog_files{} 2', 'mysql_binlog_size_bytes{} 117', 'mysql_binlog_file_number{} 42']);
  const columns = ['Connection_name', 'Slave_IO_Running', 'Master_Host', 'Seconds_Behind_Master', 'Last_Error'];
  expect(shown(readReplicas({ columns, rows: [['east', 'Yes', 'db-9', '12', '']] }))).toEqual([
    'mysql_slave_status_slave_io_running{connection_name=east,master_host=db-9} 1',
    'mysql_slave_status_seconds_behind_master{connection_name=east,master_host=db-9} 12',
  ]);
});

describe('MySQL 8', () => {
  const mysql = serverOf('8.0.36');

  test('is asked in its own words', () => {
    expect(mysql).toEqual({ flavour: 'mysql', major: 8, minor: 0 });
    expect(serverOf('10.11.19-MariaDB-0+deb12u1-log')).toEqual({ flavour: 'mariadb', major: 10, minor: 11 });
    expect(status(mysql)).toContain('FROM performance_schema.global_status');
    expect(lockWaits(mysql)).toContain('performance_schema.data_lock_waits');
    expect([replicas(mysql), replicas(serverOf('8.4.0'))]).toEqual(['SHOW SLAVE STATUS', 'SHOW REPLICA STATUS']);
    const [, rights] = collectorAccount('mysql', { user: "o'hara", host: '%', password: 'x' });
    expect(rights).toBe("GRANT PROCESS, REPLICATION CLIENT, SHOW VIEW ON *.* TO 'o''hara'@'%'");
  });

  test("answers with columns of its own: sources and replicas, waits by the engine's transactions", () => {
    const columns = [
      'Replica_IO_State',
      'Source_Host',
      'Replica_IO_Running',
      'Source_UUID',
      'Channel_Name',
      'Seconds_Behind_Source',
    ];
    const rows = [['Waiting for source to send event', 'db-9', 'Yes', 'u-1', 'east', '3']];
    expect(shown(readReplicas({ columns, rows }))).toEqual([
      'mysql_slave_status_replica_io_running{channel_name=east,master_host=db-9,master_uuid=u-1} 1',
      'mysql_slave_status_seconds_behind_source{channel_name=east,master_host=db-9,master_uuid=u-1} 3',
    ]);
    const transactions = readTransactions([
      ['8', '4000001', 'RUNNING', '9', null, '1', '1'],
      ['9', '4000002', 'LOCK WAIT', '5', '5', '1', '0'],
    ]);
    expect(rowLockWaits([['4000002', '4000001']], transactions)).toEqual([{ waiting: 9, blocking: 8 }]);
    expect(readOneRow('Threads_running\u00017\u0002Com_select\u000111\u0002broken')).toEqual([
      ['threads_running', '7'],
      ['com_select', '11'],
    ]);
  });
});
