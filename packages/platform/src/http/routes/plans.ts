/**
 * Plans: what could be done about an incident, which does nothing; and carrying one out, which needs that enough people agreed to exactly
 * that plan.
 */
import { plan, planRun, proposal } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { proposalFor } from '../../plans/for-incident.ts';
import { factsOf } from '../../plans/from-core.ts';
import type { Runs } from '../../plans/runs.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

const looking = { access: 'person', classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const doing = {
  access: 'person',
  classification: 'sensitive',
  limits: { bodyBytes: 128 * 1_024, rate: 'act' },
} as const;
const byId = z.object({ id: z.string().min(1).max(200) });

export const planRoutes: readonly Route[] = [
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/incidents/:id/plan',
    summary: 'What could be done about an incident, step by step, or why there is no plan.',
    params: byId,
    query: nothing,
    body: noBody,
    output: proposal,
    handle: (core, { params: { id } }) => {
      const found = core.keeper.get(id);
      if (found === undefined) throw fail('INCIDENT_UNKNOWN', { id: id.slice(0, 100) });
      return proposalFor(found, factsOf(core));
    },
  }),
];

export const makePlanRunRoutes = (runs: Runs): readonly Route[] => [
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/plan-runs',
    summary: 'Plans that are being carried out, and the last ones that were, the newest first.',
    params: nothing,
    query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(20) }),
    body: noBody,
    output: z.object({ items: z.array(planRun) }),
    handle: (_, { query: { limit } }) => ({ items: runs.all().slice(0, limit) }),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/plan-runs/:id',
    summary: 'How far a plan has come, step by step.',
    params: byId,
    query: nothing,
    body: noBody,
    output: planRun,
    handle: (_, { params: { id } }) => {
      const found = runs.get(id);
      if (found === undefined) throw fail('THING_UNKNOWN', { kind: 'run of a plan', name: id.slice(0, 100) });
      return found;
    },
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/plan-runs',
    summary: 'Carry a plan out that enough people agreed to. Said again it is the same run.',
    params: nothing,
    query: nothing,
    body: z.strictObject({ plan }),
    output: planRun,
    handle: (_, { body }) => runs.start(body.plan),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/plan-runs/:id/stop',
    summary: 'Begin nothing more of a plan, and cancel what is in progress.',
    params: byId,
    query: nothing,
    body: noBody,
    output: planRun,
    handle: (_, { params: { id } }) => runs.stop(id),
  }),
];
