/**
 * The option file of one instance, as text. Pure: the same estate, preset and places give the same bytes, so
 * that a digest of the configuration means something. Holds one secret (the transfer account's password), hence
 * the file is written with mode 0600 by whoever writes it.
 */
import type { Arbitrator, Estate, Instance, Placed, Service } from '@coequal/estate';
import { fail } from '@coequal/kernel';
import { formatProviderOptions, presets, type Setting, safetySettings } from './presets.ts';

export type InstancePlaces = {
  /** Socket, pid file, error log and this option file lie here. */
  readonly runFolder: string;
  readonly galeraLibrary: string;
  readonly pluginFolder: string;
  /** Error messages and character sets of the server's own version. */
  readonly shareFolder: string;
  /** The installation's root, for relative paths of the server. */
  readonly baseFolder: string;
  readonly certificates?: { readonly authority: string; readonly certificate: string; readonly key: string };
};

export type ConfigurationInput = {
  readonly estate: Estate;
  readonly service: Service;
  readonly instance: Placed<Instance>;
  readonly members: readonly Placed<Instance>[];
  readonly arbitrators: readonly Placed<Arbitrator>[];
  readonly places: InstancePlaces;
  readonly transferAccount: { readonly user: string; readonly password: string };
  /** Addresses that may send a PROXY header: the gateways'. */
  readonly proxyNetworks?: readonly string[];
};

export const optionFile = (runFolder: string): string => `${runFolder}/my.cnf`;
export const socketPath = (runFolder: string): string => `${runFolder}/sql.sock`;
export const errorLogPath = (runFolder: string): string => `${runFolder}/error.log`;

/** Where the Galera cache of an instance lies. */
export const cacheFolder = (instance: Instance): string => instance.cacheFolder ?? instance.dataFolder;

/** Size of InnoDB's redo log; a seed must be made with the same. */
export const logFileBytes = (estate: Estate): number =>
  Math.max(64 * 2 ** 20, Math.floor(estate.limits.bufferPoolBytes / 4));

/** `gcomm://` with every member's group address, so that any of them may be the first to answer. */
export const clusterAddress = (
  members: readonly Placed<Instance>[],
  arbitrators: readonly Placed<Arbitrator>[],
): string =>
  `gcomm://${[
    ...members.map((member) => groupAddress(member.at.address, member.ports.group)),
    ...arbitrators.map((arbitrator) => groupAddress(arbitrator.at.address, arbitrator.groupPort)),
  ].join(',')}`;

/** An address with its port, IPv6 in brackets. */
export const groupAddress = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Provider options of the group channel; the arbitrator uses the same. */
export const channelOptions = (
  service: Service,
  address: string,
  groupPort: number,
  certificates: InstancePlaces['certificates'],
): readonly Pick<Setting, 'name' | 'value'>[] => [
  ...presets[service.preset].provider,
  {
    name: 'gmcast.listen_addr',
    value: `${service.tls ? 'ssl' : 'tcp'}://${groupAddress(address, groupPort)}`,
  },
  { name: 'base_host', value: address },
  { name: 'base_port', value: String(groupPort) },
  ...(certificates === undefined
    ? []
    : [
        { name: 'socket.ssl', value: 'yes' },
        { name: 'socket.ssl_ca', value: certificates.authority },
        { name: 'socket.ssl_cert', value: certificates.certificate },
        { name: 'socket.ssl_key', value: certificates.key },
      ]),
];

/**
 * The text of `my.cnf`.
 * @throws ENCRYPTION_UNSAFE_CACHE when data is encrypted but the Galera cache, which the free build writes in the
 * clear, lies outside the estate's safe places.
 */
export const formatConfiguration = (input: ConfigurationInput): string => {
  const { estate, service, instance, places } = input;
  checkCachePlace(service, instance);
  const provider = formatProviderOptions([
    ...channelOptions(service, instance.at.address, instance.ports.group, places.certificates),
    { name: 'ist.recv_addr', value: groupAddress(instance.at.address, instance.ports.incremental) },
    { name: 'gcache.dir', value: cacheFolder(instance) },
    { name: 'gcache.size', value: String(estate.limits.galeraCacheBytes) },
    { name: 'gcache.recover', value: 'yes' },
    { name: 'pc.recovery', value: 'true' },
  ]);
  return [
    '# Written by Coequal from the estate file; changes here are overwritten.',
    '[mariadbd]',
    ...placeLines(input),
    ...safetySettings.map(({ name, value }) => `${name}=${value}`),
    ...clusterLines(input, provider),
    ...tlsLines(service, places),
    ...encryptionLines(service),
    ...sizeLines(estate),
    ...transferSection(service, places),
    '',
  ].join('\n');
};

const placeLines = ({ instance, places, proxyNetworks }: ConfigurationInput): readonly string[] => [
  `basedir=${places.baseFolder}`,
  `datadir=${instance.dataFolder}`,
  `plugin_dir=${places.pluginFolder}`,
  `lc_messages_dir=${places.shareFolder}`,
  `character_sets_dir=${places.shareFolder}/charsets`,
  `socket=${socketPath(places.runFolder)}`,
  `pid_file=${places.runFolder}/mariadbd.pid`,
  `log_error=${errorLogPath(places.runFolder)}`,
  `tmpdir=${places.runFolder}`,
  `bind_address=${instance.at.address}`,
  `port=${instance.ports.client}`,
  'skip_name_resolve=ON',
  // Names in statements keep their case on every machine, so that a dump loads alike everywhere.
  'lower_case_table_names=0',
  'character_set_server=utf8mb4',
  ...(proxyNetworks === undefined || proxyNetworks.length === 0
    ? []
    : [`proxy_protocol_networks=${proxyNetworks.join(',')}`]),
];

const clusterLines = (
  { service, instance, members, arbitrators, places, transferAccount }: ConfigurationInput,
  provider: string,
): readonly string[] => [
  'wsrep_on=ON',
  `wsrep_provider=${places.galeraLibrary}`,
  `wsrep_cluster_name=${service.name}`,
  `wsrep_node_name=${instance.name}`,
  `wsrep_node_address=${instance.at.address}`,
  `wsrep_node_incoming_address=${groupAddress(instance.at.address, instance.ports.client)}`,
  `wsrep_cluster_address=${clusterAddress(members, arbitrators)}`,
  `wsrep_provider_options="${provider}"`,
  `wsrep_sst_method=${service.stateTransfer}`,
  `wsrep_sst_receive_address=${groupAddress(instance.at.address, instance.ports.transfer)}`,
  `wsrep_sst_auth=${transferAccount.user}:${transferAccount.password}`,
  'wsrep_slave_threads=4',
  // The same everywhere: with one domain and one server id a write has one name on every instance.
  'wsrep_gtid_domain_id=1',
  'server_id=1',
  // Fixed for each instance: with Galera's own control the offsets move whenever a member comes or goes, and two
  // instances hand out the same number (error 1062 at a customer of a site that nothing happened to).
  'wsrep_auto_increment_control=OFF',
  `auto_increment_increment=${Math.max(1, members.length)}`,
  `auto_increment_offset=${members.findIndex(({ name }) => name === instance.name) + 1}`,
  'log_bin=binlog',
  'expire_logs_days=3',
  ...largeWriteLines(service),
];

/** What the estate refuses is refused by the engine, at COMMIT, before anything of it has left the instance. */
const largeWriteLines = ({ gateway }: Service): readonly string[] =>
  gateway?.largeWrites?.rule === 'refuse' ? [`wsrep_max_ws_size=${gateway.largeWrites.aboveBytes}`] : [];

const tlsLines = (service: Service, places: InstancePlaces): readonly string[] => {
  if (!service.tls || places.certificates === undefined) return [];
  return [
    `ssl_ca=${places.certificates.authority}`,
    `ssl_cert=${places.certificates.certificate}`,
    `ssl_key=${places.certificates.key}`,
    'tls_version=TLSv1.2,TLSv1.3',
    // Refuses clients without TLS; a local socket counts as secure.
    'require_secure_transport=ON',
  ];
};

const encryptionLines = (service: Service): readonly string[] => {
  if (service.encryption === undefined) return [];
  return [
    'plugin_load_add=file_key_management',
    `file_key_management_filename=${service.encryption.keyFile}`,
    'file_key_management_encryption_algorithm=AES_CTR',
    // FORCE also refuses a CREATE TABLE that asks for no encryption.
    'innodb_encrypt_tables=FORCE',
    'innodb_encrypt_log=ON',
    'innodb_encrypt_temporary_tables=ON',
    'innodb_encryption_threads=2',
    'encrypt_binlog=ON',
    'encrypt_tmp_files=ON',
    'aria_encrypt_tables=ON',
  ];
};

const sizeLines = (estate: Estate): readonly string[] => [
  `innodb_buffer_pool_size=${estate.limits.bufferPoolBytes}`,
  // The buffer pool may shrink and grow in small steps, so that small machines do not pay for a chunk of 128 MiB.
  'innodb_buffer_pool_chunk_size=1048576',
  `innodb_log_file_size=${logFileBytes(estate)}`,
  `max_connections=${estate.limits.connectionsPerInstance}`,
  'thread_handling=one-thread-per-connection',
  // Caches of engines that only system tables and temporary results use.
  'key_buffer_size=1048576',
  'aria_pagecache_buffer_size=16777216',
  'innodb_log_buffer_size=8388608',
  ...performanceSchemaLines,
];

/** Statement digests for diagnosis; with everything on it would cost 97 MB an instance. */
const performanceSchemaLines: readonly string[] = [
  'performance_schema=ON',
  'performance_schema_instrument=%=OFF',
  'performance_schema_instrument=statement/%=ON',
  'performance_schema_instrument=transaction=ON',
  // Who holds the definition of a table that others wait for: without it a blocking schema change has no name.
  'performance_schema_instrument=wait/lock/metadata/sql/mdl=ON',
  'performance_schema_digests_size=1000',
  'performance_schema_max_digest_length=1024',
  'performance_schema_events_statements_history_size=0',
  'performance_schema_events_statements_history_long_size=0',
  'performance_schema_events_stages_history_size=0',
  'performance_schema_events_stages_history_long_size=0',
  'performance_schema_events_waits_history_size=0',
  'performance_schema_events_waits_history_long_size=0',
  'performance_schema_events_transactions_history_size=0',
  'performance_schema_events_transactions_history_long_size=0',
  'performance_schema_hosts_size=10',
  'performance_schema_accounts_size=20',
  'performance_schema_users_size=20',
  // Classes that nobody asks for take room in every summary: mutexes, stages, memory.
  'performance_schema_max_memory_classes=0',
  'performance_schema_max_stage_classes=0',
  'performance_schema_max_mutex_classes=0',
  'performance_schema_max_rwlock_classes=0',
  'performance_schema_max_cond_classes=0',
  'performance_schema_max_socket_classes=0',
  'performance_schema_max_table_instances=500',
  'performance_schema_max_table_handles=500',
  'performance_schema_max_thread_instances=300',
  'performance_schema_max_index_stat=500',
  'performance_schema_max_table_lock_stat=500',
  'performance_schema_max_mutex_instances=100',
  'performance_schema_max_rwlock_instances=100',
  'performance_schema_max_cond_instances=100',
  'performance_schema_max_file_instances=200',
  'performance_schema_max_socket_instances=100',
  'performance_schema_max_program_instances=100',
  'performance_schema_max_prepared_statements_instances=200',
  'performance_schema_max_metadata_locks=500',
];

/** The full transfer is protected like the group channel: both ends show a certificate of the same authority. */
const transferSection = (service: Service, places: InstancePlaces): readonly string[] => {
  if (!service.tls || places.certificates === undefined) return ['[sst]', 'ssl-mode=DISABLED'];
  const { authority, certificate, key } = places.certificates;
  return ['[sst]', 'ssl-mode=VERIFY_CA', 'encrypt=4', `tca=${authority}`, `tcert=${certificate}`, `tkey=${key}`];
};

const checkCachePlace = (service: Service, instance: Instance): void => {
  if (service.encryption === undefined) return;
  const path = cacheFolder(instance);
  const safe = service.encryption.safePaths.some((safePath) => path === safePath || path.startsWith(`${safePath}/`));
  if (!safe) throw fail('ENCRYPTION_UNSAFE_CACHE', { instance: instance.name, path });
};
