import { describe, expect, test } from 'vitest';
import { makeWindow, ratesOfCounters, type Signal, signalKey, sliceOf } from './window.ts';

const signal = (values: readonly number[], kind: Signal['kind'] = 'gauge'): Signal => ({
  name: 'a_total',
  labels: {},
  kind,
  values: Float64Array.from(values),
});

const windowOf = (values: readonly number[], kind?: Signal['kind'], stepMs = 1_000) =>
  makeWindow({ startMs: 10_000, stepMs, length: values.length, signals: [signal(values, kind)] });

const valuesOf = (window: ReturnType<typeof windowOf>): readonly number[] => [...(window.signals[0]?.values ?? [])];

describe('a window of signals', () => {
  test('counts infinities as not measured', () => {
    expect(valuesOf(windowOf([1, Number.POSITIVE_INFINITY, 3, Number.NEGATIVE_INFINITY]))).toEqual([
      1,
      Number.NaN,
      3,
      Number.NaN,
    ]);
  });

  test('refuses columns of another length: that is a bug of ours', () => {
    expect(() => makeWindow({ startMs: 0, stepMs: 1_000, length: 3, signals: [signal([1])] })).toThrow('Bug:');
  });

  test('makes of counters rates a second, whatever the step', () => {
    expect(valuesOf(ratesOfCounters(windowOf([10, 20, 40], 'counter', 5_000)))).toEqual([Number.NaN, 2, 4]);
  });

  test('counts from 0 again behind a reset, and leaves out what a gap hides', () => {
    const values = [100, 110, 3, 8, Number.NaN, 20, 25];
    expect(valuesOf(ratesOfCounters(windowOf(values, 'counter')))).toEqual([
      Number.NaN,
      10,
      3,
      5,
      Number.NaN,
      Number.NaN,
      5,
    ]);
  });

  test('leaves gauges as they are', () => {
    expect(valuesOf(ratesOfCounters(windowOf([3, 1, 2])))).toEqual([3, 1, 2]);
  });

  test('is cut with its times', () => {
    const cut = sliceOf(windowOf([1, 2, 3, 4]), { start: 1, end: 3 });
    expect([cut.startMs, cut.length, valuesOf(cut)]).toEqual([11_000, 2, [2, 3]]);
  });

  test('names signals with their labels in order', () => {
    expect(signalKey({ name: 'a', labels: { z: '1', b: 'say "x"' } })).toBe('a{b="say \\"x\\"",z="1"}');
    expect(signalKey({ name: 'a', labels: {} })).toBe('a');
  });
});
