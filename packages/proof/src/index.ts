/** Proof: the bank and its histories, drills, reconciliation, reports and evidence. */

export { type EvidenceVerdict, verifyEvidence, writeEvidence } from './adapters/evidence.ts';
export { type Ledger, openLedger, readHistory } from './adapters/ledger.ts';
export { machineStampUs } from './adapters/stamp.ts';
export { bankAccess, drillTools } from './adapters/tools.ts';
export {
  type Arena,
  type ArenaDescription,
  type ArenaInstance,
  type ClientOptions,
  type ClientStyle,
  type Endpoint,
  type Fault,
  type FaultKind,
  type GatewayCounters,
  type GatewayFaultKind,
  gatewayFaultKinds,
  isGatewayFault,
  type SiteClients,
  type Via,
} from './arena.ts';
export {
  type BankOptions,
  createBank,
  lookUpTransfers,
  readBooks,
  readContents,
  readTotals,
} from './bank/adapters/bank.ts';
export { type LinkDeadlines, linkOpener } from './bank/adapters/link.ts';
export { type BankAssignment, type BankClients, type BankPorts, startBankClients } from './bank/client.ts';
export {
  type FailureKind,
  type Judgement,
  judge,
  type Link,
  LinkFailure,
  type OpenLink,
  type Value,
} from './bank/link.ts';
export {
  type ClientAssignment,
  type ClientReport,
  parseAssignment,
  parseReport,
  reportEveryMs,
} from './bank/protocol.ts';
export {
  clean,
  type Finding,
  type FindingKind,
  type Opening,
  type Reconciliation,
  reconcile,
} from './bank/reconcile.ts';
export { type AccountRow, type Contents, type EntryRow, schema, type TransferRow } from './bank/schema.ts';
export { type Books, booksExact, missingFrom, type Totals, totalsExact } from './bank/verify.ts';
export {
  comparedDrills,
  type DrillEntry,
  drills,
  isDrillName,
  isRequestedDrill,
  type RequestedDrill,
  requestedDrills,
} from './drills/catalog.ts';
export type {
  BatchReport,
  Check,
  CommitsReport,
  CustomersReport,
  DrillReport,
  FaultReport,
  PauseReport,
  Sighting,
  SiteReport,
  StepReport,
} from './drills/report.ts';
export {
  type BankAccess,
  type BatchOptions,
  type DrillOptions,
  type DrillProgress,
  type DrillResult,
  type DrillTools,
  runDrill,
} from './drills/run.ts';
export { type DrillRuns, type Spread, spreadOf, summariseRuns } from './drills/runs.ts';
export {
  type DrillName,
  type Schedule,
  type ScheduleOptions,
  type Step,
  scheduleOf,
  shortestSeconds,
} from './drills/schedule.ts';
export {
  type Completion,
  type Decision,
  formatLine,
  formatTransaction,
  type History,
  type HistoryHeader,
  type HistoryReader,
  historyReader,
  type Invocation,
  type LedgerLine,
  mergeHistories,
  type Operation,
  type Outcome,
  parseHistory,
  type Transaction,
  type Verdict,
} from './history.ts';
export { type LoadFaultKind, loadFaultKinds, loadFaults } from './load-faults.ts';
export { reportHtml } from './report/html.ts';
export {
  acknowledgements,
  customersOf,
  longestPause,
  longestWait,
  type Pause,
  percentile,
  type Second,
  type SiteTimeline,
  siteTimeline,
  type Waiting,
  type Window,
  waitsOf,
} from './timeline.ts';
