/** Services of engines that Coequal does not run: watched through an exporter, and nothing else is done with them. */
import type { ClientCertificates } from './model-agents.ts';

/** Signals of one name; `where`: with these labels. */
export type SignalSelector = {
  readonly name: string;
  readonly where: readonly (readonly [label: string, value: string])[];
};

/** Which of the exporter's signals says what, as far as it tells. */
export type ExternalSignals = {
  /** 1: the engine answers. Undefined: it does when its exporter does. */
  readonly up?: SignalSelector;
  readonly connections?: SignalSelector;
  readonly mostConnections?: SignalSelector;
  /** Counts what it does for its clients. */
  readonly work?: SignalSelector;
  /** Counts what failed. */
  readonly errors?: SignalSelector;
  /** Seconds that one request takes, now. */
  readonly latency?: SignalSelector;
  /** Both or neither: seconds and number of all requests so far. */
  readonly latencySum?: SignalSelector;
  readonly latencyCount?: SignalSelector;
};

export type ExternalScrape = ClientCertificates & {
  readonly url: string;
  readonly everyMs: number;
  readonly samples: number;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
};

export type ExternalInstance = {
  readonly name: string;
  readonly host: string;
  /** The host whose agent asks the exporter; its own unless given. */
  readonly watchedFrom?: string;
  readonly scrape: ExternalScrape;
};

export type ExternalService = {
  readonly name: string;
  readonly engine: 'external';
  /** What it is: the label `job` of its signals. */
  readonly product: string;
  readonly signals: ExternalSignals;
  readonly instances: readonly ExternalInstance[];
};
