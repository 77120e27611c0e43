import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { askForest, growForest } from './forest.ts';

/** Two classes that only an "exclusive or" of two features tells apart, among features of noise. */
const exclusiveOr = (count: number, seed: number) => {
  const random = seededRandom(seed);
  const features = Array.from({ length: count }, () => Float64Array.from({ length: 6 }, () => random.next() * 2 - 1));
  const classes = Int32Array.from(features, ([a = 0, b = 0]) => (a * b > 0 ? 1 : 0));
  return { features, classes, classCount: 2 };
};

const likeliest = (shares: Float64Array): number => shares.indexOf(Math.max(...shares));

describe('a forest', () => {
  test('learns what no single feature shows', () => {
    const forest = growForest(exclusiveOr(400, 1), { trees: 60, seed: 1 });
    const asked = exclusiveOr(200, 2);
    const right = asked.features.filter((row, index) => likeliest(askForest(forest, row)) === asked.classes[index]);
    expect(right.length).toBeGreaterThan(170);
  });

  test('answers shares that add up to one, the same for the same seed', () => {
    const grown = [1, 1, 2].map((seed) => growForest(exclusiveOr(50, 3), { trees: 20, seed }));
    const [first, again, other] = grown.map((forest) => [...askForest(forest, new Float64Array(6).fill(0.3))]);
    expect(first?.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test('knows no better than even where nothing tells the classes apart', () => {
    const features = [0, 1].map(() => new Float64Array(3));
    const forest = growForest({ features, classes: Int32Array.of(0, 1), classCount: 2 }, { trees: 5, seed: 1 });
    expect([...askForest(forest, new Float64Array(3))].map((share) => share.toFixed(3))).toEqual(['0.500', '0.500']);
  });
});
