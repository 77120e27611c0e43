export { type AgentReport, agentReport } from './agent-report.ts';
export {
  type DatabaseDetail,
  type DatabaseSession,
  databaseDetail,
  type StatementActivity,
} from './database-detail.ts';
export type { ChangeEvent, ChangeKind, Event, LogEvent } from './events.ts';
export type {
  Evidence,
  Incident,
  IncidentAlert,
  IncidentDiagnosis,
  RankedCause,
  Severity,
  TimelineEntry,
} from './incidents.ts';
export type { Place } from './place.ts';
