/** Proof: the bank and its histories, drills, reconciliation, reports and evidence. */

export { type EvidenceVerdict, verifyEvidence, writeEvidence } from './adapters/evidence.ts';
export { type Ledger, openLedger, readHistory } from './adapters/ledger.ts';
export { machineStampUs } from './adapters/stamp.ts';
export { bankAccess, drillTools } from './adapters/tools.ts';
export type {
  Arena,
  ArenaDescription,
  ArenaInstance,
  ClientOptions,
  Endpoint,
  Fault,
  FaultKind,
  SiteClients,
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
export { type FailureKind, type Judgement, judge, type Link, LinkFailure, type OpenLink } from './bank/link.ts';
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
export { type DrillEntry, drills, isDrillName } from './drills/catalog.ts';
export type { Check, DrillReport, FaultReport, Sighting, SiteReport, StepReport } from './drills/report.ts';
export {
  type BankAccess,
  type DrillOptions,
  type DrillProgress,
  type DrillResult,
  type DrillTools,
  runDrill,
} from './drills/run.ts';
export { type DrillRuns, type Spread, spreadOf, summariseRuns } from './drills/runs.ts';
export { type DrillName, type Schedule, type Step, scheduleOf, shortestSeconds } from './drills/schedule.ts';
export {
  type Completion,
  formatLine,
  formatTransaction,
  type History,
  type HistoryHeader,
  type HistoryReader,
  historyReader,
  type Invocation,
  mergeHistories,
  type Operation,
  type Outcome,
  parseHistory,
  type Transaction,
} from './history.ts';
export { reportHtml } from './report/html.ts';
export {
  acknowledgements,
  longestPause,
  type Pause,
  percentile,
  type Second,
  type SiteTimeline,
  siteTimeline,
  type Window,
} from './timeline.ts';
