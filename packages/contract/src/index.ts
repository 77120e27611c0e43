export { type AgentReport, agentReport } from './agent-report.ts';
export { type ChangeNotice, changeNotice } from './change-notice.ts';
export type { DatabaseDetail, DatabaseSession, StatementActivity } from './database-detail.ts';
export type { ChangeEvent, ChangeKind, Event, LogEvent } from './events.ts';
export { changeKinds } from './events.ts';
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
