/**
 * Alerts that others raise: Prometheus and its kin, which post them again and again while they last, and Alertmanagers, which say when
 * they begin and end. One that is not heard of any more ends by itself, as in an Alertmanager. Bounded; pure but for what it keeps.
 */
import type { Severity } from '@coequal/contract';
import { type HeardAlert, type Labels, labelValue, mergeHeard } from '@coequal/signals';
import type { Places } from '../places.ts';
import { type Finding, findingKey } from './finding.ts';

/** An Alertmanager repeats itself after hours, and its word that something is over may be lost. */
const forgottenMs = 24 * 3_600_000;

export class Outside {
  readonly #places: Places;
  #heard: ReadonlyMap<string, HeardAlert> = new Map();

  constructor(places: Places) {
    this.#places = places;
  }

  take(alerts: readonly HeardAlert[], nowMs: number): void {
    const bounded = alerts.map((alert) => ({ ...alert, endsAtMs: alert.endsAtMs ?? nowMs + forgottenMs }));
    this.#heard = mergeHeard(this.#heard, bounded, nowMs);
  }

  findings(nowMs: number): readonly Finding[] {
    const firing = [...this.#heard.values()].filter(({ endsAtMs = Number.POSITIVE_INFINITY }) => endsAtMs > nowMs);
    return firing.map(({ labels, annotations, startsAtMs }) =>
      toldFinding(this.#places, 'webhook', labels, annotations, Math.min(startsAtMs, nowMs)),
    );
  }
}

const summaryLimit = 500;

/** An alert of a rule or of somebody else as a finding: its name and severity are labels like others there. */
export const toldFinding = (
  places: Places,
  source: Finding['source'],
  labels: Labels,
  annotations: Labels,
  startedMs: number,
): Finding => {
  const name = labelValue(labels, 'alertname') || 'alert';
  const own = Object.fromEntries(labels.filter(([label]) => label !== 'alertname' && label !== 'severity'));
  const words = labelValue(annotations, 'summary') || labelValue(annotations, 'description') || name;
  return {
    ...{ key: findingKey(source, name, own), name, source, labels: own, place: places.ofLabels(own) },
    ...{ severity: severityOf(labelValue(labels, 'severity')), summary: words.slice(0, summaryLimit), startedMs },
  };
};

/** The words that rule files use; what is not known is a warning, because somebody wanted it told. */
const severityOf = (text: string): Severity => {
  if (/^(critical|page|error|emergency|high)$/i.test(text)) return 'critical';
  return /^(info|none|debug|low)$/i.test(text) ? 'info' : 'warning';
};
