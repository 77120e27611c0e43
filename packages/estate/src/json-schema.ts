/** The JSON schema of the estate file, for editors, and the look-ups that error messages make in it. */
import { z } from 'zod';
import type { FilePath } from './problem.ts';
import { estateFile } from './schema.ts';

/** The part of JSON schema (draft 7) that our own schema uses. */
export type SchemaNode = {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  /** A map of keys of several kinds, told apart by one of them. */
  readonly oneOf?: readonly SchemaNode[];
  readonly items?: SchemaNode | readonly SchemaNode[];
};

let cached: (SchemaNode & Readonly<Record<string, unknown>>) | undefined;

/** The schema as a plain value. Draft 7, because that is what the YAML extensions of editors understand best. */
export const jsonSchema = (): SchemaNode & Readonly<Record<string, unknown>> => {
  cached ??= toSchema();
  return cached;
};

/** The text of schema/coequal.schema.json. */
export const jsonSchemaText = (): string => `${JSON.stringify(jsonSchema(), null, 2)}\n`;

/** What the schema says about a place in the file, or undefined when the schema does not know it. */
export const schemaAt = (path: FilePath): SchemaNode | undefined =>
  path.reduce<SchemaNode | undefined>((node, part) => {
    if (node === undefined) return undefined;
    if (typeof part === 'string') return keysOf(node)[part];
    const { items } = node;
    return isList(items) ? items[part] : items;
  }, jsonSchema());

/** The keys that may stand at a place; where a key tells kinds apart, those of the kind that `found` says it is. */
export const keysAt = (path: FilePath, found: unknown): readonly string[] => {
  const node = schemaAt(path);
  const kinds = node?.oneOf;
  if (kinds === undefined) return Object.keys(node?.properties ?? {});
  const says = (key: string): unknown =>
    typeof found === 'object' && found !== null ? Object.getOwnPropertyDescriptor(found, key)?.value : undefined;
  const isOf = ({ properties = {} }: SchemaNode): boolean =>
    Object.entries(properties).some(([key, one]) => one.const !== undefined && one.const === says(key));
  return Object.keys((kinds.find(isOf) ?? kinds[0])?.properties ?? {});
};

/** Of all kinds, the first one's words where several have a key. */
const keysOf = (node: SchemaNode): Readonly<Record<string, SchemaNode>> =>
  Object.assign({}, ...[...(node.oneOf ?? []), node].reverse().map(({ properties = {} }) => properties));

const isList = (items: SchemaNode['items']): items is readonly SchemaNode[] => Array.isArray(items);

const toSchema = (): SchemaNode & Readonly<Record<string, unknown>> => {
  const { '~standard': _, ...schema } = z.toJSONSchema(estateFile, { io: 'input', target: 'draft-7' });
  // The library types its result wider than what it produces for our schema; a test walks every node of it.
  return schema as SchemaNode & Readonly<Record<string, unknown>>;
};
