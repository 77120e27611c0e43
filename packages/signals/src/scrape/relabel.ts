/**
 * What becomes of the points of a source on their way out: they get the labels of the estate. A label that the source has
 * itself and that the estate gives too is kept as `exported_…`, as Prometheus does, so that neither hides the other.
 */
import { type Label, type Labels, labelsOf, type Point, type Sample } from '../sample.ts';

/** The labels of a place and a job, sorted; what is undefined or empty is no label. */
export const estateLabels = (labels: Readonly<Record<string, string | undefined>>): Labels =>
  labelsOf(Object.entries(labels).map(([name, value]): Label => [name, value ?? ''])) ?? [];

/** `own`: sorted, as `estateLabels` makes them. For what is told once; a source that tells again and again has a `Relabeler`. */
export const withLabels = (points: readonly Point[], own: Labels, timeMs: number): Sample[] =>
  points.map(({ name, labels, value }) => ({ name, labels: mergeLabels(labels, own), value, timeMs }));

type Known = { readonly name: string; readonly labels: Labels; readonly merged: Labels };

/**
 * The same for a source that tells nearly the same series each time, in nearly the same order: labels are merged once, and the same series
 * gets the very same list of labels again, by which a `RemoteWriteEncoder` knows it. It keeps what was told last, and no more.
 */
export class Relabeler {
  readonly #own: Labels;
  readonly #known: Known[] = [];

  constructor(own: Labels) {
    this.#own = own;
  }

  points(points: readonly Point[], timeMs: number): Sample[] {
    const samples = points.map(({ name, labels, value }, index) => ({
      name,
      labels: this.#merged(index, name, labels),
      value,
      timeMs,
    }));
    this.#known.length = points.length;
    return samples;
  }

  /** Samples keep their times. */
  samples(samples: readonly Sample[]): Sample[] {
    const relabelled = samples.map(({ name, labels, value, timeMs }, index) => ({
      name,
      labels: this.#merged(index, name, labels),
      value,
      timeMs,
    }));
    this.#known.length = samples.length;
    return relabelled;
  }

  #merged(index: number, name: string, labels: Labels): Labels {
    const known = this.#known[index];
    if (known !== undefined && known.name === name && isSame(known.labels, labels)) return known.merged;
    const merged = mergeLabels(labels, this.#own);
    this.#known[index] = { name, labels, merged };
    return merged;
  }
}

const isSame = (a: Labels, b: Labels): boolean => {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    const [one, other] = [a[index], b[index]];
    if (one?.[1] !== other?.[1] || one?.[0] !== other?.[0]) return false;
  }
  return true;
};

const mergeLabels = (labels: Labels, own: Labels): Labels => {
  if (labels.length === 0) return own;
  const merged: Label[] = [];
  let [left, right] = [0, 0];
  let clash = false;
  // Both are sorted by name.
  while (left < labels.length || right < own.length) {
    const [theirs, ours] = [labels[left], own[right]];
    if (ours === undefined || (theirs !== undefined && theirs[0] < ours[0])) {
      if (theirs !== undefined) merged.push(theirs);
      left += 1;
    } else if (theirs === undefined || ours[0] < theirs[0]) {
      merged.push(ours);
      right += 1;
    } else {
      clash = true;
      merged.push(ours, [exportedName(theirs[0], labels), theirs[1]]);
      left += 1;
      right += 1;
    }
  }
  return clash ? (labelsOf(merged) ?? own) : merged;
};

/** A source may have an `exported_…` of its own. */
const exportedName = (name: string, labels: Labels): string => {
  let exported = `exported_${name}`;
  while (labels.some(([other]) => other === exported)) exported = `exported_${exported}`;
  return exported;
};
