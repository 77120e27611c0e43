/**
 * How well diagnosis does on labelled cases, by protocols that never test on what was learned: leave out cases of each
 * cause, leave out a cause, leave out a machine. Everything is judged class by class, because a mean hides the class
 * that never works. Pure: cases in, scores out.
 */
import { assert } from '@coequal/kernel';
import type { LabelledCase } from '../cases.ts';
import { type Diagnosis, diagnose } from '../diagnose.ts';
import { incidentsOf } from '../learn.ts';
import { confirmIncidents, emptyKnowledge, type Incident, setName } from '../profile/knowledge.ts';
import { learnProfiles, type ProfileWitness } from '../profile/witness.ts';
import type { Stretch } from '../window.ts';

/** Of each class: how many were tried and how many were right (in compound cases, true causes found). */
export type Score = { readonly right: number; readonly of: number; readonly classes: ReadonlyMap<string, Tally> };
export type Tally = { readonly right: number; readonly of: number };

type Judged = { readonly name: string; readonly right: number; readonly of: number };

export const scoreOf = (judged: readonly Judged[]): Score => {
  const classes = new Map<string, Tally>();
  for (const { name, right, of } of judged) {
    const before = classes.get(name) ?? { right: 0, of: 0 };
    classes.set(name, { right: before.right + right, of: before.of + of });
  }
  const sum = (pick: (tally: Judged) => number): number => judged.reduce((total, each) => total + pick(each), 0);
  return { right: sum(({ right }) => right), of: sum(({ of }) => of), classes };
};

/** The class that does worst. */
export const worstOf = ({ classes }: Score): { readonly name: string; readonly share: number } =>
  [...classes]
    .map(([name, { right, of }]) => ({ name, share: right / of }))
    .reduce((a, b) => (b.share < a.share ? b : a), {
      name: '',
      share: Number.POSITIVE_INFINITY,
    });

/** Cases with what is learned of each, so that it is taken apart once. */
export type Prepared = { readonly one: LabelledCase; readonly incidents: readonly Incident[] };

export const prepare = (cases: readonly LabelledCase[]): readonly Prepared[] =>
  cases.map((one) => ({ one, incidents: incidentsOf(one) }));

export const learnFrom = (cases: readonly Prepared[]): ProfileWitness =>
  learnProfiles(
    confirmIncidents(
      emptyKnowledge,
      cases.flatMap(({ incidents }) => incidents),
    ),
  );

const diagnosed = ({ one }: Prepared, witness: ProfileWitness, given: boolean): Diagnosis =>
  diagnose(one.window, witness, given ? { stretch: one.abnormal ?? 'whole' } : {});

export type Answer = { readonly one: LabelledCase; readonly diagnosis: Diagnosis };

const answers = (tested: readonly Prepared[], witness: ProfileWitness, given: boolean): readonly Answer[] =>
  tested.map((each) => ({ one: each.one, diagnosis: diagnosed(each, witness, given) }));

/**
 * Single causes: each rotation learns `examples` cases of every cause and is asked about the others. Rotations move the
 * choice round by one case, so that every case is learned equally often.
 */
export const rotations = (cases: readonly Prepared[], examples: number, given: boolean): readonly Answer[] => {
  const byCause = [...Map.groupBy(cases, ({ one }) => setName(one.causes)).values()];
  const turns = Math.max(...byCause.map((members) => members.length));
  return Array.from({ length: turns }, (_, turn) => {
    const learned = new Set(
      byCause.flatMap((members) =>
        Array.from({ length: examples }, (_, index) => members[(turn + index) % members.length]),
      ),
    );
    return answers(
      cases.filter((each) => !learned.has(each)),
      learnFrom(cases.filter((each) => learned.has(each))),
      given,
    );
  }).flat();
};

/** Whether the first cause is the true one; of a normal case, whether nothing was found. */
export const firstRight = (given: readonly Answer[]): Score =>
  scoreOf(
    given.map(({ one, diagnosis }) => {
      const first = diagnosis.causes[0]?.cause;
      const right = one.causes.length === 0 ? first === undefined : first !== undefined && one.causes.includes(first);
      return { name: setName(one.causes) || 'normal', right: right ? 1 : 0, of: 1 };
    }),
  );

/** Whether the stretch that was found overlaps the true one by more than half (intersection over union of rows). */
export const windowFound = (given: readonly Answer[]): Score =>
  scoreOf(
    given.flatMap(({ one, diagnosis }) => {
      if (one.abnormal === undefined) return [];
      return { name: setName(one.causes), right: overlap(diagnosis.window, one) > 0.5 ? 1 : 0, of: 1 };
    }),
  );

const overlap = (found: Stretch | null, { abnormal, abnormalRows }: LabelledCase): number => {
  if (found === null || abnormal === undefined) return 0;
  const rows =
    abnormalRows.length > 0
      ? abnormalRows
      : Array.from({ length: abnormal.end - abnormal.start }, (_, index) => abnormal.start + index);
  const common = rows.filter((row) => row >= found.start && row < found.end).length;
  return common / (rows.length + found.end - found.start - common);
};

/** Compound cases: the true causes that are among the first three, learned from single ones. */
export const compound = (singles: readonly Prepared[], compounds: readonly Prepared[]): Score =>
  scoreOf(
    answers(compounds, learnFrom(singles), true).map(({ one, diagnosis }) => {
      const firstThree = diagnosis.causes.slice(0, 3).map(({ cause }) => cause);
      return {
        name: setName(one.causes),
        right: one.causes.filter((cause) => firstThree.includes(cause)).length,
        of: one.causes.length,
      };
    }),
  );

/**
 * A cause never seen, for each cause: learned from the other causes with one case of each kept back, asked about the cases
 * of the cause left out and about those kept back. The area under the curve of `unknown`.
 */
export const unseenCause = (cases: readonly Prepared[]): ReadonlyMap<string, number> => {
  const byCause = Map.groupBy(cases, ({ one }) => setName(one.causes));
  const turns = Math.max(...[...byCause.values()].map((members) => members.length));
  return new Map(
    [...byCause].map(([left, strangers]) => {
      const [strange, known]: [number[], number[]] = [[], []];
      for (let turn = 0; turn < turns; turn += 1) {
        const others = [...byCause].filter(([name]) => name !== left).map(([, members]) => members);
        const kept = new Set(others.map((members) => members[turn % members.length]));
        const witness = learnFrom(others.flat().filter((each) => !kept.has(each)));
        const ask = (each: Prepared): number => diagnosed(each, witness, true).unknown;
        strange.push(...strangers.map(ask));
        known.push(
          ...others
            .flat()
            .filter((each) => kept.has(each))
            .map(ask),
        );
      }
      return [left, areaUnderCurve(strange, known)];
    }),
  );
};

/** The share of pairs in which the positive one has the higher score; ties count half. */
export const areaUnderCurve = (positives: readonly number[], negatives: readonly number[]): number => {
  assert(positives.length > 0 && negatives.length > 0, 'a curve needs both kinds');
  let won = 0;
  for (const positive of positives)
    for (const negative of negatives) won += positive > negative ? 1 : positive === negative ? 0.5 : 0;
  return won / (positives.length * negatives.length);
};

/** Leave one machine out, for each machine: learned on the others, asked about its own. */
export const otherMachines = (cases: readonly Prepared[], given: boolean): ReadonlyMap<string, readonly Answer[]> => {
  const machines = Map.groupBy(cases, ({ one }) => one.machine ?? '');
  return new Map(
    [...machines].map(([machine, own]) => {
      const witness = learnFrom(cases.filter(({ one }) => (one.machine ?? '') !== machine));
      return [machine, answers(own, witness, given)];
    }),
  );
};

/** F1 of "something is wrong". */
export const abnormalF1 = (given: readonly Answer[]): number => {
  const count = (wrong: boolean, said: boolean): number =>
    given.filter(({ one, diagnosis }) => one.causes.length > 0 === wrong && diagnosis.causes.length > 0 === said)
      .length;
  const found = count(true, true);
  return (2 * found) / (2 * found + count(false, true) + count(true, false));
};

export type Bin = {
  readonly from: number;
  readonly to: number;
  readonly cases: number;
  readonly confidence: number;
  readonly right: number;
};

/** A reliability diagram: of the answers whose confidence lies in a tenth, how many were right. Empty tenths are left out. */
export const reliability = (given: readonly Answer[]): readonly Bin[] => {
  const first = given.flatMap(({ one, diagnosis }) => {
    const best = diagnosis.causes[0];
    return best === undefined ? [] : [{ confidence: best.confidence, right: one.causes.includes(best.cause) }];
  });
  return Array.from({ length: 10 }, (_, tenth) => {
    const own = first.filter(({ confidence }) => Math.min(9, Math.floor(confidence * 10)) === tenth);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      from: tenth / 10,
      to: (tenth + 1) / 10,
      cases: own.length,
      confidence: mean(own.map(({ confidence }) => confidence)),
      right: mean(own.map(({ right }) => (right ? 1 : 0))),
    };
  }).filter(({ cases }) => cases > 0);
};

/** Expected calibration error: by how much confidence misses the share that is right, on average. */
export const calibrationError = (bins: readonly Bin[]): number => {
  const all = bins.reduce((sum, { cases }) => sum + cases, 0);
  return bins.reduce((sum, { cases, confidence, right }) => sum + (cases / all) * Math.abs(confidence - right), 0);
};
