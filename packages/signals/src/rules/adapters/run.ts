/**
 * Rules at work: every group at its times, through the store, over restarts of this process and absences of the store. A group is never
 * evaluated twice at once; turns that were missed are counted and not made up for. What is to be written waits, bounded, while the sink is
 * away. That rules cannot be evaluated is itself an alert, which needs no store.
 */
import { type Clock, Counters, type Log, reasonOf } from '@coequal/kernel';
import { encodeWithEnded } from '../../remote/remote-write.ts';
import { labelsOf } from '../../sample.ts';
import { type Alert, type AlertChange, type AlertState, noAlerts, stepAlerts, usualAlertLimit } from '../alerts.ts';
import { type GroupContext, type GroupEvaluation, GroupRun, type RuleStore } from '../group.ts';
import type { AlertingRule, RuleProblem } from '../model.ts';
import { formatRuleProblem } from '../parse.ts';
import { missedBetween, turnAt } from '../schedule.ts';
import { parseTemplate } from '../template-parse.ts';
import { type LoadedGroup, type LoadedRules, loadRules } from './load.ts';
import { type RuleSink, Sending } from './sending.ts';

export type RulesOptions = {
  /** Files, and folders of them. */
  readonly files: readonly string[];
  readonly store: RuleStore;
  /** For recording rules and the state of alerts, which is taken up from there after a restart if it is the same store. */
  readonly recordTo: RuleSink;
  /** Rules whose results go elsewhere, as those for the coarse store; they are asked of `store` as well. */
  readonly coarse?: { readonly files: readonly string[]; readonly recordTo: RuleSink };
  readonly clock: Clock;
  readonly log: Log;
  /** Of groups that name none, milliseconds. */
  readonly usualIntervalMs: number;
  /** Where people find the platform. */
  readonly externalUrl: string;
  /** On everything that is written, and in templates. Tells apart evaluators that write into one store. */
  readonly externalLabels?: Readonly<Record<string, string>>;
  readonly counters?: Counters;
  /** Called with every evaluation that changed something, in order. What it throws is logged. */
  readonly onAlerts: (told: AlertsTold) => void;
};

export type AlertsTold = {
  /** `hosts.yml;disks`. */
  readonly group: string;
  readonly atMs: number;
  readonly changes: readonly AlertChange[];
};

export type GroupStatus = {
  readonly group: string;
  readonly rules: number;
  readonly intervalMs: number;
  readonly evaluatedMs: number | undefined;
  readonly tookMs: number | undefined;
  readonly problems: readonly string[];
};

export type RunningRules = {
  /** All that are pending or firing now. */
  readonly alerts: () => readonly Alert[];
  readonly groups: () => readonly GroupStatus[];
  /** Reads the files again. With problems nothing changes, and they are returned. */
  readonly reload: () => Promise<readonly RuleProblem[]>;
  readonly close: () => Promise<void>;
};

/** Groups that are evaluated at once: the store shares its processors with everything else. */
const groupsAtOnce = 4;
const shortestIntervalMs = 100;
/** How many evaluations of how many groups fail is its value. */
const failingRule: AlertingRule = {
  kind: 'alerting',
  alert: 'RulesNotEvaluated',
  expr: '',
  forMs: 30_000,
  keepFiringForMs: 0,
  labels: new Map([['severity', [{ kind: 'text', text: 'critical' }]]]),
  annotations: new Map(),
  line: 0,
};
const summaryOf = (text: string) => {
  const parsed = parseTemplate(text);
  return parsed.ok ? parsed.template : [];
};

/** Begins; with problems in the files nothing runs. */
export const runRules = async (
  options: RulesOptions,
): Promise<
  | { readonly ok: true; readonly rules: RunningRules }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] }
> => {
  const loaded = await loadAll(options);
  if (!loaded.ok) return loaded;
  const runner = new Runner(options);
  runner.take(loaded.groups);
  return { ok: true, rules: runner };
};

/** Those of the coarse rules are marked, and told apart by that. */
const loadAll = async ({ files, coarse }: RulesOptions): Promise<LoadedRules> => {
  const fine = await loadRules(files);
  if (coarse === undefined) return fine;
  const other = await loadRules(coarse.files);
  if (fine.ok && other.ok)
    return {
      ok: true,
      groups: [...fine.groups, ...other.groups.map((group) => ({ ...group, id: `${coarseMark}${group.id}` }))],
    };
  return { ok: false, problems: [...(fine.ok ? [] : fine.problems), ...(other.ok ? [] : other.problems)] };
};

const coarseMark = 'coarse/';

type Worker = {
  readonly run: GroupRun;
  readonly text: string;
  readonly ended: AbortController;
  loop: Promise<void>;
  evaluatedMs: number | undefined;
  tookMs: number | undefined;
  problems: readonly string[];
};

class Runner implements RunningRules {
  readonly #options: RulesOptions;
  readonly #context: GroupContext;
  readonly #counts: ReturnType<typeof ruleFamilies>;
  readonly #fine: Sending;
  readonly #coarse: Sending;
  #workers: readonly Worker[] = [];
  #open = 0;
  readonly #waiting: (() => void)[] = [];
  #failing: AlertState = noAlerts;

  constructor(options: RulesOptions) {
    this.#options = options;
    const { store, clock, externalUrl, externalLabels = {} } = options;
    this.#context = { store, clock, externalUrl, externalLabels: new Map(Object.entries(externalLabels)) };
    this.#counts = ruleFamilies(options.counters ?? new Counters());
    const dropped = () => this.#counts.dropped.with({}).add();
    this.#fine = new Sending(options.recordTo, options.log, dropped);
    this.#coarse =
      options.coarse === undefined ? this.#fine : new Sending(options.coarse.recordTo, options.log, dropped);
  }

  alerts(): readonly Alert[] {
    return [...this.#workers.flatMap(({ run }) => run.alerts()), ...this.#failing.alerts.values()];
  }

  groups(): readonly GroupStatus[] {
    return this.#workers.map(({ run, evaluatedMs, tookMs, problems }) => ({
      group: run.id,
      rules: run.group.rules.length,
      intervalMs: this.#intervalOf(run),
      evaluatedMs,
      tookMs,
      problems,
    }));
  }

  async reload(): Promise<readonly RuleProblem[]> {
    const { log } = this.#options;
    const loaded = await loadAll(this.#options);
    if (!loaded.ok) {
      log('error', 'rule files not taken', { problems: loaded.problems.slice(0, 10).map(formatRuleProblem) });
      return loaded.problems;
    }
    const kept = loaded.groups.map((next) =>
      this.#workers.find(({ run, text }) => run.id === next.id && text === next.text),
    );
    const leaving = this.#workers.filter((worker) => !kept.includes(worker));
    for (const { ended } of leaving) ended.abort();
    await Promise.all(leaving.map(({ loop }) => loop));
    this.take(loaded.groups);
    const atMs = this.#options.clock.now();
    for (const { run } of leaving)
      if (!loaded.groups.some(({ id }) => id === run.id)) this.#tell(run.id, run.end(atMs), atMs);
    log('info', 'rule files taken', { groups: loaded.groups.length });
    return [];
  }

  /** Groups that are the same go on; others begin, with the alerts of the one of their name. */
  take(groups: readonly LoadedGroup[]): void {
    const before = this.#workers;
    this.#workers = groups.map(({ id, group, text }) => {
      const known = before.find(({ run }) => run.id === id);
      if (known !== undefined && known.text === text && !known.ended.signal.aborted) return known;
      return this.#begin(new GroupRun(id, group, this.#context, known?.run), text);
    });
  }

  async close(): Promise<void> {
    for (const { ended } of this.#workers) ended.abort();
    await Promise.all(this.#workers.map(({ loop }) => loop));
    await this.#fine.idle();
    await this.#coarse.idle();
  }

  #begin(run: GroupRun, text: string): Worker {
    const worker: Worker = {
      run,
      text,
      ended: new AbortController(),
      loop: Promise.resolve(),
      evaluatedMs: undefined,
      tookMs: undefined,
      problems: [],
    };
    worker.loop = this.#work(worker);
    return worker;
  }

  #intervalOf({ group }: GroupRun): number {
    return Math.max(shortestIntervalMs, group.intervalMs ?? this.#options.usualIntervalMs);
  }

  async #work(worker: Worker): Promise<void> {
    const { clock } = this.#options;
    const { signal } = worker.ended;
    const intervalMs = this.#intervalOf(worker.run);
    let last: number | undefined;
    while (!signal.aborted) {
      const { turn, atMs, nextInMs } = turnAt(clock.now(), intervalMs, worker.run.id);
      if (turn !== last) {
        this.#counts.missed.with({ rule_group: worker.run.id }).add(missedBetween(last, turn));
        last = turn;
        await this.#turn(worker, atMs);
        continue;
      }
      await clock.sleep(nextInMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  async #turn(worker: Worker, atMs: number): Promise<void> {
    const { clock, log } = this.#options;
    await this.#enter();
    const began = clock.monotonic();
    try {
      const done = await worker.run.evaluate(atMs);
      worker.problems = done.problems;
      if (!worker.ended.signal.aborted) this.#tell(worker.run.id, done, atMs);
    } catch (error) {
      // A bug of ours in one group shall not silence the others.
      worker.problems = [reasonOf(error)];
      log('error', 'rule group failed', { group: worker.run.id, reason: reasonOf(error) });
    } finally {
      this.#leave();
    }
    worker.evaluatedMs = atMs;
    worker.tookMs = clock.monotonic() - began;
    this.#count(worker);
    this.#judgeFailing(atMs);
  }

  #count({ run, tookMs, problems }: Worker): void {
    const group = { rule_group: run.id };
    this.#counts.evaluations.with(group).add(run.group.rules.length);
    this.#counts.failures.with(group).add(problems.length);
    this.#counts.seconds.with(group).set((tookMs ?? 0) / 1_000);
    if (problems.length > 0)
      this.#options.log('warn', 'rules not evaluated', { group: run.id, problems: problems.slice(0, 5) });
  }

  #tell(group: string, { changes, samples, ended }: GroupEvaluation, atMs: number): void {
    if (samples.length + ended.length > 0)
      (group.startsWith(coarseMark) ? this.#coarse : this.#fine).send(encodeWithEnded(samples, ended));
    this.#announce({ group, atMs, changes });
  }

  #announce(told: AlertsTold): void {
    if (told.changes.length === 0) return;
    try {
      this.#options.onAlerts(told);
    } catch (error) {
      this.#options.log('error', 'alerts not told on', { group: told.group, reason: reasonOf(error) });
    }
  }

  /** One alert for all groups: a store that is away fails them all, and is one fault. */
  #judgeFailing(atMs: number): void {
    const failing = this.#workers.filter(({ problems }) => problems.length > 0);
    const examples = failing.slice(0, 3).map(({ run, problems }) => `${run.id}: ${problems[0] ?? ''}`);
    const texts = new Map([
      ['summary', summaryOf('Rules of {{ $value }} groups cannot be evaluated')],
      ['description', [{ kind: 'text', text: examples.join('; ') } as const]],
    ]);
    const points =
      failing.length === 0
        ? []
        : [{ labels: labelsOf([...this.#context.externalLabels]) ?? [], value: failing.length }];
    const rule = { ...failingRule, annotations: texts };
    const context = { limit: usualAlertLimit, externalUrl: this.#options.externalUrl };
    const step = stepAlerts(rule, this.#failing, points, Math.max(atMs, this.#failing.evaluatedAtMs ?? 0), context);
    this.#failing = step.state;
    this.#announce({ group: 'coequal;rules', atMs, changes: step.changes });
  }

  async #enter(): Promise<void> {
    if (this.#open >= groupsAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#open += 1;
  }

  /** Hands its place on, or gives it back. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#open -= 1;
    else next();
  }
}

const ruleFamilies = (counters: Counters) => ({
  evaluations: counters.counter({
    name: 'coequal_rule_evaluations_total',
    help: 'rules that were evaluated, or tried to be',
    labels: ['rule_group'],
  }),
  failures: counters.counter({
    name: 'coequal_rule_evaluation_failures_total',
    help: 'rules that could not be evaluated',
    labels: ['rule_group'],
  }),
  missed: counters.counter({
    name: 'coequal_rule_evaluations_missed_total',
    help: 'turns of a group that were not taken, because the one before took too long',
    labels: ['rule_group'],
  }),
  seconds: counters.gauge({
    name: 'coequal_rule_group_seconds',
    help: 'how long the last evaluation of the group took',
    labels: ['rule_group'],
    combine: 'max',
  }),
  dropped: counters.counter({
    name: 'coequal_rule_results_dropped_total',
    help: 'evaluations whose results were never written',
    labels: [],
  }),
});
