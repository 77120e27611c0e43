/** From what was asked for on the command line to the drills that the lab holds. */
import { describe, expect, test } from 'vitest';
import { parseDrillCall } from './daemon/calls.ts';
import { loadOf } from './daemon/loads.ts';
import { callsOf, type LabDrillOptions } from './drill.ts';

const options = (more: Partial<LabDrillOptions>): LabDrillOptions => ({
  name: 'instance-kill',
  seed: 7,
  runs: 1,
  out: '/out',
  direct: false,
  ...more,
});
const loads = (more: Partial<LabDrillOptions>) => callsOf(options(more)).map((call) => loadOf(parseDrillCall(call)));

describe('what the lab holds', () => {
  test('one drill of its own length, in the folder that was named', () => {
    expect(callsOf(options({}))).toEqual([
      {
        name: 'instance-kill',
        seed: 7,
        seconds: 20,
        out: '/out',
        command: 'coequal drill instance-kill --seconds 20 --seed 7 --out evidence',
        direct: false,
        compare: false,
      },
    ]);
  });

  test('several runs, each with its own seed and folder, each repeatable by itself', () => {
    const calls = callsOf(options({ runs: 3, seconds: 30, style: 'legacy', rtt: 'two-cities' }));
    expect(calls.map(({ seed, out }) => [seed, out])).toEqual([
      [7, '/out/run-01'],
      [8, '/out/run-02'],
      [9, '/out/run-03'],
    ]);
    expect(calls[1]?.command).toBe(
      'coequal drill instance-kill --seconds 30 --seed 8 --rtt two-cities --style legacy --out evidence',
    );
  });

  test('a comparison: every fault of one database, with as many clients beside as through the gateways', () => {
    const calls = callsOf(options({ name: 'compare' }));
    expect(calls.map(({ name }) => name)).toEqual([
      'instance-kill',
      'instance-hang',
      'instance-partition',
      'instance-stop',
    ]);
    expect(calls[0]?.command).toContain('coequal drill compare ');
    for (const { connections, ratePerSecond, beside } of loads({ name: 'compare' }))
      expect(beside).toEqual({ connections, ratePerSecond });
  });

  test('a large write once for each rule, or for the one that was named', () => {
    expect(loads({ name: 'batch' }).map(({ batch }) => batch?.largeWrites?.rule)).toEqual([
      undefined,
      'refuse',
      'fragment',
      'chunk',
    ]);
    const [only, ...others] = loads({ name: 'batch', rule: 'chunk', rows: 1_000 });
    expect(only?.batch).toMatchObject({ rows: 1_000, largeWrites: { rule: 'chunk' } });
    expect(others).toEqual([]);
    expect(loads({ name: 'batch', direct: true })).toHaveLength(1);
    expect(callsOf(options({ name: 'batch', rule: 'none' }))[0]?.command).toContain('--rule none');
  });
});

describe('the load', () => {
  test('goes through gateways with a few direct clients beside, or directly', () => {
    expect(loads({})[0]).toMatchObject({ via: 'gateway', style: 'careful', beside: { connections: 2 } });
    expect(loads({ direct: true })[0]).toMatchObject({ via: 'direct' });
    expect(loads({ direct: true })[0]).not.toHaveProperty('beside');
  });

  test('of COMMITs in flight is a crowd of both kinds, which trickles between faults', () => {
    const [load] = loads({ name: 'commit-kill', commits: 200 });
    expect(load).toMatchObject({ style: 'mixed', connections: 32, commits: 200, accounts: 20_000 });
    expect(load).not.toHaveProperty('beside');
  });

  test('is as was asked for', () => {
    expect(loads({ connections: 9, ratePerSecond: 30, style: 'legacy' })[0]).toMatchObject({
      connections: 9,
      ratePerSecond: 30,
      style: 'legacy',
    });
  });
});
