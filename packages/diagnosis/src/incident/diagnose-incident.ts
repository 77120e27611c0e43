/**
 * From the scene of an incident to its causes: the onset is found, four witnesses say what they see, and what they say is weighed
 * together. Pure, and cheap enough to be asked again every few seconds while data comes in.
 */
import type { IncidentDiagnosis, Place } from '@coequal/contract';
import { catalogue } from '../causes.ts';
import type { Incident } from '../profile/knowledge.ts';
import { hostFindings } from '../witnesses/detail/host.ts';
import { networkFindings } from '../witnesses/detail/network.ts';
import { sessionFindings } from '../witnesses/detail/sessions.ts';
import { statementFindings } from '../witnesses/detail/statements.ts';
import { workloadFindings } from '../witnesses/detail/workload.ts';
import { changeFindings } from '../witnesses/live-changes.ts';
import { incidentOf, profileFindings } from '../witnesses/live-profile.ts';
import { lossFindings } from '../witnesses/structure/losses.ts';
import { originsOf } from '../witnesses/structure/origin.ts';
import { reachOf } from '../witnesses/structure/reach.ts';
import { combine } from './combine.ts';
import { ruledOutOf, sentenceOf } from './explain.ts';
import { liveOnset } from './live-onset.ts';
import type { IncidentScene } from './scene.ts';
import { viewOf } from './view.ts';
import { usualWeights } from './weights.ts';

/** Causes below this confidence are not told; at most so many are. */
const worthTelling = 0.03;
const mostCauses = 8;
/** From here on a sentence says "because", below it "perhaps because". */
const sureEnough = 0.6;

export const diagnoseIncident = (scene: IncidentScene): IncidentDiagnosis => {
  const view = viewOf(scene, onsetRow(scene));
  const profiles = profileFindings(view);
  const findings = [
    ...lossFindings(view, reachOf(view)),
    ...hostFindings(view),
    ...networkFindings(view),
    ...workloadFindings(view),
    ...sessionFindings(view),
    ...statementFindings(view),
    ...changeFindings(view),
    ...profiles.findings,
  ];
  const hypotheses = combine(findings, view.graph, originsOf(view), scene.weights ?? usualWeights);
  const told = hypotheses.filter(({ confidence }) => confidence >= worthTelling).slice(0, mostCauses);
  const surest = Math.max(0, ...told.map(({ confidence }) => confidence));
  return {
    atMs: scene.nowMs,
    window: { fromMs: view.onsetMs, toMs: scene.nowMs },
    sentence: sentenceOf(view, told, sureEnough),
    causes: told.map(({ cause, place, confidence, evidence, testimonies }) => ({
      cause,
      place,
      confidence,
      sinceMs: view.onsetMs,
      evidence: [...evidence],
      witnesses: testimonies.map(({ witness, strength, text }) => ({ witness, weight: strength, text })),
      runbook: catalogue[cause].runbook,
    })),
    ruledOut: [...ruledOutOf(view, told, findings)],
    unknown: ((1 - surest) * (1 + profiles.unknown)) / 2,
  };
};

/** The row of the window at which it began. */
export const onsetRow = ({ window, triggers }: IncidentScene): number => {
  const fired = Math.min(...triggers.map(({ startedMs }) => startedMs));
  const firedRow = Number.isFinite(fired) ? (fired - window.startMs) / window.stepMs : undefined;
  return liveOnset(window, firedRow === undefined ? undefined : Math.max(0, Math.min(window.length - 1, firedRow))).row;
};

/** What is learned of an incident when its cause is confirmed: `confirmIncidents` adds it to the knowledge. */
export const incidentOfScene = (scene: IncidentScene, id: string, cause: string, place: Place): Incident =>
  incidentOf(viewOf(scene, onsetRow(scene)), id, cause, place);
