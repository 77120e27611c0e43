export { sendWebhook } from './alerts/adapters/webhook.ts';
export { fingerprintOf, type ToldAlert } from './alerts/alert.ts';
export { gettableAlert, gettableSilence, mergeHeard, readAlerts, readSilence } from './alerts/api.ts';
export {
  type GroupsState,
  type Notification,
  noGroups,
  type Receiver,
  reopened,
  settle,
  stepGroups,
  usualReceiver,
} from './alerts/grouping.ts';
export { type InhibitRule, inhibitedBy } from './alerts/inhibition.ts';
export { parseMatchers } from './alerts/matchers.ts';
export { type HeardAlert, payloadOf, readWebhook } from './alerts/payload.ts';
export { endSilence, keptSilences, type Silence, silencedBy, silenceLimits } from './alerts/silences.ts';
export * from './collecting.ts';
export { type BlockingTree, blockingTrees, type LockWait } from './database/blocking.ts';
export { maskLiterals } from './database/mask.ts';
export { collectorAccount } from './mariadb/grants.ts';
export { type NamedRow, readGlobalStatus, readGlobalVariables } from './mariadb/status.ts';
export { postgresCollectorAccount } from './postgres/grants.ts';
export { DeltaTotals, decodeOtlp, type OtlpEncoding, type OtlpResult, otlpBytesLimit } from './remote/otlp.ts';
export { labelOfWrite, type TakenWrite, WriteTaker } from './remote/write-taker.ts';
export {
  type AlertsTold,
  type GroupStatus,
  type RulesOptions,
  type RunningRules,
  runRules,
} from './rules/adapters/run.ts';
export type { RuleSink } from './rules/adapters/sending.ts';
export {
  type Alert,
  type AlertChange,
  type AlertContext,
  type AlertState,
  type AlertStep,
  noAlerts,
  type QueryPoint,
  stepAlerts,
  usualAlertLimit,
} from './rules/alerts.ts';
export type { RuleStore } from './rules/group.ts';
export type { AlertingRule, RecordingRule, Rule, RuleGroup, RuleProblem } from './rules/model.ts';
export { formatRuleProblem, parseRuleFile, type RuleFileResult } from './rules/parse.ts';
export { type RecordResult, recordPoints } from './rules/records.ts';
export { StoreClient, type StoreClientOptions } from './store/adapters/client.ts';
export type { StoreCredentials, StoreTls } from './store/adapters/request.ts';
export {
  type Column,
  type Columns,
  LiveWindow,
  type Selection,
  usualWindow,
  type WindowLosses,
  type WindowOptions,
  type WindowSeries,
} from './window/live-window.ts';
