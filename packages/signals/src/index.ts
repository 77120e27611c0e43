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
export { HttpClock } from './clock/adapters/http-clock.ts';
export { MariadbClock } from './clock/adapters/mariadb-clock.ts';
export { type ClockAnswer, clockFamilies, clockPoints } from './clock/offset.ts';
export { type BlockingTree, blockingTrees, type LockWait } from './database/blocking.ts';
export type { DatabaseCollector, DatabaseReadings } from './database.ts';
export {
  type Exposition,
  type ExpositionFormat,
  type ExpositionOptions,
  formatOfContentType,
  parseExposition,
} from './exposition/parse.ts';
export { contentTypeOf, type WriteOptions, writeExposition } from './exposition/write.ts';
export { HostCollector, type HostCollectorOptions } from './host/adapters/collector.ts';
export { HardwareCollector } from './host/adapters/hardware.ts';
export type { FileProblem, HostReadings } from './host/readings.ts';
export type { HostScope } from './host/scope.ts';
export { LogFollower, type LogPlace } from './logs/adapters/follower.ts';
export { LogReader } from './logs/reader.ts';
export { type MariadbCollectorOptions, openMariadbCollector } from './mariadb/adapters/collector.ts';
export { collectorAccount } from './mariadb/grants.ts';
export { type NamedRow, readGlobalStatus, readGlobalVariables } from './mariadb/status.ts';
export { openPostgresCollector, type PostgresCollectorOptions } from './postgres/adapters/collector.ts';
export { postgresCollectorAccount } from './postgres/grants.ts';
export { RemoteWriteEncoder } from './remote/encoder.ts';
export { DeltaTotals, decodeOtlp, type OtlpEncoding, type OtlpResult, otlpBytesLimit } from './remote/otlp.ts';
export {
  decodeRemoteWrite,
  encodeRemoteWrite,
  type RemoteWriteResult,
  remoteWriteHeaders,
  remoteWriteLimits,
} from './remote/remote-write.ts';
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
export {
  type Family,
  type Label,
  type Labels,
  labelsOf,
  labelValue,
  type MetricType,
  type Point,
  type Sample,
  seriesKey,
  type TextProblem,
} from './sample.ts';
export { HttpPeer, type PeerAnswer, type PeerFiles } from './scrape/adapters/http-peer.ts';
export { Scraper } from './scrape/adapters/scraper.ts';
export { estateLabels, Relabeler, withLabels } from './scrape/relabel.ts';
export {
  type SendResult,
  StoreClient,
  type StoreClientOptions,
  sendWaiting,
  type WriteOutcome,
} from './store/adapters/client.ts';
export { Outbox, type OutboxLosses, type OutboxOptions } from './store/adapters/outbox.ts';
export type { StoreCredentials, StoreTls } from './store/adapters/request.ts';
export { resending } from './store/resend.ts';
export { parseStoreAnswer, type StoreResult, type StoreSeries } from './store/results.ts';
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
