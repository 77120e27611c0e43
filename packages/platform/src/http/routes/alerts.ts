/** Alerts that fire, silences, and rules: Alertmanager's paths and shapes where it has them, so that its tools work here. */
import { classified, mayHoldValues } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import {
  gettableAlert,
  gettableSilence,
  inhibitedBy,
  readAlerts,
  readSilence,
  readWebhook,
  type Silence,
} from '@coequal/signals';
import { z } from 'zod';
import type { Asker } from '../../access/audience.ts';
import { limits } from '../../limits.ts';
import { inhibitRules, toldAlerts } from '../../notify/told.ts';
import type { Core } from '../../ports.ts';
import { jsonRoute, noBody, nothing, type Route } from '../route.ts';

const looking = {
  access: { action: 'alert.read', at: 'some' },
  classification: 'sensitive',
  limits: { bodyBytes: 0, rate: 'read' },
} as const;
const doing = { classification: 'sensitive', limits: { bodyBytes: limits.http.bodyBytes, rate: 'act' } } as const;
const telling = { ...looking, access: 'agent', limits: { bodyBytes: limits.ingest.alertBytes, rate: 'act' } } as const;
const byId = z.object({ id: z.string().min(1).max(200) });
const texts = z.record(z.string(), z.string());
const words = z.record(z.string(), mayHoldValues(z.string()));

const alert = classified(
  'sensitive',
  z.object({
    labels: texts,
    annotations: words,
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
  }),
);

const silence = classified(
  'sensitive',
  z.object({
    id: z.string(),
    status: z.object({ state: z.enum(['pending', 'active', 'expired']) }),
    updatedAt: z.string(),
    startsAt: z.string(),
    endsAt: z.string(),
    createdBy: z.string(),
    comment: z.string(),
    matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
  }),
);

/** As Alertmanager's own API describes it; its reader says what is wrong. */
const asAlertmanager = z.unknown();
const taken = classified('sensitive', z.object({ taken: z.number() }));

const rules = classified(
  'sensitive',
  z.object({
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
        annotations: words,
        value: z.number().nullable(),
        activeAtMs: z.number(),
      }),
    ),
  }),
);

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
    handle: (core, { asker }) => firing(core).filter(({ labels }) => asker.sees(core.places.ofLabels(labels))),
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
    access: { action: 'silence.put', at: 'some' },
    method: 'POST',
    path: '/api/v2/silences',
    summary: 'Silence alerts for a while, or change a silence.',
    params: nothing,
    query: nothing,
    body: asAlertmanager,
    output: classified('sensitive', z.object({ silenceID: z.string() })),
    handle: async (core, { body, asker }) => {
      const { silences, clock } = core;
      const read = readSilence(body, clock.now());
      if (!read.ok) throw fail('REQUEST_INVALID', { what: `${read.what}.` });
      const { value } = read;
      mustReach(core, asker, value.matchers);
      if (value.id !== undefined) mustReach(core, asker, silences.get(value.id).matchers);
      const lasts = value.endsAtMs - Math.max(value.startsAtMs, clock.now());
      if (lasts > shortSilenceMs) await asker.need('silence.put-long');
      return { silenceID: silences.put({ ...value, createdBy: asker.name(value.createdBy) }, clock.now()).id };
    },
  }),
  jsonRoute({
    ...doing,
    access: { action: 'silence.end', at: 'some' },
    method: 'DELETE',
    path: '/api/v2/silence/:id',
    summary: 'End a silence now.',
    params: byId,
    query: nothing,
    body: noBody,
    output: silence,
    handle: (core, { params, asker }) => {
      const { silences, clock } = core;
      mustReach(core, asker, silences.get(params.id).matchers);
      return gettableSilence(silences.end(params.id, clock.now()), clock.now());
    },
  }),
  jsonRoute({
    ...looking,
    access: { action: 'rule.read', at: 'some' },
    method: 'GET',
    path: '/api/v1/rules',
    summary: 'Groups of rules and how their evaluation goes, with every alert that is pending or fires.',
    params: nothing,
    query: nothing,
    body: noBody,
    output: rules,
    handle: (core, { asker }) => {
      const { groups, alerts } = rulesNow(core);
      return { groups, alerts: alerts.filter(({ labels }) => asker.sees(core.places.ofLabels(labels))) };
    },
  }),
];

/** A longer one hides more than a look away. */
const shortSilenceMs = 60 * 60_000;

/** A silence reaches what its matchers name for certain; one that names nothing of the estate reaches everything. */
const mustReach = ({ places }: Core, asker: Asker, matchers: Silence['matchers']): void => {
  const sure = matchers.filter(({ sign }) => sign === '=').map(({ name, value }) => [name, value]);
  if (asker.sees(places.ofLabels(Object.fromEntries(sure)))) return;
  throw fail('ACCESS_DENIED', {
    ...{ who: asker.name(), action: 'silence.put', reason: 'the silence reaches more than the roles that were given' },
  });
};

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
