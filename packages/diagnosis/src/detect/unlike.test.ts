import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { makeUnlikeDetector } from './unlike.ts';

/** A host whose signals follow two loads that wander, each in its own way. */
const hostOf = (seed: number, width = 40) => {
  const random = seededRandom(seed);
  const normal = (): number => Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  const shares = Array.from({ length: width }, () => [random.next(), random.next()] as const);
  let [first, second] = [0, 0];
  return (broken: (values: number[]) => void = () => undefined): ReadonlyMap<string, number> => {
    first = 0.98 * first + 0.2 * normal();
    second = 0.95 * second + 0.3 * normal();
    const values = shares.map(([a, b], index) => 100 + 10 * index + 20 * (a * first + b * second) + 2 * normal());
    broken(values);
    return new Map(values.map((value, index) => [`signal_${index}`, value]));
  };
};

const settled = (seed: number) => {
  const host = hostOf(seed);
  const detector = makeUnlikeDetector({ every: 5 });
  for (let second = 0; second < 1_800; second += 1) detector.observe(host());
  return { host, detector };
};

describe('unlike itself', () => {
  test('says nothing before it knows the host', () => {
    const host = hostOf(1);
    const detector = makeUnlikeDetector();
    expect(Array.from({ length: 300 }, () => detector.observe(host())).every((each) => each === undefined)).toBe(true);
  });

  test('finds a host like itself while its load wanders', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const { host, detector } = settled(seed);
      const scores = Array.from({ length: 1_800 }, () => detector.observe(host())?.score ?? 0);
      expect(Math.max(...scores), `seed ${seed}`).toBeLessThan(2);
    }
  });

  test('finds it unlike itself when signals part that go together, and names them', { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const { host, detector } = settled(seed);
      const unlike = detector.observe(
        host((values) => {
          for (const place of [3, 4, 5]) values[place] = (values[place] ?? 0) - 150;
        }),
      );
      expect(unlike?.score, `seed ${seed}`).toBeGreaterThan(2);
      const broken = ['signal_3', 'signal_4', 'signal_5'];
      expect(broken).toContain(unlike?.signals[0]?.key);
      // One of them may happen to come from so high that it lands where it usually is.
      expect(unlike?.signals.filter(({ key }) => broken.includes(key)).length).toBeGreaterThanOrEqual(2);
    }
  });

  test('takes gaps, absurd values and more signals than it looks at', () => {
    const { host, detector } = settled(9);
    const wide = new Map([
      ...host(),
      ...Array.from({ length: 1_000 }, (_, index) => [`more_${index}`, index] as const),
    ]);
    expect(detector.observe(wide)?.score).toBeLessThan(2);
    expect(detector.observe(new Map())?.score).toBeLessThan(2);
    const absurd = detector.observe(new Map([...host()].map(([key]) => [key, Number.NaN])));
    expect(absurd?.score).toBeLessThan(2);
    const score = detector.observe(new Map([...host()].map(([key]) => [key, 1e300])))?.score ?? Number.NaN;
    expect(Number.isFinite(score)).toBe(true);
  });
});
