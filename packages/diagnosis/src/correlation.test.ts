import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { correlate } from './correlation.ts';
import { makeWindow, type Signal } from './window.ts';

const rows = 3_600;
/** A slow wave with a step in it, so that a lag can be told. */
const wave = (row: number): number => Math.sin(row / 90) + (row > 1_500 && row < 1_700 ? 4 : 0);

const made = (name: string, seed: number, value: (row: number, noise: number) => number): Signal => {
  const random = seededRandom(seed);
  return {
    name,
    labels: {},
    kind: 'gauge',
    values: Float64Array.from({ length: rows }, (_, row) => value(row, random.next() - 0.5)),
  };
};

const chart = made('chart', 1, (row, noise) => wave(row) + noise / 4);
const others = [
  made('follows', 2, (row, noise) => 100 + 7 * wave(row - 12) + noise),
  made('goes before', 3, (row, noise) => wave(row + 9) + noise / 4),
  made('falls', 4, (row, noise) => -wave(row) + noise / 4),
  made('stands still', 5, () => 3),
  made('was never measured', 6, () => Number.NaN),
  made('spikes', 7, (row, noise) => noise + (row === 1_600 ? 1e9 : 0)),
  ...Array.from({ length: 60 }, (_, index) => made(`noise_${index}`, 10 + index, (_row, noise) => noise)),
];
const window = makeWindow({ startMs: 0, stepMs: 1_000, length: rows, signals: [chart, ...others] });
const whole = { start: 0, end: rows };

describe('correlation', () => {
  test('ranks what moved alike first, with lag and sign', () => {
    const found = new Map(correlate(window, chart, whole).map(({ signal, ...rest }) => [signal, rest]));
    expect(new Set([...found.keys()].slice(0, 3))).toEqual(new Set(['follows', 'goes before', 'falls']));
    expect(Math.abs((found.get('follows')?.lag ?? 0) - 12)).toBeLessThanOrEqual(1);
    expect(Math.abs((found.get('goes before')?.lag ?? 0) + 9)).toBeLessThanOrEqual(1);
    expect(Math.abs(found.get('falls')?.lag ?? 9)).toBeLessThanOrEqual(1);
    expect(found.get('falls')?.correlation).toBeLessThan(-0.9);
    expect(found.get('follows')?.correlation).toBeGreaterThan(0.9);
  });

  test('takes neither noise nor one wild sample for a likeness', () => {
    const unlike = correlate(window, chart, whole, { answers: 100 }).filter(({ signal }) =>
      /noise|spikes/.test(signal),
    );
    expect(unlike.length).toBeGreaterThan(50);
    expect(Math.max(...unlike.map(({ correlation }) => Math.abs(correlation)))).toBeLessThan(0.35);
  });

  test('leaves out itself, what stands still and what was not measured', () => {
    const names = correlate(window, chart, whole, { answers: 100 }).map(({ signal }) => signal);
    expect(names).not.toContain('chart');
    expect(names).not.toContain('stands still');
    expect(names).not.toContain('was never measured');
  });

  test('looks at the stretch only, and answers as many as asked for', () => {
    const found = correlate(window, chart, { start: 1_450, end: 1_750 }, { answers: 2 });
    expect(found).toHaveLength(2);
    expect(found.every(({ signal }) => ['follows', 'goes before', 'falls'].includes(signal))).toBe(true);
  });

  test('of a chart that stands still has nothing to say', () => {
    expect(correlate(window, others[3] ?? chart, whole)).toEqual([]);
  });
});
