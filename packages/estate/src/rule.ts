/** What rules are made of: a rule is a function from the estate to what is wrong with it. */
import type { Estate, Service } from './model.ts';
import type { FilePath, Finding } from './problem.ts';

export type Rule = (estate: Estate) => readonly Finding[];

/** A thing of the file that has a name, and where it stands. */
export type Named = { readonly name: string; readonly at: FilePath };

export const duplicates = (kind: string, things: readonly Named[]): readonly Finding[] =>
  things
    .filter(({ name }, index) => things.findIndex((other) => other.name === name) < index)
    .map(({ name, at }) => ({
      at: [...at, 'name'],
      message: `A second ${kind} is named \`${name}\``,
      advice: `Give each ${kind} a name of its own in the whole estate.`,
    }));

export const named = (things: readonly { readonly name: string }[], at: FilePath): readonly Named[] =>
  things.map(({ name }, index) => ({ name, at: [...at, index] }));

export const perService =
  (check: (estate: Estate, service: Service, at: FilePath) => readonly Finding[]): Rule =>
  (estate) =>
    estate.services.flatMap((service, index) => check(estate, service, ['services', index]));

/** True when the folder or file `inner` is `outer` or lies below it. Both absolute and without `..`. */
export const isBelow = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`);
