/** Incidents: looking at them, and what people do with one. */
import {
  acknowledgeRequest,
  assignRequest,
  commentRequest,
  confirmRequest,
  incident,
  incidentPage,
  incidentQuery,
  resolveRequest,
} from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { summaryOf } from '../../incidents/summary.ts';
import { limits } from '../../limits.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

const looking = { access: 'person', classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const doing = {
  access: 'person',
  classification: 'sensitive',
  limits: { bodyBytes: limits.http.bodyBytes, rate: 'act' },
} as const;
const byId = z.object({ id: z.string().min(1).max(200) });

export const incidentRoutes: readonly Route[] = [
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/incidents',
    summary: 'Incidents, the newest first.',
    params: nothing,
    query: incidentQuery,
    body: noBody,
    output: incidentPage,
    handle: ({ incidents }, { query }) => {
      const page = incidents.list(query);
      return { items: page.items.map(summaryOf), next: page.next };
    },
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/incidents/:id',
    summary: 'One incident with its alerts, its diagnosis and its story.',
    params: byId,
    query: nothing,
    body: noBody,
    output: incident,
    handle: ({ keeper }, { params: { id } }) => {
      const found = keeper.get(id);
      if (found === undefined) throw fail('INCIDENT_UNKNOWN', { id: id.slice(0, 100) });
      return found;
    },
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/incidents/:id/acknowledge',
    summary: 'Say that somebody has seen it.',
    params: byId,
    query: nothing,
    body: acknowledgeRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body }) => keeper.acknowledge(params.id, body.by, body.text, clock.now()),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/incidents/:id/assign',
    summary: 'Say who works on it, or nobody.',
    params: byId,
    query: nothing,
    body: assignRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body }) => keeper.assign(params.id, body.by, body.to, clock.now()),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/incidents/:id/comment',
    summary: 'Add words to its story.',
    params: byId,
    query: nothing,
    body: commentRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body }) => keeper.comment(params.id, body.by, body.text, clock.now()),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/incidents/:id/confirm',
    summary: 'Say what the cause was; the platform learns from it.',
    params: byId,
    query: nothing,
    body: confirmRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body }) =>
      keeper.confirm(params.id, body.by, body.cause, body.text, clock.now()),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v1/incidents/:id/resolve',
    summary: 'Say that it is over.',
    params: byId,
    query: nothing,
    body: resolveRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body }) => keeper.resolve(params.id, body.by, body.text, clock.now()),
  }),
];
