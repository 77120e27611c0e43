import { describe, expect, test } from 'vitest';
import { madeUpCase, madeUpCases } from '../testing.ts';
import {
  type Answer,
  abnormalF1,
  areaUnderCurve,
  calibrationError,
  compound,
  firstRight,
  otherMachines,
  prepare,
  reliability,
  rotations,
  scoreOf,
  unseenCause,
  windowFound,
} from './protocols.ts';

const cases = prepare(madeUpCases(3));

const answer = (causes: readonly string[], said: readonly (readonly [string, number])[]): Answer => ({
  one: madeUpCase({ id: 'x', causes, seed: 1 }),
  diagnosis: {
    window: said.length === 0 ? null : { start: 50, end: 70 },
    causes: said.map(([cause, confidence]) => ({ cause, confidence, evidence: [] })),
    unknown: 0,
    ruledOut: [],
  },
});

describe('the protocols', () => {
  test('never ask about a case that was learned, and about every other one', () => {
    expect(rotations(cases, 2, true)).toHaveLength(9);
    const asked = rotations(cases, 1, true).map(({ one }) => one.id);
    expect(asked).toHaveLength(18);
    expect(new Set(asked).size).toBe(9);
  });

  test('find made-up causes with one example and without the window', () => {
    const answers = rotations(cases, 1, false);
    expect(firstRight(answers)).toMatchObject({ right: 18, of: 18 });
    expect(windowFound(answers)).toMatchObject({ right: 18, of: 18 });
  });

  test('count the true causes among the first three', () => {
    const both = prepare([madeUpCase({ id: 'both', causes: ['cpu hog', 'disk slow'], seed: 4 })]);
    expect(compound(cases, both)).toMatchObject({ right: 2, of: 2 });
  });

  test('tell a cause left out from those that were learned', () => {
    expect([...unseenCause(cases).values()].every((area) => area > 0.9)).toBe(true);
  });

  test('learn on other machines than they ask about', () => {
    const machines = otherMachines(prepare([...madeUpCases(3, 'a'), ...madeUpCases(3, 'bb')]), true);
    expect([...machines].map(([machine, answers]) => [machine, firstRight(answers).right])).toEqual([
      ['a', 9],
      ['bb', 9],
    ]);
  });
});

describe('the scores', () => {
  test('count by class', () => {
    const score = scoreOf([
      { name: 'a', right: 1, of: 1 },
      { name: 'a', right: 0, of: 1 },
      { name: 'b', right: 2, of: 2 },
    ]);
    expect(score).toMatchObject({ right: 3, of: 4 });
    expect(score.classes.get('a')).toEqual({ right: 1, of: 2 });
  });

  test('call an answer right only if its first cause is true, or if nothing was wrong and nothing was said', () => {
    const answers = [
      answer(['a'], [['a', 1]]),
      answer(
        ['a'],
        [
          ['b', 0.6],
          ['a', 0.4],
        ],
      ),
      answer([], []),
      answer([], [['a', 1]]),
    ];
    expect(firstRight(answers)).toMatchObject({ right: 2, of: 4 });
    expect(abnormalF1(answers)).toBeCloseTo(0.8);
  });

  test('call a window found only above half an overlap', () => {
    expect(windowFound([answer(['a'], [['a', 1]])])).toMatchObject({ right: 1, of: 1 });
    expect(windowFound([answer(['a'], [])])).toMatchObject({ right: 0, of: 1 });
  });

  test('take the area under the curve by pairs', () => {
    expect(areaUnderCurve([0.9, 0.8], [0.1, 0.8])).toBe(0.875);
    expect(areaUnderCurve([0], [1])).toBe(0);
  });

  test('compare confidence with the share that is right', () => {
    const bins = reliability([
      answer(['a'], [['a', 0.95]]),
      answer(['a'], [['b', 0.95]]),
      answer(['a'], [['a', 0.45]]),
    ]);
    expect(bins.map(({ cases: count, right }) => [count, right])).toEqual([
      [1, 1],
      [2, 0.5],
    ]);
    expect(calibrationError(bins)).toBeCloseTo((0.55 + 2 * 0.45) / 3);
  });
});
