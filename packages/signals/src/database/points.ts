/** Points and what is said of their families, for collectors of databases. Types follow from names, as exporters name things. */
import { type Family, type Label, labelsOf, type Point } from '../sample.ts';

/** Each label once, by the caller's table. */
export const point = (name: string, labels: readonly Label[], value: number): Point => ({
  name,
  labels: labelsOf(labels) ?? [],
  value,
});

/** The families of these points, each once. What a server counts under a name of its own has no known type. */
export const familiesOf = (points: readonly Point[], unknown: RegExp): readonly Family[] => {
  const found = new Map<string, Family>();
  for (const { name } of points) {
    if (found.has(name)) continue;
    const type = name.endsWith('_total') ? 'counter' : unknown.test(name) ? 'unknown' : 'gauge';
    found.set(name, { name, type });
  }
  return [...found.values()];
};
