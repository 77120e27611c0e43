/** Durations and sizes as people write them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';

describe('parseDuration', () => {
  it.each([
    ['5ms', 5],
    ['0.5 s', 500],
    ['2min', 120_000],
    ['1h', 3_600_000],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '5', 'ms', '-5ms', '5 parsecs', '5constructor', '1e3ms', '5msms'])('refuses "%s"', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('answers a number or undefined for every text, never NaN', () => {
    fc.assert(fc.property(fc.string(), (text) => !Number.isNaN(parseDuration(text) ?? 0)));
  });
});

describe('parseBytes', () => {
  it('tells powers of ten from powers of two', () => {
    expect(parseBytes('1 GB')).toBe(1e9);
    expect(parseBytes('1GiB')).toBe(2 ** 30);
    expect(parseBytes('1gib')).toBeUndefined();
  });
});

describe('for people', () => {
  it.each([
    [0.4, '0.4 ms'],
    [412, '412 ms'],
    [3_200, '3.2 s'],
    [59_999, '60 s'],
    [250_000, '4 min 10 s'],
    [120_000, '2 min'],
  ])('writes %d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it('writes sizes with one figure after the point at most', () => {
    expect(formatBytes(512 * 2 ** 20)).toBe('512 MiB');
    expect(formatBytes(1.5 * 2 ** 30)).toBe('1.5 GiB');
    expect(formatBytes(0)).toBe('0 B');
  });
});
