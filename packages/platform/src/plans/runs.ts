/**
 * Carries plans out. Each change of a run is written down before anything follows from it, so that a platform that is killed goes on where it
 * was: it orders the step again under the same key, and the agent answers what became of it.
 */
import { type Plan, type PlanRun, planRun } from '@coequal/contract';
import { type Clock, codeOf, fail, type Log, reasonOf } from '@coequal/kernel';
import type { AuditWriter } from '@coequal/trust';
import { z } from 'zod';
import type { Asker } from '../access/audience.ts';
import type { AgentLines, Hear } from '../hands/ports.ts';
import type { DocumentStore } from '../store/port.ts';
import type { Approvals } from './approvals.ts';
import type { Facts } from './facts.ts';
import { firstUnmet } from './needs.ts';
import { digestOfPlan } from './propose.ts';
import { begin, heard, newRun, rejected, stop, todoOf, waited } from './run.ts';

export type RunsOptions = {
  readonly lines: AgentLines;
  readonly approvals: Approvals;
  readonly facts: () => Facts;
  readonly documents: DocumentStore;
  readonly audit: AuditWriter;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with every change, for whoever watches. */
  readonly tell: (run: PlanRun) => void;
};

const index = z.array(z.string()).max(1_000);
const kept = 200;
/** At once: each is a person's, or an incident's. */
const atOnce = 20;
/** How often an order is said again of which nothing was heard. */
const againMs = 5_000;

export class Runs {
  readonly #options: RunsOptions;
  readonly #runs = new Map<string, PlanRun>();
  readonly #saidMs = new Map<string, number>();

  /** Takes up what was running when the last process ended. */
  constructor(options: RunsOptions) {
    this.#options = options;
    for (const id of index.safeParse(options.documents.get('plan-runs')).data ?? []) {
      const parsed = planRun.safeParse(options.documents.get(`plan-run:${id}`));
      if (parsed.success) this.#runs.set(id, parsed.data);
      else options.log('error', 'a run of a plan cannot be read', { id });
    }
  }

  all(): readonly PlanRun[] {
    return [...this.#runs.values()].reverse();
  }

  get(id: string): PlanRun | undefined {
    return this.#runs.get(id);
  }

  /** @throws PLAN_REFUSED, and as the guard */
  async start(plan: Plan, asker: Asker): Promise<PlanRun> {
    const { approvals, audit, clock } = this.#options;
    const digest = digestOfPlan(plan);
    const id = `run-${digest.slice(0, 24)}`;
    // The digest has the time in it at which the plan was made: the same plan is carried out once.
    const known = this.#runs.get(id);
    if (known !== undefined) return known;
    if ([...this.#runs.values()].filter(({ state }) => state === 'running').length >= atOnce)
      throw fail('PLAN_REFUSED', { reason: `${atOnce} plans are being carried out` });
    const agreed = await approvals.check(plan, asker);
    if (!agreed.ok) throw fail('PLAN_REFUSED', { reason: agreed.reason });
    await audit.write({
      ...{ actor: agreed.by.join(', ') || 'platform', action: 'plan.run', target: `plan:${digest}`, result: 'asked' },
      details: { run: id, cause: plan.cause, class: plan.class, steps: plan.steps.length },
    });
    // While that was written the same may have been asked again.
    const raced = this.#runs.get(id);
    if (raced !== undefined) return raced;
    this.#put(newRun(id, plan, digest, agreed.by, clock.now()));
    await this.#advance(id);
    return this.#mustGet(id);
  }

  /** @throws PLAN_REFUSED: there is no such run */
  async stop(id: string): Promise<PlanRun> {
    const run = this.#runs.get(id);
    if (run === undefined) throw fail('PLAN_REFUSED', { reason: 'there is no such run' });
    await this.#change(id, stop(run, this.#options.clock.now()));
    await this.#advance(id);
    return this.#mustGet(id);
  }

  /** What agents say. */
  readonly hear: Hear = async (agent, one) => {
    const nowMs = this.#options.clock.now();
    for (const [id, run] of this.#runs) {
      if (!run.plan.steps.some((step) => step.agent === agent)) continue;
      if (one.kind === 'state') await this.#change(id, heard(run, one.order, nowMs));
      else if (one.kind === 'rejected') await this.#change(id, rejected(run, one.key, one.reason, nowMs));
      else if (one.kind === 'unknown' && run.stopping)
        await this.#change(id, rejected(run, one.key, 'The order never arrived; nothing was begun.', nowMs));
      // It is back, or never had the order: then it is said at once.
      else this.#saidMs.delete(id);
      await this.#advance(id);
    }
  };

  /** Once a second or so. */
  async beat(): Promise<void> {
    for (const [id, run] of this.#runs) {
      if (run.state !== 'running') continue;
      await this.#change(id, waited(run, this.#options.clock.now()));
      await this.#advance(id);
    }
  }

  async #advance(id: string): Promise<void> {
    const { facts, lines, clock } = this.#options;
    const run = this.#mustGet(id);
    const todo = todoOf(run);
    if (todo.kind === 'nothing') return;
    if (todo.kind === 'look') {
      await this.#change(id, begin(run, todo.index, firstUnmet(todo.step.needs, facts()), clock.now()));
      // What was begun is ordered now; what was not has come to its end.
      return todoOf(this.#mustGet(id)).kind === 'order' ? this.#advance(id) : undefined;
    }
    const nowMs = clock.monotonic();
    if (nowMs - (this.#saidMs.get(id) ?? Number.NEGATIVE_INFINITY) < againMs) return;
    const { step, state } = todo;
    try {
      if (todo.kind === 'cancel') lines.cancel(step.agent, state.key);
      else {
        const { action, deadlineMs, agent } = step;
        lines.order(agent, { key: state.key, action, deadlineMs, by: run.by.join(', ').slice(0, 200) || 'platform' });
      }
      this.#saidMs.set(id, nowMs);
    } catch (error) {
      if (codeOf(error) !== 'AGENT_AWAY') throw error;
    }
  }

  async #change(id: string, next: PlanRun): Promise<void> {
    const { audit, log } = this.#options;
    const before = this.#runs.get(id);
    if (next === before || before === undefined) return;
    // Another step, another order: it is said at once.
    if (todoOf(next).kind !== todoOf(before).kind) this.#saidMs.delete(id);
    this.#put(next);
    if (next.state === 'running' || before.state !== 'running') return;
    try {
      const result = next.state === 'done' ? 'done' : 'failed';
      await audit.write({
        ...{ actor: 'platform', action: 'plan.run', target: `plan:${next.digest}`, result, reason: next.words },
        details: { run: id },
      });
    } catch (error) {
      log('error', 'the end of a plan was not recorded', { id, reason: reasonOf(error) });
    }
  }

  #put(run: PlanRun): void {
    const { documents, tell } = this.#options;
    documents.put(`plan-run:${run.id}`, run);
    if (!this.#runs.has(run.id)) {
      const ended = [...this.#runs.values()].filter(({ state }) => state !== 'running');
      for (const old of ended.slice(0, Math.max(0, this.#runs.size + 1 - kept))) this.#runs.delete(old.id);
      this.#runs.set(run.id, run);
      documents.put('plan-runs', [...this.#runs.keys()]);
    } else this.#runs.set(run.id, run);
    tell(run);
  }

  #mustGet(id: string): PlanRun {
    const run = this.#runs.get(id);
    if (run === undefined) throw new Error(`Bug: no run ${id}`);
    return run;
  }
}
