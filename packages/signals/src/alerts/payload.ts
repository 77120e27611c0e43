/**
 * The body of a webhook as Alertmanager sends it (version 4), out and in: whatever takes Alertmanager's notifications takes ours, and
 * another Alertmanager can tell us. Pure. Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
 */
import { z } from 'zod';
import { type Label, type Labels, labelsOf, labelValue } from '../sample.ts';
import { fingerprintOf, type ToldAlert } from './alert.ts';
import type { Notification } from './grouping.ts';
import { postableTime } from './times.ts';

const texts = z.record(z.string(), z.string());

export const webhookPayload = z.object({
  version: z.literal('4'),
  groupKey: z.string(),
  truncatedAlerts: z.number().int().nonnegative().default(0),
  status: z.enum(['firing', 'resolved']),
  receiver: z.string(),
  groupLabels: texts,
  commonLabels: texts,
  commonAnnotations: texts,
  externalURL: z.string(),
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        labels: texts,
        annotations: texts,
        startsAt: postableTime,
        endsAt: postableTime,
        generatorURL: z.string().default(''),
        fingerprint: z.string().default(''),
      }),
    )
    .max(10_000),
});

/** As it goes out: times are texts of RFC 3339. */
export type WebhookPayload = z.input<typeof webhookPayload>;

/** More alerts than this in one message are counted and left out. */
const alertLimit = 500;
const never = '0001-01-01T00:00:00Z';

export const payloadOf = (notification: Notification, externalUrl: string): WebhookPayload => {
  const { firing, resolved, receiver, groupLabels } = notification;
  const all = [...firing.map((alert) => ({ ...alert, endsAtMs: undefined })), ...resolved];
  const told = all.slice(0, alertLimit);
  return {
    version: '4',
    groupKey: `{}/{receiver=${JSON.stringify(receiver)}}:${textOf(groupLabels)}`,
    truncatedAlerts: all.length - told.length,
    status: firing.length > 0 ? 'firing' : 'resolved',
    receiver,
    groupLabels: recordOf(groupLabels),
    commonLabels: recordOf(commonOf(all.map(({ labels }) => labels))),
    commonAnnotations: recordOf(commonOf(all.map(({ annotations }) => annotations))),
    externalURL: externalUrl,
    alerts: told.map(({ labels, annotations, startsAtMs, endsAtMs, generatorUrl }) => ({
      status: endsAtMs === undefined ? 'firing' : 'resolved',
      labels: recordOf(labels),
      annotations: recordOf(annotations),
      startsAt: new Date(startsAtMs).toISOString(),
      endsAt: endsAtMs === undefined ? never : new Date(endsAtMs).toISOString(),
      generatorURL: generatorUrl,
      fingerprint: fingerprintOf(labels),
    })),
  };
};

export const recordOf = (labels: Labels): Record<string, string> => Object.fromEntries(labels);

const textOf = (labels: Labels): string =>
  `{${labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;

const commonOf = ([first = [], ...rest]: readonly Labels[]): readonly Label[] =>
  first.filter(([name, value]) => rest.every((labels) => labelValue(labels, name) === value));

export type HeardAlert = ToldAlert & {
  /** When it ended, or will count as ended unless it is told again; undefined while it fires on somebody else's word. */
  readonly endsAtMs: number | undefined;
};

/** Alerts that another Alertmanager tells; undefined for a body of another shape. */
export const readWebhook = (body: unknown): readonly HeardAlert[] | undefined => {
  const parsed = webhookPayload.safeParse(body);
  if (!parsed.success) return undefined;
  return parsed.data.alerts.flatMap(({ status, labels, annotations, startsAt, endsAt, generatorURL }) => {
    const own = labelsOf(Object.entries(labels));
    if (own === undefined || own.length === 0) return [];
    return [
      {
        labels: own,
        annotations: labelsOf(Object.entries(annotations)) ?? [],
        startsAtMs: startsAt,
        endsAtMs: status === 'firing' ? undefined : endsAt,
        generatorUrl: generatorURL,
      },
    ];
  });
};
