/** The embedded store of metrics: VictoriaMetrics under supervision, with a front of mutual TLS. */
export { type RunningStores, runStores, type StoresOptions } from './adapters/run.ts';
export { type StoreSettings, usualRetentionDays } from './settings.ts';
export type { StoreState, StoreView } from './states.ts';
