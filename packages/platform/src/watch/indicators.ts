/**
 * Service-level indicators that detectors watch in the stream: a table. Each is read from an entity's signals once a second. Most are
 * shares (per request, per transaction), which stay where they are while load rises and falls; `least` and `factor` keep what is
 * small, or still like the usual, from counting however strange it is.
 */
import type { Severity } from '@coequal/contract';
import type { Reader, Selector, WatchedKind } from './reading.ts';

export type Indicator = {
  /** Name of the alert. */
  readonly alert: string;
  readonly kind: WatchedKind;
  readonly direction: 'above' | 'below';
  readonly severity: Severity;
  /** Above: the value is at least this. Below: the usual is at least this. */
  readonly least: number;
  /** Above: at least so many times the usual; below: at most this share of it. */
  readonly factor: number;
  /** So many samples in a row beyond; 2 unless told: one bad second is no fault. */
  readonly samples?: number;
  /** What it is compared with: the median of the last minutes, or their maximum. */
  readonly against: 'median' | 'maximum';
  /** The newest value of any says that there is something new to look at. */
  readonly clock: readonly Selector[];
  /** NaN: not known. */
  readonly read: (reader: Reader) => number;
  readonly unit: '' | 's' | '%' | '/s' | 'B/s';
  /** What it is, in a sentence: `requests take`. */
  readonly words: string;
};

const selector = (name: string, where?: Selector['where'], not?: Selector['not']): Selector => ({
  name,
  ...(where === undefined ? {} : { where }),
  ...(not === undefined ? {} : { not }),
});

const status = (name: string, where?: Selector['where']): Selector => selector(`mysql_global_status_${name}`, where);

const gate = {
  count: selector('coequal_gateway_user_request_seconds_count'),
  sum: selector('coequal_gateway_user_request_seconds_sum'),
  sessions: selector('coequal_gateway_user_sessions'),
  committed: selector('coequal_gateway_user_transactions_total', [['result', 'committed']]),
  transactionSum: selector('coequal_gateway_user_transaction_seconds_sum'),
  transactionCount: selector('coequal_gateway_user_transaction_seconds_count'),
  errors: selector('coequal_gateway_user_errors_total'),
  conflicts: selector('coequal_gateway_user_conflicts_total'),
  losses: selector('coequal_gateway_user_losses_total'),
  logins: selector('coequal_gateway_logins_total', undefined, [['result', 'ok']]),
  refused: selector('coequal_gateway_connections_refused_total'),
};

const base = {
  up: selector('mysql_up'),
  running: status('threads_running'),
  questions: status('questions'),
  waits: status('innodb_row_lock_current_waits'),
  lockTime: status('innodb_row_lock_time'),
  rowsRead: status('innodb_row_ops_total', [['operation', 'read']]),
  // A scan in the order of an index, forwards or backwards, counts otherwise than one in no order.
  nextRows: status('handlers_total', [['handler', 'read_rnd_next']]),
  nextOfIndex: status('handlers_total', [['handler', 'read_next']]),
  previousOfIndex: status('handlers_total', [['handler', 'read_prev']]),
  bytesSent: status('bytes_sent'),
  paused: status('wsrep_flow_control_paused_ns'),
  received: status('wsrep_local_recv_queue'),
  failures: status('wsrep_local_cert_failures'),
  aborts: status('wsrep_local_bf_aborts'),
  aborted: status('aborted_connects'),
  denied: status('access_denied_errors'),
  connectionErrors: status('connection_errors_total', [['error', 'max_connections']]),
  replicated: status('wsrep_replicated_bytes'),
};

const host = {
  time: selector('node_time_seconds'),
  cpuPressure: selector('node_pressure_cpu_waiting_seconds_total'),
  groupPressure: selector('container_pressure_cpu_waiting_seconds_total'),
  memoryPressure: selector('node_pressure_memory_waiting_seconds_total'),
  groupMemoryPressure: selector('container_pressure_memory_waiting_seconds_total'),
  ioPressure: selector('node_pressure_io_waiting_seconds_total'),
  groupIoPressure: selector('container_pressure_io_waiting_seconds_total'),
  readTime: selector('node_disk_read_time_seconds_total'),
  writeTime: selector('node_disk_write_time_seconds_total'),
  reads: selector('node_disk_reads_completed_total'),
  writes: selector('node_disk_writes_completed_total'),
  resent: selector('node_netstat_Tcp_RetransSegs'),
  sent: selector('node_netstat_Tcp_OutSegs'),
  faults: selector('node_vmstat_pgmajfault'),
};

/** The agent's word on its own readings, or what any node_exporter tells. */
const hostClock = [selector('coequal_collector_up', [['collector', 'host']]), host.time];

/** All signals that indicators are read from. */
export const indicatorSignals: readonly Selector[] = [
  ...new Set([...Object.values(gate), ...Object.values(base), ...hostClock, ...Object.values(host)]),
];

/** Per unit of what is below; not known where less than `least` of it happens. */
export const per = (above: number, below: number, least: number): number =>
  below >= least ? above / below : Number.NaN;

/** What is not told counts as nothing, as long as one of them is told. */
const added = (...values: readonly number[]): number => {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length === 0 ? Number.NaN : known.reduce((sum, value) => sum + value, 0);
};

/** A counter that nothing has counted yet is often not told at all. */
const orZero = (value: number): number => (Number.isNaN(value) ? 0 : value);

const firstKnown = (...values: readonly number[]): number => values.find((value) => !Number.isNaN(value)) ?? Number.NaN;

export const above = { direction: 'above', against: 'median', severity: 'warning' } as const;

export const indicators: readonly Indicator[] = [
  {
    ...above,
    ...{ alert: 'RequestsSlow', kind: 'gateway', clock: [gate.count], unit: 's', words: 'requests take' },
    // A few long requests among few make a mean that says little.
    ...{ least: 0.02, factor: 4, samples: 3 },
    read: (r) => per(r.rate(gate.sum), r.rate(gate.count), 5),
  },
  {
    ...above,
    ...{ alert: 'TransactionsSlow', kind: 'gateway', clock: [gate.count], unit: 's', words: 'transactions take' },
    ...{ least: 0.05, factor: 4, samples: 3 },
    read: (r) => per(r.rate(gate.transactionSum), r.rate(gate.transactionCount), 3),
  },
  {
    ...{ alert: 'WorkStopped', kind: 'gateway', clock: [gate.count], unit: '/s', words: 'transactions committed' },
    ...{ direction: 'below', against: 'median', severity: 'critical', least: 4, factor: 0.15 },
    read: (r) => (r.sum(gate.sessions) >= 1 ? r.rate(gate.committed) : Number.NaN),
  },
  {
    ...above,
    ...{ alert: 'RequestsFail', kind: 'gateway', clock: [gate.count], unit: '/s', words: 'errors to clients' },
    ...{ least: 2, factor: 5 },
    read: (r) => orZero(r.rate(gate.errors)),
  },
  {
    ...above,
    ...{ alert: 'ConflictsMany', kind: 'gateway', clock: [gate.count], unit: '%', words: 'conflicts per transaction' },
    ...{ least: 0.15, factor: 4 },
    read: (r) => per(orZero(r.rate(gate.conflicts)), added(r.rate(gate.committed), r.rate(gate.conflicts)), 5),
  },
  {
    ...above,
    ...{
      alert: 'SessionsLost',
      kind: 'gateway',
      clock: [gate.count],
      unit: '/s',
      words: 'sessions that lost their instance',
    },
    ...{ least: 1, factor: 3 },
    read: (r) => orZero(r.rate(gate.losses)),
  },
  {
    ...above,
    ...{ alert: 'LoginsFail', kind: 'gateway', clock: [gate.count], unit: '/s', words: 'failed log-ins' },
    ...{ least: 3, factor: 5 },
    read: (r) => orZero(r.rate(gate.logins)),
  },
  {
    ...above,
    ...{ alert: 'ConnectionsRefused', kind: 'gateway', clock: [gate.count], unit: '/s', words: 'refused connections' },
    ...{ least: 1, factor: 5 },
    read: (r) => orZero(r.rate(gate.refused)),
  },
  {
    ...above,
    ...{ alert: 'LoadSpike', kind: 'gateway', clock: [gate.count], unit: '/s', words: 'requests' },
    ...{ against: 'maximum', least: 50, factor: 2 },
    read: (r) => r.rate(gate.count),
  },
  {
    ...above,
    ...{ alert: 'LoadSpike', kind: 'instance', clock: [base.up], unit: '/s', words: 'queries' },
    ...{ against: 'maximum', least: 100, factor: 2 },
    read: (r) => r.rate(base.questions),
  },
  {
    ...above,
    ...{ alert: 'SessionsPileUp', kind: 'instance', clock: [base.up], unit: '', words: 'sessions at work' },
    ...{ least: 8, factor: 3 },
    read: (r) => r.sum(base.running),
  },
  {
    ...above,
    ...{
      alert: 'RowLockWaits',
      kind: 'instance',
      clock: [base.up],
      unit: '',
      words: 'sessions that wait for row locks',
    },
    ...{ least: 3, factor: 3 },
    read: (r) => r.sum(base.waits),
  },
  {
    ...above,
    ...{ alert: 'FlowControl', kind: 'instance', clock: [base.up], unit: '%', words: 'time stopped by flow control' },
    ...{ least: 0.2, factor: 3 },
    read: (r) => r.rate(base.paused) / 1e9,
  },
  {
    ...above,
    ...{
      alert: 'ReceiveQueueLong',
      kind: 'instance',
      clock: [base.up],
      unit: '',
      words: 'write sets waiting to be applied',
    },
    ...{ least: 30, factor: 4 },
    read: (r) => r.sum(base.received),
  },
  {
    ...above,
    ...{ alert: 'ConflictsMany', kind: 'instance', clock: [base.up], unit: '/s', words: 'conflicts between sites' },
    ...{ least: 5, factor: 4 },
    read: (r) => added(r.rate(base.failures), r.rate(base.aborts)),
  },
  {
    ...above,
    ...{ alert: 'RowsScanned', kind: 'instance', clock: [base.up], unit: '', words: 'rows scanned per query' },
    ...{ least: 100, factor: 4 },
    read: (r) => {
      const scanned = added(r.rate(base.nextRows), r.rate(base.nextOfIndex), r.rate(base.previousOfIndex));
      return scanned >= 20_000
        ? per(scanned, r.rate(base.questions), 0.5)
        : Math.min(99, per(scanned, r.rate(base.questions), 5));
    },
  },
  {
    ...above,
    ...{ alert: 'RowsRead', kind: 'instance', clock: [base.up], unit: '/s', words: 'rows read' },
    ...{ least: 50_000, factor: 5 },
    read: (r) => r.rate(base.rowsRead),
  },
  {
    ...above,
    ...{ alert: 'BytesSent', kind: 'instance', clock: [base.up], unit: 'B/s', words: 'sent to clients' },
    ...{ least: 2e6, factor: 6 },
    read: (r) => r.rate(base.bytesSent),
  },
  {
    ...above,
    ...{ alert: 'LoginsFail', kind: 'instance', clock: [base.up], unit: '/s', words: 'connections that failed' },
    ...{ least: 3, factor: 5 },
    read: (r) => added(r.rate(base.aborted), r.rate(base.denied)),
  },
  {
    ...above,
    ...{
      alert: 'ConnectionsRefused',
      kind: 'instance',
      clock: [base.up],
      unit: '/s',
      words: 'connections refused as too many',
    },
    ...{ least: 0.5, factor: 3 },
    read: (r) => r.rate(base.connectionErrors),
  },
  {
    ...above,
    ...{ alert: 'WriteSetsLarge', kind: 'instance', clock: [base.up], unit: 'B/s', words: 'replicated' },
    ...{ severity: 'info', least: 2e6, factor: 6 },
    read: (r) => r.rate(base.replicated),
  },
  {
    ...above,
    ...{
      alert: 'ProcessorWaits',
      kind: 'host',
      clock: hostClock,
      unit: '%',
      words: 'time in which something waited for a processor',
    },
    ...{ least: 0.5, factor: 2.5 },
    read: (r) => firstKnown(r.rate(host.groupPressure), r.rate(host.cpuPressure)),
  },
  {
    ...above,
    ...{
      alert: 'MemoryWaits',
      kind: 'host',
      clock: hostClock,
      unit: '%',
      words: 'time in which something waited for memory',
    },
    ...{ least: 0.1, factor: 3 },
    read: (r) => firstKnown(r.rate(host.groupMemoryPressure), r.rate(host.memoryPressure)),
  },
  {
    ...above,
    ...{
      alert: 'DiskWaits',
      kind: 'host',
      clock: hostClock,
      unit: '%',
      words: 'time in which something waited for the disk',
    },
    ...{ least: 0.5, factor: 3 },
    read: (r) => firstKnown(r.rate(host.groupIoPressure), r.rate(host.ioPressure)),
  },
  {
    ...above,
    ...{ alert: 'DiskSlow', kind: 'host', clock: hostClock, unit: 's', words: 'a disk request takes' },
    ...{ least: 0.02, factor: 4 },
    read: (r) =>
      per(added(r.rate(host.readTime), r.rate(host.writeTime)), added(r.rate(host.reads), r.rate(host.writes)), 2),
  },
  {
    ...above,
    ...{ alert: 'PacketsResent', kind: 'host', clock: hostClock, unit: '%', words: 'segments sent again' },
    ...{ least: 0.01, factor: 4 },
    read: (r) => per(r.rate(host.resent), r.rate(host.sent), 50),
  },
  {
    ...above,
    ...{ alert: 'PagesReadBack', kind: 'host', clock: hostClock, unit: '/s', words: 'pages read back from disk' },
    ...{ severity: 'info', least: 200, factor: 5 },
    read: (r) => r.rate(host.faults),
  },
];
