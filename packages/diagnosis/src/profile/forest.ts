/**
 * Extremely randomised trees (Geurts, Ernst, Wehenkel, *Machine Learning* 63, 2006): every split takes the best of a few
 * features at random thresholds. Few examples suffice, no scale needs tuning, and the same seed grows the same trees.
 */
import { type Random, seededRandom } from '@coequal/kernel';

type Leaf = { readonly shares: Float64Array };
type Branch = { readonly feature: number; readonly threshold: number; readonly low: Tree; readonly high: Tree };
type Tree = Leaf | Branch;

export type Forest = { readonly trees: readonly Tree[]; readonly classes: number };

export type Examples = {
  /** One row an example, all of one length. */
  readonly features: readonly Float64Array[];
  /** The class of each example, from 0. */
  readonly classes: Int32Array;
  readonly classCount: number;
};

export type ForestOptions = { readonly trees: number; readonly seed: number };

/** Classes weigh the same however many examples they have. */
export const growForest = (examples: Examples, { trees, seed }: ForestOptions): Forest => {
  const random = seededRandom(seed);
  const sizes = new Float64Array(examples.classCount);
  for (const each of examples.classes) sizes[each] = (sizes[each] ?? 0) + 1;
  const grower: Grower = {
    ...examples,
    random,
    weights: sizes.map((size) => (size === 0 ? 0 : 1 / size)),
    tried: Math.max(8, Math.round(Math.sqrt(examples.features[0]?.length ?? 0))),
  };
  const all = examples.features.map((_, index) => index);
  return { classes: examples.classCount, trees: Array.from({ length: trees }, () => grow(grower, all)) };
};

/** Shares of the classes, which add up to 1. */
export const askForest = ({ trees, classes }: Forest, features: Float64Array): Float64Array => {
  const shares = new Float64Array(classes);
  for (const tree of trees) {
    let at = tree;
    while ('feature' in at) at = (features[at.feature] ?? 0) <= at.threshold ? at.low : at.high;
    for (let each = 0; each < classes; each += 1)
      shares[each] = (shares[each] ?? 0) + (at.shares[each] ?? 0) / trees.length;
  }
  return shares;
};

type Grower = Examples & { readonly random: Random; readonly weights: Float64Array; readonly tried: number };

const grow = (grower: Grower, members: readonly number[]): Tree => {
  const first = grower.classes[members[0] ?? 0];
  if (members.every((member) => grower.classes[member] === first)) return leafOf(grower, members);
  const split = bestSplit(grower, members);
  if (split === undefined) return leafOf(grower, members);
  const isLow = (member: number): boolean => (grower.features[member]?.[split.feature] ?? 0) <= split.threshold;
  const low = members.filter(isLow);
  const high = members.filter((member) => !isLow(member));
  return { ...split, low: grow(grower, low), high: grow(grower, high) };
};

const leafOf = ({ classes, classCount, weights }: Grower, members: readonly number[]): Leaf => {
  const shares = new Float64Array(classCount);
  let total = 0;
  for (const member of members) {
    const own = classes[member] ?? 0;
    const weight = weights[own] ?? 0;
    shares[own] = (shares[own] ?? 0) + weight;
    total += weight;
  }
  return { shares: shares.map((share) => share / total) };
};

/** Features that do not vary among the members do not count as tried. Undefined: none varies. */
const bestSplit = (grower: Grower, members: readonly number[]) => {
  const width = grower.features[0]?.length ?? 0;
  let best: { readonly feature: number; readonly threshold: number } | undefined;
  let bestPurity = -1;
  let tried = 0;
  for (let attempt = 0; attempt < width && tried < grower.tried; attempt += 1) {
    const feature = grower.random.below(width);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const member of members) {
      const value = grower.features[member]?.[feature] ?? 0;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (high - low < 1e-9) continue;
    tried += 1;
    const threshold = low + (high - low) * grower.random.next();
    const purity = purityOf(grower, members, feature, threshold);
    if (purity > bestPurity) {
      bestPurity = purity;
      best = { feature, threshold };
    }
  }
  return best;
};

/** Gini: the sum over both sides of the squared weights of the classes, by the weight of the side. */
const purityOf = (grower: Grower, members: readonly number[], feature: number, threshold: number): number => {
  const { classCount, classes, features, weights } = grower;
  const low = new Float64Array(classCount);
  const high = new Float64Array(classCount);
  for (const member of members) {
    const own = classes[member] ?? 0;
    const side = (features[member]?.[feature] ?? 0) <= threshold ? low : high;
    side[own] = (side[own] ?? 0) + (weights[own] ?? 0);
  }
  const [ofLow, ofHigh] = [squares(low), squares(high)];
  return ofLow < 0 || ofHigh < 0 ? -1 : ofLow + ofHigh;
};

/** −1 of an empty side: such a threshold splits nothing. */
const squares = (side: Float64Array): number => {
  let total = 0;
  let sum = 0;
  for (const weight of side) {
    total += weight;
    sum += weight * weight;
  }
  return total === 0 ? -1 : sum / total;
};
