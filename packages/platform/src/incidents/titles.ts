/** What an incident is called before a cause is known: what its weightiest alerts say, and of how many things. */
import type { Incident, IncidentAlert, Severity } from '@coequal/contract';

export const severityRank: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

/** What says the most about what happened comes first; what is only felt comes last. */
const weight: readonly string[] = [
  'SiteSilent',
  'DiskFull',
  'ClockWrong',
  'InstanceDown',
  'GatewayDown',
  'IdleSessionBlocks',
  'SessionsWaitForSchema',
  'InstanceOutsideGroup',
  'AgentSilent',
  'GatewayWithoutInstance',
  'ConnectionsNearLimit',
  'ConnectionsRefused',
  'LoginsFail',
  'FlowControl',
  'DiskSlow',
  'MemoryWaits',
  'ConflictsMany',
  'RowsScanned',
  'WorkStopped',
  'GroupIncomplete',
];

const rankOf = ({ name }: IncidentAlert): number => {
  const index = weight.indexOf(name);
  return index < 0 ? weight.length : index;
};

export const titleOf = ({ alerts }: Pick<Incident, 'alerts'>): string => {
  const [first, ...others] = alerts.toSorted(
    (a, b) => severityRank[a.severity] - severityRank[b.severity] || rankOf(a) - rankOf(b) || a.startedMs - b.startedMs,
  );
  if (first === undefined) return 'Something is wrong';
  return others.length === 0 ? first.summary : `${first.summary}, and ${others.length} more`;
};
