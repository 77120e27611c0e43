/**
 * Inhibition: while one alert fires, another one tells nothing new. When a site is cut off, nobody has to be called for each of its
 * instances. As in Alertmanager an alert that is a source and a target of one rule does not inhibit itself, nor those like it. Pure.
 */
import { type Labels, labelValue } from '../sample.ts';
import { type Matcher, matchesAll } from './matchers.ts';

export type InhibitRule = {
  readonly source: readonly Matcher[];
  readonly target: readonly Matcher[];
  /** Labels that both must have alike; absent on both is alike. */
  readonly equal: readonly string[];
};

/** The alerts, of all that fire, because of which this one tells nothing new. */
export const inhibitedBy = <T extends { readonly labels: Labels }>(
  target: Labels,
  firing: readonly T[],
  rules: readonly InhibitRule[],
): readonly T[] => {
  const found = new Set<T>();
  for (const rule of rules) {
    if (!matchesAll(rule.target, target)) continue;
    const isBoth = matchesAll(rule.source, target);
    for (const source of firing) {
      if (!matchesAll(rule.source, source.labels)) continue;
      if (isBoth && matchesAll(rule.target, source.labels)) continue;
      if (rule.equal.every((name) => labelValue(source.labels, name) === labelValue(target, name))) found.add(source);
    }
  }
  return [...found];
};
