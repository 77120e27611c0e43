/**
 * What the alerts of a rule are as series, both ways, as Prometheus has it: `ALERTS` with the state of each, and `ALERTS_FOR_STATE` with
 * the second since which it is seen. From these an evaluator that begins anew takes up where the one before ended. Pure.
 */
import { type Labels, labelsOf, type Sample, seriesKey } from '../sample.ts';
import type { Alert, AlertState, QueryPoint } from './alerts.ts';
import type { AlertingRule } from './model.ts';

const alertsName = 'ALERTS';
const forStateName = 'ALERTS_FOR_STATE';

const withLabels = (labels: Labels, more: Iterable<readonly [string, string]>): Labels =>
  labelsOf([...new Map([...labels, ...more])]) ?? [];

/** The series of a state; labels of the evaluator go over them. */
export const alertSeries = (
  { alerts }: AlertState,
  atMs: number,
  externalLabels: ReadonlyMap<string, string>,
): readonly Sample[] =>
  [...alerts.values()].flatMap((alert) => {
    const labels = withLabels(alert.labels, externalLabels);
    const state = withLabels(labels, [['alertstate', alert.state === 'pending' ? 'pending' : 'firing']]);
    return [
      { name: alertsName, labels: state, value: 1, timeMs: atMs },
      { name: forStateName, labels, value: alert.activeAtMs / 1_000, timeMs: atMs },
    ];
  });

/** Series that were told before and are no more. */
export const endedSeries = (before: readonly Sample[], now: readonly Sample[], atMs: number): readonly Sample[] => {
  const still = new Set(now.map(({ name, labels }) => seriesKey(name, labels)));
  return before
    .filter(({ name, labels }) => !still.has(seriesKey(name, labels)))
    .map((one) => ({ ...one, timeMs: atMs }));
};

/** What to ask for a rule's alerts as they were. `externalLabels`: those of this evaluator alone. */
export const restoreQueries = (
  rule: Pick<AlertingRule, 'alert'>,
  externalLabels: ReadonlyMap<string, string>,
): { readonly since: string; readonly firing: string } => {
  const matchers = [['alertname', rule.alert] as const, ...externalLabels].map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  return {
    since: `${forStateName}{${matchers.join(',')}}`,
    firing: `${alertsName}{${[...matchers, 'alertstate="firing"'].join(',')}}`,
  };
};

export type Told = { readonly since: readonly QueryPoint[]; readonly firing: readonly QueryPoint[] };

/**
 * The state as it was told at `toldMs`, taken up at `atMs`. Time in which nobody looked is no time in which it was seen: a pending alert
 * waits on from where it was. Texts come with the next evaluation.
 */
export const restoredState = (
  rule: AlertingRule,
  { since, firing }: Told,
  toldMs: number,
  atMs: number,
  externalLabels: ReadonlyMap<string, string>,
): AlertState => {
  const keyOf = (labels: Labels): { readonly key: string; readonly labels: Labels } => {
    const own = labels.filter(([name]) => name !== '__name__' && name !== 'alertstate' && !externalLabels.has(name));
    return { key: seriesKey('', own), labels: own };
  };
  const fired = new Set(firing.map((point) => keyOf(point.labels).key));
  const alerts = new Map<string, Alert>();
  for (const { labels: told, value } of since) {
    const { key, labels } = keyOf(told);
    const activeAtMs = value * 1_000;
    if (!Number.isFinite(activeAtMs) || activeAtMs > toldMs) continue;
    const base = { labels, annotations: new Map<string, string>(), value: Number.NaN };
    alerts.set(
      key,
      fired.has(key)
        ? { ...base, activeAtMs, state: 'firing', firedAtMs: Math.min(toldMs, activeAtMs + rule.forMs) }
        : { ...base, activeAtMs: activeAtMs + Math.max(0, atMs - toldMs), state: 'pending' },
    );
  }
  return { alerts, evaluatedAtMs: atMs };
};
