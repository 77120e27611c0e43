/** Carrying plans out: in order, once, only while the world is as the plan says, and from where it was after the platform was killed. */
import { type Order, type OrderState, type Plan, type PlanRun, type PlanStep, planRun } from '@coequal/contract';
import { fail, silentLog } from '@coequal/kernel';
import { describe, expect, it } from 'vitest';
import type { Asker } from '../access/audience.ts';
import type { AgentLines } from '../hands/ports.ts';
import type { Facts } from './facts.ts';
import { digestOfPlan } from './propose.ts';
import { awayMs } from './run.ts';
import { Runs } from './runs.ts';

const step = (agent: string, type: 'instance-desync' | 'instance-resync', needs: PlanStep['needs'] = []): PlanStep => ({
  ...{ agent, action: { type, instance: 'db-0' }, class: 'C1', does: 'It does.', needs, check: 'It looks.' },
  ...{ undo: null, deadlineMs: 10_000 },
});
const planOf = (...steps: readonly PlanStep[]): Plan => ({
  ...{ version: 1, estate: 'test', incident: null, cause: 'slow applier', place: {}, why: 'Because.', class: 'C1' },
  ...{ madeAtMs: 1_000, untilMs: 100_000, steps: [...steps] },
});
const two = planOf(step('a-1', 'instance-desync'), step('b-1', 'instance-resync'));

const asker: Asker = {
  ...{ subject: undefined, seesAll: true, sees: () => true, name: () => 'ann', need: async () => undefined },
};

/** Everything outside of one platform process: the disk, the agents, and the time. */
class Outside {
  readonly documents = new Map<string, string>();
  readonly done = new Map<string, OrderState>();
  readonly begun: string[] = [];
  readonly audit: string[] = [];
  nowMs = 1_000;
  away = new Set<string>();
  states = new Map([['db-0', 'serving']]);
  outcome: OrderState['outcome'] = 'done';
  holds = false;
  /** The process is killed before its so many-th change on the disk or word to an agent. */
  killAt = Number.POSITIVE_INFINITY;
  steps = 0;
  #runs: Runs | undefined;

  start(agreed = true): Runs {
    this.steps = 0;
    const killed = (): void => {
      this.steps += 1;
      if (this.steps >= this.killAt) throw new Error('killed');
    };
    const order = (agent: string, { key }: Order): void => {
      if (this.away.has(agent)) throw fail('AGENT_AWAY', { name: agent });
      killed();
      if (this.begun.includes(key)) return;
      this.begun.push(key);
      if (!this.holds) this.finish(key);
    };
    const lines: AgentLines = {
      ...{ connected: () => [], order, ask: () => undefined, preview: () => Promise.reject(new Error('none')) },
      cancel: (_, key) => this.finish(key, 'untouched'),
    };
    const facts = (): Facts => ({
      estate: { services: [] } as unknown as Facts['estate'],
      ...{ nowMs: this.nowMs, instances: this.states, details: new Map(), changes: [], agents: [] },
    });
    const runs = new Runs({
      ...{ lines, facts, log: silentLog, tell: (run) => void planRun.parse(run) },
      approvals: {
        check: async () =>
          agreed ? { ok: true, by: ['ann', 'bob'] } : { ok: false, reason: 'one signature is missing' },
      },
      documents: {
        get: (name) => JSON.parse(this.documents.get(name) ?? 'null'),
        put: (name, value) => {
          killed();
          this.documents.set(name, JSON.stringify(value));
        },
      },
      audit: { write: async ({ action, result }) => void this.audit.push(`${action} ${result}`) },
      clock: { now: () => this.nowMs, monotonic: () => this.nowMs, sleep: async () => undefined },
    });
    this.#runs = runs;
    return runs;
  }

  finish(key: string, outcome = this.outcome): void {
    this.done.set(key, {
      key,
      state: 'ended',
      atMs: 1,
      words: `It was ${outcome}.`,
      ...(outcome === undefined ? {} : { outcome }),
    });
  }

  /** Agents say what they know, the time passes. */
  async turn(): Promise<void> {
    for (const agent of ['a-1', 'b-1'])
      if (!this.away.has(agent)) {
        await this.#runs?.hear(agent, { kind: 'connected' });
        for (const order of this.done.values()) await this.#runs?.hear(agent, { kind: 'state', order });
      }
    this.nowMs += 1_000;
    await this.#runs?.beat();
  }

  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) await this.turn();
  }
}

const only = (runs: Runs): PlanRun => {
  const [run] = runs.all();
  if (run === undefined) throw new Error('no run');
  return run;
};

describe('a plan', () => {
  it('is carried out step by step, and once', async () => {
    const outside = new Outside();
    const runs = outside.start();
    const [one, other] = await Promise.all([runs.start(two, asker), runs.start(two, asker)]);
    expect(one.id).toBe(other.id);
    await outside.turns(4);
    expect(only(runs)).toMatchObject({ state: 'done', by: ['ann', 'bob'], digest: digestOfPlan(two) });
    expect((await runs.start(two, asker)).state).toBe('done');
    expect(outside.begun).toEqual([`${one.id}-1`, `${one.id}-2`]);
    expect(outside.audit.filter((line) => line === 'plan.run done')).toHaveLength(1);
  });

  it('goes on where it was, whenever the platform is killed', async () => {
    for (let killAt = 1; ; killAt += 1) {
      const outside = new Outside();
      outside.killAt = killAt;
      let killed = false;
      try {
        await outside.start().start(two, asker);
        await outside.turns(4);
      } catch (error) {
        expect(String(error)).toMatch(/killed/);
        killed = true;
      }
      if (!killed) break;
      outside.killAt = Number.POSITIVE_INFINITY;
      const again = outside.start();
      if (again.all().length === 0) await again.start(two, asker);
      await outside.turns(6);
      expect(only(again)).toMatchObject({ state: 'done' });
      expect(outside.begun).toHaveLength(2);
    }
  });

  it('is not begun without agreement, or when it is over', async () => {
    const outside = new Outside();
    await expect(outside.start(false).start(two, asker)).rejects.toMatchObject({
      code: 'PLAN_REFUSED',
      message: expect.stringMatching(/signature is missing/),
    });
    outside.nowMs = 200_000;
    expect(await outside.start().start(two, asker)).toMatchObject({
      state: 'stopped',
      words: expect.stringMatching(/over/),
    });
    expect(outside.begun).toEqual([]);
  });

  it('stops where the world has moved, also between two steps', async () => {
    const need = { kind: 'state', instance: 'db-0', states: ['serving'] } as const;
    const guarded = planOf(
      step('a-1', 'instance-desync'),
      step('b-1', 'instance-resync', [{ ...need, states: ['serving'] }]),
    );
    const outside = new Outside();
    outside.holds = true;
    const runs = outside.start();
    const { id } = await runs.start(guarded, asker);
    outside.states.set('db-0', 'no answer');
    outside.finish(`${id}-1`);
    await outside.turns(3);
    expect(only(runs)).toMatchObject({
      state: 'stopped',
      words: expect.stringMatching(/Step 2 was not begun: db-0 is no answer/),
    });
    expect(outside.begun).toHaveLength(1);
  });

  it('stops after a step that is not done, and says how it ended', async () => {
    for (const outcome of ['refused', 'untouched', 'undone', 'stopped'] as const) {
      const outside = new Outside();
      outside.outcome = outcome;
      const runs = outside.start();
      await runs.start(two, asker);
      await outside.turns(3);
      expect(only(runs)).toMatchObject({ state: 'stopped', words: expect.stringContaining(outcome) });
      expect(outside.begun).toHaveLength(1);
    }
  });

  it('is stopped by a person: what is in progress is cancelled, nothing more is begun', async () => {
    const outside = new Outside();
    outside.holds = true;
    const runs = outside.start();
    const { id } = await runs.start(two, asker);
    await runs.stop(id);
    await outside.turns(8);
    expect(only(runs)).toMatchObject({ state: 'stopped', steps: [{ outcome: 'untouched' }, { state: 'waiting' }] });
    expect(outside.begun).toHaveLength(1);
    await expect(runs.stop('run-unknown')).rejects.toMatchObject({ code: 'PLAN_REFUSED' });
  });

  it('waits for an agent that is away, for a time, and hears of the end also after that', async () => {
    const outside = new Outside();
    outside.away.add('a-1');
    const runs = outside.start();
    const { id } = await runs.start(two, asker);
    await outside.turns(20);
    expect(only(runs).state).toBe('running');
    outside.away.clear();
    await outside.turns(8);
    expect(only(runs).state).toBe('done');
    const lost = new Outside();
    lost.holds = true;
    const other = lost.start();
    await other.start(two, asker);
    lost.nowMs += awayMs + 11_000;
    await lost.turn();
    expect(only(other)).toMatchObject({ state: 'stopped', words: expect.stringMatching(/has not said/) });
    lost.finish(`${id}-1`);
    await lost.turn();
    expect(only(other).steps[0]).toMatchObject({ outcome: 'done' });
    expect(lost.begun).toHaveLength(1);
  });

  it('ends when an agent does not take a step, and an order that never arrived is stopped at once', async () => {
    const outside = new Outside();
    outside.holds = true;
    const runs = outside.start();
    const { id } = await runs.start(two, asker);
    await runs.hear('a-1', { kind: 'rejected', key: `${id}-1`, reason: 'It is not among what it may do.' });
    expect(only(runs)).toMatchObject({ state: 'stopped', words: expect.stringMatching(/not among/) });
    const next = new Outside();
    next.away.add('a-1');
    const others = next.start();
    await others.start(two, asker);
    await others.stop(id);
    next.away.clear();
    await others.hear('a-1', { kind: 'unknown', key: `${id}-1` });
    expect(only(others)).toMatchObject({
      state: 'stopped',
      steps: [{ words: expect.stringMatching(/never arrived/) }, {}],
    });
  });
});
