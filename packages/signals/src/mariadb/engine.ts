/**
 * What is read less often than once a second, as points of mysqld_exporter: InnoDB's counters, binary logs, replicas, sizes of tables,
 * waits for files and tables. Rows in, points out. Rows that count nothing yet are left out where a server has hundreds of them.
 */
import { numberOf, type Row, type Rows, recordsOf, textOf } from '../database/answer.ts';
import { point } from '../database/points.ts';
import type { Label, Point } from '../sample.ts';
import type { Server } from './server.ts';
import { parseServerValue } from './status.ts';

const picoseconds = 1e-12;
/** Files, tables and other things that a server may have without end. */
const rowLimit = 1_000;

/** MariaDB since 10.5 says ENABLED, everything else STATUS. */
export const innodbMetrics = (server: Server): string =>
  `SELECT NAME AS coequal_own, SUBSYSTEM, TYPE, \`COUNT\` FROM information_schema.INNODB_METRICS WHERE ${
    server.flavour === 'mariadb' && (server.major > 10 || server.minor >= 5) ? 'ENABLED = 1' : "STATUS = 'enabled'"
  }`;

export const readInnodbMetrics = (rows: readonly Row[]): readonly Point[] => {
  const prefix = 'mysql_info_schema_innodb_metrics';
  return rows.slice(0, rowLimit).flatMap((row) => {
    const [name, subsystem, type] = row.map(textOf);
    const value = numberOf(row[3]);
    if (name === undefined || value === undefined || !/^\w+$/.test(`${subsystem}_${name}`)) return [];
    if (subsystem === 'buffer_page_io') {
      const [, way, kind = ''] = /^buffer_page_(read|written)_(.*)$/.exec(name) ?? [];
      return way === undefined ? [] : [point(`${prefix}_buffer_page_${way}_total`, [['type', kind]], value)];
    }
    const state = subsystem === 'buffer' ? /^buffer_pool_pages_(.*)$/.exec(name)?.[1] : undefined;
    if (state === 'total') return [];
    if (state === 'dirty') return [point(`${prefix}_buffer_pool_dirty_pages`, [], value)];
    if (state !== undefined) return [point(`${prefix}_buffer_pool_pages`, [['state', state]], value)];
    // Some counters of some versions run below zero.
    const counts = (type === 'counter' || type === 'status_counter') && value >= 0;
    return [point(`${prefix}_${subsystem}_${name}${counts ? '_total' : ''}`, [], value)];
  });
};

/** Rows of SHOW BINARY LOGS: name and size. */
export const readBinaryLogs = (rows: readonly Row[]): readonly Point[] => {
  const sizes = rows.flatMap(([, size]) => numberOf(size) ?? []);
  const last = /\.(\d+)$/.exec(textOf(rows.at(-1)?.[0]))?.[1];
  return [
    point('mysql_binlog_files', [], rows.length),
    point(
      'mysql_binlog_size_bytes',
      [],
      sizes.reduce((sum, size) => sum + size, 0),
    ),
    ...(last === undefined ? [] : [point('mysql_binlog_file_number', [], Number(last))]),
  ];
};

/** What replicas say has the names of before 2020 as labels and metrics, as mysqld_exporter and every dashboard has them. */
export const readReplicas = (answer: Rows): readonly Point[] =>
  recordsOf(answer)
    .slice(0, 100)
    .flatMap((record) => {
      const value = (...names: readonly string[]): string => names.map((name) => record[name]).find((one) => one) ?? '';
      const labels: readonly Label[] = [
        ['master_host', value('master_host', 'source_host')],
        ['master_uuid', value('master_uuid', 'source_uuid')],
        ['channel_name', value('channel_name')],
        ['connection_name', value('connection_name')],
      ];
      return Object.entries(record).flatMap(([column, text]) => {
        const number = text === null || text === '' ? undefined : parseServerValue(text);
        const name = column.replaceAll(/[^a-z0-9_]/g, '_');
        return number === undefined ? [] : [point(`mysql_slave_status_${name}`, labels, number)];
      });
    });

/** More tables than this would take the server too long to look at, each being opened. */
export const tableLimit = 2_000;
const ownSchemas = "('mysql', 'performance_schema', 'information_schema', 'sys')";
export const tableCount = `SELECT COUNT(*) AS coequal_own FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ${ownSchemas}`;
export const tableSizes = `SELECT TABLE_SCHEMA AS coequal_own, TABLE_NAME, TABLE_TYPE, IFNULL(ENGINE, 'NONE'), IFNULL(VERSION, 0), IFNULL(ROW_FORMAT, 'NONE'),
  IFNULL(TABLE_ROWS, 0), IFNULL(DATA_LENGTH, 0), IFNULL(INDEX_LENGTH, 0), IFNULL(DATA_FREE, 0), IFNULL(CREATE_OPTIONS, 'NONE')
  FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ${ownSchemas} ORDER BY DATA_LENGTH + INDEX_LENGTH DESC LIMIT 200`;

export const readTableSizes = (rows: readonly Row[]): readonly Point[] =>
  rows.flatMap((row) => {
    const [schema = '', table = '', type = '', engine = '', version = '', format = ''] = row.map(textOf);
    const [count, data, index, free] = row.slice(6, 10).map((cell) => numberOf(cell) ?? 0);
    const labels: readonly Label[] = [
      ['schema', schema],
      ['table', table],
    ];
    const size = (component: string, value: number | undefined): Point =>
      point('mysql_info_schema_table_size', [...labels, ['component', component]], value ?? 0);
    const kind: readonly Label[] = [
      ['type', type],
      ['engine', engine],
      ['row_format', format],
      ['create_options', textOf(row[10])],
    ];
    return [
      point('mysql_info_schema_table_version', [...labels, ...kind], Number(version)),
      point('mysql_info_schema_table_rows', labels, count ?? 0),
      size('data_length', data),
      size('index_length', index),
      size('data_free', free),
    ];
  });

export const fileEvents = `SELECT EVENT_NAME AS coequal_own, COUNT_READ, SUM_TIMER_READ, SUM_NUMBER_OF_BYTES_READ,
  COUNT_WRITE, SUM_TIMER_WRITE, SUM_NUMBER_OF_BYTES_WRITE, COUNT_MISC, SUM_TIMER_MISC
  FROM performance_schema.file_summary_by_event_name WHERE COUNT_READ + COUNT_WRITE + COUNT_MISC > 0 LIMIT ${rowLimit}`;

export const readFileEvents = (rows: readonly Row[]): readonly Point[] => {
  const prefix = 'mysql_perf_schema_file_events';
  return rows.flatMap(([event, ...cells]) => {
    const figures = cells.map((cell) => numberOf(cell) ?? 0);
    return (['read', 'write', 'misc'] as const).flatMap((mode, index) => {
      const labels: readonly Label[] = [
        ['event_name', textOf(event)],
        ['mode', mode],
      ];
      const [count = 0, time = 0, bytes] = figures.slice(index * 3, index * 3 + 3);
      return [
        point(`${prefix}_total`, labels, count),
        point(`${prefix}_seconds_total`, labels, time * picoseconds),
        ...(mode === 'misc' || bytes === undefined ? [] : [point(`${prefix}_bytes_total`, labels, bytes)]),
      ];
    });
  });
};

export const tableWaits = `SELECT OBJECT_SCHEMA AS coequal_own, OBJECT_NAME, COUNT_FETCH, SUM_TIMER_FETCH, COUNT_INSERT, SUM_TIMER_INSERT,
  COUNT_UPDATE, SUM_TIMER_UPDATE, COUNT_DELETE, SUM_TIMER_DELETE FROM performance_schema.table_io_waits_summary_by_table
  WHERE OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema') AND COUNT_STAR > 0 ORDER BY SUM_TIMER_WAIT DESC LIMIT 100`;

export const readTableWaits = (rows: readonly Row[]): readonly Point[] => {
  const prefix = 'mysql_perf_schema_table_io_waits';
  return rows.flatMap(([schema, table, ...figures]) =>
    (['fetch', 'insert', 'update', 'delete'] as const).flatMap((operation, index) => {
      const labels: readonly Label[] = [
        ['schema', textOf(schema)],
        ['name', textOf(table)],
        ['operation', operation],
      ];
      return [
        point(`${prefix}_total`, labels, numberOf(figures[index * 2]) ?? 0),
        point(`${prefix}_seconds_total`, labels, (numberOf(figures[index * 2 + 1]) ?? 0) * picoseconds),
      ];
    }),
  );
};
