export { assert, unreachable } from './assert.ts';
export {
  type Combine,
  type Counter,
  Counters,
  type CountersSnapshot,
  type Family,
  type FamilySnapshot,
  type Gauge,
  type Histogram,
  lastingOf,
  mergeSnapshots,
  prometheusContentType,
  prometheusText,
} from './counters.ts';
export { until, type Wait, within } from './deadline.ts';
export {
  CoequalError,
  codeOf,
  type ErrorCode,
  type ErrorDetails,
  type ErrorKind,
  fail,
  isErrorCode,
  reasonOf,
} from './errors.ts';
export { failureText } from './failure-text.ts';
export { type Clock, jsonLog, type Log, type LogLevel, type Random, seededRandom, silentLog } from './ports.ts';
export { systemClock, systemRandom } from './system.ts';
export { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';
