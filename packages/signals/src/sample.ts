/**
 * What everything in this package is about: a value that a series had at a time. Labels are pairs sorted by name, each
 * name once, so that equal series have equal keys, and so that a label may have any name (also `__proto__`). An
 * empty value is the same as no label, as Prometheus has it; `labelsOf` sees to all of this.
 */

export type Label = readonly [name: string, value: string];

/** Sorted by name, each name once, no empty value. Made by `labelsOf`. */
export type Labels = readonly Label[];

/** A value of a series, before or without a time. */
export type Point = { readonly name: string; readonly labels: Labels; readonly value: number };

/** `timeMs`: milliseconds since 1970. `value`: any float64, NaN and infinities included. */
export type Sample = Point & { readonly timeMs: number };

export type MetricType =
  | 'counter'
  | 'gauge'
  | 'histogram'
  | 'gaugehistogram'
  | 'summary'
  | 'info'
  | 'stateset'
  | 'unknown';

/** What is said of a family of series, by the family's name. */
export type Family = {
  readonly name: string;
  readonly type: MetricType;
  readonly help?: string;
  readonly unit?: string;
};

/** A place in a text from outside that is wrong: `line` from 1, `what` without a full stop, with nothing unprintable in it. */
export type TextProblem = { readonly line: number; readonly what: string };

/** Sorts, and leaves out what is empty. Undefined when a name comes twice. */
export const labelsOf = (pairs: readonly Label[]): Labels | undefined => {
  const kept = pairs.filter(([, value]) => value !== '').sort(byName);
  for (let index = 1; index < kept.length; index += 1) if (kept[index]?.[0] === kept[index - 1]?.[0]) return undefined;
  return kept;
};

const byName = (a: Label, b: Label): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);

/** One text per series. Lengths stand before the parts, so that no value can look like another's. */
export const seriesKey = (name: string, labels: Labels): string => {
  let key = name;
  for (const [label, value] of labels) key += `\n${label.length},${value.length}:${label}${value}`;
  return key;
};

/** The value of a label; the empty text where there is none. */
export const labelValue = (labels: Labels, name: string): string => {
  for (const [label, value] of labels) if (label === name) return value;
  return '';
};

/** A piece of foreign text for a message: short, and nothing in it drives a terminal. */
export const quoted = (text: string): string => {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `"${short.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?')}"`;
};
