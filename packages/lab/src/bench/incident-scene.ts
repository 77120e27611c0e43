/**
 * A made-up incident of the size that counts, for measuring what its diagnosis costs: three sites under the names that collectors use,
 * a thousand signals over ten minutes, and one host whose processors are taken away.
 */
import type { IncidentScene } from '@coequal/diagnosis';
import type { Estate } from '@coequal/estate';
import { seededRandom } from '@coequal/kernel';
import { readGlobalStatus } from '@coequal/signals';
import { estateOfSites } from '../estate.ts';

const startMs = 1_700_000_000_000;

/** Status variables as a server has them; every signal counts or is a level by its name. */
const statusNames = [
  ...['questions', 'com_commit', 'com_select', 'handler_read_rnd_next', 'innodb_rows_read', 'innodb_row_lock_waits'],
  ...['threads_running', 'threads_connected', 'aborted_connects', 'access_denied_errors', 'innodb_data_fsyncs'],
  ...['wsrep_local_recv_queue', 'wsrep_flow_control_paused_ns', 'wsrep_flow_control_sent', 'wsrep_cluster_size'],
  ...['wsrep_cluster_status', 'wsrep_ready', 'wsrep_local_cert_failures', 'wsrep_local_bf_aborts', 'uptime'],
];
const levels = new Set(['wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_ready']);

export const incidentScene = (signalCount: number, rows: number): IncidentScene => {
  const estate: Estate = estateOfSites('cost', 3, 'default');
  const random = seededRandom(1);
  const onset = rows - 10;
  const each = Math.floor(signalCount / 3);
  const signals = estate.services.flatMap(({ name: service, instances }) =>
    instances.flatMap(({ name: instance, host }) => {
      const site = estate.sites.find(({ hosts }) => hosts.some((one) => one.name === host))?.name ?? '';
      const own = { instance, host, site, service, job: 'mysql' };
      const machine = { instance: host, host, site, job: 'node' };
      const many = Array.from({ length: each - statusNames.length - 5 }, (_, index) => `innodb_figure_${index}`);
      const status = readGlobalStatus([...statusNames, ...many].map((name) => [name, '1'])).map((point) => ({
        name: point.name,
        labels: { ...Object.fromEntries(point.labels), ...own },
        steady: levels.has(point.name.replace('mysql_global_status_', '')),
      }));
      const cpu = ['user', 'idle'].map((mode) => ({
        name: 'node_cpu_seconds_total',
        labels: { ...machine, cpu: '0', mode },
        steady: false,
      }));
      const up = { name: 'mysql_up', labels: own, steady: true };
      const pressure = { name: 'node_pressure_cpu_waiting_seconds_total', labels: machine, steady: false };
      return [...status, ...cpu, up, pressure].map(({ name, labels, steady }) => {
        const hit = host === 'north-1' && name.startsWith('node_');
        let total = 0;
        const values = Float64Array.from({ length: rows }, (_, row) => {
          const busy = hit && row >= onset ? ('mode' in labels && labels.mode === 'idle' ? 0.1 : 3) : 1;
          total += busy * (0.5 + random.next());
          return steady ? 3 : total;
        });
        return { name, labels, kind: 'gauge' as const, values };
      });
    }),
  );
  return {
    nowMs: startMs + rows * 1_000,
    window: { startMs, stepMs: 1_000, length: rows, signals },
    triggers: [{ name: 'answers take longer', place: { site: 'north' }, startedMs: startMs + (onset + 2) * 1_000 }],
    changes: [],
    logs: [],
    details: new Map(),
    estate,
  };
};
