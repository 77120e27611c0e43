export {
  type ArbitratorDriver,
  type ArbitratorOptions,
  type ArbitratorState,
  arbitratorDriver,
} from './adapters/arbitrator.ts';
export { type GaleraDriver, type GaleraDriverOptions, galeraDriver } from './adapters/driver.ts';
export { isAlive, type Launch, runToEnd, signal, signalGroup, startProcess, startTicks } from './adapters/process.ts';
export { makeSeed, newPassword, plantSeed, type SeedAccount, type SeedTools } from './adapters/seed.ts';
export { connectSql, type Sql, type SqlTarget } from './adapters/sql.ts';
export { agreeOnMembers } from './agreement.ts';
export {
  errorLogPath,
  formatConfiguration,
  type InstancePlaces,
  logFileBytes,
  optionFile,
  socketPath,
} from './configuration.ts';
export { type Coordination, forcePrimary, type Recovery, rejoin, startService } from './coordinator.ts';
export { type Preset, presets, type Setting, safetySettings } from './presets.ts';
export { type Inspected, planRecovery, type RecoveryPlan } from './recovery.ts';
