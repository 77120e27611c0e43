/** When an incident is diagnosed: at once, again as data comes, until the answer stands; anew when an alert joins. Pure. */
import type { Incident, IncidentDiagnosis } from '@coequal/contract';
import { limits } from '../limits.ts';

export type Schedule = {
  /** Diagnoses made so far, and equal answers in a row. */
  readonly made: number;
  readonly equal: number;
  readonly nextMs: number;
  readonly alerts: number;
};

export const firstSchedule = (incident: Incident): Schedule => ({
  made: 0,
  equal: 0,
  // What fires first is not all that is going to be told within the second.
  nextMs: incident.detectedMs + limits.diagnosis.atMs[0],
  alerts: incident.alerts.length,
});

/** Due now, or due anew because it has other alerts than the last diagnosis saw. */
export const isDue = (schedule: Schedule, incident: Incident, nowMs: number): boolean =>
  nowMs >= schedule.nextMs || (schedule.made > 0 && incident.alerts.length > schedule.alerts);

export const afterDiagnosis = (
  schedule: Schedule,
  incident: Incident,
  before: IncidentDiagnosis | undefined,
  now: IncidentDiagnosis,
  nowMs: number,
): Schedule => {
  const equal = before !== undefined && isSame(before, now) ? schedule.equal + 1 : 0;
  const ageMs = nowMs - incident.detectedMs;
  const { atMs, thenEveryMs, stable, stableMs } = limits.diagnosis;
  const next = atMs.find((each) => each > ageMs);
  const stands = equal >= stable && ageMs >= stableMs;
  return {
    made: schedule.made + 1,
    equal,
    nextMs: next === undefined || stands ? nowMs + thenEveryMs : incident.detectedMs + next,
    alerts: incident.alerts.length,
  };
};

const isSame = (a: IncidentDiagnosis, b: IncidentDiagnosis): boolean => {
  const [one, other] = [a.causes[0], b.causes[0]];
  return (
    one?.cause === other?.cause &&
    JSON.stringify(one?.place) === JSON.stringify(other?.place) &&
    Math.abs((one?.confidence ?? 0) - (other?.confidence ?? 0)) < 0.05
  );
};
