/**
 * What others tell the platform: alerts, as Prometheus posts them to an Alertmanager and as an Alertmanager posts them to a webhook,
 * and changes, as pipelines, backup scripts and schedulers tell them. Formats of others are read loosely: what they add is passed over.
 */
import { z } from 'zod';
import { changeEvent, changeKinds } from './events.ts';
import { pageOf, pageQuery } from './problem.ts';

const texts = z.record(z.string().max(200), z.string().max(10_000));
const time = z.iso.datetime({ offset: true });

/** `POST /api/v2/alerts` of the Alertmanager API. */
export const postedAlerts = z
  .array(
    z.object({
      labels: texts,
      annotations: texts.default({}),
      startsAt: time.optional(),
      endsAt: time.optional(),
      generatorURL: z.string().max(5_000).optional(),
    }),
  )
  .max(2_000);

/** The body of an Alertmanager's webhook, version 4. */
export const webhookMessage = z.object({
  version: z.string(),
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        labels: texts,
        annotations: texts.default({}),
        startsAt: time,
        endsAt: time.optional(),
        fingerprint: z.string().max(200).optional(),
      }),
    )
    .max(2_000),
});

export const changeQuery = z.object({
  ...pageQuery,
  fromMs: z.coerce.number().optional(),
  toMs: z.coerce.number().optional(),
  change: z.enum(changeKinds).optional(),
  host: z.string().max(200).optional(),
  instance: z.string().max(200).optional(),
  service: z.string().max(200).optional(),
});

export const changePage = pageOf(changeEvent);

export type ChangeQuery = z.infer<typeof changeQuery>;
export type PostedAlerts = z.infer<typeof postedAlerts>;
export type WebhookMessage = z.infer<typeof webhookMessage>;
