/** Which of a server's settings are no settings: positions, and what the group sets by itself. The rest is compared. */
import type { SettingRules } from '../database/settings.ts';

export const settingRules: SettingRules = {
  varying:
    /^(gtid_(binlog_pos|binlog_state|current_pos|slave_pos|executed|purged|owned|next)|last_gtid|last_insert_id|insert_id|identity|timestamp|rand_seed\d|pseudo_thread_id|in_transaction|error_count|warning_count|wsrep_start_position|wsrep_gtid_seq_no|auto_increment_(increment|offset)|statement_id|innodb_buffer_pool_(dump|load)_now)$/,
  lists: { wsrep_provider_options: ';', optimizer_switch: ',' },
};
