/** Flags and figures: what is taken, what is refused, how numbers are written. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FaultFlags, faultKinds, faultOf } from './commands/faults.ts';
import { formatAmount, formatCount, formatLatency, formatMoney, formatRate } from './numbers.ts';
import { formatTable } from './table.ts';
import { durationMs, labName, sitePair, wholeNumber } from './values.ts';

describe('money and figures', () => {
  test.each([
    [0, '0.00'],
    [5, '0.05'],
    [100_000_000, '1,000,000.00'],
    [-123_456, '-1,234.56'],
    [Number.MAX_SAFE_INTEGER, '90,071,992,547,409.91'],
  ])('%i cents are %s', (cents, text) => {
    expect(formatMoney(cents)).toBe(text);
  });

  test('no cent is lost in writing money', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (cents) => {
        expect(Number(formatMoney(cents).replaceAll(/[,.]/g, '')) + 0).toBe(cents);
      }),
    );
  });

  test('rates, latencies and counts', () => {
    expect([formatRate(0), formatRate(0.4), formatRate(9.96), formatRate(1234.5)]).toEqual(['0', '0.4', '10', '1,235']);
    expect([formatLatency(null), formatLatency(3.14), formatLatency(1234)]).toEqual(['–', '3.1', '1,234']);
    expect([formatCount(999), formatCount(1_000), formatAmount(420)]).toEqual(['999', '1,000', '420.00']);
  });

  test('a table keeps its columns under wide characters', () => {
    expect(
      formatTable(
        [{ title: 'A' }, { title: 'N', right: true }],
        [
          ['中文', '1'],
          ['x', '20'],
        ],
      ),
    ).toEqual(['A      N', '中文   1', 'x     20']);
  });
});

describe('values of flags', () => {
  test.each(['0', '10', '3.5', '-1', '', 'three', '1e1', ' 3'])('%j is not a number of sites', (text) => {
    expect(() => wholeNumber(1, 9)(text)).toThrow(/whole number from 1 to 9/);
  });

  test.each(['10', '10ms', '25h', '-1s', 's'])('%j is not a duration of a fault', (text) => {
    expect(() => durationMs(text)).toThrow(/100ms to 24h/);
  });

  test.each(['../x', 'A', '', '1a', 'x'.repeat(17), 'a/b'])('%j is not the name of a lab', (text) => {
    expect(() => labName(text)).toThrow(/name/);
  });

  test.each(['north', 'north,', 'north,north', 'a,b,c'])('%j is not a pair of sites', (text) => {
    expect(() => sitePair(text)).toThrow(/two different sites/);
  });

  test('good values are taken', () => {
    expect([wholeNumber(1, 9)('9'), durationMs('10s'), labName('lab-2'), sitePair('north, south')]).toEqual([
      9,
      10_000,
      'lab-2',
      ['north', 'south'],
    ]);
  });
});

describe('faults', () => {
  type Case = [kind: string, site: string | undefined, flags: FaultFlags, fault: object];
  const good: readonly Case[] = [
    ['kill', 'north', {}, { kind: 'kill', site: 'north' }],
    [
      'partition',
      'north',
      { whole: true, for: 10_000 },
      { kind: 'partition', site: 'north', whole: true, forMs: 10_000 },
    ],
    ['partition', undefined, { between: ['a', 'b'] }, { kind: 'partition', site: 'a', between: ['a', 'b'] }],
    [
      'partition',
      'b',
      { between: ['a', 'b'], oneWay: true },
      { kind: 'partition', site: 'b', between: ['a', 'b'], oneWay: true },
    ],
    ['latency', 'north', {}, { kind: 'latency', site: 'north' }],
    ['latency', 'north', { amount: '50ms' }, { kind: 'latency', site: 'north', amount: 50 }],
    ['latency', 'north', { amount: '0.1s' }, { kind: 'latency', site: 'north', amount: 100 }],
    ['loss', 'north', { amount: '5%' }, { kind: 'loss', site: 'north', amount: 5 }],
    ['clock', 'north', { amount: '-60' }, { kind: 'clock', site: 'north', amount: -60 }],
    ['clock', 'north', { amount: '-1h' }, { kind: 'clock', site: 'north', amount: -3_600 }],
    ['cpu', 'north', { amount: '4' }, { kind: 'cpu', site: 'north', amount: 4 }],
    ['lock', 'north', {}, { kind: 'lock', site: 'north' }],
    ['clock', 'north', { amount: '5min' }, { kind: 'clock', site: 'north', amount: 300 }],
  ];
  test.each(good)('%s %s %j', (kind, site, flags, fault) => {
    expect(faultOf(kind, site, flags)).toEqual(fault);
  });

  type Bad = [kind: string, site: string | undefined, flags: FaultFlags, words: RegExp];
  const bad: readonly Bad[] = [
    ['explode', 'north', {}, /no fault `explode`; there are kill, hang/],
    ['gravity', 'north', {}, /no fault `gravity`/],
    ['cpu', 'north', { amount: '0' }, /not an amount of `cpu`/],
    ['lock', 'north', { amount: '3' }, /--amount does not go with `lock`/],
    ['spike', 'north', { whole: true }, /--whole does not go/],
    ['kill', undefined, {}, /No site is named/],
    ['kill', 'north', { oneWay: true }, /--one-way goes with/],
    ['kill', 'north', { between: ['a', 'b'] }, /--between goes with/],
    ['kill', 'north', { amount: '5' }, /--amount does not go/],
    ['clock', 'north', { whole: true, amount: '5' }, /--whole does not go/],
    ['partition', 'c', { between: ['a', 'b'] }, /does not include the site c/],
    ['latency', 'north', { amount: '5%' }, /not an amount of `latency`/],
    ['loss', 'north', { amount: '101' }, /not an amount of `loss`/],
    ['loss', 'north', { amount: '-1' }, /not an amount of `loss`/],
  ];
  test.each(bad)('%s %s %j is refused', (kind, site, flags, words) => {
    expect(() => faultOf(kind, site, flags)).toThrow(words);
  });

  test('every kind has words for the help', () => {
    expect(faultKinds).toHaveLength(27);
    expect(new Set(faultKinds.map(({ kind }) => kind)).size).toBe(27);
  });
});
