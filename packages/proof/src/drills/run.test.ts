import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type ArenaSetting, simulatedArena } from '../testing/simulated-arena.ts';
import { virtualClock } from '../testing/virtual-clock.ts';
import { drills } from './catalog.ts';
import { withOmitted } from './customers.ts';
import { type DrillOptions, runDrill } from './run.ts';
import { summariseRuns } from './runs.ts';
import type { DrillName } from './schedule.ts';

const options = {
  seed: 11,
  seconds: 20,
  via: 'direct' as const,
  connections: 2,
  ratePerSecond: 40,
  accounts: 20,
  initialBalance: 50_000,
  statementMs: 1_000,
  ledgerFolder: '/ledgers',
  command: 'coequal drill … --seed 11',
};

const play = async (name: DrillName, setting: ArenaSetting = {}, change: Partial<DrillOptions> = {}) => {
  const clock = virtualClock();
  const arena = simulatedArena(clock, seededRandom(change.seed ?? options.seed), setting);
  const result = await clock.run(runDrill(arena.tools, name, { ...options, ...change }));
  await clock.run(arena.settled());
  return { ...result, progress: arena.progress };
};

describe('a drill', () => {
  test.each(drills.map((drill) => drill.name))('%s accounts for everything', async (name) => {
    const { report } = await play(name);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ name, passed: true, lost: 0, doubled: 0, diverged: 0, balanceExact: true });
    expect(report.acknowledged).toBeGreaterThan(500);
    expect(report.decided).toBe(report.inDoubt);
    expect(report.verdict).toMatch(/^Nothing was lost\. /);
    expect(report.timeline.map(({ site }) => site)).toEqual(['north', 'south', 'east']);
    expect(report.steps.every(({ done }) => done)).toBe(true);
  });

  test('measures detection, eviction and rejoining from what it saw', async () => {
    const { report } = await play('instance-kill');
    expect(report.detectMs).toBeGreaterThanOrEqual(0);
    expect(report.detectMs).toBeLessThan(250);
    expect(report.evictMs).toBeLessThan(1_000);
    expect(report.rejoinMs).toBeGreaterThanOrEqual(1_500);
    expect(report.rejoinMs).toBeLessThan(1_800);
    const [victim] = report.faults.flatMap(({ faults }) => faults.map(({ site }) => site));
    expect(report.sites.filter(({ faulted }) => faulted).map(({ name }) => name)).toEqual([victim]);
  });

  test('says of customers that died nothing, and of the others what they felt', async () => {
    const { report } = await play('site-kill');
    for (const site of report.sites) {
      if (site.faulted) expect(site.longestPauseMs).toBeNull();
      else expect(site).toMatchObject({ errors: 0, longestPauseMs: expect.any(Number) });
    }
    expect(report.checks).toContainEqual(expect.objectContaining({ passed: true, essential: false }));
    expect(report.verdict).toMatch(
      /(North|South|East) was killed; customers of (North|South|East) and (North|South|East) waited .* at most and saw no error\./,
    );
  });

  test('starts new clients in a site whose clients died', async () => {
    const { report, history } = await play('site-kill');
    const victim = report.sites.find(({ faulted }) => faulted)?.name;
    const runs = new Set(
      history.transactions.filter(({ site }) => site === victim).map(({ process }) => process.split('-')[1]),
    );
    expect(runs.size).toBe(2);
  });

  test('measures a full outage until everything serves', async () => {
    const { report } = await play('full-outage');
    expect(report.recoveryMs).toBeGreaterThanOrEqual(1_500);
    expect(report.recoveryMs).toBeLessThan(2_500);
    expect(report.sites.every(({ faulted }) => faulted)).toBe(true);
  });

  test('does not pass when a lone site goes on without a majority', async () => {
    const { report } = await play('city-loss', { forks: true }, { seconds: 30 });
    expect(report.passed).toBe(false);
    expect(report.checks.find(({ essential, passed }) => essential && !passed)?.text).toMatch(
      /alone, stopped rather than fork/,
    );
  });

  test.each<[string, ArenaSetting, string]>([
    ['forgets', { lies: { forget: 0.01 } }, 'acknowledged transactions? lost'],
    ['does things twice', { lies: { twice: 0.01 } }, 'done twice'],
    [
      'differs',
      {
        distort: (contents) =>
          contents.instance === 'east-1' ? { ...contents, transfers: contents.transfers.slice(1) } : contents,
      },
      'lost',
    ],
  ])('does not pass, and says so first, when a database %s', async (_, setting, words) => {
    const { report } = await play('instance-hang', setting);
    expect(report.passed).toBe(false);
    expect(report.verdict).toMatch(new RegExp(`^[^;]*${words}`));
    expect(report.verdict).not.toContain('Nothing was lost');
  });

  test('proves nothing when an instance cannot be read at the end', async () => {
    const { report } = await play('instance-kill', { neverBack: ['north', 'south', 'east'] });
    expect(report.passed).toBe(false);
    expect(report.verdict).toMatch(/^The drill proves nothing/);
    expect(report.problems.some((problem) => /could not be read/.test(problem))).toBe(true);
  });

  test('that is broken off heals what it broke, and ends its clients', async () => {
    const clock = virtualClock();
    const arena = simulatedArena(clock, seededRandom(1));
    const stopping = new AbortController();
    const drill = runDrill(arena.tools, 'instance-kill', { ...options, signal: stopping.signal });
    const breaking = (async () => {
      await clock.sleep(8_000);
      stopping.abort(new Error('broken off'));
    })();
    await expect(clock.run(Promise.all([drill, breaking]))).rejects.toThrow('broken off');
    await clock.run(arena.settled());
    const states = await clock.run(arena.tools.arena.observe());
    expect(states.map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  });

  test('does not take the ending of its clients for a pause', async () => {
    const { report } = await play('instance-stop');
    for (const { longestPause } of report.timeline)
      expect(longestPause?.toMs).toBeLessThanOrEqual(report.seconds * 1_000 + 2_500);
  });

  test('is the same disaster for the same seed', async () => {
    const [first, second] = [await play('mixed'), await play('mixed')];
    expect(first.report).toEqual(second.report);
  });

  test.each(Array.from({ length: 5 }, (_, seed) => seed))('of mixed faults by seed %d loses nothing', async (seed) => {
    const { report } = await play('mixed', {}, { seed, seconds: 30 });
    expect(report.findings).toEqual([]);
    expect(report.passed).toBe(true);
  });
});

describe('a drill through gateways', () => {
  const through: Partial<DrillOptions> = {
    via: 'gateway',
    seconds: 12,
    ratePerSecond: 20,
    beside: { connections: 1, ratePerSecond: 20 },
  };
  const crowded: Partial<DrillOptions> = { ...through, seconds: 10, connections: 16, ratePerSecond: 600 };

  test.each(['site-kill', 'site-partition', 'full-outage', 'gateway-kill', 'gateway-hang', 'gateway-stop'] as const)(
    '%s accounts for everything',
    async (name) => {
      const { report } = await play(name, {}, through);
      expect(report.problems).toEqual([]);
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({ name, passed: true, lost: 0, doubled: 0, diverged: 0, via: 'gateway' });
      expect(report.gateway).not.toBeNull();
      expect(report.directTimeline.map(({ site }) => site)).toEqual(['north', 'south', 'east']);
    },
  );

  test.each(['instance-kill', 'instance-partition', 'instance-stop'] as const)(
    '%s shows no error through them, and errors directly beside',
    async (name) => {
      const { report } = await play(name, {}, through);
      const victim = report.sites.find(({ faulted }) => faulted);
      expect(report.errors).toBe(0);
      expect(victim?.direct?.errors).toBeGreaterThan(0);
      expect(report.verdict).toMatch(/customers waited .* at most and saw no error\.$/);
      expect(report.pauses.gateway?.faults).toBe(1);
      expect(report.pauses.direct?.faults).toBe(1);
    },
  );

  test('that loses a gateway has every COMMIT in doubt decided by another one', async () => {
    const { report } = await play('gateway-kill', {}, crowded);
    expect(report.inDoubt).toBeGreaterThan(0);
    expect(report.answered).toBeGreaterThan(0);
    expect(report.misjudged).toBe(0);
    expect(report.checks).toContainEqual(
      expect.objectContaining({ passed: true, essential: true, text: expect.stringMatching(/^Gateways could say/) }),
    );
  });

  test('does not pass when a gateway says what is not so', async () => {
    const { report } = await play('gateway-kill', { lies: { misjudge: 1 } }, crowded);
    expect(report.passed).toBe(false);
    expect(report.misjudged).toBeGreaterThan(0);
  });

  test('goes on until so many COMMITs were in flight at faults, and counts them', async () => {
    const { report } = await play('commit-kill', {}, { ...through, style: 'mixed', connections: 2, commits: 8 });
    expect(report.commits.inFlight).toBeGreaterThanOrEqual(8);
    expect(report.commits.faults).toBeGreaterThan(1);
    expect(report.commits.decided).toBe(report.commits.inDoubt);
    expect(report.checks.filter(({ passed }) => !passed)).toEqual([]);
  });

  test('has so many single faults, and tells the pauses of all', async () => {
    const { report } = await play('single-faults', {}, { ...through, faults: 7 });
    expect(report.faults).toHaveLength(7);
    expect(report.pauses.gateway).toMatchObject({ faults: 7 });
    expect(summariseRuns([report, report]).pauses.gateway?.runs).toBe(14);
  });

  test('of a large write tells what the other sites felt, and whether it is whole', async () => {
    const batch = { rows: 1_000, largeWrites: { aboveBytes: 2 ** 20, rule: 'refuse' as const } };
    const refused = (await play('batch', {}, { ...through, batch })).report;
    expect(refused.batch).toMatchObject({ rule: 'refuse', outcome: 'refused', reason: '1105: too large' });
    expect(Object.values(refused.batch?.changedRows ?? {})).toEqual([0, 0, 0]);
    const done = (await play('batch', {}, { ...through, batch: { rows: 1_000 } })).report;
    expect(done.batch).toMatchObject({ rule: null, outcome: 'done' });
    expect(done.batch?.ratio).toBeGreaterThan(0);
    expect(done.verdict).toMatch(/a write of 1,000 rows without a rule was done/i);
  });

  test('cannot be held where there are none', async () => {
    const clock = virtualClock();
    const arena = simulatedArena(clock, seededRandom(1));
    const bare = { ...arena.tools, arena: { ...arena.tools.arena, gateways: () => [] } };
    await expect(runDrill(bare, 'gateway-kill', { ...options, via: 'gateway' })).rejects.toMatchObject({
      code: 'DRILL_IMPOSSIBLE',
    });
  });
});

test('who waits keeps others from beginning: they count too', () => {
  expect(withOmitted(10, 40)).toEqual([10]);
  expect(withOmitted(100, 40)).toEqual([100, 60, 20]);
  expect(withOmitted(100, 0)).toEqual([100]);
});
