/** Randomness from a seed: the same everywhere, and even enough to be fair. */
import { describe, expect, it } from 'vitest';
import { jsonLog, seededRandom } from './ports.ts';

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed).next);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('is even: no tenth of the range gets more than a fifth above its share', () => {
    const { below } = seededRandom(42);
    const counts = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 20_000; draw += 1) {
      const value = below(10);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(400);
  });
});

describe('jsonLog', () => {
  it('writes one object a line, with the time it was given', () => {
    const lines: string[] = [];
    const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} };
    jsonLog((line) => lines.push(line), clock)('warn', 'something', { site: 'north', text: 'two\nlines' });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      level: 'warn',
      event: 'something',
      site: 'north',
      text: 'two\nlines',
    });
  });
});
