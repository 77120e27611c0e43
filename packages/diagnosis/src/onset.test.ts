import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findOnset, isAbnormal } from './onset.ts';
import { madeUpCauses, madeUpWindow } from './testing.ts';
import type { SignalWindow, Stretch } from './window.ts';

const overlap = (a: Stretch, b: Stretch): number => {
  const common = Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start));
  return common / (a.end - a.start + b.end - b.start - common);
};

const abnormalIn = (window: SignalWindow): Stretch | undefined => {
  const onset = findOnset(window);
  return onset !== undefined && isAbnormal(onset) ? onset.stretch : undefined;
};

/** The same window with other values, by signal, row and value. */
const changed = (window: SignalWindow, value: (name: string, row: number, now: number) => number): SignalWindow => ({
  ...window,
  signals: window.signals.map((signal) => ({
    ...signal,
    values: signal.values.map((now, row) => value(signal.name, row, now)),
  })),
});

describe('the onset', () => {
  test('is found for every cause, wherever it lies', () => {
    const start = fc.integer({ min: 20, max: 80 });
    fc.assert(
      fc.property(
        fc.constantFrom(...madeUpCauses),
        start,
        fc.integer({ min: 15, max: 35 }),
        fc.nat(1_000),
        (cause, from, length, seed) => {
          const stretch = { start: from, end: from + length };
          const found = abnormalIn(madeUpWindow({ causes: [cause], seed, stretch }));
          expect(found === undefined ? 0 : overlap(found, stretch)).toBeGreaterThan(0.8);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('is found to the row in windows that are searched in buckets first', () => {
    const stretch = { start: 1_013, end: 1_377 };
    const found = abnormalIn(madeUpWindow({ causes: ['lock chain'], seed: 5, rows: 2_000, stretch }));
    expect(Math.abs((found?.start ?? 0) - stretch.start)).toBeLessThanOrEqual(2);
    expect(Math.abs((found?.end ?? 0) - stretch.end)).toBeLessThanOrEqual(2);
  });

  test('is nowhere in noise', () => {
    for (let seed = 0; seed < 40; seed += 1) expect(abnormalIn(madeUpWindow({ causes: [], seed }))).toBeUndefined();
  });

  test('is not moved by single wild samples, by gaps or by signals that stand still', () => {
    const stretch = { start: 50, end: 80 };
    const window = changed(madeUpWindow({ causes: ['disk slow'], seed: 3, stretch }), (name, row, now) => {
      if (name === 'sent_bytes') return 7;
      if (name === 'sessions') return Number.NaN;
      if (name === 'received_bytes' && row === 10) return 1e12;
      return row % 9 === 0 ? Number.NaN : now;
    });
    const found = abnormalIn(window);
    expect(found === undefined ? 0 : overlap(found, stretch)).toBeGreaterThan(0.8);
  });

  test('is not the time before anybody used the service, nor a pause in which nobody did', () => {
    const stretch = { start: 85, end: 110 };
    const idle = (row: number): boolean => row < 12 || (row >= 40 && row < 70);
    const window = changed(madeUpWindow({ causes: ['cpu hog'], seed: 9, stretch }), (name, row, now) => {
      if (!idle(row)) return now;
      return name === 'avg_latency' ? 0 : now / 20;
    });
    const found = abnormalIn(window);
    expect(found === undefined ? 0 : overlap(found, stretch)).toBeGreaterThan(0.8);
  });

  test('is a standstill whose first answers had waited', () => {
    const stretch = { start: 60, end: 90 };
    const window = changed(madeUpWindow({ causes: ['disk slow'], seed: 4, stretch }), (name, row, now) => {
      if (name !== 'avg_latency' || row < 60 || row >= 90) return now;
      return row < 88 ? 0 : 5_000;
    });
    const found = abnormalIn(window);
    expect(found === undefined ? 0 : overlap(found, stretch)).toBeGreaterThan(0.8);
  });

  test('cannot be said of a handful of samples', () => {
    expect(findOnset(madeUpWindow({ causes: [], seed: 1, rows: 5 }))).toBeUndefined();
    expect(findOnset({ startMs: 0, stepMs: 1_000, length: 60, signals: [] })).toBeUndefined();
  });
});
