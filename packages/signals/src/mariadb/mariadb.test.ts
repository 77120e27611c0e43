import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockingTree, blockingTrees, type LockWait } from '../database/blocking.ts';
import type { Point } from '../sample.ts';
import { parseServerValue, readGlobalStatus, readGlobalVariables } from './status.ts';

const shown = (points: readonly Point[]): readonly string[] =>
  points.map(({ name, labels, value }) => `${name}{${labels.map(([label, text]) => `${label}=${text}`)}} ${value}`);

describe('global status', () => {
  test('has the names and labels of mysqld_exporter', () => {
    const rows = [
      ['Threads_running', '7'],
      ['Com_select', '11'],
      ['Handler_read_rnd_next', '12'],
      ['Connection_errors_max_connections', '1'],
      ['Innodb_buffer_pool_pages_data', '2'],
      ['Innodb_buffer_pool_pages_dirty', '3'],
      ['Innodb_buffer_pool_pages_total', '4'],
      ['Innodb_buffer_pool_pages_flushed', '5'],
      ['Innodb_rows_read', '6'],
      ['Performance_schema_mutex_classes_lost', '0'],
      ['Ssl_cipher', ''],
      ['wsrep_ready', 'ON'],
      ['wsrep_cluster_status', 'Primary'],
      ['wsrep_flow_control_paused', '0.25'],
    ] as const;
    expect(shown(readGlobalStatus(rows))).toEqual([
      'mysql_global_status_threads_running{} 7',
      'mysql_global_status_commands_total{command=select} 11',
      'mysql_global_status_handlers_total{handler=read_rnd_next} 12',
      'mysql_global_status_connection_errors_total{error=max_connections} 1',
      'mysql_global_status_buffer_pool_pages{state=data} 2',
      'mysql_global_status_buffer_pool_dirty_pages{} 3',
      'mysql_global_status_buffer_pool_page_changes_total{operation=flushed} 5',
      'mysql_global_status_innodb_row_ops_total{operation=read} 6',
      'mysql_global_status_performance_schema_lost_total{instrumentation=mutex_classes_lost} 0',
      'mysql_global_status_wsrep_ready{} 1',
      'mysql_global_status_wsrep_cluster_status{} 1',
      'mysql_global_status_wsrep_flow_control_paused{} 0.25',
    ]);
  });

  test('tells what Galera says in texts', () => {
    const rows = [
      ['wsrep_local_state_uuid', 'u-1'],
      ['wsrep_cluster_state_uuid', 'u-2'],
      ['wsrep_provider_version', '26.4.14(r)'],
      ['wsrep_evs_repl_latency', '0.001/0.002/0.003/0.0005/42'],
    ] as const;
    expect(shown(readGlobalStatus(rows))).toEqual([
      'mysql_galera_status_info{wsrep_cluster_state_uuid=u-2,wsrep_local_state_uuid=u-1,wsrep_provider_version=26.4.14(r)} 1',
      'mysql_galera_evs_repl_latency_min_seconds{} 0.001',
      'mysql_galera_evs_repl_latency_avg_seconds{} 0.002',
      'mysql_galera_evs_repl_latency_max_seconds{} 0.003',
      'mysql_galera_evs_repl_latency_stdev{} 0.0005',
      'mysql_galera_evs_repl_latency_sample_size{} 42',
    ]);
  });
});

test('global variables are told where they are numbers or switches, with version and cluster', () => {
  const rows = [
    ['max_connections', '151'],
    ['read_only', 'OFF'],
    ['datadir', '/data/'],
    ['version', '10.11.6-MariaDB'],
    ['version_comment', 'Debian 12'],
    ['innodb_version', '10.11.6'],
    ['wsrep_cluster_name', 'bank'],
    ['wsrep_provider_options', 'base_dir = /data/; gcache.size = 128M; gcs.fc_limit = 16'],
  ] as const;
  expect(shown(readGlobalVariables(rows))).toEqual([
    'mysql_global_variables_max_connections{} 151',
    'mysql_global_variables_read_only{} 0',
    'mysql_version_info{innodb_version=10.11.6,version=10.11.6-MariaDB,version_comment=Debian 12} 1',
    'mysql_galera_variables_info{wsrep_cluster_name=bank} 1',
    'mysql_galera_gcache_size_bytes{} 134217728',
  ]);
});

test.each([
  ['42', 42],
  ['-0.5', -0.5],
  ['Yes', 1],
  ['OFF', 0],
  ['non-Primary', 0],
  ['Connecting', 0],
  ['binlog.000042', undefined],
  ['Nov 25 17:49:10 2026 GMT', 1_795_628_950],
  ['2026-11-25 17:49:10', 1_795_628_950],
  ['Nov 35 17:49:10 2026 GMT', undefined],
  ['', undefined],
  ['Synced', undefined],
  ['10.11.6', undefined],
  ['ON,OFF', undefined],
  ['127.0.0.1', undefined],
])('the value %j is %j', (text, value) => {
  expect(parseServerValue(text)).toBe(value);
});

test('no rows whatever throw or give a name that is none', () => {
  const row = fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      for (const { name } of [...readGlobalStatus(rows), ...readGlobalVariables(rows)])
        expect(name).toMatch(/^[a-z_0-9]+$/);
    }),
  );
});

describe('blocking trees', () => {
  const wait = (waiting: number, blocking: number): LockWait => ({ waiting, blocking });
  const text = ({ session, inRing, waiters }: BlockingTree): string =>
    `${session}${inRing ? '!' : ''}${waiters.length === 0 ? '' : `(${waiters.map(text).join(' ')})`}`;
  const all = (waits: readonly LockWait[]): string => blockingTrees(waits).map(text).join(' ');

  test.each([
    ['nobody waits', [], ''],
    ['a chain behind an idle transaction', [wait(2, 1), wait(3, 2), wait(4, 3)], '1(2(3(4)))'],
    ['many behind one, the longest first', [wait(2, 1), wait(3, 1), wait(4, 3)], '1(3(4) 2)'],
    ['two stories, the larger first', [wait(2, 1), wait(11, 10), wait(12, 10)], '10(11 12) 1(2)'],
    ['one that waits for two', [wait(3, 1), wait(3, 2), wait(4, 2)], '1(3) 2(4)'],
    ['a ring with one behind it', [wait(1, 2), wait(2, 1), wait(3, 2)], '1!(2(3))'],
    ['one that is said to wait for itself', [wait(1, 1)], ''],
  ])('%s', (_, waits, expected) => {
    expect(all(waits)).toBe(expected);
  });

  test('a chain of ten thousand is told whole', () => {
    const waits = Array.from({ length: 10_000 }, (_, index) => wait(index + 1, index));
    expect(blockingTrees(waits)[0]).toMatchObject({ session: 0, blocked: 10_000 });
  });

  test('every session that waits is there once, whatever waits for whom', () => {
    const id = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(fc.array(fc.record({ waiting: id, blocking: id }), { maxLength: 30 }), (waits) => {
        const sessions: number[] = [];
        const walk = ({ session, waiters, blocked }: BlockingTree): number => {
          sessions.push(session);
          const below = waiters.reduce((sum, waiter) => sum + walk(waiter), 0);
          expect(blocked).toBe(below);
          return below + 1;
        };
        for (const tree of blockingTrees(waits)) walk(tree);
        expect(new Set(sessions).size).toBe(sessions.length);
        for (const { waiting, blocking } of waits) if (waiting !== blocking) expect(sessions).toContain(waiting);
      }),
    );
  });
});
