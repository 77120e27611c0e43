/**
 * Predicates a person can check against a chart: "lock waits above 41 (before at most 3)". A predicate separates the
 * abnormal stretch from the rest of the window by one threshold in the signal's own unit.
 */
import { momentsOf, quantileOf, robustOf, sortedFinite } from './statistics.ts';
import { type SignalWindow, type Stretch, signalKey } from './window.ts';

export type Predicate = {
  readonly signal: string;
  readonly relation: 'above' | 'below';
  readonly threshold: number;
  /** Share of the abnormal samples for which it holds, and of the others for which it does not. */
  readonly separation: number;
  /** Median inside and outside of the stretch. */
  readonly inside: number;
  readonly outside: number;
};

/** The predicates of some signals, as far as they moved, those that separate best first; of equals, what moved furthest. */
export const predicatesOf = (window: SignalWindow, stretch: Stretch, keys: ReadonlySet<string>): readonly Predicate[] =>
  window.signals
    .filter((signal) => keys.has(signalKey(signal)))
    .flatMap((signal) => predicateOf(signalKey(signal), signal.values, stretch) ?? [])
    .sort((a, b) => b.predicate.separation - a.predicate.separation || b.distance - a.distance)
    .map(({ predicate }) => predicate);

/** Fewer than this share on the right side, and the threshold explains nothing. */
const leastSeparation = 0.75;

const predicateOf = (signal: string, values: Float64Array, { start, end }: Stretch) => {
  const inside = sortedFinite(values.subarray(start, end));
  const outside = sortedFinite(values.filter((_, row) => row < start || row >= end));
  if (inside.length === 0 || outside.length === 0) return undefined;
  const [medianInside, medianOutside] = [quantileOf(inside, 0.5), quantileOf(outside, 0.5)];
  if (medianInside === medianOutside) return undefined;
  const relation = medianInside > medianOutside ? 'above' : 'below';
  const [near, far] = relation === 'above' ? [0.1, 0.9] : [0.9, 0.1];
  const threshold = (quantileOf(inside, near) + quantileOf(outside, far)) / 2;
  const holds = (value: number): boolean => (relation === 'above' ? value > threshold : value < threshold);
  const separation =
    (inside.filter(holds).length / inside.length + 1 - outside.filter(holds).length / outside.length) / 2;
  if (separation < leastSeparation) return undefined;
  const unit = Math.max(
    robustOf(outside).scale,
    momentsOf(outside).deviation * 0.1,
    Math.abs(medianOutside) * 0.01,
    1e-9,
  );
  return {
    predicate: { signal, relation, threshold, separation, inside: medianInside, outside: medianOutside } as const,
    distance: Math.abs(medianInside - medianOutside) / unit,
  };
};

/** Three digits that count: `41`, `0.0125`, `12,300` as `12300`. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

export const predicateText = ({ signal, relation, threshold, outside }: Predicate): string =>
  `${signal} ${relation} ${shortNumber(threshold)} (otherwise about ${shortNumber(outside)})`;
