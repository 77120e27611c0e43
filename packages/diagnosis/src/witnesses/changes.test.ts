import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Change, type Scene, suspectChanges } from './changes.ts';

const onsetMs = 10_000_000;
const scene: Scene = {
  onsetMs,
  toleranceMs: 5_000,
  stepsTo: (entity) =>
    new Map([
      ['north-1', 0],
      ['north', 1],
    ]).get(entity),
};
const change = (secondsBefore: number, entity = 'north-1'): Change => ({
  atMs: onsetMs - secondsBefore * 1_000,
  entity,
  text: `change ${secondsBefore}`,
});
const found = (changes: readonly Change[]) => suspectChanges(changes, scene).map(({ sentence }) => sentence);

describe('the changes witness', () => {
  test('suspects the change that came closest before, and the nearer entity', () => {
    expect(found([change(600), change(12), change(12, 'north'), change(30)])).toEqual([
      'change 12 on north-1, 12 s before it began',
      'change 30 on north-1, 30 s before it began',
      'change 12 on north, 12 s before it began',
      'change 600 on north-1, 10 min before it began',
    ]);
  });

  test('suspects nothing that came after, long before, elsewhere or at no time', () => {
    expect(found([change(-60), change(7_200), change(5, 'south-1'), change(Number.NaN)])).toEqual([]);
  });

  test('allows for an onset that is not known to the second', () => {
    expect(found([change(-4)])).toEqual(['change -4 on north-1, as it began']);
  });

  test('weighs between 0 and 1, falling with age', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_800 }), fc.integer({ min: 0, max: 1_800 }), (a, b) => {
        const [first, second] = suspectChanges([change(a), change(b)], scene);
        expect(first?.weight).toBeLessThanOrEqual(1);
        expect(second?.weight).toBeGreaterThan(0);
        expect(first?.change.atMs).toBe(onsetMs - Math.min(a, b) * 1_000);
      }),
    );
  });
});
