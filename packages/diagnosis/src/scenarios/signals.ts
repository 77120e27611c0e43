/** The model's seconds as signals, under the names and labels that collectors use, and as details of databases. */
import type { DatabaseDetail, DatabaseSession, StatementActivity } from '@coequal/contract';
import { type Random, seededRandom } from '@coequal/kernel';
import { type Labels, makeWindow, type Signal, type SignalWindow } from '../window.ts';
import { type Second, type SiteName, siteNames, vary } from './model.ts';

export const instanceAt = (site: SiteName): string => `bank-${site}`;
export const hostAt = (site: SiteName): string => `${site}-1`;
export const gatewayAt = (site: SiteName): string => `gateway-${site}`;

type Figures = Map<string, { name: string; labels: Labels; counts: boolean; values: Float64Array }>;

/** One figure of one second; a count is added up by whoever keeps it. */
type Tell = (name: string, value: number, labels?: Labels) => void;

const writer = (
  figures: Figures,
  length: number,
  row: number,
  base: Labels,
  counts: boolean,
  totals: Map<string, number>,
): Tell => {
  const prefix = `${base['job']} ${base['instance'] ?? base['gateway']} `;
  return (name, value, labels = {}) => {
    const key = `${prefix}${name} ${Object.values(labels).join(' ')}`;
    const known = figures.get(key);
    const figure = known ?? {
      name,
      labels: { ...base, ...labels },
      counts,
      values: new Float64Array(length).fill(Number.NaN),
    };
    if (known === undefined) figures.set(key, figure);
    const total = counts ? (totals.get(key) ?? 1_000) + Math.max(0, value) : value;
    totals.set(key, total);
    figure.values[row] = total;
  };
};

export const signalsOf = (
  seconds: readonly Readonly<Record<SiteName, Second>>[],
  startMs: number,
  random: Random,
): SignalWindow => {
  const figures: Figures = new Map();
  const totals = new Map<string, number>();
  const messages: Messages = new Map();
  for (const [row, second] of seconds.entries())
    for (const site of siteNames) {
      const now = second[site];
      if (!now.dials.agent) continue;
      const at = (base: Labels) => ({
        level: writer(figures, seconds.length, row, base, false, totals),
        count: writer(figures, seconds.length, row, base, true, totals),
      });
      tellHost(site, now, second, random, at);
      tellInstance(site, now, random, at, messages);
      tellGateway(site, now, second, random, at);
    }
  const signals = [...figures.values()].map(
    ({ name, labels, values }): Signal => ({ name, labels, kind: 'gauge', values }),
  );
  return makeWindow({ startMs, stepMs: 1_000, length: seconds.length, signals });
};

type At = (base: Labels) => { readonly level: Tell; readonly count: Tell };

const tellHost = (
  site: SiteName,
  now: Second,
  all: Readonly<Record<SiteName, Second>>,
  random: Random,
  at: At,
): void => {
  const host = hostAt(site);
  const { level, count } = at({ job: 'node', instance: host, host, site });
  const { dials } = now;
  count('node_cpu_seconds_total', now.cpu * 0.8 * vary(random, 0.08), { cpu: '0', mode: 'user' });
  count('node_cpu_seconds_total', now.cpu * 0.2 * vary(random, 0.1), { cpu: '0', mode: 'system' });
  count('node_cpu_seconds_total', Math.max(0, 2 - now.cpu), { cpu: '0', mode: 'idle' });
  count('node_pressure_cpu_waiting_seconds_total', now.cpuWait);
  count('node_pressure_io_waiting_seconds_total', now.ioWait);
  count('node_pressure_memory_waiting_seconds_total', dials.memoryStall * vary(random, 0.2));
  const writes = Math.min(now.commits * 2 + 15, 1 / dials.diskSeconds) * vary(random, 0.1);
  count('node_disk_writes_completed_total', writes, { device: 'nvme0n1' });
  count('node_disk_write_time_seconds_total', writes * dials.diskSeconds, { device: 'nvme0n1' });
  count('node_disk_written_bytes_total', writes * 12_000 + dials.bulkRows * 300, { device: 'nvme0n1' });
  count('node_disk_read_bytes_total', dials.sentBytes * 0.6 + 4_000, { device: 'nvme0n1' });
  level('node_filesystem_size_bytes', 100e9, { mountpoint: '/var/lib', device: '/dev/a', fstype: 'ext4' });
  level('node_filesystem_avail_bytes', 100e9 * dials.diskFree, {
    mountpoint: '/var/lib',
    device: '/dev/a',
    fstype: 'ext4',
  });
  level('node_memory_MemTotal_bytes', 8e9);
  level('node_memory_MemAvailable_bytes', 8e9 * (1 - dials.memoryUsed) * vary(random, 0.01));
  count('node_vmstat_pgmajfault', dials.memoryStall * 2_000 + random.next() * 2);
  const segments = now.requests * 3 + 200;
  count('node_netstat_Tcp_OutSegs', segments);
  const towards = Math.max(dials.loss, ...siteNames.map((other) => (other === site ? 0 : all[other].dials.loss / 2)));
  count('node_netstat_Tcp_RetransSegs', segments * towards * vary(random, 0.3) + (random.next() < 0.05 ? 1 : 0));
  count('node_netstat_TcpExt_TCPSynRetrans', !dials.reachable ? (dials.hears ? 5 : 0.3) * vary(random, 0.3) : 0);
  const agent = at({ job: 'coequal_agent', instance: host, host, site }).level;
  for (const peer of siteNames) {
    if (peer === site || !all[peer].dials.reachable || !dials.reachable) continue;
    const trip = 0.005 + 2 * Math.max(dials.delaySeconds, all[peer].dials.delaySeconds);
    agent('coequal_clock_round_trip_seconds', trip * vary(random, 0.05), { peer: hostAt(peer) });
    agent('coequal_clock_offset_seconds', all[peer].dials.clockOffset - dials.clockOffset + 0.002 * random.next(), {
      peer: hostAt(peer),
    });
  }
};

/** Group messages of an instance so far: their number, and the time that all of them took. */
type Messages = Map<SiteName, { readonly count: number; readonly seconds: number }>;

const tellInstance = (site: SiteName, now: Second, random: Random, at: At, messages: Messages): void => {
  const instance = instanceAt(site);
  const { level, count } = at({ job: 'mysql', instance, host: hostAt(site), site, service: 'bank' });
  const { dials } = now;
  const answers = dials.database === 'up' || dials.database === 'isolated';
  level('mysql_up', answers ? 1 : 0);
  count('node_netstat_TcpExt_TCPSynRetrans', !dials.reachable ? (dials.hears ? 5 : 0.3) * vary(random, 0.3) : 0);
  const agent = at({ job: 'coequal_agent', instance: hostAt(site), host: hostAt(site), site });
  agent.level('coequal_collector_duration_seconds', dials.database === 'silent' ? 0.8 : 0.01 * vary(random, 0.3), {
    collector: 'mariadb',
    target: instance,
  });
  if (!answers) return;
  const status = (name: string, value: number): void => level(`mysql_global_status_${name}`, value);
  const counts = (name: string, value: number): void =>
    count(`mysql_global_status_${name}`, value * vary(random, 0.06));
  const isMember = dials.database === 'up' && dials.reachable;
  status('wsrep_cluster_size', isMember ? now.clusterSize : 1);
  status('wsrep_cluster_status', isMember ? 1 : 0);
  status('wsrep_ready', isMember ? 1 : 0);
  status('wsrep_local_recv_queue', Math.round(now.queue));
  counts('wsrep_flow_control_paused_ns', now.paused * 1e9);
  counts('wsrep_flow_control_sent', now.flowControlSent);
  counts('wsrep_local_cert_failures', now.conflicts);
  counts('wsrep_local_bf_aborts', now.conflicts / 2);
  counts('wsrep_received_bytes', now.received);
  status('threads_running', Math.round(now.running * vary(random, 0.1)));
  status('threads_connected', Math.min(now.connected, dials.maxConnections));
  level('mysql_global_variables_max_connections', dials.maxConnections);
  count('mysql_global_status_connection_errors_total', now.connected > dials.maxConnections ? 5 : 0, {
    error: 'max_connections',
  });
  counts('aborted_connects', dials.failedLogins);
  counts('access_denied_errors', dials.failedLogins);
  counts('questions', now.requests + 3);
  count('mysql_global_status_commands_total', now.commits * vary(random, 0.05), { command: 'commit' });
  count('mysql_global_status_handlers_total', now.rowsRead * vary(random, 0.05), { handler: 'read_rnd_next' });
  count('mysql_global_status_innodb_row_ops_total', now.rowsRead * vary(random, 0.05), { operation: 'read' });
  count('mysql_global_status_innodb_row_ops_total', now.rowsWritten * vary(random, 0.05), { operation: 'inserted' });
  status('innodb_row_lock_current_waits', Math.round(now.waiters));
  counts('innodb_row_lock_time', now.waiters * 1_000 + 5);
  counts('innodb_data_fsyncs', Math.min(now.commits * 2 + 5, 1 / dials.diskSeconds));
  status('innodb_data_pending_fsyncs', dials.diskSeconds > 0.02 ? 1 : 0);
  counts('bytes_sent', now.requests * 800 + dials.sentBytes);
  status('innodb_buffer_pool_bytes_data', 5e8 * vary(random, 0.005));
  // The server tells the mean of all messages, which hardly moves.
  const before = messages.get(site) ?? { count: 0, seconds: 0 };
  const all = { count: before.count + 50, seconds: before.seconds + 50 * now.groupLatency };
  messages.set(site, all);
  level('mysql_galera_evs_repl_latency_avg_seconds', all.seconds / all.count);
  level('mysql_galera_evs_repl_latency_sample_size', all.count);
};

const tellGateway = (
  site: SiteName,
  now: Second,
  all: Readonly<Record<SiteName, Second>>,
  random: Random,
  at: At,
): void => {
  const gateway = gatewayAt(site);
  const { level, count } = at({ job: 'coequal_gateway', instance: gateway, host: hostAt(site), site, service: 'bank' });
  const { dials } = now;
  const scraped = dials.gateway === 'up';
  level('up', scraped ? 1 : 0);
  level('scrape_duration_seconds', dials.gateway === 'silent' ? 0.8 : 0.008 * vary(random, 0.2));
  if (!scraped) return;
  const user = { user: 'app' };
  count('coequal_gateway_user_requests_total', now.requests * vary(random, 0.05), user);
  count('coequal_gateway_user_request_seconds_sum', now.requests * (Number.isNaN(now.latency) ? 0 : now.latency), user);
  count('coequal_gateway_user_request_seconds_count', now.requests, user);
  count('coequal_gateway_user_conflicts_total', now.conflicts, { ...user, result: 'hidden' });
  level('coequal_gateway_connections', Math.round(24 * (0.5 + 0.5 * dials.load)));
  level('coequal_gateway_workers', 1);
  level('coequal_gateway_start_time_seconds', 1_000);
  count('coequal_gateway_logins_total', 0.2, { result: 'ok' });
  count('coequal_gateway_logins_total', dials.failedLogins, { result: 'denied' });
  for (const other of siteNames) {
    const seen = all[other].dials;
    const reached = other === site || (dials.reachable && seen.reachable);
    const state =
      !reached || seen.database === 'silent'
        ? 'silent'
        : seen.database === 'gone'
          ? 'gone'
          : seen.reachable
            ? 'serving'
            : 'isolated';
    for (const each of ['serving', 'silent', 'gone', 'isolated'])
      level('coequal_gateway_instance_state', each === state ? 1 : 0, {
        exported_instance: instanceAt(other),
        state: each,
      });
  }
};

const usualStatements: readonly (readonly [digest: string, text: string, share: number, rows: number])[] = [
  ['a1', 'SELECT balance FROM account WHERE id = ?', 0.5, 1],
  ['b2', 'UPDATE account SET balance = balance + ? WHERE id = ?', 0.3, 2],
  ['c3', 'INSERT INTO transfer VALUES (?, ?, ?)', 0.2, 0],
  ['d4', 'SELECT * FROM transfer WHERE account = ? ORDER BY id DESC LIMIT ?', 0.1, 30],
];

/** What else is seen while a fault is on, by the second since it began. */
export type Extra = {
  readonly sessions?: readonly DatabaseSession[];
  readonly waits?: DatabaseDetail['waits'];
  readonly blockers?: DatabaseDetail['blockers'];
  readonly statements?: readonly StatementActivity[];
};

export const statement = (digest: string, text: string, figures: Partial<StatementActivity>): StatementActivity => ({
  digest,
  text,
  calls: 1,
  seconds: 0,
  lockSeconds: 0,
  rowsExamined: 0,
  rowsSent: 0,
  rowsChanged: 0,
  errors: 0,
  withoutIndex: 0,
  temporaryTablesOnDisk: 0,
  ...figures,
});

/** One detail a second of an instance that answers. */
export const detailsOf = (
  seconds: readonly Readonly<Record<SiteName, Second>>[],
  site: SiteName,
  startMs: number,
  onset: number,
  extra: (since: number) => Extra,
): readonly DatabaseDetail[] => {
  const random = seededRandom(siteNames.indexOf(site) + 17);
  return seconds.flatMap((second, row): readonly DatabaseDetail[] => {
    const now = second[site];
    if (now.dials.database !== 'up' || !now.dials.agent) return [];
    const more = row >= onset ? extra(row - onset) : {};
    const waiting = Array.from({ length: Math.round(now.waiters) }, (_, index) => 500 + index);
    const sessions = waiting.map(
      (id): DatabaseSession => ({
        id,
        user: 'app',
        address: '10.0.0.9',
        command: 'Query',
        state: 'Updating',
        seconds: Math.min(row - onset, 10),
        statement: 'UPDATE account SET balance = balance + ? WHERE id = ?',
      }),
    );
    return [
      {
        instance: instanceAt(site),
        atMs: startMs + row * 1_000 + 300,
        intervalMs: row === 0 ? 0 : 1_000,
        sessions: [...(more.sessions ?? []), ...sessions].slice(0, 50),
        waits: [...(more.waits ?? [])],
        blockers: [...(more.blockers ?? [])],
        statements: [
          ...usualStatements.map(([digest, text, share, rows]) => {
            const calls = Math.round(now.requests * share * vary(random, 0.1));
            const scanned = digest === 'd4' ? rows + now.dials.extraRows * 10 : rows;
            return statement(digest, text, {
              calls,
              seconds: calls * (0.0004 + scanned / 1_000_000),
              rowsExamined: calls * scanned,
              rowsSent: calls,
              withoutIndex: digest === 'd4' && now.dials.extraRows > 0 ? calls : 0,
            });
          }),
          ...(more.statements ?? []),
        ],
      },
    ];
  });
};
