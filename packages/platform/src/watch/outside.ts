/**
 * Alerts that others raise: Prometheus and its kin, which post them again and again while they last, and Alertmanagers, which say when
 * they begin and end. One that is not heard of any more ends by itself, as in an Alertmanager. Bounded; pure but for what it keeps.
 */
import type { PostedAlerts, Severity, WebhookMessage } from '@coequal/contract';
import type { Places } from '../places.ts';
import { type Finding, findingKey } from './finding.ts';

/** As Alertmanager's resolve_timeout. */
const forgottenMs = 5 * 60_000;
/** A webhook repeats after hours; it says when an alert ends. */
const webhookForgottenMs = 24 * 3_600_000;
const most = 10_000;

type Kept = { readonly finding: Finding; readonly untilMs: number };

export class Outside {
  readonly #places: Places;
  readonly #alerts = new Map<string, Kept>();
  #left = 0;

  constructor(places: Places) {
    this.#places = places;
  }

  /** Alerts for which there was no room. */
  get left(): number {
    return this.#left;
  }

  posted(alerts: PostedAlerts, nowMs: number): void {
    for (const { labels, annotations, startsAt, endsAt } of alerts) {
      const endsMs = endsAt === undefined ? nowMs + forgottenMs : Date.parse(endsAt);
      this.#take(labels, annotations, startsAt === undefined ? nowMs : Date.parse(startsAt), endsMs, nowMs);
    }
  }

  message({ alerts }: WebhookMessage, nowMs: number): void {
    for (const { status, labels, annotations, startsAt } of alerts)
      this.#take(
        labels,
        annotations,
        Date.parse(startsAt),
        status === 'resolved' ? nowMs : nowMs + webhookForgottenMs,
        nowMs,
      );
  }

  findings(nowMs: number): readonly Finding[] {
    for (const [key, { untilMs }] of this.#alerts) if (untilMs <= nowMs) this.#alerts.delete(key);
    return [...this.#alerts.values()].map(({ finding }) => finding);
  }

  #take(
    labels: Readonly<Record<string, string>>,
    annotations: Readonly<Record<string, string>>,
    startedMs: number,
    untilMs: number,
    nowMs: number,
  ): void {
    const name = labels['alertname'] ?? 'alert';
    const { alertname: _, severity, ...rest } = labels;
    const key = findingKey('webhook', name, rest);
    if (untilMs <= nowMs) {
      this.#alerts.delete(key);
      return;
    }
    if (!this.#alerts.has(key) && this.#alerts.size >= most) {
      this.#left += 1;
      return;
    }
    const known = this.#alerts.get(key);
    const finding: Finding = {
      ...{ key, name, source: 'webhook', labels: rest, place: this.#places.ofLabels(rest) },
      severity: severityOf(severity),
      summary: (annotations['summary'] ?? annotations['description'] ?? name).slice(0, 500),
      startedMs: known?.finding.startedMs ?? Math.min(startedMs, nowMs),
    };
    this.#alerts.set(key, { finding, untilMs });
  }
}

/** The words that rule files use; what is not known is a warning, because somebody wanted it told. */
export const severityOf = (text: string | undefined): Severity =>
  /^(critical|page|error|emergency|high)$/i.test(text ?? '')
    ? 'critical'
    : /^(info|none|debug|low)$/i.test(text ?? '')
      ? 'info'
      : 'warning';
