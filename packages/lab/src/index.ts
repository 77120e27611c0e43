/** The public surface of the lab package. */
export { type BenchFigure, type BenchName, type BenchTell, runBench } from './bench/bench.ts';
export type { BenchOptions } from './bench/tools.ts';
export {
  buryLab,
  type EndedLab,
  endLab,
  type Interactive,
  type LabHandle,
  type LabProgress,
  type ListedLab,
  listLabs,
  openLab,
  startLab,
} from './client.ts';
export { faultKinds } from './daemon/calls.ts';
export type { LabOptions } from './definition.ts';
export { type DiagnoseDrillOptions, type DiagnoseReport, runDiagnoseDrill } from './diagnose/run.ts';
export { type BatchRule, type LabDrillOptions, runLabDrill } from './drill.ts';
export type * from './snapshot.ts';
