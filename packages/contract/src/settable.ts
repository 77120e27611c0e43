/**
 * Settings of a database that an agent may set while it runs, each with the values it may take. What makes commits less durable, lets
 * instances diverge or opens the server to others is not here and never will be. Numbers only: `slow_query_log` is 0 or 1.
 */
type Range = { readonly least: number; readonly most: number };

export const settable = {
  idle_readonly_transaction_timeout: { least: 0, most: 86_400 },
  idle_transaction_timeout: { least: 0, most: 86_400 },
  idle_write_transaction_timeout: { least: 0, most: 86_400 },
  innodb_adaptive_hash_index: { least: 0, most: 1 },
  innodb_flush_log_at_trx_commit: { least: 1, most: 1 },
  innodb_io_capacity: { least: 100, most: 200_000 },
  innodb_io_capacity_max: { least: 100, most: 400_000 },
  innodb_lock_wait_timeout: { least: 1, most: 3_600 },
  interactive_timeout: { least: 30, most: 604_800 },
  lock_wait_timeout: { least: 1, most: 86_400 },
  long_query_time: { least: 0, most: 3_600 },
  max_connections: { least: 10, most: 100_000 },
  max_statement_time: { least: 0, most: 86_400 },
  max_user_connections: { least: 0, most: 100_000 },
  slow_query_log: { least: 0, most: 1 },
  thread_pool_max_threads: { least: 10, most: 65_536 },
  wait_timeout: { least: 30, most: 604_800 },
  wsrep_slave_threads: { least: 1, most: 512 },
} as const satisfies Readonly<Record<string, Range>>;

export type SettingName = keyof typeof settable;

export const settingNames = Object.keys(settable) as [SettingName, ...SettingName[]];

/** Why a setting may not have a value; undefined: it may. */
export const refusalOf = (setting: SettingName, value: number): string | undefined => {
  const { least, most } = settable[setting];
  return value >= least && value <= most ? undefined : `${setting} may be ${least} to ${most}, and not ${value}`;
};
