import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type DriftDetector, type DriftOptions, makeDriftDetector } from './drift.ts';
import { makePanel } from './panel.ts';

/** About normal noise around 100, deviation 2. */
const noiseOf = (seed: number): (() => number) => {
  const random = seededRandom(seed);
  return () => 100 + 2 * Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
};

/** A panel with its detectors, told values by indicator. */
const makeDriftPanel = (indicators: Readonly<Record<string, DriftOptions>>) => {
  const detectors = Object.entries(indicators).map(
    ([indicator, options]) => [indicator, makeDriftDetector(options)] as const,
  );
  const panel = makePanel();
  return {
    observe: (values: Readonly<Record<string, number>>) =>
      panel(detectors.map(([indicator, each]) => ({ ...each.observe(values[indicator] ?? Number.NaN), indicator }))),
  };
};

/** The first sample at which it drifts, counted from now. */
const firstDrift = (detector: DriftDetector, count: number, value: (index: number) => number): number | undefined => {
  const index = Array.from({ length: count }, (_, at) => detector.observe(value(at)).drifting).indexOf(true);
  return index < 0 ? undefined : index;
};

/** Two hours of a healthy service whose load wanders and jumps: requests a second, their latency, errors, a queue that is mostly empty. */
const healthyService = (seed: number) => {
  const random = seededRandom(seed);
  const normal = (): number => Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);
  let wander = 0;
  return (second: number) => {
    wander = 0.97 * wander + 0.03 * normal();
    const load = 0.4 + 0.12 * Math.sin(second / 700) + 0.15 * wander + (Math.floor(second / 900) % 2 === 0 ? 0 : 0.04);
    const requests = 400 * load * (1 + 0.06 * normal());
    const latency = (0.004 / (1 - Math.min(0.8, load))) * Math.exp(0.25 * normal());
    return {
      latency,
      errors: Math.max(0, Math.round(requests * 0.002 + 0.8 * normal())),
      queue: random.next() < 0.04 ? Math.round(random.next() * 12) : 0,
      running: Math.max(1, Math.round(requests * latency + 1 + 0.6 * normal())),
    };
  };
};

describe('drift', () => {
  test('is not seen in hours of noise', () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const noise = noiseOf(seed);
      expect(firstDrift(makeDriftDetector(), 7_200, noise)).toBeUndefined();
    }
  });

  test('alarms a panel less than once in twenty hours of a healthy service whose load varies', () => {
    let alarms = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const service = healthyService(seed);
      const panel = makeDriftPanel({
        latency: { leastShare: 0.1, least: 0.0005, worse: 'above' },
        errors: { leastShare: 0.1, least: 1, worse: 'above' },
        queue: { least: 1, worse: 'above' },
        running: { leastShare: 0.1, least: 1, worse: 'above' },
      });
      let before = false;
      for (let second = 0; second < 7_200; second += 1) {
        const { alarming } = panel.observe(service(second));
        if (alarming && !before) alarms += 1;
        before = alarming;
      }
    }
    expect(alarms).toBeLessThanOrEqual(4);
  });

  test('alarms a panel within three seconds when latency and sessions rise', () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const service = healthyService(seed);
      const panel = makeDriftPanel({
        latency: { leastShare: 0.1, worse: 'above' },
        running: { least: 1, worse: 'above' },
      });
      for (let second = 0; second < 600; second += 1) panel.observe(service(second));
      const alarmed = [0, 1, 2].map((second) => {
        const { latency, running } = service(600 + second);
        return panel.observe({ latency: latency * 4, running: running + 12 }).alarming;
      });
      expect(alarmed.at(-1), `seed ${seed}`).toBe(true);
    }
  });

  test('sees a step of three deviations within three seconds', () => {
    const seen = Array.from({ length: 200 }, (_, seed) => {
      const noise = noiseOf(seed + 1);
      const detector = makeDriftDetector();
      firstDrift(detector, 300, noise);
      return firstDrift(detector, 30, () => noise() + 3 * 2) ?? 30;
    }).toSorted((a, b) => a - b);
    // The third sample has index 2. Noise of its own hides some of the steps for a little longer.
    expect(seen[100]).toBeLessThanOrEqual(2);
    expect(seen[190]).toBeLessThanOrEqual(5);
  });

  test('says how strong it is, and looks only where worse is', () => {
    const noise = noiseOf(3);
    const detector = makeDriftDetector({ worse: 'above' });
    firstDrift(detector, 300, noise);
    expect(firstDrift(detector, 20, () => noise() - 30)).toBeUndefined();
    firstDrift(detector, 60, noise);
    const strengths = Array.from({ length: 8 }, () => detector.observe(noise() + 30).strength);
    expect(strengths[1]).toBeGreaterThan(1);
    expect(strengths.at(-1)).toBeGreaterThan(2);
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
