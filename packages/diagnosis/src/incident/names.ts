/**
 * What names and labels say of a signal: whether it counts, and whose it is. Exporters do not send types along with remote write, so
 * names have to do. Pure tables; nothing here looks at values.
 */
import type { Labels, Signal } from '../window.ts';

/** Of mysqld_exporter's untyped status variables those that are levels; all others count. */
const statusLevels =
  /^mysql_global_status_(threads_(connected|running|cached)|open_(files|streams|table_definitions|tables)$|max_|uptime|innodb_(buffer_pool_bytes|history_list|page_size|row_lock_(current|time_(avg|max))|data_pending|os_log_pending|num_open|checkpoint_(age|max)|mem_|max_|lsn|undo|ibuf_(size|segment|free)|available|current_row_locks|secondary_index|encryption_n_rowlog)|buffer_pool_(pages|dirty)|memory_used|not_flushed|wsrep_(local_(state|send_queue|recv_queue|index|cached)|cluster_|connected|ready|last_committed|flow_control_paused$|flow_control_(active|requested|interval)|cert_(deps|index|interval)|apply_(oo|window|waits)|commit_(oo|window)|causal_reads_lat|open_|evs_|gcomm|protocol|desync|gmcast|applier_thread|rollbacker|thread_count|cert_bucket)|ssl_(session_cache_(size|overflows)|used|default)|slave_(running|connections)|key_blocks|qcache_(free|total|queries_in)|rpl_|binlog_snapshot|prepared_stmt_count|delayed_insert|subquery_cache|tc_log|performance_schema)/;
const counting = /(_total|_count|_sum|_bucket|_paused_ns)$/;
const countingNames = new Set(['node_intr_total', 'mysql_global_status_wsrep_flow_control_paused_ns']);
const nodeCounters = /^node_(vmstat_|netstat_(?!Tcp_(CurrEstab|MaxConn|RtoMin|RtoMax|RtoAlgorithm)))/;

/** Whether the signal is a counter, as far as its kind or its name tells. */
export const isCounter = ({ name, kind }: Pick<Signal, 'name' | 'kind'>): boolean => {
  if (kind === 'counter' || countingNames.has(name)) return true;
  if (name.startsWith('mysql_global_status_')) return !statusLevels.test(name);
  return counting.test(name) || nodeCounters.test(name);
};

export type Owners = {
  readonly gateways: ReadonlySet<string>;
  readonly instances: ReadonlySet<string>;
  readonly hosts: ReadonlySet<string>;
};

/** The key of the entity that a signal is about: what it is told of, not who tells it. Undefined: of nobody in the estate. */
export const ownerOf = ({ name, labels }: Pick<Signal, 'name' | 'labels'>, owners: Owners): string | undefined => {
  if (name.startsWith('coequal_gateway') || labels['job'] === 'coequal_gateway') {
    const gateway = gatewayOf(labels, owners);
    return gateway === undefined ? undefined : `gateway:${gateway}`;
  }
  const instance = labels['instance'];
  if (/^(mysql|pg)_/.test(name) || labels['job'] === 'mysql' || labels['job'] === 'postgres')
    return instance !== undefined && owners.instances.has(instance) ? `instance:${instance}` : undefined;
  const host = labels['host'] ?? instance;
  return host !== undefined && owners.hosts.has(host) ? `host:${host}` : undefined;
};

/** A gateway's own label `instance` (the database) may have been moved aside by that of the scrape. */
const gatewayOf = (labels: Labels, { gateways }: Owners): string | undefined =>
  [labels['gateway'], labels['instance'], labels['exported_instance']].find(
    (name) => name !== undefined && gateways.has(name),
  );

/** The instance that a gateway's signal is about. */
export const targetOf = (labels: Labels, { instances }: Owners): string | undefined =>
  [labels['exported_instance'], labels['target'], labels['backend'], labels['instance']].find(
    (name) => name !== undefined && instances.has(name),
  );
