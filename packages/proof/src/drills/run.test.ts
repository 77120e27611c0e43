import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type ArenaSetting, simulatedArena } from '../testing/simulated-arena.ts';
import { virtualClock } from '../testing/virtual-clock.ts';
import { drills } from './catalog.ts';
import { runDrill } from './run.ts';
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

const play = async (name: DrillName, setting: ArenaSetting = {}, change: Partial<typeof options> = {}) => {
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
