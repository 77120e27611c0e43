/** The figures that the overview shows of each thing, read from its newest signals. */
import type { Host } from '@coequal/estate';
import type { Reader, Selector } from '../watch/reading.ts';

const named = (name: string, where?: Selector['where']): Selector => ({
  name,
  ...(where === undefined ? {} : { where }),
});

const status = (name: string): Selector => named(`mysql_global_status_${name}`);

const s = {
  up: named('mysql_up'),
  pgUp: named('pg_up'),
  connected: status('threads_connected'),
  running: status('threads_running'),
  questions: status('questions'),
  waits: status('innodb_row_lock_current_waits'),
  paused: status('wsrep_flow_control_paused_ns'),
  size: status('wsrep_cluster_size'),
  primary: status('wsrep_cluster_status'),
  ready: status('wsrep_ready'),
  local: status('wsrep_local_state'),
  gatewayInfo: named('coequal_gateway_info'),
  sessions: named('coequal_gateway_user_sessions'),
  requests: named('coequal_gateway_user_request_seconds_count'),
  requestSeconds: named('coequal_gateway_user_request_seconds_sum'),
  committed: named('coequal_gateway_user_transactions_total', [['result', 'committed']]),
  errors: named('coequal_gateway_user_errors_total'),
  idle: named('node_cpu_seconds_total', [['mode', 'idle']]),
  cpu: named('node_cpu_seconds_total'),
  groupCpu: named('container_cpu_usage_seconds_total'),
  quota: named('container_spec_cpu_quota'),
  period: named('container_spec_cpu_period'),
  memoryAvailable: named('node_memory_MemAvailable_bytes'),
  memoryTotal: named('node_memory_MemTotal_bytes'),
  groupMemory: named('container_memory_usage_bytes'),
  groupInactive: named('container_memory_total_inactive_file_bytes'),
  groupMemoryLimit: named('container_spec_memory_limit_bytes'),
  diskAvailable: named('node_filesystem_avail_bytes'),
  diskSize: named('node_filesystem_size_bytes'),
} as const;

/** Null where it is not known: an answer in JSON has no NaN. */
export const known = (value: number): number | null => (Number.isFinite(value) ? value : null);

const share = (part: number, whole: number): number | null => (whole > 0 ? known(part / whole) : null);

export const instanceFigures = (reader: Reader) => ({
  sessions: known(reader.sum(s.connected)),
  running: known(reader.sum(s.running)),
  queriesPerSecond: known(reader.rate(s.questions)),
  waiting: known(reader.sum(s.waits)),
  flowControl: known(reader.rate(s.paused) / 1e9),
  clusterSize: known(reader.sum(s.size)),
});

/** `serving` and the like, when nothing is said against it. Undefined: nothing is known. */
export const instanceWord = (reader: Reader): string | undefined => {
  const up = [s.up, s.pgUp].map((one) => reader.sum(one)).find((value) => !Number.isNaN(value));
  if (up === undefined) return undefined;
  if (up === 0) return 'no answer';
  if (reader.sum(s.primary) === 0) return 'outside the group';
  const local = reader.sum(s.local);
  if (local === 2) return 'donor';
  if (local === 1 || local === 3) return 'joining';
  return reader.sum(s.ready) === 0 ? 'not ready' : 'serving';
};

export const gatewayFigures = (reader: Reader) => {
  const requests = reader.rate(s.requests);
  return {
    sessions: known(reader.sum(s.sessions)),
    requestsPerSecond: known(requests),
    latencySeconds: share(reader.rate(s.requestSeconds), requests),
    errorsPerSecond: known(reader.rate(s.errors)),
  };
};

export const isGatewayHeard = (reader: Reader): boolean => !Number.isNaN(reader.sum(s.gatewayInfo));

/** Sums for a service: transactions, requests and their time, errors. */
export const gatewayTotals = (reader: Reader) => ({
  transactions: reader.rate(s.committed),
  requests: reader.rate(s.requests),
  seconds: reader.rate(s.requestSeconds),
  errors: reader.rate(s.errors),
});

export const hostFigures = (reader: Reader, host: Host | undefined) => ({
  cpu: cpuOf(reader, host),
  memory: memoryOf(reader, host),
  disk: diskOf(reader),
});

/** Of the quota of its control group, or of what the estate gives it; else of the machine. */
const cpuOf = (reader: Reader, host: Host | undefined): number | null => {
  const used = reader.rate(s.groupCpu);
  const quota = reader.sum(s.quota) / reader.sum(s.period);
  const allowed = Number.isNaN(quota) ? (host?.cpus ?? Number.NaN) : quota;
  if (!Number.isNaN(used) && allowed > 0) return known(used / allowed);
  const all = reader.rate(s.cpu);
  return share(all - reader.rate(s.idle), all);
};

const memoryOf = (reader: Reader, host: Host | undefined): number | null => {
  const told = reader.sum(s.groupMemoryLimit);
  const limit = Number.isNaN(told) ? (host?.memoryBytes ?? Number.NaN) : told;
  // Files that nobody used lately can be let go.
  const used = reader.sum(s.groupMemory) - reader.sum(s.groupInactive);
  if (limit > 0 && !Number.isNaN(used)) return known(used / limit);
  const total = reader.sum(s.memoryTotal);
  return share(total - reader.sum(s.memoryAvailable), total);
};

const diskOf = (reader: Reader): number | null => {
  const available = reader.series(s.diskAvailable);
  let fullest: number | null = null;
  for (const size of reader.series(s.diskSize)) {
    const mount = JSON.stringify(size.labels);
    const left = available.find((one) => JSON.stringify(one.labels) === mount);
    const used = left === undefined ? null : share(size.at(size.newest) - left.at(left.newest), size.at(size.newest));
    if (used !== null && (fullest === null || used > fullest)) fullest = used;
  }
  return fullest;
};
