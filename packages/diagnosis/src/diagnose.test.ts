import { describe, expect, test } from 'vitest';
import { diagnose } from './diagnose.ts';
import { incidentsOf } from './learn.ts';
import { confirmIncidents, emptyKnowledge } from './profile/knowledge.ts';
import { learnProfiles } from './profile/witness.ts';
import { madeUpCase, madeUpCases, madeUpCauses, madeUpWindow } from './testing.ts';

const witnessOf = (cases: ReturnType<typeof madeUpCases>) =>
  learnProfiles(
    confirmIncidents(
      emptyKnowledge,
      cases.flatMap((one) => incidentsOf(one)),
    ),
  );

const witness = witnessOf(madeUpCases(4));
const normal = [0, 1, 2, 3].map((seed) => madeUpCase({ id: `normal-${seed}`, causes: [], seed: 700 + seed }));

describe('a diagnosis', () => {
  test.each(madeUpCauses)('names %s first, with its stretch and with what shows it', (cause) => {
    const { window, causes, unknown } = diagnose(madeUpWindow({ causes: [cause], seed: 991 }), witness);
    expect(causes[0]).toMatchObject({ cause });
    expect(causes[0]?.confidence).toBeGreaterThan(0.7);
    expect(unknown).toBeLessThan(0.5);
    expect(window?.start).toBeGreaterThanOrEqual(48);
    expect(causes[0]?.evidence.length).toBeGreaterThan(0);
  });

  test('shows predicates that hold inside and not outside', () => {
    const { causes } = diagnose(madeUpWindow({ causes: ['lock chain'], seed: 991 }), witness);
    expect(causes[0]?.evidence.join('; ')).toMatch(/lock_waits above (8[6-9]|9[0-3])[.\d]* \(otherwise about 8[45]/);
  });

  test('says of causes that look alike what speaks against them', () => {
    const { ruledOut } = diagnose(madeUpWindow({ causes: ['lock chain'], seed: 991 }), witness);
    expect(ruledOut.length).toBeGreaterThan(0);
    expect(ruledOut.join('; ')).toMatch(/(cpu hog|disk slow): \w+ stayed at about/);
  });

  test('has two causes at work together before the third', () => {
    const { causes } = diagnose(madeUpWindow({ causes: ['cpu hog', 'disk slow'], seed: 5 }), witness);
    expect(new Set(causes.slice(0, 2).map(({ cause }) => cause))).toEqual(new Set(['cpu hog', 'disk slow']));
  });

  test('finds a cause that was never learned unknown', () => {
    const without = witnessOf(madeUpCases(4).filter(({ causes }) => !causes.includes('lock chain')));
    const strange = diagnose(madeUpWindow({ causes: ['lock chain'], seed: 77 }), without);
    const known = diagnose(madeUpWindow({ causes: ['cpu hog'], seed: 77 }), without);
    expect(strange.unknown).toBeGreaterThan(0.8);
    expect(known.unknown).toBeLessThan(0.2);
  });

  test.each([
    ['has not been learned', witness],
    ['has been learned', witnessOf([...madeUpCases(4), ...normal])],
  ])('of normal operation has no cause and no stretch, when normal %s', (_, judge) => {
    for (let seed = 0; seed < 20; seed += 1)
      expect(diagnose(madeUpWindow({ causes: [], seed }), judge)).toMatchObject({ window: null, causes: [] });
  });

  test('of what was wrong all along compares its levels with normal ones', () => {
    const whole = { start: 0, end: 120 };
    const long = [0, 1, 2, 3].map((seed) => {
      const one = madeUpCase({ id: `long-${seed}`, causes: ['lock chain'], seed: 800 + seed, stretch: whole });
      return { ...one, abnormal: undefined };
    });
    const judge = witnessOf([...long, ...normal]);
    const found = diagnose(madeUpWindow({ causes: ['lock chain'], seed: 12, stretch: whole }), judge);
    expect(found).toMatchObject({ window: whole, causes: [{ cause: 'lock chain' }] });
    expect(diagnose(madeUpWindow({ causes: [], seed: 13 }), judge).window).toBeNull();
  });

  test('without knowledge still finds where it is, and calls it unknown', () => {
    const found = diagnose(madeUpWindow({ causes: ['cpu hog'], seed: 3 }), learnProfiles(emptyKnowledge));
    expect(found).toMatchObject({ causes: [], unknown: 1 });
    expect(found.window).not.toBeNull();
  });

  test('tells what it was told as a stretch, without looking for one', () => {
    const stretch = { start: 10, end: 30 };
    const window = madeUpWindow({ causes: ['disk slow'], seed: 6, stretch });
    expect(diagnose(window, witness, { stretch })).toMatchObject({ window: stretch });
    expect(diagnose(window, witness, { stretch }).causes[0]?.cause).toBe('disk slow');
  });
});
