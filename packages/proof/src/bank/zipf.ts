/**
 * Ranks drawn by Zipf's law: rank k (0-based) has a probability proportional to 1/(k+1)^skew. Exact, by
 * inversion of the cumulative distribution; costs eight bytes a rank once and a binary search a draw.
 */
import type { Random } from '@coequal/kernel';

export const zipf = (ranks: number, skew: number): ((random: Random) => number) => {
  if (skew === 0) return (random) => random.below(ranks);
  const cumulative = new Float64Array(ranks);
  let total = 0;
  for (let rank = 0; rank < ranks; rank += 1) {
    total += (rank + 1) ** -skew;
    cumulative[rank] = total;
  }
  return (random) => firstAbove(cumulative, random.next() * total);
};

/** Index of the first value greater than `mark`. `mark` must be below the last value. */
const firstAbove = (values: Float64Array, mark: number): number => {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) > mark) high = middle;
    else low = middle + 1;
  }
  return low;
};
