/**
 * What becomes of an alerting rule over time: a function from its state and one evaluation to its next state, with what changed. No
 * clock and no store: time and results are values, so that a night can be walked through in a test.
 *
 *   (none) ──seen──► pending ──seen for `for`──► firing ──not seen──► keep-firing ──`keep_firing_for` over──► (none, resolved)
 *                       └──not seen──► (none)       ▲───────seen───────────┘
 *
 * An evaluation that failed changes nothing: not to know is not to be well. A clock that jumped back takes what was
 * already waited for along. Source: the state machine of Prometheus' rules/alerting.go, in behaviour.
 */
import { type Labels, labelsOf, quoted, seriesKey } from '../sample.ts';
import type { AlertingRule } from './model.ts';
import { fillAndAsk, type TemplateData } from './template.ts';
import type { Template } from './template-parse.ts';
import type { TemplateSample } from './values.ts';

/** One series of an instant query's result. `labels` may hold `__name__`, which no alert keeps. */
export type QueryPoint = { readonly labels: Labels; readonly value: number };

type AlertBase = {
  /** Of the series, of the rule, and `alertname`. */
  readonly labels: Labels;
  readonly annotations: ReadonlyMap<string, string>;
  /** As last seen. */
  readonly value: number;
  /** Since when it is seen without a break, milliseconds since 1970. */
  readonly activeAtMs: number;
};

export type Alert = AlertBase &
  (
    | { readonly state: 'pending' }
    | { readonly state: 'firing'; readonly firedAtMs: number }
    | { readonly state: 'keep-firing'; readonly firedAtMs: number; readonly unseenSinceMs: number }
  );

/** `alerts`: by the key of their labels. A rule that is inactive has none. */
export type AlertState = { readonly alerts: ReadonlyMap<string, Alert>; readonly evaluatedAtMs: number | undefined };

/** `taken-up`: it fired before this evaluator began, and still does; `stepAlerts` itself never says so. */
export type AlertChange = {
  readonly change: 'pending' | 'fired' | 'resolved' | 'given-up' | 'taken-up';
  readonly alert: Alert;
};

export type AlertStep = {
  readonly state: AlertState;
  readonly changes: readonly AlertChange[];
  /** Why this evaluation counts as failed; the alerts are as they were. */
  readonly problem: string | undefined;
  /**
   * What its templates ask (`query`) and `answers` does not hold: their texts are not whole. Whoever wants them asks the store and
   * takes the same step again, with the answers.
   */
  readonly asks: readonly string[];
};

export type AlertContext = {
  /** Most alerts of the rule. */
  readonly limit: number;
  /** For templates. */
  readonly externalUrl: string;
  readonly externalLabels?: ReadonlyMap<string, string>;
  /** To what templates ask, by the text of the question. */
  readonly answers?: ReadonlyMap<string, readonly TemplateSample[]>;
};

/** Questions of the templates of one rule at one time; more are not asked. */
const askLimit = 100;

/** What a group without a limit of its own is held to: an incident of more alerts of one rule is one of structure. */
export const usualAlertLimit = 10_000;

export const noAlerts: AlertState = { alerts: new Map(), evaluatedAtMs: undefined };

/** The next state at `atMs`, milliseconds since 1970, from what the expression gave then. */
export const stepAlerts = (
  rule: AlertingRule,
  before: AlertState,
  points: readonly QueryPoint[],
  atMs: number,
  context: AlertContext,
): AlertStep => {
  const { limit } = context;
  const asks = new Set<string>();
  const seen = new Map<string, AlertBase>();
  const state = shiftBack(before, atMs);
  for (const point of points) {
    const alert = describe(rule, point, atMs, context, asks);
    const key = seriesKey('', alert.labels);
    if (seen.has(key)) return failed(state, `two series have the labels of one alert of ${quoted(rule.alert)}`);
    if (seen.size >= limit) return failed(state, `${quoted(rule.alert)} gives more than ${limit} alerts`);
    seen.set(key, alert);
  }
  const alerts = new Map<string, Alert>();
  const changes: AlertChange[] = [];
  for (const [key, found] of seen) {
    const known = state.alerts.get(key);
    const next = whenSeen(rule, known, found, atMs);
    alerts.set(key, next);
    if (known === undefined && next.state === 'pending') changes.push({ change: 'pending', alert: next });
    if (next.state === 'firing' && (known === undefined || known.state === 'pending'))
      changes.push({ change: 'fired', alert: next });
  }
  for (const [key, known] of state.alerts) {
    if (seen.has(key)) continue;
    const next = whenUnseen(rule, known, atMs);
    if (next !== undefined) alerts.set(key, next);
    else changes.push({ change: known.state === 'pending' ? 'given-up' : 'resolved', alert: known });
  }
  return { state: { alerts, evaluatedAtMs: atMs }, changes, problem: undefined, asks: [...asks].slice(0, askLimit) };
};

const failed = (state: AlertState, problem: string): AlertStep => ({
  state,
  changes: [],
  problem,
  asks: [],
});

/** The labels and texts of an alert for a series: the rule's labels win over the series' own. */
const describe = (
  rule: AlertingRule,
  { labels, value }: QueryPoint,
  atMs: number,
  context: AlertContext,
  asks: Set<string>,
): AlertBase => {
  const own = new Map(labels.filter(([name]) => name !== '__name__'));
  const { externalUrl, externalLabels, answers } = context;
  const data: TemplateData = {
    value,
    labels: own,
    externalUrl,
    ...(externalLabels === undefined ? {} : { externalLabels }),
    ...(answers === undefined ? {} : { answers }),
  };
  const fillIn = (template: Template): string => {
    const filled = fillAndAsk(template, data);
    for (const ask of filled.asks) asks.add(ask);
    return filled.text;
  };
  const merged = new Map(own);
  for (const [name, template] of rule.labels) merged.set(name, fillIn(template));
  merged.set('alertname', rule.alert);
  // A map has each name once.
  const all = labelsOf([...merged]) ?? [];
  const annotations = new Map([...rule.annotations].map(([name, template]) => [name, fillIn(template)]));
  return { labels: all, annotations, value, activeAtMs: atMs };
};

const whenSeen = (rule: AlertingRule, known: Alert | undefined, found: AlertBase, atMs: number): Alert => {
  const activeAtMs = known?.activeAtMs ?? found.activeAtMs;
  const next = { ...found, activeAtMs };
  if (known !== undefined && known.state !== 'pending') return { ...next, state: 'firing', firedAtMs: known.firedAtMs };
  return atMs - activeAtMs >= rule.forMs
    ? { ...next, state: 'firing', firedAtMs: atMs }
    : { ...next, state: 'pending' };
};

/** The time to keep firing counts from the first evaluation that saw it no more. */
const whenUnseen = (rule: AlertingRule, known: Alert, atMs: number): Alert | undefined => {
  switch (known.state) {
    case 'pending':
      return undefined;
    case 'firing':
      return rule.keepFiringForMs > 0 ? { ...known, state: 'keep-firing', unseenSinceMs: atMs } : undefined;
    case 'keep-firing':
      return atMs - known.unseenSinceMs < rule.keepFiringForMs ? known : undefined;
  }
};

/** After a jump back, times keep their distance to now. */
const shiftBack = (state: AlertState, atMs: number): AlertState => {
  const { evaluatedAtMs } = state;
  if (evaluatedAtMs === undefined || atMs >= evaluatedAtMs) return state;
  const by = evaluatedAtMs - atMs;
  const alerts = new Map([...state.alerts].map(([key, alert]) => [key, shifted(alert, by)]));
  return { alerts, evaluatedAtMs: atMs };
};

const shifted = (alert: Alert, by: number): Alert => {
  const activeAtMs = alert.activeAtMs - by;
  switch (alert.state) {
    case 'pending':
      return { ...alert, activeAtMs };
    case 'firing':
      return { ...alert, activeAtMs, firedAtMs: alert.firedAtMs - by };
    case 'keep-firing':
      return {
        ...alert,
        activeAtMs,
        firedAtMs: alert.firedAtMs - by,
        unseenSinceMs: alert.unseenSinceMs - by,
      };
  }
};
