export { type LabelledCase, parseCases } from './cases.ts';
export { type Cause, type CauseName, catalogue, causeNames, isCauseName } from './causes.ts';
export { type Correlated, type CorrelationOptions, correlate } from './correlation.ts';
export { type Drift, type DriftDetector, type DriftOptions, makeDriftDetector } from './detect/drift.ts';
export { type Drifting, makePanel, type Panel } from './detect/panel.ts';
export { makeUnlikeDetector, type Unlike, type UnlikeDetector, type UnlikeOptions } from './detect/unlike.ts';
export { type DiagnoseOptions, type Diagnosis, diagnose, type ExplainedCause } from './diagnose.ts';
export {
  type HeadroomInput,
  type HeadroomQuery,
  type HeadroomResource,
  headroom,
  headroomAlert,
  headroomQueries,
  type SiteHeadroom,
} from './headroom.ts';
export { diagnoseIncident, incidentOfScene } from './incident/diagnose-incident.ts';
export {
  type Confirmed,
  confirmedAs,
  type LearnedWeights,
  learnWeights,
  type ReliabilityBin,
  reliabilityOf,
} from './incident/learn-weights.ts';
export { isCounter } from './incident/names.ts';
export type { IncidentScene, Trigger } from './incident/scene.ts';
export { type StoredQuery, type StoredSeries, storedQueries, storedWindow } from './incident/stored.ts';
export { formatWeights, parseWeights, usualWeights, type Weights } from './incident/weights.ts';
export { incidentsOf, profileIncident } from './learn.ts';
export {
  type Answer,
  abnormalF1,
  type Bin,
  calibrationError,
  compound,
  firstRight,
  otherMachines,
  type Prepared,
  prepare,
  reliability,
  rotations,
  type Score,
  unseenCause,
  windowFound,
} from './measure/protocols.ts';
export type { OnsetOptions } from './onset.ts';
export {
  confirmIncidents,
  emptyKnowledge,
  formatKnowledge,
  type Incident,
  type Knowledge,
  parseKnowledge,
} from './profile/knowledge.ts';
export { learnProfiles, type ProfileWitness, type RankedCause, type Testimony } from './profile/witness.ts';
export {
  type Labels,
  makeWindow,
  type Signal,
  type SignalWindow,
  type Stretch,
} from './window.ts';
export { type Change, type Scene, type Suspect, suspectChanges } from './witnesses/changes.ts';
