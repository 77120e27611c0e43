/** The bench command against a lab that answers figures; that they are true is for the benches themselves. */
import type { BenchFigure } from '@coequal/lab';
import { describe, expect, test } from 'vitest';
import { runIn } from '../testing.ts';
import { benchLines } from './bench.ts';

const stall: BenchFigure = {
  name: 'stall/kill/default',
  value: 559.2,
  unit: 'ms',
  spread: { runs: 5, median: 559.2, smallest: 540, largest: 905 },
  peer: 'preset stock',
  peer_value: 6_155,
  ratio: 0.091,
  bar: 650,
  worst_bar: 900,
  ratio_bar: null,
  note: null,
  detail: { survivor_errors: 0 },
  machine: '2 cores',
  at: '2026-11-23T14:00:00.000Z',
};

const stun = (preset: string, pauseMs: number, toleratedMs: number, evictions: number): BenchFigure => ({
  ...stall,
  name: `stuns/${preset}/${pauseMs}ms`,
  value: evictions,
  unit: 'evictions',
  spread: null,
  peer: null,
  peer_value: null,
  ratio: null,
  bar: pauseMs <= toleratedMs ? 0 : null,
  worst_bar: null,
  detail: { runs: 3, pause_ms: pauseMs, tolerated_ms: toleratedMs, client_gap_median_ms: pauseMs + 30 },
});

describe('bench', () => {
  test('without a name runs all in order', async () => {
    const { calls, code } = await runIn(['bench']);
    expect(calls).toEqual([
      'bench {"names":["startup","stall","stuns","throughput","memory","gateway","gateway-pause","clients","two-addresses","signals","agent","outage","ingest","diagnosis"]}',
    ]);
    expect(code).toBe(0);
  });

  test('with --json writes one figure a line on standard output and progress elsewhere', async () => {
    const ran = await runIn('bench stall --runs 20 --rtt two-cities --json'.split(' '), { figures: [stall, stall] });
    expect(ran.calls).toEqual(['bench {"names":["stall"],"runs":20,"rtt":"two-cities"}']);
    expect(
      ran.out
        .trimEnd()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toEqual([stall, stall]);
    expect(ran.told).toBe('measuring\n');
  });

  test('hands on which parts of a bench are asked for', async () => {
    const ran = await runIn('bench clients java php'.split(' '));
    expect(ran.calls).toEqual(['bench {"names":["clients"],"parts":["java","php"]}']);
  });

  test('interrupted, it tells what is known and ends with code 2', async () => {
    const ran = await runIn(['bench', 'stall'], { figures: [stall] }, 'measuring');
    expect(ran).toMatchObject({ code: 2, told: expect.stringContaining('[INTERRUPTED]') });
    expect(ran.out).toContain('stall/kill/default');
  });

  test.each([['speed'], ['stall --runs 0'], ['stall memory']])(
    '%s is refused before anything is started',
    async (args) => {
      expect(await runIn(['bench', ...args.split(' ')])).toMatchObject({ code: 2, calls: [], out: '' });
    },
  );
});

describe('the table', () => {
  test('has value, spread, bar, peer and ratio, and says what was beyond a bar', () => {
    const text = benchLines([stall]).join('\n');
    expect(text).toMatch(
      /stall\/kill\/default +559 ms +\[540, 905\] of 5 +≤ 650, worst ≤ 900: NOT MET +6,155 +0\.091 +preset stock; survivor errors 0/,
    );
    expect(text).toContain('Machine: 2 cores.');
    expect(benchLines([{ ...stall, worst_bar: null }]).join('\n')).toContain('≤ 650: met');
    const rate = { ...stall, unit: 'transactions/s', bar: null, worst_bar: null, ratio: 0.92 } as const;
    expect(benchLines([{ ...rate, ratio_bar: 0.9 }]).join('\n')).toContain('ratio ≥ 0.9: met');
    expect(benchLines([{ ...rate, ratio_bar: 0.95 }]).join('\n')).toContain('ratio ≥ 0.95: NOT MET');
  });

  test('says when nothing could be measured', () => {
    const none = {
      ...stall,
      value: null,
      spread: null,
      ratio: null,
      note: 'not possible in the plain mode of the lab',
    };
    expect(benchLines([none]).join('\n')).toMatch(/stall\/kill\/default +– .*not possible in the plain mode/);
  });

  test('has presets down and pauses across, and says whether the promise was kept', () => {
    const lines = benchLines([stun('tight', 300, 200, 2), stun('tight', 200, 200, 0), stun('default', 300, 400, 1)]);
    expect(lines.join('\n')).toMatch(/PRESET +200 ms +300 ms/);
    expect(lines.join('\n')).toMatch(/tight +0\/3 \(230 ms\) +2\/3 \(330 ms\) \* +kept: no eviction up to 200 ms/);
    expect(lines.join('\n')).toMatch(/default +1\/3 \(330 ms\) +BROKEN: no eviction up to 400 ms/);
  });
});
