/**
 * Settings of a Galera instance as data, each with its reason. What a preset changes is only how fast a silent
 * member is given up; what keeps data safe is in `safetySettings` and is the same in every preset.
 *
 * Figures in the reasons are measured on MariaDB 10.11.19 with Galera 26.4.23 (docs/limits.md). A setting
 * without a reason does not belong here.
 */
import type { PresetName } from '@coequal/estate';

export type Setting = { readonly name: string; readonly value: string; readonly reason: string };

/** Server settings every preset shares. They decide what is promised; changing one changes the promise. */
export const safetySettings: readonly Setting[] = [
  {
    name: 'innodb_snapshot_isolation',
    value: 'ON',
    reason: 'Off, half of concurrent read-then-write increments are silently lost (73 of 150), even on one instance.',
  },
  {
    name: 'transaction_isolation',
    value: 'REPEATABLE-READ',
    reason: 'With snapshot isolation on it gives snapshot isolation; weaker levels bring lost updates back.',
  },
  {
    name: 'wsrep_sync_wait',
    value: '7',
    reason:
      'Reads, updates, deletes and inserts wait until everything acknowledged elsewhere is applied here. 0: up to 115 of 400 reads stale; 1: conditional updates still miss; 3 and 7: none.',
  },
  {
    name: 'innodb_flush_log_at_trx_commit',
    value: '1',
    reason: 'A relaxed value loses acknowledged commits when instances crash together.',
  },
  { name: 'innodb_doublewrite', value: 'ON', reason: 'A torn page after a power cut must not cost the data.' },
  {
    name: 'binlog_format',
    value: 'ROW',
    reason: 'The only format Galera certifies; also what consumers of the binary log get.',
  },
  {
    name: 'sync_binlog',
    value: '1',
    reason:
      'At recovery InnoDB rolls back prepared transactions that the binary log does not name: unsynced, a power cut of all sites would lose acknowledged commits.',
  },
  {
    name: 'log_slave_updates',
    value: 'ON',
    reason: 'Writes from other sites reach the binary log too: point-in-time recovery and async copies need them.',
  },
  {
    name: 'wsrep_gtid_mode',
    value: 'ON',
    reason: 'One global transaction id for the same write on every instance.',
  },
  {
    name: 'wsrep_mode',
    value: 'STRICT_REPLICATION,REQUIRED_PRIMARY_KEY',
    reason: 'Tables that Galera would not replicate faithfully are refused (error 4165) instead of diverging silently.',
  },
  { name: 'default_storage_engine', value: 'InnoDB', reason: 'The only engine whose writes are certified.' },
  { name: 'innodb_autoinc_lock_mode', value: '2', reason: 'Required: other modes lock tables across certification.' },
  {
    name: 'innodb_rollback_on_timeout',
    value: 'ON',
    reason: 'Error 1205 then means the whole transaction is gone: nothing is left half done.',
  },
  {
    name: 'wsrep_certify_nonPK',
    value: 'ON',
    reason: 'A table loaded without a primary key is still certified rather than corrupted.',
  },
];

/** How fast a member that does not answer is given up, per preset. `toleratedPauseMs`: a pause up to this never evicts. */
export type Preset = {
  readonly name: PresetName;
  readonly summary: string;
  readonly toleratedPauseMs: number;
  /** A typical gap between acknowledged writes on the survivors after a kill, hang or cut, ms. */
  readonly typicalStallMs: number;
  readonly provider: readonly Setting[];
};

const commonTimers: readonly Setting[] = [
  {
    name: 'evs.keepalive_period',
    value: 'PT0.1S',
    reason: 'A silent member must have missed several beacons before it is suspected.',
  },
  {
    name: 'evs.join_retrans_period',
    value: 'PT0.1S',
    reason: 'The next membership is agreed in rounds of this length; 1 s is too coarse for a sub-second stall.',
  },
];

export const presets: Readonly<Record<PresetName, Preset>> = {
  default: {
    name: 'default',
    summary: 'Data centres with steady machines: a lost member costs the others about half a second.',
    toleratedPauseMs: 400,
    typicalStallMs: 560,
    provider: [
      ...commonTimers,
      {
        name: 'evs.inactive_check_period',
        value: 'PT0.1S',
        reason: 'How often silence is looked for; it adds to the stall.',
      },
      {
        name: 'evs.suspect_timeout',
        value: 'PT0.5S',
        reason: 'A pause of 400 ms (garbage collection, a slow disk flush) is tolerated; longer is given up.',
      },
      {
        name: 'evs.inactive_timeout',
        value: 'PT1S',
        reason: 'Upper bound where the members do not agree on the suspicion.',
      },
      { name: 'evs.install_timeout', value: 'PT1S', reason: 'A membership that cannot be agreed is tried again.' },
      { name: 'evs.delay_margin', value: 'PT0.2S', reason: 'Must lie below the suspicion to be of use.' },
      { name: 'gmcast.peer_timeout', value: 'PT0.5S', reason: 'Transport and group give up at the same time.' },
      { name: 'gmcast.time_wait', value: 'PT0.5S', reason: 'A returning member need not wait for 5 s.' },
    ],
  },
  tight: {
    name: 'tight',
    summary: 'Dedicated hardware on a quiet network: the floor the engine accepts.',
    toleratedPauseMs: 200,
    typicalStallMs: 400,
    provider: [
      ...commonTimers,
      { name: 'evs.inactive_check_period', value: 'PT0.05S', reason: 'Silence is looked for every 50 ms.' },
      { name: 'evs.suspect_timeout', value: 'PT0.3S', reason: 'Below 0.3 s the engine refuses to start.' },
      { name: 'evs.inactive_timeout', value: 'PT0.5S', reason: 'Upper bound where suspicion is not agreed.' },
      { name: 'evs.install_timeout', value: 'PT0.5S', reason: 'A membership that cannot be agreed is tried again.' },
      { name: 'evs.delay_margin', value: 'PT0.15S', reason: 'Must lie below the suspicion to be of use.' },
      { name: 'gmcast.peer_timeout', value: 'PT0.3S', reason: 'Transport and group give up at the same time.' },
      { name: 'gmcast.time_wait', value: 'PT0.3S', reason: 'A returning member need not wait for 5 s.' },
    ],
  },
  'virtual-machines': {
    name: 'virtual-machines',
    summary:
      'Hosts that a live migration or a snapshot may stun for up to two seconds: nothing is evicted, and a real loss costs about three seconds.',
    toleratedPauseMs: 2_000,
    typicalStallMs: 2_900,
    provider: [
      ...commonTimers,
      { name: 'evs.inactive_check_period', value: 'PT0.2S', reason: 'Silence is looked for five times a second.' },
      {
        name: 'evs.suspect_timeout',
        value: 'PT2.7S',
        reason: 'A stun of two seconds, and the flush of what piled up behind it, stay below it.',
      },
      { name: 'evs.inactive_timeout', value: 'PT5S', reason: 'Upper bound where suspicion is not agreed.' },
      { name: 'evs.install_timeout', value: 'PT3S', reason: 'A stunned member may take part in agreeing late.' },
      { name: 'evs.delay_margin', value: 'PT1S', reason: 'Must lie below the suspicion to be of use.' },
      {
        name: 'gmcast.peer_timeout',
        value: 'PT3S',
        reason: 'The transport must not give up before the group does.',
      },
      { name: 'gmcast.time_wait', value: 'PT1S', reason: 'A returning member need not wait for 5 s.' },
    ],
  },
  stock: {
    name: 'stock',
    summary: "Galera's own timers: a lost member costs the others about six seconds. For comparison.",
    toleratedPauseMs: 4_500,
    typicalStallMs: 6_200,
    provider: [],
  },
};

/** `a=b; c=d` as `wsrep_provider_options` wants it. */
export const formatProviderOptions = (settings: readonly Pick<Setting, 'name' | 'value'>[]): string =>
  settings.map(({ name, value }) => `${name}=${value}`).join('; ');
