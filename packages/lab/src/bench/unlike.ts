/**
 * What the detector of hosts that are unlike themselves says over healthy operation that others recorded: the normal stretches of labelled
 * cases, strung together in an order of its own, a moment every five seconds as the platform looks. What was never seen is a false word.
 */
import { makeUnlikeDetector, type Prepared } from '@coequal/diagnosis';
import { seededRandom } from '@coequal/kernel';
import { figureOf } from './figures.ts';
import type { BenchTools } from './tools.ts';

const momentRows = 5;
const every = 4;
/** Rows beside an abnormal stretch, in which it may be felt already or still. */
const margin = 8;
/** Moments until it knows the system; before that it says little. */
const learning = 1_200;
const rounds = 2;
/** The score from which the platform tells it, and that from which it may open an incident. */
const [unlike, doubtless] = [2, 4];

export const benchUnlike = (cases: readonly Prepared[], { figure }: BenchTools): void => {
  const random = seededRandom(7);
  const detector = makeUnlikeDetector({ signals: 200, every });
  const scores: number[] = [];
  let moments = 0;
  for (let round = 0; round < rounds; round += 1) {
    const order = cases.map((one) => ({ one, at: random.next() })).sort((a, b) => a.at - b.at);
    for (const { one } of order)
      for (const moment of healthyMoments(one)) {
        const score = detector.observe(moment)?.score;
        moments += 1;
        if (score !== undefined && moments > learning) scores.push(score);
      }
  }
  const above = (least: number): number => scores.filter((score) => score >= least).length;
  const hours = Math.round((scores.length * momentRows) / 360) / 10;
  const highest = Math.round((Math.max(...scores) / unlike) * 1_000) / 10;
  const note = `of the score that is told; ${hours} h of normal rows of cases in a mixed order`;
  figure(
    figureOf({
      ...{ name: 'diagnosis/unlike/healthy/highest-score', unit: '%', values: [highest], bar: 100, note },
      detail: { moments: scores.length, told: above(unlike), beyond_doubt: above(doubtless) },
    }),
  );
};

/** Means of five rows, none of them near an abnormal one. The first column is a clock. */
const healthyMoments = ({ one }: Prepared): readonly ReadonlyMap<string, number>[] => {
  const { abnormal, abnormalRows, window } = one;
  const wrong = new Set(abnormalRows);
  for (let row = abnormal?.start ?? 0; row < (abnormal?.end ?? 0); row += 1) wrong.add(row);
  const starts = Array.from({ length: Math.floor(window.length / momentRows) }, (_, index) => index * momentRows);
  const isHealthy = (start: number): boolean => {
    for (let row = start - margin; row < start + momentRows + margin; row += 1) if (wrong.has(row)) return false;
    return true;
  };
  return starts.filter(isHealthy).map(
    (start) =>
      new Map(
        window.signals.slice(1).map(({ name, values }) => {
          const known = [...values.subarray(start, start + momentRows)].filter((value) => Number.isFinite(value));
          return [name, known.reduce((sum, value) => sum + value, 0) / known.length];
        }),
      ),
  );
};
