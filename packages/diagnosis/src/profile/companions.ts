/**
 * Several causes at once: with the first cause settled, its companions are those whose known incidents, laid over those of
 * the first, come nearest to what is seen. Two causes that push a signal the same way show the stronger push (they
 * saturate the same resource); two that push it apart show the sum.
 */
import { distanceOf } from './distance.ts';

export type RankedCause = { readonly cause: string /** 0 to 1. */; readonly confidence: number };

export type Known = { readonly causes: readonly string[]; readonly row: Float64Array };

export type CompanionFinder = (row: Float64Array, ranked: readonly RankedCause[]) => readonly RankedCause[];

/** So many incidents stand for each cause: pairs are their product. */
const incidentsEach = 6;
/** A cause that the forests hold this likely keeps its place, whatever it leaves unexplained. */
const likely = 0.2;

/** @param known incidents as rows of shifts; only those of a single cause can be laid over one another */
export const findCompanionsAmong = (known: readonly Known[]): CompanionFinder => {
  const byCause = Map.groupBy(
    known.filter(({ causes }) => causes.length === 1),
    ({ causes }) => causes[0] ?? '',
  );
  const samples = new Map([...byCause].map(([cause, members]) => [cause, evenly(members).map(({ row }) => row)]));
  return (row, ranked) => {
    const [first, ...others] = ranked;
    const own = first === undefined ? undefined : samples.get(first.cause);
    if (first === undefined || own === undefined || first.confidence === 0) return ranked;
    const alone = Math.min(...own.map((each) => distanceOf(row, each)));
    const placed = others.map((each) => {
      const together = nearestJoined(row, own, samples.get(each.cause) ?? []);
      const gained = alone === 0 ? 0 : Math.max(0, 1 - together / alone);
      return {
        cause: each.cause,
        share: each.confidence,
        together,
        confidence: Math.max(each.confidence, gained * first.confidence),
      };
    });
    placed.sort((a, b) => keptShare(b) - keptShare(a) || a.together - b.together || b.share - a.share);
    return [first, ...falling(placed, first.confidence)];
  };
};

const keptShare = ({ share }: { readonly share: number }): number => (share >= likely ? share : 0);

/** Confidence never rises down the list: the order says more than either measure alone. */
const falling = (placed: readonly RankedCause[], most: number): readonly RankedCause[] => {
  let limit = most;
  return placed.map(({ cause, confidence }) => {
    limit = Math.min(limit, confidence);
    return { cause, confidence: limit };
  });
};

const evenly = <T>(members: readonly T[]): readonly T[] => {
  const step = Math.max(1, members.length / incidentsEach);
  return members
    .filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
    .slice(0, incidentsEach);
};

const nearestJoined = (
  row: Float64Array,
  firsts: readonly Float64Array[],
  seconds: readonly Float64Array[],
): number => {
  let nearest = Number.POSITIVE_INFINITY;
  const joined = new Float64Array(row.length);
  for (const first of firsts)
    for (const second of seconds) {
      for (let place = 0; place < row.length; place += 1) joined[place] = join(first[place] ?? 0, second[place] ?? 0);
      nearest = Math.min(nearest, distanceOf(row, joined));
    }
  return nearest;
};

const join = (a: number, b: number): number => {
  if (a * b <= 0) return a + b;
  return Math.abs(a) > Math.abs(b) ? a : b;
};
