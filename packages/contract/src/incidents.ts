/**
 * Incidents as the platform tells of them. An incident is something wrong that a person should know; what fires (alerts) and what was
 * concluded (the diagnosis) belong to it. Times are milliseconds since 1970.
 */
import { z } from 'zod';
import { classified, mayHoldValues } from './classification.ts';
import { place } from './place.ts';

export const severities = ['critical', 'warning', 'info'] as const;
export const incidentStates = ['open', 'acknowledged', 'resolved'] as const;

export const incidentAlert = classified(
  'sensitive',
  z.object({
    name: z.string(),
    /** What raised it: a rule file's rule, a detector in the stream, another Alertmanager, or a collector's silence. */
    source: z.enum(['rule', 'detector', 'webhook', 'silence']),
    labels: z.record(z.string(), z.string()),
    severity: z.enum(severities),
    summary: mayHoldValues(z.string()),
    startedMs: z.number(),
    endedMs: z.number().optional(),
    value: z.number().optional(),
  }),
);

export const evidence = classified(
  'sensitive',
  z.object({
    /** A predicate that can be checked: `threads_running above 41 (before 6)`. */
    text: mayHoldValues(z.string()),
    /** The signal to draw, where it is one. */
    signal: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }).optional(),
  }),
);

export const witnessNames = ['changes', 'profile', 'structure', 'detail'] as const;

export const rankedCause = classified(
  'sensitive',
  z.object({
    /** A name of the catalogue of causes: `idle transaction holds locks`. */
    cause: z.string(),
    place,
    /** 0 to 1, calibrated: right as often as it says. */
    confidence: z.number(),
    sinceMs: z.number(),
    evidence: z.array(evidence),
    /** Who said so. */
    witnesses: z.array(
      z.object({ witness: z.enum(witnessNames), weight: z.number(), text: mayHoldValues(z.string()) }),
    ),
    /** Name of the proposed runbook. */
    runbook: z.string().optional(),
  }),
);

export const incidentDiagnosis = classified(
  'sensitive',
  z.object({
    atMs: z.number(),
    window: z.object({ fromMs: z.number(), toMs: z.number() }).nullable(),
    /** One sentence: what, where, since when, why. */
    sentence: mayHoldValues(z.string()),
    causes: z.array(rankedCause),
    ruledOut: z.array(mayHoldValues(z.string())),
    /** How much it looks like none of the known causes, 0 to 1. */
    unknown: z.number(),
  }),
);

export const timelineEntry = classified(
  'sensitive',
  z.object({
    atMs: z.number(),
    what: z.enum([
      'opened',
      'alert',
      'cleared',
      'diagnosed',
      'acknowledged',
      'assigned',
      'comment',
      'confirmed',
      'resolved',
      'reopened',
    ]),
    text: mayHoldValues(z.string()),
    by: z.string().optional(),
  }),
);

export const incident = classified(
  'sensitive',
  z.object({
    id: z.string(),
    state: z.enum(incidentStates),
    severity: z.enum(severities),
    title: mayHoldValues(z.string()),
    place,
    /** Places that are touched by it, the most affected first. */
    places: z.array(place),
    /** When it began, as far as is known now. */
    startedMs: z.number(),
    detectedMs: z.number(),
    /** When a cause was named first. */
    diagnosedMs: z.number().optional(),
    resolvedMs: z.number().optional(),
    alerts: z.array(incidentAlert),
    diagnosis: incidentDiagnosis.optional(),
    /** What a person said the cause was. */
    confirmedCause: z.string().optional(),
    /** Who works on it. */
    assignee: z.string().optional(),
    timeline: z.array(timelineEntry),
  }),
);

export type Severity = (typeof severities)[number];
export type IncidentAlert = z.infer<typeof incidentAlert>;
export type Evidence = z.infer<typeof evidence>;
export type RankedCause = z.infer<typeof rankedCause>;
export type IncidentDiagnosis = z.infer<typeof incidentDiagnosis>;
export type TimelineEntry = z.infer<typeof timelineEntry>;
export type Incident = z.infer<typeof incident>;
