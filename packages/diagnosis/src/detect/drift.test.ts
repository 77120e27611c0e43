import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type DriftDetector, makeDriftDetector } from './drift.ts';

/** About normal noise around 100, deviation 2. */
const noiseOf = (seed: number): (() => number) => {
  const random = seededRandom(seed);
  return () => 100 + 2 * Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
};

/** The first sample at which it drifts, counted from now. */
const firstDrift = (detector: DriftDetector, count: number, value: (index: number) => number): number | undefined => {
  const index = Array.from({ length: count }, (_, at) => detector.observe(value(at)).drifting).indexOf(true);
  return index < 0 ? undefined : index;
};

describe('drift', () => {
  test('is not seen in hours of noise', () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const noise = noiseOf(seed);
      expect(firstDrift(makeDriftDetector(), 7_200, noise)).toBeUndefined();
    }
  });

  test.each([+1, -1])('is seen within seconds of a step, and ends with it (%d)', (sign) => {
    const noise = noiseOf(7);
    const detector = makeDriftDetector();
    expect(firstDrift(detector, 600, noise)).toBeUndefined();
    expect(firstDrift(detector, 10, () => noise() + sign * 14)).toBeLessThanOrEqual(4);
    const after = Array.from({ length: 60 }, () => detector.observe(noise()).drifting);
    expect(after.at(-1)).toBe(false);
  });

  test('is not one wild sample, and not a gap', () => {
    const noise = noiseOf(9);
    const detector = makeDriftDetector();
    firstDrift(detector, 600, noise);
    const values = [1e9, Number.NaN, Number.POSITIVE_INFINITY, noise(), noise()];
    expect(firstDrift(detector, values.length, (index) => values[index] ?? 0)).toBeUndefined();
  });

  test('lasts as long as a long incident', () => {
    const noise = noiseOf(11);
    const detector = makeDriftDetector();
    firstDrift(detector, 600, noise);
    firstDrift(detector, 20, () => noise() + 14);
    const during = Array.from({ length: 600 }, () => detector.observe(noise() + 14).drifting);
    expect(during.every((each) => each)).toBe(true);
  });

  test('knows the course of a season', () => {
    const noise = noiseOf(13);
    const season = (slot: number): number => (slot === 1 ? 10 : 0);
    const seen = (slots: number): number => {
      const detector = makeDriftDetector({ slots });
      const answers = Array.from({ length: 6_000 }, (_, index) => {
        const slot = Math.floor(index / 500) % 2;
        return detector.observe(noise() + season(slot), slots === 1 ? 0 : slot).drifting;
      });
      return answers.slice(4_000).filter((each) => each).length;
    };
    expect(seen(2)).toBe(0);
    expect(seen(1)).toBeGreaterThan(0);
  });
});
