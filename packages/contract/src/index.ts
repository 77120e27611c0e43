export {
  type Grant,
  grants,
  platformBackup,
  roleNames,
  type ServiceAccountView,
  serviceAccount,
  serviceAccountPage,
  serviceAccountRequest,
  serviceAccountToken,
} from './access.ts';
export { type AccessReview, type AccessReviewEntry, accessReview, accessReviewQuery } from './access-review.ts';
export {
  type FromAgent,
  type FromPlatform,
  fromAgent,
  fromPlatform,
  type Invitation,
  invitation,
  lineLimit,
  lineVersion,
  type Order,
} from './action-line.ts';
export {
  type Action,
  type ActionClass,
  type ActionOf,
  type ActionType,
  action,
  actionClasses,
  actionTypes,
  classOf,
  type OrderState,
  type Outcome,
  orderState,
  type Preview,
  subjectOf,
} from './actions.ts';
export { type AgentReport, agentReport } from './agent-report.ts';
export { type ChangeNotice, changeNotice } from './change-notice.ts';
export {
  type Classification,
  classified,
  type Mask,
  makeMask,
  mayHoldValues,
  mostOf,
  unclassifiedOf,
  withoutValues,
} from './classification.ts';
export {
  type DatabaseDetail,
  type DatabaseSession,
  databaseDetail,
  type StatementActivity,
} from './database-detail.ts';
export {
  type ChangeEvent,
  type ChangeKind,
  changeEvent,
  changeKinds,
  type Event,
  event,
  type LogEvent,
} from './events.ts';
export {
  displayName,
  enrolmentLink,
  me,
  type PersonView,
  passkeyAnswer,
  passkeyQuestion,
  personGrant,
  personName,
  personPage,
  reEnrolment,
  terminalAnswer,
  terminalAsked,
} from './identity.ts';
export {
  acknowledgeRequest,
  assignRequest,
  commentRequest,
  confirmRequest,
  type IncidentQuery,
  type IncidentSummary,
  incidentPage,
  incidentQuery,
  resolveRequest,
} from './incident-requests.ts';
export {
  type Evidence,
  type Incident,
  type IncidentAlert,
  type IncidentDiagnosis,
  incident,
  type RankedCause,
  rankedCause,
  type Severity,
  type TimelineEntry,
} from './incidents.ts';
export { LineReader } from './line-reader.ts';
export {
  type ChangeQuery,
  changePage,
  changeQuery,
} from './notices.ts';
export {
  type GatewayState,
  type HostState,
  headroomAnswer,
  type InstanceStateView,
  instanceDetail,
  type Level,
  type Overview,
  overview,
  type PlatformHealth,
  platformHealth,
  type ServiceState,
  type SiteState,
} from './overview.ts';
export type { Place } from './place.ts';
export {
  type Need,
  type Plan,
  type PlanRun,
  type PlanStep,
  type Proposal,
  plan,
  planRun,
  proposal,
  type StepState,
} from './plans.ts';
export { type Problem, problem } from './problem.ts';
export { refusalOf, type SettingName, settingNames } from './settable.ts';
export {
  type CorrelateAnswer,
  type CorrelateRequest,
  correlateAnswer,
  correlateRequest,
  type RangeAnswer,
  type RangeQuery,
  rangeAnswer,
  rangePoints,
  rangeQuery,
  type SignalSearch,
  signalPage,
  signalSearch,
} from './signal-queries.ts';
export { type StreamEvent, streamEvent, streamQuery } from './stream.ts';
