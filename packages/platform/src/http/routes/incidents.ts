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
import type { Action } from '../../access/actions.ts';
import { scopesOf } from '../../access/audience.ts';
import type { Reach } from '../../access/decide.ts';
import { summaryOf } from '../../incidents/summary.ts';
import { limits } from '../../limits.ts';
import type { Core } from '../../ports.ts';
import { jsonRoute, type Named, noBody, nothing, type Route } from '../route.ts';

const looking = { classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const doing = { classification: 'sensitive', limits: { bodyBytes: limits.http.bodyBytes, rate: 'act' } } as const;
const byId = z.object({ id: z.string().min(1).max(200) });

/** Whoever looks after one of the places that it touches may see it. What is not there is in nobody's reach but his who has all. */
const ofIncident = ({ keeper, places }: Core, { params }: Named): Reach => {
  const found = keeper.get(byId.safeParse(params).data?.id ?? '');
  if (found === undefined) return { reach: 'all' };
  return { reach: 'any', places: [found.place, ...found.places].flatMap((place) => scopesOf(places, place)) };
};
const on = (action: Action) => ({ ...doing, access: { action, at: ofIncident } });

export const incidentRoutes: readonly Route[] = [
  jsonRoute({
    ...looking,
    access: { action: 'incident.read', at: 'some' },
    method: 'GET',
    path: '/api/v1/incidents',
    summary: 'Incidents, the newest first.',
    params: nothing,
    query: incidentQuery,
    body: noBody,
    output: incidentPage,
    handle: ({ incidents }, { query, asker }) => {
      const page = incidents.list(query);
      const seen = page.items.filter(({ place, places }) => [place, ...places].some(asker.sees));
      return { items: seen.map(summaryOf), next: page.next };
    },
  }),
  jsonRoute({
    ...looking,
    access: { action: 'incident.read', at: ofIncident },
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
    ...on('literal.reveal'),
    limits: { bodyBytes: 0, rate: 'act' },
    shows: 'values',
    method: 'POST',
    path: '/api/v1/incidents/:id/reveal',
    summary: 'The incident with the values that its texts hold. Who saw it, and why, is recorded.',
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
    ...on('incident.acknowledge'),
    method: 'POST',
    path: '/api/v1/incidents/:id/acknowledge',
    summary: 'Say that somebody has seen it.',
    params: byId,
    query: nothing,
    body: acknowledgeRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body, asker }) =>
      keeper.acknowledge(params.id, asker.name(body.by), body.text, clock.now()),
  }),
  jsonRoute({
    ...on('incident.assign'),
    method: 'POST',
    path: '/api/v1/incidents/:id/assign',
    summary: 'Say who works on it, or nobody.',
    params: byId,
    query: nothing,
    body: assignRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body, asker }) =>
      keeper.assign(params.id, asker.name(body.by), body.to, clock.now()),
  }),
  jsonRoute({
    ...on('incident.comment'),
    method: 'POST',
    path: '/api/v1/incidents/:id/comment',
    summary: 'Add words to its story.',
    params: byId,
    query: nothing,
    body: commentRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body, asker }) =>
      keeper.comment(params.id, asker.name(body.by), body.text, clock.now()),
  }),
  jsonRoute({
    ...on('incident.confirm'),
    method: 'POST',
    path: '/api/v1/incidents/:id/confirm',
    summary: 'Say what the cause was; the platform learns from it.',
    params: byId,
    query: nothing,
    body: confirmRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body, asker }) =>
      keeper.confirm(params.id, asker.name(body.by), body.cause, body.text, clock.now()),
  }),
  jsonRoute({
    ...on('incident.resolve'),
    method: 'POST',
    path: '/api/v1/incidents/:id/resolve',
    summary: 'Say that it is over.',
    params: byId,
    query: nothing,
    body: resolveRequest,
    output: incident,
    handle: ({ keeper, clock }, { params, body, asker }) =>
      keeper.resolve(params.id, asker.name(body.by), body.text, clock.now()),
  }),
];
