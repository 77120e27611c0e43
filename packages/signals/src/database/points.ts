/** Points and what is said of their families, for collectors of databases. Types follow from names, as exporters name things. */
import { type Family, type Label, labelsOf, type Point } from '../sample.ts';

/** Each label once, by the caller's table. */
export const point = (name: string, labels: readonly Label[], value: number): Point => ({
  name,
  labels: labelsOf(labels) ?? [],
  value,
});

/** Makes the families of points, each once. `unknown`: names under which a server counts and shows what it likes. */
export const familiesBy = (unknown: RegExp): ((points: readonly Point[]) => readonly Family[]) => {
  const known = new Map<string, Family>();
  const familyOf = (name: string): Family => {
    let family = known.get(name);
    if (family === undefined) {
      const type = name.endsWith('_total') ? 'counter' : unknown.test(name) ? 'unknown' : 'gauge';
      family = { name, type };
      if (known.size >= familyLimit) known.clear();
      known.set(name, family);
    }
    return family;
  };
  return (points) => {
    const found = new Set<Family>();
    let last = '';
    for (const { name } of points) {
      if (name !== last) found.add(familyOf(name));
      last = name;
    }
    return [...found];
  };
};

const familyLimit = 10_000;
