/**
 * One group of rules over time: its rules are evaluated one after the other through the store, at one time, and what they give becomes
 * changes of alerts and samples to be written. What a rule fails at leaves its alerts as they are. A group that begins anew first takes up
 * what was told of its alerts before. It waits for nothing but the store, whose every answer has a deadline.
 */
import type { Clock } from '@coequal/kernel';
import { type Labels, labelsOf, type Sample, seriesKey } from '../sample.ts';
import type { StoreResult } from '../store/results.ts';
import {
  type Alert,
  type AlertChange,
  type AlertContext,
  type AlertState,
  type AlertStep,
  noAlerts,
  type QueryPoint,
  stepAlerts,
  usualAlertLimit,
} from './alerts.ts';
import type { AlertingRule, RecordingRule, Rule, RuleGroup } from './model.ts';
import { recordPoints } from './records.ts';
import { alertSeries, endedSeries, restoredState, restoreQueries } from './told.ts';
import type { TemplateSample } from './values.ts';

/** What rules are asked of: `StoreClient`. */
export type RuleStore = { readonly instant: (query: string, atMs: number) => Promise<StoreResult> };

export type GroupContext = {
  readonly store: RuleStore;
  readonly clock: Clock;
  readonly externalUrl: string;
  readonly externalLabels: ReadonlyMap<string, string>;
};

export type GroupEvaluation = {
  readonly changes: readonly AlertChange[];
  readonly samples: readonly Sample[];
  /** Series that ended with this evaluation. */
  readonly ended: readonly Sample[];
  /** One a rule that failed: `HostSilent: the store answers 503`. */
  readonly problems: readonly string[];
};

/** Told with every evaluation, so that the next evaluator knows when the last one was. */
export const evaluatedName = 'coequal_rule_group_evaluated_seconds';
/** Alerts that were told longer ago than this are not taken up: whatever it was, nobody has looked for so long. */
export const restoreLimitMs = 3_600_000;
/** Answers can ask for more, as in `query` of a label that `query` gave; so many times. */
const askRounds = 3;

type RuleRun = { state: AlertState; told: readonly Sample[] };

export class GroupRun {
  /** File and name: the same over restarts, and wherever the files lie. */
  readonly id: string;
  readonly group: RuleGroup;
  readonly #context: GroupContext;
  readonly #runs: RuleRun[];
  #restored: boolean;

  /** `before`: the group that this one takes the place of, with its alerts. */
  constructor(id: string, group: RuleGroup, context: GroupContext, before?: GroupRun) {
    this.id = id;
    this.group = group;
    this.#context = context;
    const left = [...(before?.alerting() ?? [])];
    this.#runs = group.rules.map((rule) => {
      const at = rule.kind === 'alerting' ? left.findIndex(([other]) => other.alert === rule.alert) : -1;
      const [found] = at < 0 ? [] : left.splice(at, 1);
      return { state: found?.[1].state ?? noAlerts, told: found?.[1].told ?? [] };
    });
    this.#restored = before === undefined ? false : before.#restored;
  }

  alerting(): readonly (readonly [AlertingRule, RuleRun])[] {
    return this.group.rules.flatMap((rule, index) => {
      const run = this.#runs[index];
      return rule.kind === 'alerting' && run !== undefined ? [[rule, run] as const] : [];
    });
  }

  alerts(): readonly Alert[] {
    return this.alerting().flatMap(([, { state }]) => [...state.alerts.values()]);
  }

  async evaluate(atMs: number): Promise<GroupEvaluation> {
    const askedMs = atMs - this.group.queryOffsetMs;
    const before = this.#restored ? [] : await this.#restore(atMs);
    if (typeof before === 'string') return { changes: [], samples: [], ended: [], problems: [before] };
    this.#restored = true;
    const [changes, samples, ended, problems]: [AlertChange[], Sample[], Sample[], string[]] = [[], [], [], []];
    for (const [index, rule] of this.group.rules.entries()) {
      const run = this.#runs[index];
      if (run === undefined) continue;
      const answer = await this.#context.store.instant(rule.expr, askedMs);
      const done = answer.ok ? await this.#evaluateRule(rule, run, pointsOf(answer), atMs) : answer;
      if (!done.ok) {
        problems.push(`${nameOf(rule)}: ${done.what}`);
        continue;
      }
      changes.push(...done.changes);
      samples.push(...done.samples);
      ended.push(...endedSeries(run.told, done.samples, atMs));
      run.told = done.samples;
    }
    // With their texts, which were not told; those that are over are among the changes already.
    const now = new Map(this.alerts().map((alert) => [seriesKey('', alert.labels), alert]));
    for (const key of before) {
      const alert = now.get(key);
      if (alert !== undefined && alert.state !== 'pending') changes.push({ change: 'taken-up', alert });
    }
    samples.push({ name: evaluatedName, labels: this.#ownLabels(), value: atMs / 1_000, timeMs: atMs });
    return { changes, samples, ended, problems };
  }

  /** For a group that is no more: its alerts are over, and so are its series. */
  end(atMs: number): GroupEvaluation {
    const changes = this.alerts().map(
      (alert): AlertChange => ({
        change: alert.state === 'pending' ? 'given-up' : 'resolved',
        alert,
      }),
    );
    const ended = this.#runs.flatMap(({ told }) => endedSeries(told, [], atMs));
    return { changes, samples: [], ended, problems: [] };
  }

  #ownLabels(): Labels {
    return labelsOf([...new Map([['rule_group', this.id], ...this.#context.externalLabels])]) ?? [];
  }

  async #evaluateRule(rule: Rule, run: RuleRun, points: readonly QueryPoint[], atMs: number): Promise<RuleDone> {
    if (rule.kind === 'recording') return this.#record(rule, points, atMs);
    const step = await this.#step(rule, run.state, points, atMs);
    if (step.problem !== undefined) return { ok: false, what: step.problem };
    run.state = step.state;
    return {
      ok: true,
      changes: step.changes,
      samples: alertSeries(step.state, atMs, this.#context.externalLabels),
    };
  }

  #record(rule: RecordingRule, points: readonly QueryPoint[], atMs: number): RuleDone {
    const limit = this.group.limit === 0 ? usualAlertLimit : this.group.limit;
    const labels = new Map([...this.#context.externalLabels, ...rule.labels]);
    const made = recordPoints({ ...rule, labels }, points, atMs, limit);
    return made.ok ? { ok: true, changes: [], samples: made.samples } : made;
  }

  /** Fills texts in, and asks the store what they ask. */
  async #step(rule: AlertingRule, before: AlertState, points: readonly QueryPoint[], atMs: number): Promise<AlertStep> {
    const { externalUrl, externalLabels, store } = this.#context;
    const answers = new Map<string, readonly TemplateSample[]>();
    const limit = this.group.limit === 0 ? usualAlertLimit : this.group.limit;
    const context: AlertContext = { limit, externalUrl, externalLabels, answers };
    let step = stepAlerts(rule, before, points, atMs, context);
    for (let round = 0; round < askRounds && step.asks.length > 0; round += 1) {
      for (const ask of step.asks) {
        const answer = await store.instant(ask, atMs - this.group.queryOffsetMs);
        // A text without its figures is better than no alert.
        answers.set(ask, answer.ok ? pointsOf(answer).map(sampleOf) : []);
      }
      step = stepAlerts(rule, before, points, atMs, context);
    }
    return step;
  }

  /** The keys of alerts that fired before, when all that was told is taken up; else what went wrong. */
  async #restore(atMs: number): Promise<string | readonly string[]> {
    const { store, externalLabels } = this.#context;
    const matchers = this.#ownLabels().map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const window = `${restoreLimitMs / 1_000}s`;
    const last = await store.instant(`last_over_time(${evaluatedName}{${matchers.join(',')}}[${window}])`, atMs);
    if (!last.ok) return `taking up its alerts: ${last.what}`;
    const toldMs = Math.max(...last.series.map(({ values }) => (values[0] ?? Number.NaN) * 1_000));
    if (!Number.isFinite(toldMs) || toldMs > atMs) return [];
    const fired: string[] = [];
    for (const [rule, run] of this.alerting()) {
      const queries = restoreQueries(rule, externalLabels);
      const since = await store.instant(queries.since, toldMs);
      if (!since.ok) return `taking up ${rule.alert}: ${since.what}`;
      if (since.series.length === 0) continue;
      const firing = await store.instant(queries.firing, toldMs);
      if (!firing.ok) return `taking up ${rule.alert}: ${firing.what}`;
      const told = { since: pointsOf(since), firing: pointsOf(firing) };
      run.state = restoredState(rule, told, toldMs, atMs, externalLabels);
      run.told = alertSeries(run.state, toldMs, externalLabels);
      for (const [key, alert] of run.state.alerts) if (alert.state === 'firing') fired.push(key);
    }
    return fired;
  }
}

type RuleDone =
  | { readonly ok: true; readonly changes: readonly AlertChange[]; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly what: string };

const nameOf = (rule: Rule): string => (rule.kind === 'alerting' ? rule.alert : rule.record);

const pointsOf = ({ series }: Extract<StoreResult, { ok: true }>): readonly QueryPoint[] =>
  series.flatMap(({ labels, values }) => {
    const value = values[0];
    return value === undefined ? [] : [{ labels, value }];
  });

const sampleOf = ({ labels, value }: QueryPoint): TemplateSample => ({
  kind: 'sample',
  labels: new Map(labels),
  value,
});
