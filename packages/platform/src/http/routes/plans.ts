/** Plans: what could be done about an incident. Looking at one does nothing. */
import { proposal } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { proposalFor } from '../../plans/for-incident.ts';
import { factsOf } from '../../plans/from-core.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

const byId = z.object({ id: z.string().min(1).max(200) });

export const planRoutes: readonly Route[] = [
  jsonRoute({
    ...({ access: 'person', classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const),
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
