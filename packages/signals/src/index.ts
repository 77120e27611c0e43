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
export type { FileProblem, HostReadings } from './host/readings.ts';
export { type MariadbCollectorOptions, openMariadbCollector } from './mariadb/adapters/collector.ts';
export { collectorAccount } from './mariadb/grants.ts';
export { type NamedRow, readGlobalStatus, readGlobalVariables } from './mariadb/status.ts';
export { openPostgresCollector, type PostgresCollectorOptions } from './postgres/adapters/collector.ts';
export { postgresCollectorAccount } from './postgres/grants.ts';
export { DeltaTotals, decodeOtlp, type OtlpEncoding, type OtlpResult, otlpBytesLimit } from './remote/otlp.ts';
export {
  decodeRemoteWrite,
  encodeRemoteWrite,
  type RemoteWriteResult,
  remoteWriteHeaders,
  remoteWriteLimits,
} from './remote/remote-write.ts';
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
export {
  type SendResult,
  StoreClient,
  type StoreClientOptions,
  sendWaiting,
  type WriteOutcome,
} from './store/adapters/client.ts';
export { Outbox, type OutboxLosses, type OutboxOptions } from './store/adapters/outbox.ts';
export type { StoreResult, StoreSeries } from './store/results.ts';
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
