import { seededRandom } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type Confirmed, confirmedAs, learnWeights } from './learn-weights.ts';
import { formatWeights, parseWeights, usualWeights } from './weights.ts';

/** Incidents in which what the detail witness says is right, and what the changes witness says is chance. */
const confirmed = (count: number): readonly Confirmed[] => {
  const random = seededRandom(1);
  return Array.from({ length: count }, () => {
    const suspect = (cause: string, detail: number, changes: number) => ({
      cause,
      place: {},
      confidence: 0.5,
      sinceMs: 0,
      evidence: [],
      witnesses: [
        { witness: 'detail' as const, weight: detail, text: '' },
        { witness: 'changes' as const, weight: changes, text: '' },
      ],
    });
    const causes = [suspect('slow disk', 0.9, random.next()), suspect('setting changed', 0.1, random.next())];
    return confirmedAs(causes, random.next() < 0.9 ? 'slow disk' : 'load spike');
  });
};

describe('weights', () => {
  test('move towards the witness that was right, and make confidence say how often', () => {
    const learned = learnWeights(confirmed(100), usualWeights);
    expect(learned?.weights.detail).toBeGreaterThan(usualWeights.detail + 0.5);
    expect(learned?.weights.changes).toBeLessThan(usualWeights.changes + 0.3);
    expect(learned?.brierAfter).toBeLessThan((learned?.brierBefore ?? 0) / 2);
    for (const { confidence, right } of learned?.reliability ?? [])
      expect(Math.abs(confidence - right)).toBeLessThan(0.2);
    expect(learned?.weights.incidents).toBe(100);
  });

  test('move little for one incident, and not at all for none', () => {
    const one = learnWeights(confirmed(1), usualWeights)?.weights;
    expect(Math.abs((one?.detail ?? 0) - usualWeights.detail)).toBeLessThan(0.3);
    expect(learnWeights([], usualWeights)).toBeUndefined();
  });

  test('are a file that can be read', () => {
    expect(parseWeights(formatWeights(usualWeights), 'w.json')).toEqual(usualWeights);
  });

  test.each([
    ['nothing', '', /it is not JSON/],
    ['another format', '{"format":"x"}', /its format is not coequal-weights\/1/],
    ['a text for a number', formatWeights(usualWeights).replace('-2.2', '"much"'), /bias is not a number/],
    ['a number too large', formatWeights(usualWeights).replace('-2.2', '1e999'), /bias is not a number/],
    ['an unknown cause', formatWeights(usualWeights).replace('"backup"', '"bad luck"'), /there is no cause bad luck/],
  ])('refuse %s', (_, text, reason) => {
    expect(() => parseWeights(text, 'w.json')).toThrow(reason);
  });
});
