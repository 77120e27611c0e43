/** Orders: once, whatever is repeated and whenever the agent is killed; and every one ends with a word that is true. */
import { type Action, actionTypes, type Order, type OrderState } from '@coequal/contract';
import { describe, expect, it } from 'vitest';
import { statementDigest } from './doings/session.ts';
import { Disk, everyAction, executorOn, freshWorld, Life, type World } from './testing/world.ts';

const orderOf = (action: Action, key = 'order-0001'): Order => ({ key, action, deadlineMs: 4_000, by: 'tester' });

const ended = async (told: readonly OrderState[], key = 'order-0001'): Promise<OrderState> => {
  for (let turn = 0; turn < 5_000; turn += 1) {
    const found = told.find((state) => state.key === key && state.state === 'ended');
    if (found !== undefined) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`no end of ${key}: ${JSON.stringify(told.at(-1))}`);
};

const settled = async (isOver: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 5_000 && !isOver(); turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const without = ({ effects: _, ...world }: World) => world;

describe('every action', () => {
  it('is in the table of this test', () => {
    expect(everyAction.map(({ action }) => action.type).sort()).toEqual([...actionTypes].sort());
  });

  it.each(everyAction)('$action.type is done, checked, and not done again for the same key', async (one) => {
    const [world, disk, told] = [one.from(), new Disk(), [] as OrderState[]];
    const executor = executorOn(world, disk, new Life(), told);
    expect((await executor.take(orderOf(one.action))).state).toBe('accepted');
    expect(await ended(told)).toMatchObject({ outcome: 'done' });
    expect(one.goal(world)).toBe(true);
    const effects = [...world.effects];
    expect((await executor.take(orderOf(one.action))).outcome).toBe('done');
    const later = executorOn(world, disk, new Life());
    await later.settle();
    expect((await later.take(orderOf(one.action))).outcome).toBe('done');
    expect(world.effects).toEqual(effects);
  });

  it.each(everyAction)(
    '$action.type, killed at every step, is done once, undone, untouched, or stopped and said so',
    async (one) => {
      const seenOutcomes = new Set<string>();
      for (let killAt = 1; ; killAt += 1) {
        const [world, disk] = [one.from(), new Disk()];
        const start = without(one.from());
        const life = new Life(killAt);
        const told: OrderState[] = [];
        const first = executorOn(world, disk, life, told);
        // One that is killed never answers.
        void first.take(orderOf(one.action));
        await settled(() => life.dead || told.some(({ state }) => state === 'ended'));
        if (!life.dead) break;
        const before = [...world.effects];
        const again: OrderState[] = [];
        const second = executorOn(world, disk, new Life(), again);
        await second.settle();
        const taken = disk.lines.length > 0;
        // The platform does not know what arrived: it says it again.
        await second.take(orderOf(one.action));
        const state =
          second.state('order-0001')?.outcome === undefined ? await ended(again) : second.state('order-0001');
        const outcome = state?.outcome ?? '';
        seenOutcomes.add(outcome);
        expect(state?.words).not.toBe('');
        if (outcome === 'done') expect(one.goal(world)).toBe(true);
        if (outcome === 'untouched' || outcome === 'undone') expect(without(world)).toEqual(start);
        expect(['done', 'untouched', 'undone', 'stopped']).toContain(outcome);
        // What had been taken before is never begun by whoever comes after.
        if (taken) expect(world.effects.slice(before.length).filter((name) => before.includes(name))).toEqual([]);
      }
      expect(seenOutcomes).toContain('done');
    },
  );

  it.each(everyAction)('$action.type, cancelled at every step, ends with a word that is true', async (one) => {
    for (let at = 1; at < 200; at += 1) {
      const [world, told] = [one.from(), [] as OrderState[]];
      const start = without(one.from());
      const life = new Life();
      const executor = executorOn(world, new Disk(), life, told);
      void executor.take(orderOf(one.action));
      await settled(() => life.steps >= at || told.some(({ state }) => state === 'ended'));
      if (told.some(({ state }) => state === 'ended')) break;
      expect(executor.cancel('order-0001')).toBe(true);
      const { outcome } = await ended(told);
      if (outcome === 'done') expect(one.goal(world)).toBe(true);
      else if (outcome === 'untouched' || outcome === 'undone' || outcome === 'refused')
        expect(without(world)).toEqual(start);
      else expect(outcome).toBe('stopped');
    }
  });
});

describe('what does not hold', () => {
  const refusedOf = async (action: Action, world: World): Promise<string> => {
    const told: OrderState[] = [];
    await executorOn(world, new Disk(), new Life(), told).take(orderOf(action));
    const state = await ended(told);
    expect(state.outcome).toBe('refused');
    expect(world.effects).toEqual([]);
    return state.words;
  };
  const kill = (change: object): Action => ({
    ...{ type: 'query-kill', instance: 'db-0', session: 7, user: 'app', statement: statementDigest('SELECT 1') },
    ...change,
  });

  it('is refused: the last member, an instance that is down or up already, an old branch', async () => {
    const db = { instance: 'db-0' } as const;
    for (const type of ['instance-stop', 'instance-restart', 'instance-isolate', 'instance-reprovision'] as const)
      expect(await refusedOf({ type, ...db }, freshWorld({ members: 1 }))).toMatch(/last member/);
    expect(await refusedOf({ type: 'instance-start', ...db }, freshWorld())).toMatch(/not down/);
    expect(await refusedOf({ type: 'instance-stop', ...db }, freshWorld({ up: false, held: true }))).toMatch(/is down/);
    expect(await refusedOf({ type: 'instance-start', ...db }, freshWorld({ up: false, oldBranch: true }))).toMatch(
      /re-provisioned/,
    );
    expect(await refusedOf({ type: 'instance-restart', ...db }, freshWorld({ held: true }))).toMatch(
      /meant to be down/,
    );
  });

  it('is refused: a session that went, is somebody else’s, runs another statement, or is busy again', async () => {
    expect(await refusedOf(kill({}), freshWorld({ connected: false }))).toMatch(/no session 7/);
    expect(await refusedOf(kill({ user: 'other' }), freshWorld())).toMatch(/another account/);
    expect(await refusedOf(kill({}), freshWorld())).toMatch(/another statement/);
    expect(await refusedOf(kill({}), freshWorld({ query: null }))).toMatch(/no longer runs/);
    const idle = kill({ type: 'session-kill', statement: null });
    expect(await refusedOf(idle, freshWorld())).toMatch(/not idle/);
    expect(await refusedOf(idle, freshWorld({ query: null, transaction: null }))).toMatch(/not idle/);
  });

  it('is refused: a setting that is not what it was, or may not have the value', async () => {
    const set = { type: 'setting-set', instance: 'db-0', setting: 'max_connections' } as const;
    expect(await refusedOf({ ...set, value: 200, expected: 150 }, freshWorld())).toMatch(/is 100, not 150/);
    expect(await refusedOf({ ...set, value: 1, expected: 100 }, freshWorld())).toMatch(/may be 10 to/);
  });

  it('is not even taken: what is not of this host, not allowed, busy, or under a key of something else', async () => {
    const world = freshWorld();
    const executor = executorOn(world, new Disk(), new Life());
    await expect(executor.take(orderOf({ type: 'instance-stop', instance: 'db-9' }))).rejects.toMatchObject({
      code: 'ACTION_REFUSED',
    });
    const first = executor.take(orderOf({ type: 'instance-restart', instance: 'db-0' }));
    await expect(
      executor.take(orderOf({ type: 'instance-stop', instance: 'db-0' }, 'order-0002')),
    ).rejects.toMatchObject({ code: 'ACTION_REFUSED', message: expect.stringContaining('order-0001') });
    await first;
    await expect(executor.take(orderOf({ type: 'instance-stop', instance: 'db-0' }))).rejects.toMatchObject({
      code: 'ACTION_KEY_USED',
    });
  });
});

describe('a preview', () => {
  it('says what would be done and whether it could be, and does nothing', async () => {
    const world = freshWorld();
    const executor = executorOn(world, new Disk(), new Life());
    const preview = await executor.preview({ type: 'instance-restart', instance: 'db-0' });
    expect(preview).toMatchObject({ class: 'C2', possible: true, does: [expect.stringContaining('db-0')] });
    expect(await executor.preview({ type: 'instance-start', instance: 'db-0' })).toMatchObject({ possible: false });
    expect(await executor.preview({ type: 'instance-start', instance: 'db-9' })).toMatchObject({ possible: false });
    expect(world.effects).toEqual([]);
  });
});
