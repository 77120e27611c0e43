/**
 * Plans: what could be done about an incident, which does nothing; and carrying one out, which needs that whoever has to
 * agreed to exactly that plan.
 */
import { type PlanRun, plan, planRun, proposal } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { scopesOf } from '../../access/audience.ts';
import type { Reach } from '../../access/decide.ts';
import { proposalFor } from '../../plans/for-incident.ts';
import { factsOf } from '../../plans/from-core.ts';
import type { Runs } from '../../plans/runs.ts';
import type { Core } from '../../ports.ts';
import { jsonRoute, type Named, noBody, nothing, type Route } from '../route.ts';

const looking = { classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const doing = { classification: 'sensitive', limits: { bodyBytes: 128 * 1_024, rate: 'act' } } as const;
const byId = z.object({ id: z.string().min(1).max(200) });

/** As the incident itself. */
const ofIncident = ({ keeper, places }: Core, { params }: Named): Reach => {
  const found = keeper.get(byId.safeParse(params).data?.id ?? '');
  if (found === undefined) return { reach: 'all' };
  return { reach: 'any', places: [found.place, ...found.places].flatMap((place) => scopesOf(places, place)) };
};

export const planRoutes: readonly Route[] = [
  jsonRoute({
    ...looking,
    access: { action: 'plan.read', at: ofIncident },
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

export const makePlanRunRoutes = (runs: Runs): readonly Route[] => {
  const found = (id: string): PlanRun => {
    const run = runs.get(id);
    if (run === undefined) throw fail('THING_UNKNOWN', { kind: 'run of a plan', name: id.slice(0, 100) });
    return run;
  };
  /** Whoever looks after the place that it is about. What is not there is in nobody's reach but his who has all. */
  const ofRun = ({ places }: Core, { params }: Named): Reach => {
    const run = runs.get(byId.safeParse(params).data?.id ?? '');
    return run === undefined ? { reach: 'all' } : { reach: 'any', places: scopesOf(places, run.plan.place) };
  };
  return [
    jsonRoute({
      ...looking,
      access: { action: 'plan.read', at: 'some' },
      method: 'GET',
      path: '/api/v1/plan-runs',
      summary: 'Plans that are being carried out, and the last ones that were, the newest first.',
      params: nothing,
      query: z.object({ limit: z.coerce.number().int().min(1).max(200).default(20) }),
      body: noBody,
      output: z.object({ items: z.array(planRun) }),
      handle: (_, { query: { limit }, asker }) => ({
        items: runs
          .all()
          .filter(({ plan: { place } }) => asker.sees(place))
          .slice(0, limit),
      }),
    }),
    jsonRoute({
      ...looking,
      access: { action: 'plan.read', at: ofRun },
      method: 'GET',
      path: '/api/v1/plan-runs/:id',
      summary: 'How far a plan has come, step by step.',
      params: byId,
      query: nothing,
      body: noBody,
      output: planRun,
      handle: (_, { params: { id } }) => found(id),
    }),
    jsonRoute({
      ...doing,
      access: { action: 'plan.request', at: 'some' },
      method: 'POST',
      path: '/api/v1/plan-runs',
      summary: 'Carry a plan out, where that is the asker’s own to decide (class C1). Said again it is the same run.',
      params: nothing,
      query: nothing,
      body: z.strictObject({ plan }),
      output: planRun,
      handle: (_, { body, asker }) => runs.start(body.plan, asker),
    }),
    jsonRoute({
      ...doing,
      access: { action: 'plan.stop', at: ofRun },
      method: 'POST',
      path: '/api/v1/plan-runs/:id/stop',
      summary: 'Begin nothing more of a plan, and cancel what is in progress.',
      params: byId,
      query: nothing,
      body: noBody,
      output: planRun,
      handle: (_, { params: { id } }) => runs.stop(found(id).id),
    }),
  ];
};
