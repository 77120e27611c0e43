/** An incident on one line. */
import type { Incident, IncidentSummary } from '@coequal/contract';

export const summaryOf = (incident: Incident): IncidentSummary => {
  const { id, state, severity, title, place, startedMs, detectedMs } = incident;
  const { diagnosedMs, resolvedMs, confirmedCause, assignee, alerts, diagnosis } = incident;
  const [first] = diagnosis?.causes ?? [];
  return {
    ...{ id, state, severity, title, place, startedMs, detectedMs },
    ...(diagnosedMs === undefined ? {} : { diagnosedMs }),
    ...(resolvedMs === undefined ? {} : { resolvedMs }),
    ...(confirmedCause === undefined ? {} : { confirmedCause }),
    ...(assignee === undefined ? {} : { assignee }),
    alerts: alerts.length,
    firing: alerts.filter(({ endedMs }) => endedMs === undefined).length,
    ...(first === undefined ? {} : { cause: { cause: first.cause, place: first.place, confidence: first.confidence } }),
    ...(diagnosis === undefined ? {} : { sentence: diagnosis.sentence }),
  };
};
