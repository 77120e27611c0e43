/**
 * What becomes of the points of a source on their way out: they get the labels of the estate. A label that the source has
 * itself and that the estate gives too is kept as `exported_…`, as Prometheus does, so that neither hides the other.
 */
import { type Label, type Labels, labelsOf, type Point, type Sample } from '../sample.ts';

/** The labels of a place and a job, sorted; what is undefined or empty is no label. */
export const estateLabels = (labels: Readonly<Record<string, string | undefined>>): Labels =>
  labelsOf(Object.entries(labels).map(([name, value]): Label => [name, value ?? ''])) ?? [];

/** `own`: sorted, as `estateLabels` makes them. */
export const withLabels = (points: readonly Point[], own: Labels, timeMs: number): Sample[] =>
  points.map(({ name, labels, value }) => ({
    name,
    labels: labels.length === 0 ? own : mergeLabels(labels, own),
    value,
    timeMs,
  }));

/** Samples keep their times. */
export const relabelled = (samples: readonly Sample[], own: Labels): Sample[] =>
  samples.map((sample) => ({ ...sample, labels: sample.labels.length === 0 ? own : mergeLabels(sample.labels, own) }));

const mergeLabels = (labels: Labels, own: Labels): Labels => {
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
