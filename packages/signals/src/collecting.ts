/**
 * What a process that only collects needs (`@coequal/signals/collecting`): nothing here loads the readers of rules, of alerts and of OTLP, nor a
 * driver before the first connection to a database of its kind. An agent's memory is half of what it loads, so the rest has its own door.
 */
export { HttpClock } from './clock/adapters/http-clock.ts';
export { MariadbClock } from './clock/adapters/mariadb-clock.ts';
export { type ClockAnswer, clockFamilies, clockPoints } from './clock/offset.ts';
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
export { openPostgresCollector, type PostgresCollectorOptions } from './postgres/adapters/collector.ts';
export { RemoteWriteEncoder } from './remote/encoder.ts';
export {
  decodeRemoteWrite,
  encodeRemoteWrite,
  type RemoteWriteResult,
  remoteWriteHeaders,
  remoteWriteLimits,
} from './remote/remote-write.ts';
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
export { Outbox, type OutboxLosses, type OutboxOptions } from './store/adapters/outbox.ts';
export { resending } from './store/resend.ts';
export { parseStoreAnswer, type StoreResult, type StoreSeries } from './store/results.ts';
export { type SendResult, sendWaiting, type WriteOutcome } from './store/sending.ts';
