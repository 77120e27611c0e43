/** `coequal drill`: what is asked of the lab, what is said of the answer, and the exit code. */
import type { DrillReport } from '@coequal/proof';
import { describe, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

const report: DrillReport = {
  name: 'instance-kill',
  passed: true,
  verdict: 'Nothing was lost.',
  lab: 'drill',
  architecture: 'multi-active',
  preset: 'default',
  mode: 'full',
  engine: 'galera',
  seed: 7,
  seconds: 20,
  startedAt: '2026-01-01T00:00:00.000Z',
  acknowledged: 12_345,
  refused: 2,
  conflicts: 30,
  failed: 0,
  inDoubt: 3,
  decided: 3,
  answered: 0,
  misjudged: 0,
  via: 'gateway',
  style: 'careful',
  errors: 12,
  gateway: {
    replays: 8,
    replaysTold: 0,
    outcomes: 3,
    outcomesUndecided: 0,
    hidden: 30,
    conflictsTold: 1,
    notReplayable: 0,
    losses: 12,
    handedOver: 0,
    closed: 0,
    cut: 0,
  },
  commits: { faults: 1, inFlight: 9, onVictims: 3, acknowledged: 8, refused: 0, inDoubt: 1, decided: 1 },
  pauses: { gateway: null, direct: null },
  batch: null,
  directTimeline: [],
  lost: 0,
  doubled: 0,
  diverged: 0,
  damaged: 0,
  unexplained: 0,
  balanceExact: true,
  rpo: { transactions: 0, amount: 0 },
  findings: [],
  sites: [
    {
      name: 'north',
      faulted: true,
      longestPauseMs: null,
      longestWaitMs: null,
      errors: 12,
      conflicts: 5,
      inDoubt: 3,
      direct: null,
      reconnects: 8,
      acknowledged: 4_000,
      errorsByCode: {},
    },
    {
      name: 'south',
      faulted: false,
      longestPauseMs: 612,
      longestWaitMs: 640,
      errors: 0,
      conflicts: 7,
      inDoubt: 0,
      direct: {
        longestPauseMs: 655,
        longestWaitMs: 700,
        errors: 2,
        conflicts: 1,
        inDoubt: 1,
        reconnects: 4,
        acknowledged: 800,
        errorsByCode: { CONNECTION_LOST: 2 },
      },
      reconnects: 0,
      acknowledged: 8_345,
      errorsByCode: {},
    },
  ],
  detectMs: 520,
  evictMs: 540,
  rejoinMs: 2_100,
  recoveryMs: null,
  faults: [],
  checks: [],
  problems: [],
  steps: [],
  states: [],
  timeline: [],
  versions: {},
  configuration: '',
  machine: '',
  rttMs: [],
  command: '',
  evidence: '/here/out',
};

const drill = (args: string, reports: readonly DrillReport[] = [report]) =>
  runIn(['drill', ...args.split(' ')], { reports });

test('a drill that lost nothing says so first, tells the pauses, and ends with 0', async () => {
  const { code, out } = await drill('instance-kill --out out --seed 7 --seconds 20');
  expect(out.split('\n')[0]).toBe('PASSED  instance-kill: Nothing was lost.');
  expect(out).toContain('12,345 transactions acknowledged: 0 lost, 0 doubled, 0 diverged rows, balance exact');
  expect(out).toMatch(/north +gateways +broken +clients died +– +12 +5 +8\n/);
  expect(out).toMatch(/south +gateways +612 ms +640 ms +0 +7 +0\n +direct +655 ms +700 ms +2 +1 +4\n/);
  expect(out).toMatch(/8 replays unnoticed \(0 told\), 3 outcomes decided \(0 not\), 30 conflicts hidden \(1 told\)/);
  expect(out).toMatch(/COMMITs in flight at 1 fault: 9, 3 of them where it broke; 8 acknowledged/);
  expect(out).toContain('Evidence: /here/out');
  expect(code).toBe(0);
});

test.each([
  ['lost', { lost: 1 }],
  ['doubled', { doubled: 1 }],
  ['diverged', { diverged: 1 }],
  ['inexact', { balanceExact: false }],
  ['not passed for another reason', { passed: false, problems: ['An instance could not be read.'] }],
])('a drill with something %s ends with 1', async (_, change) => {
  const { code, out } = await drill('instance-kill --out out', [{ ...report, ...change }]);
  expect(out).toMatch(/^NOT PASSED {2}/);
  expect(code).toBe(1);
});

test('no report at all is not a success', async () => {
  expect((await drill('instance-kill --out out', [])).code).toBe(1);
});

describe('what the lab is asked', () => {
  const asked = async (args: string): Promise<unknown> =>
    JSON.parse((await drill(args)).calls[0]?.replace('drill ', '') ?? '');

  test('everything that was named', async () => {
    expect(
      await asked('site-kill --out out --rtt two-cities --preset tight --seed 9 --seconds 60 --runs 3 --direct'),
    ).toEqual({
      name: 'site-kill',
      out: '/here/out',
      rtt: 'two-cities',
      preset: 'tight',
      seed: 9,
      seconds: 60,
      runs: 3,
      direct: true,
    });
  });

  test('how the load is made, and what a batch is met with', async () => {
    expect(
      await asked('commit-kill --out out --commits 200 --style mixed --connections 8 --rate 40 --seed 1'),
    ).toMatchObject({ commits: 200, style: 'mixed', connections: 8, ratePerSecond: 40, direct: false });
    expect(await asked('batch --out out --rows 1000 --rule chunk')).toMatchObject({ rows: 1_000, rule: 'chunk' });
    expect(await asked('compare --out out')).not.toHaveProperty('seconds');
  });

  test('the drill’s own length, and a seed that is then reported', async () => {
    expect(await asked('city-loss --out out')).toMatchObject({ seconds: 40, seed: expect.any(Number), runs: 1 });
  });
});

test('--json is the report; with --runs it is {runs}', async () => {
  expect(JSON.parse((await drill('instance-kill --out out --json')).out)).toEqual(report);
  expect(JSON.parse((await drill('instance-kill --out out --json --runs 2', [report, report])).out)).toMatchObject({
    runs: [report, report],
    passed: true,
    errors: 24,
  });
  expect(JSON.parse((await drill('compare --out out --json', [report, report])).out)).toMatchObject({
    runs: [report, report],
  });
});

test('several runs end with the median and the spread of the pauses', async () => {
  const slow = { ...report, sites: report.sites.map((site) => ({ ...site, longestPauseMs: 700 })) };
  const { out } = await drill('instance-kill --out out --runs 3', [report, slow, report]);
  expect(out).toContain('3 runs: all passed');
  expect(out).toContain('Longest pause of a surviving site: median 612 ms, from 612 ms to 700 ms');
});

test.each([
  ['instance-melt --out out', /no drill `instance-melt`; there are instance-kill/],
  ['instance-kill', /--out <folder>/],
  ['instance-kill --out out --seconds 3', /whole number from 10/],
  ['instance-kill --out out --lab x --rtt 5ms', /--lab and --rtt exclude/],
  ['instance-kill --out out --commits 5', /--commits goes with commit-kill only/],
  ['gateway-kill --out out --direct', /--direct does not go with `gateway-kill`/],
  ['batch --out out --rule often', /none, refuse, fragment, chunk/],
  ['instance-kill --out out --architecture cold-standby', /multi-active/],
])('%s is refused in one line', async (args, words) => {
  const { code, told, calls } = await drill(args);
  expect({ code, calls }).toEqual({ code: 2, calls: [] });
  expect(told).toMatch(words);
  expect(told.trimEnd()).not.toContain('\n');
});
