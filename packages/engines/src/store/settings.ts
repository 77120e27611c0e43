/**
 * An embedded store as a value: where it lies, what it may take, how long it keeps. It becomes the arguments of VictoriaMetrics
 * here and nowhere else. The store itself listens on a loopback address alone; what others reach is the front before it. Pure.
 */
import { createHash } from 'node:crypto';

export type StoreSettings = {
  /** What messages and counters call it: `fine`, `coarse`. */
  readonly name: string;
  /** Full path of victoria-metrics. */
  readonly program: string;
  /** Its own: data, log and the note of its process lie below. */
  readonly folder: string;
  /** Of the loopback network: nobody but this host can ask it without a certificate. */
  readonly address: string;
  readonly port: number;
  readonly retentionDays: number;
  /** For its caches; the process takes somewhat more. */
  readonly memoryBytes: number;
  /** With less than this left on its disk it takes no more samples, and goes on answering. */
  readonly leaveFreeBytes: number;
};

/** Fine: every second of 30 days. Coarse: what recording rules made of it, 13 months, so that a month can be compared with its year before. */
export const usualRetentionDays = { fine: 30, coarse: 397 } as const;

export const storeArguments = (settings: StoreSettings): readonly string[] => [
  settings.program,
  `-storageDataPath=${settings.folder}/data`,
  `-httpListenAddr=${settings.address}:${settings.port}`,
  `-retentionPeriod=${settings.retentionDays}d`,
  `-memory.allowedBytes=${settings.memoryBytes}`,
  `-storage.minFreeDiskSpaceBytes=${settings.leaveFreeBytes}`,
  // One-second data shall be seen when it is there, and what is sent again shall count once.
  '-search.latencyOffset=0s',
  '-dedup.minScrapeInterval=1ms',
  // A query that nobody waits for any more ends; one of a year of one estate is within.
  '-search.maxQueryDuration=30s',
  '-loggerLevel=WARN',
  '-loggerErrorsPerSecondLimit=5',
  '-loggerWarnsPerSecondLimit=5',
];

/** Whether a running process is the one that these settings describe. */
export const settingsDigest = (settings: StoreSettings): string =>
  createHash('sha256')
    .update(JSON.stringify(storeArguments(settings)))
    .digest('hex')
    .slice(0, 16);

export const logPathOf = (settings: Pick<StoreSettings, 'folder'>): string => `${settings.folder}/store.log`;
