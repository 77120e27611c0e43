/**
 * What a field may hold, said in its schema: `public` may leave the platform, `sensitive` is for whoever may look, `secret` is shown to nobody
 * but by the route that exists to tell it. A field takes the class of what it stands in unless it says its own; without any it
 * is secret. Texts that may hold values of rows (statements, log lines, what cites them) are shown with those taken out, until somebody
 * asks for them and that is recorded.
 */
import { z } from 'zod';

export type Classification = 'public' | 'sensitive' | 'secret';

const key = 'x-classification';
const valuesKey = 'x-values';

export const classified = <T extends z.ZodType>(classification: Classification, schema: T): T =>
  schema.meta({ ...schema.meta(), [key]: classification });

/** A text that may hold values of rows. */
export const mayHoldValues = <T extends z.ZodType>(schema: T): T =>
  schema.meta({ ...schema.meta(), [key]: 'sensitive', [valuesKey]: true });

export type Mask = (value: unknown) => unknown;

export const masked = '(secret)';

type Json = { readonly [name: string]: unknown };

/**
 * What takes out of a value of this shape whatever is not to be shown; undefined where nothing is.
 * @param shows `values`: texts as they were written; `secrets`: also what is secret
 */
export const makeMask = (schema: z.ZodType, shows: 'usual' | 'values' | 'secrets' = 'usual'): Mask | undefined =>
  shows === 'secrets' ? undefined : maskOf(jsonOf(schema), undefined, shows);

/** Fields that say nothing of what they hold, and stand in nothing that does. */
export const unclassifiedOf = (schema: z.ZodType): readonly string[] => {
  const found: string[] = [];
  walk(jsonOf(schema), undefined, '', (path, at) => {
    if (at === undefined) found.push(path);
  });
  return found;
};

/** The most that a shape may hold. */
export const mostOf = (schema: z.ZodType): Classification => {
  let most: Classification = 'public';
  walk(jsonOf(schema), undefined, '', (_, at = 'secret') => {
    if (at === 'secret' || most === 'public') most = at;
  });
  return most;
};

const jsonOf = (schema: z.ZodType): Json => z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as Json;

const classOf = (schema: Json, above: Classification | undefined): Classification | undefined =>
  (schema[key] as Classification | undefined) ?? above;

const branchesOf = (schema: Json): readonly Json[] =>
  [schema['anyOf'], schema['oneOf'], schema['allOf']].flatMap((all) => (Array.isArray(all) ? (all as Json[]) : []));

const walk = (
  schema: Json,
  above: Classification | undefined,
  path: string,
  leaf: (path: string, at: Classification | undefined) => void,
): void => {
  const at = classOf(schema, above);
  const below: (readonly [string, Json])[] = [
    ...branchesOf(schema).map((one): readonly [string, Json] => [path, one]),
    ...Object.entries((schema['properties'] ?? {}) as Record<string, Json>).map(([name, one]): [string, Json] => [
      `${path}.${name}`,
      one,
    ]),
    ...(['items', 'additionalProperties'] as const).flatMap((name): [string, Json][] =>
      typeof schema[name] === 'object' && schema[name] !== null ? [[`${path}[]`, schema[name] as Json]] : [],
    ),
  ];
  const nothing = schema['type'] === 'null' || 'const' in schema;
  if (below.length === 0 && !nothing) leaf(path === '' ? '.' : path, at);
  for (const [name, one] of below) walk(one, at, name, leaf);
};

const maskOf = (schema: Json, above: Classification | undefined, shows: 'usual' | 'values'): Mask | undefined => {
  const at = classOf(schema, above);
  const branches = branchesOf(schema);
  if (branches.length > 0) return unionMask(branches, at, shows);
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Json>);
  const { items, additionalProperties: rest } = schema;
  if (properties.length > 0 || isObject(rest)) {
    const each = new Map(properties.flatMap(([name, one]) => entryOf(name, maskOf(one, at, shows))));
    const other = isObject(rest) ? maskOf(rest, at, shows) : undefined;
    return each.size === 0 && other === undefined
      ? undefined
      : objectMask(each, other, new Set(properties.map(([name]) => name)));
  }
  if (isObject(items)) {
    const mask = maskOf(items, at, shows);
    return mask === undefined ? undefined : (value) => (Array.isArray(value) ? value.map(mask) : value);
  }
  if ('const' in schema || schema['type'] === 'null') return undefined;
  if (at === undefined || at === 'secret') return hide;
  return schema[valuesKey] === true && shows === 'usual' ? withoutValuesOf : undefined;
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const entryOf = (name: string, mask: Mask | undefined): readonly (readonly [string, Mask])[] =>
  mask === undefined ? [] : [[name, mask]];

const hide: Mask = (value) => (value === null || value === undefined ? value : masked);
const withoutValuesOf: Mask = (value) => (typeof value === 'string' ? withoutValues(value) : value);

const objectMask =
  (each: ReadonlyMap<string, Mask>, other: Mask | undefined, declared: ReadonlySet<string>): Mask =>
  (value) => {
    if (!isObject(value)) return value;
    const shown: Record<string, unknown> = {};
    for (const [name, one] of Object.entries(value)) {
      const mask = declared.has(name) ? each.get(name) : other;
      shown[name] = mask === undefined ? one : mask(one);
    }
    return shown;
  };

/** Of branches that can be told apart the one that fits; else whatever any of them hides is hidden. */
const unionMask = (
  branches: readonly Json[],
  at: Classification | undefined,
  shows: 'usual' | 'values',
): Mask | undefined => {
  const masks = branches.map((one) => ({ one, mask: maskOf(one, at, shows) }));
  if (masks.every(({ mask }) => mask === undefined)) return undefined;
  return (value) => {
    const fitting = masks.filter(({ one }) => mayFit(one, value));
    return fitting.reduce((shown, { mask }) => (mask === undefined ? shown : mask(shown)), value);
  };
};

const mayFit = (schema: Json, value: unknown): boolean => {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const wanted = schema['type'];
  if (typeof wanted === 'string' && wanted !== type && !(wanted === 'integer' && type === 'number')) return false;
  if (!isObject(value)) return true;
  return Object.entries((schema['properties'] ?? {}) as Record<string, Json>).every(
    ([name, one]) => !('const' in one) || value[name] === one['const'],
  );
};

/**
 * Takes values of rows out of a text: what stands in quotes, keys and rows as PostgreSQL cites them, records as InnoDB dumps them. Names in
 * backticks stay. Of a quote without its end all that follows is taken.
 */
export const withoutValues = (text: string): string =>
  text
    .replaceAll(/\b(hex|asc) [^;]{0,2000};/g, '$1 ?;')
    .replaceAll(/\)\s*=\s*\([^)]*(\)|$)/g, ')=(?)')
    .replaceAll(/(row contains) \([^)]*(\)|$)/gi, '$1 (?)')
    .replaceAll(/(?<![\p{L}\p{N}])'(?:[^'\\]|\\.|'')*('|$)|"(?:[^"\\]|\\.|"")*("|$)/gu, (found) =>
      found.startsWith("'") ? "'?'" : '"?"',
    );
