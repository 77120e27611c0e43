export { gatewaySettings, unknownRttMs } from './configure.ts';
export {
  type AcknowledgedOutcome,
  type Acknowledgement,
  type JournalEntry,
  journalKey,
} from './operate/acknowledgements.ts';
export { type GatewayControl, gatewayControl } from './operate/adapters/operator.ts';
export type { DrainResult, SessionView } from './operate/ports.ts';
export type { GatewayStatus, Totals as GatewayTotals } from './operate/status.ts';
export type { GatewayLimits, GatewaySettings, InstanceTarget, UserRule } from './settings.ts';
