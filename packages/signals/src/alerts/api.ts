/**
 * Alertmanager's API (version 2) as values, for whoever serves it: alerts that Prometheus and vmalert send, alerts and silences as `amtool`
 * and Grafana read and write them. What is wrong with a body is said in a sentence. Pure. Source: Alertmanager's api/v2/openapi.yaml.
 */
import { z } from 'zod';
import { type Labels, labelsOf } from '../sample.ts';
import { fingerprintOf, type ToldAlert } from './alert.ts';
import type { Matcher } from './matchers.ts';
import { type HeardAlert, recordOf } from './payload.ts';
import { type Silence, silenceFault, silenceState } from './silences.ts';
import { postableTime } from './times.ts';

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly what: string };

/** An alert whose sender says no end counts as ended when it was not told again for so long. */
const resolveTimeoutMs = 300_000;
const alertLimit = 10_000;
const labelLimit = 128;

const postableAlerts = z
  .array(
    z.object({
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()).optional(),
      startsAt: postableTime.optional(),
      endsAt: postableTime.optional(),
      generatorURL: z.string().optional(),
    }),
  )
  .max(alertLimit);

/** The body of POST /api/v2/alerts. One alert that is wrong refuses all, so that its sender hears of it. */
export const readAlerts = (body: unknown, atMs: number): Read<readonly HeardAlert[]> => {
  const parsed = postableAlerts.safeParse(body);
  if (!parsed.success) return { ok: false, what: wordsOf(parsed.error) };
  const alerts: HeardAlert[] = [];
  for (const [index, alert] of parsed.data.entries()) {
    const labels = labelsOf(Object.entries(alert.labels)) ?? [];
    const bad = labels.find(([name]) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name));
    if (bad !== undefined) return { ok: false, what: `alert ${index + 1} has a label that cannot be one` };
    if (labels.length === 0 || labels.length > labelLimit)
      return { ok: false, what: `alert ${index + 1} has ${labels.length} labels; 1 to ${labelLimit} are possible` };
    // Zero and earlier is "not said".
    const [starts, ends] = [alert.startsAt, alert.endsAt].map((ms) => (ms === undefined || ms <= 0 ? undefined : ms));
    const startsAtMs = starts ?? Math.min(ends ?? atMs, atMs);
    const endsAtMs = ends ?? atMs + resolveTimeoutMs;
    if (endsAtMs < startsAtMs) return { ok: false, what: `alert ${index + 1} ends before it begins` };
    const annotations = labelsOf(Object.entries(alert.annotations ?? {})) ?? [];
    alerts.push({ labels, annotations, startsAtMs, endsAtMs, generatorUrl: alert.generatorURL ?? '' });
  }
  return { ok: true, value: alerts };
};

const wordsOf = (error: z.ZodError): string =>
  error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.length === 0 ? 'the body' : path.join('.')}: ${message}`)
    .join('; ');

/** What was heard from others and still fires. Bounded: beyond it what began last is left out. */
export const mergeHeard = (
  known: ReadonlyMap<string, HeardAlert>,
  heard: readonly HeardAlert[],
  atMs: number,
): ReadonlyMap<string, HeardAlert> => {
  const merged = new Map(known);
  for (const alert of heard) {
    const print = fingerprintOf(alert.labels);
    const before = merged.get(print);
    // Told again, it began when it was first told.
    const goesOn = before !== undefined && (before.endsAtMs === undefined || before.endsAtMs >= alert.startsAtMs);
    merged.set(print, goesOn ? { ...alert, startsAtMs: Math.min(alert.startsAtMs, before.startsAtMs) } : alert);
  }
  const firing = [...merged].filter(([, { endsAtMs }]) => endsAtMs === undefined || endsAtMs > atMs);
  if (firing.length <= alertLimit) return new Map(firing);
  return new Map(firing.sort(([, a], [, b]) => a.startsAtMs - b.startsAtMs).slice(0, alertLimit));
};

/** An alert as GET /api/v2/alerts tells it. */
export const gettableAlert = (
  alert: ToldAlert & { readonly endsAtMs?: number | undefined },
  about: {
    readonly receivers: readonly string[];
    readonly silencedBy: readonly Silence[];
    readonly inhibitedBy: readonly { readonly labels: Labels }[];
    readonly atMs: number;
  },
) => {
  const { receivers, atMs } = about;
  const [silenced, inhibited] = [
    about.silencedBy.map(({ id }) => id),
    about.inhibitedBy.map(({ labels }) => fingerprintOf(labels)),
  ];
  return {
    labels: recordOf(alert.labels),
    annotations: recordOf(alert.annotations),
    startsAt: new Date(alert.startsAtMs).toISOString(),
    endsAt: new Date(alert.endsAtMs ?? atMs + resolveTimeoutMs).toISOString(),
    updatedAt: new Date(atMs).toISOString(),
    generatorURL: alert.generatorUrl,
    fingerprint: fingerprintOf(alert.labels),
    receivers: receivers.map((name) => ({ name })),
    status: {
      state: silenced.length + inhibited.length > 0 ? ('suppressed' as const) : ('active' as const),
      silencedBy: silenced,
      inhibitedBy: inhibited,
    },
  };
};

const postableSilence = z.object({
  id: z.string().max(200).optional(),
  matchers: z.array(
    z.object({
      name: z.string(),
      value: z.string().max(4_096),
      isRegex: z.boolean(),
      isEqual: z.boolean().default(true),
    }),
  ),
  startsAt: postableTime,
  endsAt: postableTime,
  createdBy: z.string().max(200),
  comment: z.string().max(4_096),
});

/** The body of POST /api/v2/silences. `id`: of the one that it takes the place of. */
export const readSilence = (
  body: unknown,
  atMs: number,
): Read<Omit<Silence, 'id' | 'updatedAtMs'> & { readonly id: string | undefined }> => {
  const parsed = postableSilence.safeParse(body);
  if (!parsed.success) return { ok: false, what: wordsOf(parsed.error) };
  const { id, matchers, startsAt, endsAt, createdBy, comment } = parsed.data;
  const silence = {
    matchers: matchers.map(
      ({ name, value, isRegex, isEqual }): Matcher => ({ name, value, sign: signOf(isEqual, isRegex) }),
    ),
    // What should have begun begins now.
    startsAtMs: Math.max(startsAt, atMs),
    endsAtMs: endsAt,
    createdBy,
    comment,
  };
  const fault = silenceFault(silence, atMs);
  return fault === undefined
    ? { ok: true, value: { ...silence, id: id === '' ? undefined : id } }
    : { ok: false, what: fault };
};

const signOf = (isEqual: boolean, isRegex: boolean): Matcher['sign'] =>
  isEqual ? (isRegex ? '=~' : '=') : isRegex ? '!~' : '!=';

/** A silence as GET /api/v2/silences tells it. */
export const gettableSilence = (silence: Silence, atMs: number) => ({
  id: silence.id,
  status: { state: silenceState(silence, atMs) },
  updatedAt: new Date(silence.updatedAtMs).toISOString(),
  startsAt: new Date(silence.startsAtMs).toISOString(),
  endsAt: new Date(silence.endsAtMs).toISOString(),
  createdBy: silence.createdBy,
  comment: silence.comment,
  matchers: silence.matchers.map(({ name, value, sign }) => ({
    name,
    value,
    isRegex: sign.endsWith('~'),
    isEqual: !sign.startsWith('!'),
  })),
});
