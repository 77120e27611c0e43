/**
 * Weights from incidents whose cause a person or an experiment has confirmed. What each witness said of each suspected cause is kept in an
 * incident's diagnosis; a logistic regression moves the weights of the witnesses towards what turned out right, held back by a prior so
 * that few incidents move little, and Platt's scaling makes confidence say how often it is right.
 */
import type { RankedCause } from '@coequal/contract';
import type { WitnessName } from './finding.ts';
import type { Weights } from './weights.ts';

/** What was suspected of one incident, the likeliest first, and which of it was right: of two faults at once two are. */
export type Confirmed = readonly (RankedCause & { readonly right: boolean })[];

/** A person confirms a name: the first suspect of that name is right, a second one is at another place. */
export const confirmedAs = (causes: readonly RankedCause[], cause: string): Confirmed => {
  const first = causes.findIndex((each) => each.cause === cause);
  return causes.map((each, place) => ({ ...each, right: place === first }));
};

/** Confidence against the share that was right, of incidents that were left out while learning. */
export type ReliabilityBin = { readonly cases: number; readonly confidence: number; readonly right: number };

export type LearnedWeights = {
  readonly weights: Weights;
  /** Mean of (confidence − right)² before and after, over incidents left out. */
  readonly brierBefore: number;
  readonly brierAfter: number;
  readonly reliability: readonly ReliabilityBin[];
};

const witnesses: readonly WitnessName[] = ['structure', 'detail', 'changes', 'profile'];

/** One suspected cause of one incident: what was known, and whether it was right. */
type Row = {
  readonly incident: number;
  readonly said: readonly number[];
  /** Log odds of the confidence it was told with. */
  readonly told: number;
  readonly right: 0 | 1;
};

/** `steps` are added to the weights; then log odds are `slope` times as steep, and moved by `offset`. */
type Fit = { readonly steps: readonly number[]; readonly slope: number; readonly offset: number };

const unlearned: Fit = { steps: witnesses.map(() => 0), slope: 1, offset: 0 };
/** As if so many suspects had spoken for the weights as they were. */
const prior = 4;
const rounds = 400;
const stepSize = 0.5;
const folds = 5;

/** @returns undefined: no incident has suspects */
export const learnWeights = (confirmed: readonly Confirmed[], before: Weights): LearnedWeights | undefined => {
  const rows = confirmed.flatMap(rowsOf);
  const known = new Set(rows.map(({ incident }) => incident)).size;
  if (known === 0) return undefined;
  const judged = Array.from({ length: folds }, (_, fold) => {
    const fit = fitOf(rows.filter(({ incident }) => incident % folds !== fold));
    return rows
      .filter(({ incident }) => incident % folds === fold)
      .map((row) => ({ before: logistic(row.told), after: confidenceOf(fit, row), right: row.right }));
  }).flat();
  const brier = (pick: (one: (typeof judged)[number]) => number): number =>
    judged.reduce((sum, one) => sum + (pick(one) - one.right) ** 2, 0) / judged.length;
  const { steps, slope, offset } = fitOf(rows);
  const { confidence } = before;
  const moved = (witness: WitnessName): number =>
    rounded(Math.max(0, before[witness] + (steps[witnesses.indexOf(witness)] ?? 0) / confidence.slope));
  return {
    weights: {
      ...before,
      structure: moved('structure'),
      detail: moved('detail'),
      changes: moved('changes'),
      profile: moved('profile'),
      confidence: {
        slope: rounded(confidence.slope * slope),
        margin: rounded(confidence.margin * slope),
        offset: rounded(confidence.offset * slope + offset),
      },
      incidents: before.incidents + known,
    },
    brierBefore: brier((one) => one.before),
    brierAfter: brier((one) => one.after),
    reliability: reliabilityOf(judged.map(({ after, right }) => ({ confidence: after, right }))),
  };
};

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
const logistic = (value: number): number => 1 / (1 + Math.exp(-value));

const rowsOf = (suspects: Confirmed, incident: number): readonly Row[] =>
  suspects.map(({ confidence, right, witnesses: told }) => {
    const odds = Math.min(0.999, Math.max(0.001, confidence));
    return {
      incident,
      said: witnesses.map((name) => told.find(({ witness }) => witness === name)?.weight ?? 0),
      told: Math.log(odds / (1 - odds)),
      right: right ? 1 : 0,
    };
  });

const confidenceOf = ({ steps, slope, offset }: Fit, { said, told }: Row): number =>
  logistic(slope * (told + said.reduce((sum, each, index) => sum + each * (steps[index] ?? 0), 0)) + offset);

/** Gradient descent on the log loss with a quadratic pull to what was; the few numbers need nothing better. */
const fitOf = (rows: readonly Row[]): Fit => {
  let fit = unlearned;
  for (let round = 0; round < rounds; round += 1) {
    const gradient = {
      steps: fit.steps.map((step) => prior * step),
      slope: prior * (fit.slope - 1),
      offset: prior * fit.offset,
    };
    for (const row of rows) {
      const error = confidenceOf(fit, row) - row.right;
      const inner = row.told + row.said.reduce((sum, each, index) => sum + each * (fit.steps[index] ?? 0), 0);
      for (const [index, each] of row.said.entries())
        gradient.steps[index] = (gradient.steps[index] ?? 0) + error * fit.slope * each;
      gradient.slope += error * inner;
      gradient.offset += error;
    }
    const rate = stepSize / (prior + rows.length);
    fit = {
      steps: fit.steps.map((step, index) => step - rate * (gradient.steps[index] ?? 0)),
      slope: Math.max(0.1, fit.slope - rate * gradient.slope),
      offset: fit.offset - rate * gradient.offset,
    };
  }
  return fit;
};

const bins = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1];

export const reliabilityOf = (
  judged: readonly { readonly confidence: number; readonly right: number }[],
): readonly ReliabilityBin[] =>
  bins.slice(1).flatMap((upper, index) => {
    const lower = bins[index] ?? 0;
    const own = judged.filter(({ confidence }) => confidence >= lower && (confidence < upper || upper === 1));
    if (own.length === 0) return [];
    const mean = (pick: (one: (typeof own)[number]) => number): number =>
      own.reduce((sum, one) => sum + pick(one), 0) / own.length;
    return [{ cases: own.length, confidence: mean(({ confidence }) => confidence), right: mean(({ right }) => right) }];
  });
