/** What the gateway asks instances about themselves, and what their answers say. Pure. */
import type { ServerFacts } from './directory.ts';
import type { InstanceStatus } from './health.ts';
import { numberOf, type Row, textOf } from './rows.ts';

/** Questions must not wait for the group: they are about this instance, now. */
export const monitorSession = 'SET SESSION wsrep_sync_wait = 0';

/**
 * Asked many times a second. It reads a table, because an instance that has lost its majority answers what needs none; and it is a
 * tenth of what the full status costs the server (measured: 0.04 against 0.34 ms of processor time).
 */
export const beatText = 'SELECT @@GLOBAL.read_only AS read_only FROM coequal.version WHERE id = 1';

const variables = [
  'wsrep_cluster_size',
  'wsrep_cluster_status',
  'wsrep_flow_control_paused_ns',
  'wsrep_local_recv_queue',
  'wsrep_local_state_comment',
  'wsrep_ready',
];

export const statusText = [
  'SELECT @@GLOBAL.wsrep_on AS replicates, @@GLOBAL.wsrep_cluster_name AS cluster, @@GLOBAL.read_only AS read_only',
  `SHOW GLOBAL STATUS WHERE Variable_name IN (${variables.map((name) => `'${name}'`).join(', ')})`,
].join('; ');

export const readStatus = (results: readonly (readonly Row[])[]): InstanceStatus => {
  const [settings, status = []] = results;
  const [own] = settings ?? [];
  const values = new Map(status.map((row) => [textOf(row, 'Variable_name').toLowerCase(), textOf(row, 'Value')]));
  const numeric = (name: string): number => Number(values.get(name) ?? 0) || 0;
  return {
    replicates: textOf(own, 'replicates') === '1',
    clusterName: textOf(own, 'cluster'),
    clusterStatus: values.get('wsrep_cluster_status') ?? '',
    stateComment: values.get('wsrep_local_state_comment') ?? '',
    ready: values.get('wsrep_ready') === 'ON',
    members: numeric('wsrep_cluster_size'),
    receiveQueue: numeric('wsrep_local_recv_queue'),
    pausedNs: numeric('wsrep_flow_control_paused_ns'),
    readOnly: readOnlyOf(settings),
  };
};

export const readOnlyOf = (rows: readonly Row[] | undefined): boolean => textOf(rows?.[0], 'read_only') === '1';

export const factsText = `SELECT @@GLOBAL.version AS version, @@GLOBAL.max_allowed_packet AS packet,
  @@GLOBAL.innodb_rollback_on_timeout AS rolls_back, ID AS charset
  FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@GLOBAL.collation_server`;

export const readFacts = ([rows]: readonly (readonly Row[])[]): ServerFacts => {
  const [row] = rows ?? [];
  return {
    version: textOf(row, 'version'),
    maxAllowedPacket: numberOf(row, 'packet'),
    charset: numberOf(row, 'charset'),
    rollbackOnTimeout: textOf(row, 'rolls_back') === '1',
  };
};
