/**
 * What people ask of incidents: lists with filters, and what they do to one. `by` is whom a service account speaks for; of a person the
 * platform knows who it is, and takes nothing else.
 */
import { z } from 'zod';
import { classified, mayHoldValues } from './classification.ts';
import { incident, incidentStates, severities } from './incidents.ts';
import { place } from './place.ts';
import { pageOf, pageQuery } from './problem.ts';

const words = z.string().trim().min(1).max(2_000);
const who = z.string().trim().min(1).max(200);
const by = who.optional();

export const incidentQuery = z.object({
  ...pageQuery,
  state: z.enum(incidentStates).optional(),
  severity: z.enum(severities).optional(),
  site: z.string().max(200).optional(),
  host: z.string().max(200).optional(),
  service: z.string().max(200).optional(),
  instance: z.string().max(200).optional(),
  gateway: z.string().max(200).optional(),
  /** Milliseconds since 1970; those that began at or after it. */
  fromMs: z.coerce.number().optional(),
  toMs: z.coerce.number().optional(),
});

/** An incident on one line. */
export const incidentSummary = incident
  .pick({
    id: true,
    state: true,
    severity: true,
    title: true,
    place: true,
    startedMs: true,
    detectedMs: true,
    diagnosedMs: true,
    resolvedMs: true,
    confirmedCause: true,
    assignee: true,
  })
  .extend({
    alerts: z.number().int(),
    firing: z.number().int(),
    /** The likeliest cause, where one was named. */
    cause: z.object({ cause: z.string(), place, confidence: z.number() }).optional(),
    sentence: mayHoldValues(z.string()).optional(),
  });

export const incidentPage = classified('sensitive', pageOf(incidentSummary));

export const acknowledgeRequest = z.object({ by, text: words.optional() });
export const assignRequest = z.object({ by, to: who.nullable() });
export const commentRequest = z.object({ by, text: words });
export const confirmRequest = z.object({
  by,
  /** The cause as the catalogue names it, or in own words where it has none. */
  cause: z.string().trim().min(1).max(200),
  text: words.optional(),
});
export const resolveRequest = z.object({ by, text: words.optional() });

export type IncidentQuery = z.infer<typeof incidentQuery>;
export type IncidentSummary = z.infer<typeof incidentSummary>;
