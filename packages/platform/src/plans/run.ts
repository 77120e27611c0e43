/**
 * A plan on its way, as values. Pure: from a run and what happened to the next run and what is to be done. The invariant: a step is ordered
 * only when all before it are done and what it needs holds; its order has one key for ever, so that saying it again does nothing twice; and a run that is
 * written down can go on from there in another process.
 */
import type { OrderState, Plan, PlanRun, PlanStep, StepState } from '@coequal/contract';

export type Todo =
  | { readonly kind: 'nothing' }
  /** Look whether this step's needs hold, and say so with `begin`. */
  | { readonly kind: 'look'; readonly index: number; readonly step: PlanStep }
  /** Said again for as long as nothing is heard: the key is the same. */
  | { readonly kind: 'order'; readonly index: number; readonly step: PlanStep; readonly state: StepState }
  | { readonly kind: 'cancel'; readonly index: number; readonly step: PlanStep; readonly state: StepState };

/** How long after a step's own deadline its agent may be away before the run is given up. */
export const awayMs = 300_000;

export const newRun = (id: string, plan: Plan, digest: string, by: readonly string[], nowMs: number): PlanRun => ({
  ...{ id, digest, plan, by: [...by], state: 'running', words: 'It has begun.', startedMs: nowMs, stopping: false },
  steps: plan.steps.map((_, index) => ({
    key: `${id}-${index + 1}`,
    state: 'waiting',
    words: 'It waits for its turn.',
  })),
});

/** What is to be done next. */
export const todoOf = (run: PlanRun): Todo => {
  if (run.state !== 'running') return { kind: 'nothing' };
  const index = run.steps.findIndex(({ state }) => state !== 'ended');
  const [state, step] = [run.steps[index], run.plan.steps[index]];
  if (state === undefined || step === undefined) return { kind: 'nothing' };
  if (state.state === 'waiting') return { kind: 'look', index, step };
  return run.stopping ? { kind: 'cancel', index, step, state } : { kind: 'order', index, step, state };
};

/** The step's needs were looked at. */
export const begin = (run: PlanRun, index: number, unmet: string | undefined, nowMs: number): PlanRun => {
  if (run.steps[index]?.state !== 'waiting' || run.state !== 'running') return run;
  if (run.stopping) return stopped(run, 'It was stopped.', nowMs);
  if (unmet !== undefined) return stopped(run, `Step ${index + 1} was not begun: ${unmet}.`, nowMs);
  if (index === 0 && nowMs >= run.plan.untilMs)
    return stopped(run, 'The plan is over: what it was made from is old.', nowMs);
  return withStep(run, index, { state: 'sent', sentMs: nowMs, words: 'It was ordered.' });
};

/** An agent said something of an order. What is not of this run changes nothing. */
export const heard = (run: PlanRun, order: OrderState, nowMs: number): PlanRun => {
  const index = run.steps.findIndex(({ key, state }) => key === order.key && state === 'sent');
  if (index < 0) return run;
  if (order.state !== 'ended') return withStep(run, index, { words: order.words });
  const { outcome = 'stopped', words, undo } = order;
  const next = withStep(run, index, { state: 'ended', outcome, words, ...(undo === undefined ? {} : { undo }) });
  // The run was given up before: now it is known at least how the step ended.
  if (run.state !== 'running') return next;
  if (outcome !== 'done') return stopped(next, `Step ${index + 1} ended as ${outcome}: ${words}`, nowMs);
  if (index + 1 === run.steps.length)
    return { ...next, state: 'done', words: 'Every step is done and checked.', endedMs: nowMs };
  return run.stopping ? stopped(next, `It was stopped after step ${index + 1}.`, nowMs) : next;
};

export const rejected = (run: PlanRun, key: string, reason: string, nowMs: number): PlanRun =>
  heard(run, { key, state: 'ended', outcome: 'refused', atMs: nowMs, words: reason }, nowMs);

/** A person wants no more of it: what is in progress is cancelled, and nothing is begun. */
export const stop = (run: PlanRun, nowMs: number): PlanRun => {
  if (run.state !== 'running' || run.stopping) return run;
  const isOrdered = run.steps.some(({ state }) => state === 'sent');
  return isOrdered ? { ...run, stopping: true } : stopped({ ...run, stopping: true }, 'It was stopped.', nowMs);
};

/** Time passed. */
export const waited = (run: PlanRun, nowMs: number): PlanRun => {
  if (run.state !== 'running') return run;
  const index = run.steps.findIndex(({ state }) => state === 'sent');
  const [state, step] = [run.steps[index], run.plan.steps[index]];
  if (state?.sentMs === undefined || step === undefined) return run;
  if (nowMs - state.sentMs < step.deadlineMs + awayMs) return run;
  return stopped(run, `Step ${index + 1} was ordered, and ${step.agent} has not said how it ended.`, nowMs);
};

const stopped = (run: PlanRun, words: string, nowMs: number): PlanRun => ({
  ...run,
  state: 'stopped',
  words: words.slice(0, 2_000),
  endedMs: nowMs,
});

const withStep = (run: PlanRun, index: number, change: Partial<StepState>): PlanRun => ({
  ...run,
  steps: run.steps.map((step, at) => (at === index ? { ...step, ...change } : step)),
});
