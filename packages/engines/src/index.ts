/** The public surface of the engines package. */
export * from './binaries/index.ts';
export type { EngineDriver, Observation, StartMode, StoredPosition } from './driver.ts';
export * from './galera/index.ts';
export * from './store/index.ts';
