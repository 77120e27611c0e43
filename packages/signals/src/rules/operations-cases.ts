/**
 * For each of our own alert rules: series on which it fires, and series that are well, on which it does not. `@` stands for the labels of a
 * place of the case's own. Values end now, one a second unless `every` (seconds) says otherwise.
 */
export type RuleCase = {
  readonly alert: string;
  readonly every?: number;
  readonly fires: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
};

const disk = 'device="/dev/sda",fstype="ext4",mountpoint="/data"';
const pair = (
  [first, firing, quiet]: readonly [string, string, string],
  ...others: readonly (readonly [string, string, string])[]
): Pick<RuleCase, 'fires' | 'quiet'> => ({
  fires: Object.fromEntries([[first, firing], ...others.map(([series, values]) => [series, values])]),
  quiet: Object.fromEntries([[first, quiet], ...others.map(([series, , values]) => [series, values])]),
});

export const ruleCases: readonly RuleCase[] = [
  // Hosts
  {
    alert: 'HostClockOff',
    ...pair(
      ['coequal_clock_offset_seconds{@,peer="a"}', '0.01x60 -2x60', '0.02x120'],
      ['coequal_clock_offset_seconds{@,peer="b"}', '0x60 -2x60', '0x60 0.1x60'],
      // One peer whose clock is wrong is not this host.
      ['coequal_clock_offset_seconds{@,peer="c"}', '0x60 -1.9x60', '9x120'],
    ),
  },
  {
    alert: 'FileSystemNearlyFull',
    ...pair(
      [`node_filesystem_avail_bytes{@,${disk}}`, '500x60 20x60', '500-3x120'],
      [`node_filesystem_size_bytes{@,${disk}}`, '1000x120', '1000x120'],
      [`node_filesystem_readonly{@,${disk}}`, '0x120', '0x120'],
    ),
  },
  { alert: 'FileSystemReadOnly', every: 15, ...pair([`node_filesystem_readonly{@,${disk}}`, '0x60 1x4', '1x64']) },
  { alert: 'FileSystemSilent', ...pair([`node_filesystem_device_error{@,${disk}}`, '0x60 1x60', '0x100 1x5 0x15']) },
  { alert: 'CpuPressure', ...pair(['node_pressure_cpu_waiting_seconds_total{@}', '0+0.1x60 6+0.95x60', '0+0.5x120']) },
  {
    alert: 'MemoryPressure',
    ...pair(['node_pressure_memory_waiting_seconds_total{@}', '0x60 0+0.5x60', '0+0.02x120']),
  },
  {
    alert: 'MemoryNearlyUsed',
    ...pair(
      ['node_memory_MemAvailable_bytes{@}', '500x60 20x60', '300x60 120x60'],
      ['node_memory_MemTotal_bytes{@}', '1000x120', '1000x120'],
    ),
  },
  { alert: 'ProcessKilledForMemory', ...pair(['node_vmstat_oom_kill{@}', '3x100 4x20', '3x120']) },
  {
    alert: 'DiskSlow',
    ...pair(
      ['node_disk_write_time_seconds_total{@,device="sda"}', '0+0.01x60 1+5x60', '0+0.5x120'],
      ['node_disk_writes_completed_total{@,device="sda"}', '0+10x120', '0+100x120'],
    ),
  },
  {
    alert: 'PacketsLost',
    ...pair(
      ['node_netstat_Tcp_RetransSegs{@}', '0x60 0+50x60', '0+1x120'],
      ['node_netstat_Tcp_OutSegs{@}', '0+1000x120', '0+1000x120'],
    ),
  },
  { alert: 'HostSilent', every: 5, ...pair(['node_time_seconds{@}', '0+5x100 _x20', '0+5x120']) },
  {
    alert: 'FileSystemFillsSoon',
    every: 15,
    ...pair(
      [`node_filesystem_avail_bytes{@,${disk}}`, '390-0.6x160', '900-0.1x160'],
      [`node_filesystem_size_bytes{@,${disk}}`, '1000x160', '1000x160'],
    ),
  },
  {
    alert: 'InodesNearlyGone',
    every: 15,
    ...pair(
      [`node_filesystem_files{@,${disk}}`, '1000x40', '1000x40'],
      [`node_filesystem_files_free{@,${disk}}`, '10x40', '500x40'],
    ),
  },
  {
    alert: 'FileHandlesNearlyUsed',
    every: 15,
    ...pair(['node_filefd_allocated{@}', '950x40', '100x40'], ['node_filefd_maximum{@}', '1000x40', '1000x40']),
  },
  {
    alert: 'InterfaceErrors',
    every: 15,
    ...pair(
      ['node_network_receive_errs_total{@,device="eth0"}', '0+100x40', '5x40'],
      ['node_network_transmit_errs_total{@,device="eth0"}', '0x40', '0x40'],
    ),
  },
  { alert: 'InterfaceDown', every: 15, ...pair(['node_network_up{@,device="eth0"}', '1x60 0x4', '0x64']) },
  {
    alert: 'MemoryFailing',
    every: 15,
    ...pair(
      ['node_edac_uncorrectable_errors_total{@,controller="0"}', '0x40 1x4', '0x44'],
      ['node_edac_correctable_errors_total{@,controller="0"}', '0x44', '0x40 3x4'],
    ),
  },
  { alert: 'TooHot', every: 15, ...pair(['node_hwmon_temp_celsius{@,chip="c",sensor="s"}', '60x20 95x20', '75x40']) },

  // Hardware
  { alert: 'DiskFailing', every: 30, ...pair(['smartctl_device_smart_status{@,device="sda"}', '1x20 0x4', '1x24']) },
  {
    alert: 'DiskErrorsGrow',
    every: 30,
    ...pair(
      [
        'smartctl_device_attribute{@,device="sda",attribute_id="197",attribute_value_type="raw"}',
        '8x80 16x4',
        // Sectors that were put in order again are fewer.
        '8x80 0x4',
      ],
      ['smartctl_device_media_errors{@,device="nvme0"}', '2x80 3x4', '2x84'],
    ),
  },
  {
    alert: 'DiskWornOut',
    every: 30,
    ...pair(
      ['nvme_available_spare_ratio{@,device="nvme0n1"}', '0.09x24', '1x24'],
      ['nvme_available_spare_threshold_ratio{@,device="nvme0n1"}', '0.1x24', '0.1x24'],
    ),
  },
  {
    alert: 'ArrayDegraded',
    every: 15,
    ...pair(
      ['node_md_disks{@,device="md0",state="active"}', '2x20 1x8', '2x28'],
      ['node_md_disks{@,device="md0",state="failed"}', '0x28', '0x28'],
      ['node_md_disks_required{@,device="md0"}', '2x28', '2x28'],
    ),
  },
  {
    alert: 'PathsLost',
    every: 15,
    ...pair(['node_dmmultipath_device_paths_failed{@,device="mpatha"}', '0x20 2x8', '0x28']),
  },
  {
    alert: 'BondDegraded',
    every: 15,
    ...pair(
      ['node_bonding_active{@,master="bond0"}', '2x20 1x8', '2x28'],
      ['node_bonding_slaves{@,master="bond0"}', '2x28', '2x28'],
    ),
  },
  {
    alert: 'SensorAlarm',
    every: 15,
    ...pair(['ipmi_fan_speed_state{@,id="12",name="Fan1A"}', '0x20 2x8', '0x28']),
  },
  { alert: 'DriveFault', every: 15, ...pair(['ipmi_chassis_drive_fault_state{@}', '1x20 0x8', '1x28']) },
  { alert: 'CoolingFault', every: 15, ...pair(['ipmi_chassis_cooling_fault_state{@}', '1x20 0x8', '1x28']) },
  {
    alert: 'MachineUnhealthy',
    every: 15,
    ...pair(['redfish_system_health_state{@,resource="system",system_id="1"}', '1x20 3x8', '1x28']),
  },
  {
    alert: 'PortErrors',
    every: 15,
    ...pair(
      ['ifInErrors{@,ifIndex="3",ifName="Ethernet3"}', '0+100x40', '7x40'],
      ['ifOutErrors{@,ifIndex="3",ifName="Ethernet3"}', '0x40', '0x40'],
    ),
  },
  {
    alert: 'PortDown',
    every: 15,
    ...pair(
      ['ifOperStatus{@,ifIndex="4",ifName="Ethernet4"}', '1x60 2x4', '1x64'],
      ['ifAdminStatus{@,ifIndex="4",ifName="Ethernet4"}', '1x64', '1x64'],
    ),
  },

  // Databases
  {
    alert: 'DatabaseDown',
    ...pair(['mysql_up{@}', '1x100 0x20', '1x120'], ['pg_up{@,service="x"}', '1x120', '1x120']),
  },
  {
    alert: 'ConnectionsNearlyUsed',
    ...pair(
      ['mysql_global_status_threads_connected{@}', '20x100 95x20', '20x60 70x60'],
      ['mysql_global_variables_max_connections{@}', '100x120', '100x120'],
    ),
  },
  {
    alert: 'ConnectionsRefused',
    ...pair(['mysql_global_status_connection_errors_total{@,error="max_connections"}', '7x100 7+3x20', '7x120']),
  },
  { alert: 'DatabaseLogInsFail', ...pair(['mysql_global_status_aborted_connects{@}', '0x60 0+20x60', '0+1x120']) },
  {
    alert: 'IdleTransactionHoldsLocks',
    ...pair(
      ['coequal_database_most_blocked_by_one{@}', '0x100 5x20', '0x90 4x10 0x20'],
      ['coequal_database_longest_idle_transaction_seconds{@}', '0x100 3+1x20', '0x120'],
    ),
  },
  { alert: 'LockWaitLong', ...pair(['coequal_database_longest_lock_wait_seconds{@}', '0x90 1+1x30', '0x60 0+0.1x60']) },
  { alert: 'SchemaChangeBlocks', ...pair(['coequal_database_metadata_lock_waits{@}', '0x100 8x20', '0x100 1 0x19']) },
  {
    alert: 'TransactionLarge',
    ...pair(['coequal_database_rows_changed_uncommitted{@}', '3x100 200000x20', '900x120']),
  },
  {
    alert: 'TableScans',
    ...pair(
      ['mysql_global_status_handlers_total{@,handler="read_rnd_next"}', '0+100x60 6000+1000000x60', '0+10000x120'],
      ['mysql_global_status_questions{@}', '0+50x120', '0+500x120'],
    ),
  },
  {
    alert: 'BufferPoolMisses',
    every: 5,
    ...pair(
      ['mysql_global_status_innodb_buffer_pool_reads{@}', '0+2000x60', '0+100x60'],
      ['mysql_global_status_innodb_buffer_pool_read_requests{@}', '0+10000x60', '0+100000x60'],
    ),
  },
  { alert: 'DeadlocksMany', every: 5, ...pair(['mysql_global_status_innodb_deadlocks{@}', '0+20x60', '3x40 4x20']) },
  {
    alert: 'RedoLogNearlyFull',
    ...pair(
      ['mysql_global_status_innodb_checkpoint_age{@}', '10x60 98x60', '80x120'],
      ['mysql_global_status_innodb_checkpoint_max_age{@}', '100x120', '100x120'],
    ),
  },
  { alert: 'StatementRunsLong', ...pair(['coequal_database_longest_statement_seconds{@}', '60+1x120', '3x120']) },
  { alert: 'TransactionOpenLong', ...pair(['coequal_database_longest_transaction_seconds{@}', '860+1x120', '3x120']) },
  {
    alert: 'PostgresConnectionsNearlyUsed',
    ...pair(
      ['pg_stat_activity_count{@,state="active"}', '40x60 90x60', '40x120'],
      ['pg_settings_max_connections{@}', '100x120', '100x120'],
    ),
  },
  {
    alert: 'PostgresReplicaBehind',
    ...pair(
      ['pg_replication_lag_seconds{@}', '0x40 40+1x80', '0x120'],
      ['pg_replication_is_replica{@}', '1x120', '1x120'],
    ),
  },
  {
    alert: 'PostgresDeadlocksMany',
    every: 5,
    ...pair(['pg_stat_database_deadlocks{@,datname="a"}', '0+20x60', '3x40 4x20']),
  },

  // Galera
  { alert: 'GaleraWithoutMajority', ...pair(['mysql_global_status_wsrep_cluster_status{@}', '1x110 0x10', '1x120']) },
  {
    alert: 'GaleraNotReady',
    ...pair(
      ['mysql_global_status_wsrep_ready{@}', '1x100 0x20', '1x110 0x10'],
      ['mysql_global_status_wsrep_cluster_status{@}', '1x120', '1x110 0x10'],
    ),
  },
  { alert: 'GaleraMembersMissing', ...pair(['mysql_global_status_wsrep_cluster_size{@}', '3x110 2x10', '3x120']) },
  {
    alert: 'GaleraTwoGroups',
    ...pair(
      ['mysql_galera_status_info{@,wsrep_cluster_state_uuid="a"}', '1x120', '1x120'],
      ['mysql_galera_status_info{@,wsrep_cluster_state_uuid="b"}', '_x90 1x30', '_x120 _'],
    ),
  },
  {
    alert: 'GaleraPaused',
    ...pair(['mysql_global_status_wsrep_flow_control_paused_ns{@}', '0x100 0+700000000x20', '0+20000000x120']),
  },
  {
    alert: 'GaleraApplierBehind',
    ...pair(['mysql_global_status_wsrep_local_recv_queue{@}', '0x100 500x20', '3x60 40x60']),
  },
  {
    alert: 'GaleraConflicts',
    ...pair(
      ['mysql_global_status_wsrep_local_cert_failures{@}', '0x60 0+30x60', '0+1x120'],
      ['mysql_global_status_wsrep_local_bf_aborts{@}', '0x60 0+10x60', '0+2x120'],
    ),
  },
  { alert: 'GaleraGroupSlow', ...pair(['mysql_galera_evs_repl_latency_avg_seconds{@}', '0.01x90 0.4x30', '0.05x120']) },
  {
    alert: 'GaleraNotSynced',
    ...pair(
      ['mysql_global_status_wsrep_local_state{@}', '4x60 2x60', '4x100 2x10 4x10'],
      ['mysql_global_status_wsrep_cluster_status{@}', '1x120', '1x120'],
    ),
  },

  // Gateways
  { alert: 'GatewayDown', ...pair(['up{@,job="coequal_gateway"}', '1x110 0x10', '1x120']) },
  {
    alert: 'GatewayWithoutInstance',
    ...pair(
      ['coequal_gateway_instance_state{@,exported_instance="a",state="serving"}', '1x110 0x10', '1x60 0x60'],
      ['coequal_gateway_instance_state{@,exported_instance="b",state="serving"}', '1x100 0x20', '1x120'],
    ),
  },
  {
    alert: 'GatewaysDisagree',
    ...pair(
      ['coequal_gateway_instance_state{@,exported_instance="a",state="serving",from="1"}', '1x90 0x30', '1x115 0x5'],
      ['coequal_gateway_instance_state{@,exported_instance="a",state="serving",from="2"}', '1x120', '1x110 0x10'],
    ),
  },
  { alert: 'GatewayWorkerDied', ...pair(['coequal_gateway_worker_deaths_total{@}', '0x100 1x20', '2x120']) },
  { alert: 'GatewayStalls', ...pair(['coequal_gateway_worker_stall_seconds{@}', '0.01x100 2x20', '0.05x120']) },
  {
    alert: 'GatewayRefusesConnections',
    ...pair(['coequal_gateway_connections_refused_total{@,reason="flood"}', '0x60 0+10x60', '5x120']),
  },
  {
    alert: 'GatewayLogInsFail',
    ...pair(
      ['coequal_gateway_logins_total{@,result="denied"}', '0x60 0+10x60', '5x60 6x60'],
      ['coequal_gateway_logins_total{@,result="ok"}', '0+10x120', '0+100x120'],
    ),
  },
  {
    alert: 'GatewayErrors',
    ...pair(
      ['coequal_gateway_user_errors_total{@,user="app"}', '0x60 0+20x60', '0+1x120'],
      ['coequal_gateway_user_requests_total{@,user="app"}', '0+100x120', '0+1000x120'],
    ),
  },

  // Continuity
  {
    alert: 'OutcomeUndecided',
    ...pair(['coequal_gateway_outcomes_total{@,result="undecided"}', '0x100 1x20', '0x120']),
  },
  {
    alert: 'SessionsLostInstance',
    ...pair(['coequal_gateway_user_losses_total{@,user="app",reason="gone"}', '2x100 7x20', '2x120']),
  },
  {
    alert: 'ReplaysFail',
    ...pair(
      ['coequal_gateway_user_replays_total{@,user="app",result="different"}', '0x100 3x20', '0x120'],
      ['coequal_gateway_user_replays_total{@,user="app",result="same"}', '0x100 50x20', '0x100 50x20'],
    ),
  },
  {
    alert: 'PausesLong',
    ...pair(
      ['coequal_gateway_user_pause_seconds_bucket{@,user="app",le="1"}', '0x120', '0x100 20x20'],
      ['coequal_gateway_user_pause_seconds_bucket{@,user="app",le="10"}', '0x100 20x20', '0x100 20x20'],
      ['coequal_gateway_user_pause_seconds_bucket{@,user="app",le="+Inf"}', '0x100 20x20', '0x100 20x20'],
    ),
  },
  {
    alert: 'AcknowledgementsLost',
    ...pair(['coequal_gateway_acknowledgements_dropped_total{@}', '0x100 4x20', '0x120']),
  },
  { alert: 'ReplayMemoryLarge', ...pair(['coequal_gateway_replay_bytes{@}', '1000x80 2000000000x40', '50000000x120']) },

  // Agents, stores, platform
  { alert: 'CollectorFails', ...pair(['coequal_collector_up{@,collector="host"}', '1x90 0x30', '1x100 0x5 1x15']) },
  { alert: 'AgentMissesRounds', every: 5, ...pair(['coequal_agent_rounds_missed_total{@}', '0+4x40', '3x20 4x20']) },
  { alert: 'AgentCannotSend', ...pair(['coequal_agent_link_up{@,to="store"}', '1x60 0x60', '1x100 0x15 1x5']) },
  {
    alert: 'SignalsLost',
    every: 5,
    ...pair(['coequal_agent_bodies_total{@,outcome="lost",to="store"}', '0x20 9x4', '0x24']),
  },
  { alert: 'StoreReadOnly', ...pair(['coequal_store_state{@,store="fine",state="read-only"}', '0x100 1x20', '0x120']) },
  {
    alert: 'StoreDown',
    ...pair(['coequal_store_state{@,store="fine",state="waiting"}', '0x90 1x30', '0x110 1x4 0x6']),
  },
  { alert: 'StoreRestarted', every: 5, ...pair(['coequal_store_restarts{@,store="fine"}', '0x20 1x4', '1x24']) },
  {
    alert: 'StoreFillsSoon',
    every: 60,
    ...pair(['coequal_store_free_bytes{@,store="fine"}', '100000-40x60', '100000-0.1x60']),
  },
  {
    alert: 'StoreRefusesClients',
    every: 5,
    ...pair(['coequal_store_front_refused_handshakes_total{@,store="fine"}', '0+2x80', '1x80']),
  },
  {
    alert: 'CertificateExpires',
    ...pair(['coequal_store_front_certificate_expiry_seconds{@,store="fine"}', 'now+86400', 'now+5000000']),
  },
  {
    alert: 'RulesFail',
    every: 5,
    ...pair(['coequal_rule_evaluation_failures_total{@,rule_group="g"}', '0+1x40', '3x40']),
  },
  {
    alert: 'RulesLate',
    every: 5,
    ...pair(['coequal_rule_evaluations_missed_total{@,rule_group="g"}', '0+3x140', '3x80']),
  },
  { alert: 'PlatformFull', every: 5, ...pair(['coequal_platform_signals_refused{@}', '0x20 50x4', '7x24']) },
  {
    alert: 'PlatformSlow',
    every: 5,
    ...pair(
      ['coequal_platform_look_seconds_bucket{@,le="0.5"}', '0x60', '0+10x60'],
      ['coequal_platform_look_seconds_bucket{@,le="2.5"}', '0+10x60', '0+10x60'],
      ['coequal_platform_look_seconds_bucket{@,le="+Inf"}', '0+10x60', '0+10x60'],
    ),
  },
];
