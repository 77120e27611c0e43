/** Alerts that fire, silences, and rules: Alertmanager's paths and shapes where it has them, so that its tools work here. */
import { fail } from '@coequal/kernel';
import { gettableAlert, gettableSilence, inhibitedBy, readAlerts, readSilence, readWebhook } from '@coequal/signals';
import { z } from 'zod';
import { limits } from '../../limits.ts';
import { inhibitRules, toldAlerts } from '../../notify/told.ts';
import type { Core } from '../../ports.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

const looking = { access: 'person', classification: 'sensitive', limits: { bodyBytes: 0, rate: 'read' } } as const;
const doing = { ...looking, limits: { bodyBytes: limits.http.bodyBytes, rate: 'act' } } as const;
const telling = { ...looking, access: 'agent', limits: { bodyBytes: limits.ingest.alertBytes, rate: 'act' } } as const;
const byId = z.object({ id: z.string().min(1).max(200) });
const texts = z.record(z.string(), z.string());

const alert = z.object({
  labels: texts,
  annotations: texts,
  startsAt: z.string(),
  endsAt: z.string(),
  updatedAt: z.string(),
  generatorURL: z.string(),
  fingerprint: z.string(),
  receivers: z.array(z.object({ name: z.string() })),
  status: z.object({
    state: z.enum(['active', 'suppressed']),
    silencedBy: z.array(z.string()),
    inhibitedBy: z.array(z.string()),
  }),
});

const silence = z.object({
  id: z.string(),
  status: z.object({ state: z.enum(['pending', 'active', 'expired']) }),
  updatedAt: z.string(),
  startsAt: z.string(),
  endsAt: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
});

/** As Alertmanager's own API describes it; its reader says what is wrong. */
const asAlertmanager = z.unknown();
const taken = z.object({ taken: z.number() });

const rules = z.object({
  groups: z.array(
    z.object({
      group: z.string(),
      rules: z.number(),
      intervalMs: z.number(),
      evaluatedMs: z.number().nullable(),
      tookMs: z.number().nullable(),
      problems: z.array(z.string()),
    }),
  ),
  alerts: z.array(
    z.object({
      state: z.enum(['pending', 'firing', 'keep-firing']),
      labels: texts,
      annotations: texts,
      value: z.number().nullable(),
      activeAtMs: z.number(),
    }),
  ),
});

export const alertRoutes: readonly Route[] = [
  jsonRoute({
    ...telling,
    method: 'POST',
    path: '/api/v2/alerts',
    summary: 'Take alerts, as Prometheus posts them to an Alertmanager.',
    params: nothing,
    query: nothing,
    body: asAlertmanager,
    output: taken,
    handle: ({ outside, clock }, { body }) => {
      const read = readAlerts(body, clock.now());
      if (!read.ok) throw fail('REQUEST_INVALID', { what: `${read.what}.` });
      outside.take(read.value, clock.now());
      return { taken: read.value.length };
    },
  }),
  jsonRoute({
    ...telling,
    method: 'POST',
    path: '/api/v1/alertmanager',
    summary: 'Take the message of an Alertmanager’s webhook (version 4).',
    params: nothing,
    query: nothing,
    body: asAlertmanager,
    output: taken,
    handle: ({ outside, clock }, { body }) => {
      const read = readWebhook(body);
      if (read === undefined)
        throw fail('REQUEST_INVALID', { what: 'This is no message of an Alertmanager, version 4.' });
      outside.take(read, clock.now());
      return { taken: read.length };
    },
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v2/alerts',
    summary: 'Alerts that fire in open incidents, as an Alertmanager tells them.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: z.array(alert),
    handle: (core) => firing(core),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v2/silences',
    summary: 'Silences, those that ended lately included.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: z.array(silence),
    handle: ({ silences, clock }) => silences.list().map((one) => gettableSilence(one, clock.now())),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v2/silence/:id',
    summary: 'One silence.',
    params: byId,
    query: nothing,
    body: noBody,
    output: silence,
    handle: ({ silences, clock }, { params }) => gettableSilence(silences.get(params.id), clock.now()),
  }),
  jsonRoute({
    ...doing,
    method: 'POST',
    path: '/api/v2/silences',
    summary: 'Silence alerts for a while, or change a silence.',
    params: nothing,
    query: nothing,
    body: asAlertmanager,
    output: z.object({ silenceID: z.string() }),
    handle: ({ silences, clock }, { body }) => {
      const read = readSilence(body, clock.now());
      if (!read.ok) throw fail('REQUEST_INVALID', { what: `${read.what}.` });
      return { silenceID: silences.put(read.value, clock.now()).id };
    },
  }),
  jsonRoute({
    ...doing,
    method: 'DELETE',
    path: '/api/v2/silence/:id',
    summary: 'End a silence now.',
    params: byId,
    query: nothing,
    body: noBody,
    output: silence,
    handle: ({ silences, clock }, { params }) => gettableSilence(silences.end(params.id, clock.now()), clock.now()),
  }),
  jsonRoute({
    ...looking,
    method: 'GET',
    path: '/api/v1/rules',
    summary: 'Groups of rules and how their evaluation goes, with every alert that is pending or fires.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: rules,
    handle: (core) => rulesNow(core),
  }),
];

const firing = ({ keeper, silences, clock }: Core) => {
  const atMs = clock.now();
  const told = toldAlerts(keeper.open, '');
  return told.map((one) =>
    gettableAlert(one, {
      receivers: [],
      silencedBy: silences.of(one.labels, atMs),
      inhibitedBy: inhibitedBy(one.labels, told, inhibitRules),
      atMs,
    }),
  );
};

const rulesNow = ({ rules: running }: Core): z.input<typeof rules> => {
  const found = running();
  return {
    groups: (found?.groups() ?? []).map(({ evaluatedMs = null, tookMs = null, problems, ...rest }) => ({
      ...{ ...rest, evaluatedMs, tookMs, problems: [...problems] },
    })),
    alerts: (found?.alerts() ?? []).map(({ state, labels, annotations, value, activeAtMs }) => ({
      ...{ state, labels: Object.fromEntries(labels), annotations: Object.fromEntries(annotations), activeAtMs },
      value: Number.isFinite(value) ? value : null,
    })),
  };
};
