/** The JSON schema of the estate file, for editors, and the look-ups that error messages make in it. */
import { z } from 'zod';
import type { FilePath } from './problem.ts';
import { estateFile } from './schema.ts';

/** The part of JSON schema (draft 7) that our own schema uses. */
export type SchemaNode = {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
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
    if (typeof part === 'string') return node.properties?.[part];
    const { items } = node;
    return isList(items) ? items[part] : items;
  }, jsonSchema());

const isList = (items: SchemaNode['items']): items is readonly SchemaNode[] => Array.isArray(items);

const toSchema = (): SchemaNode & Readonly<Record<string, unknown>> => {
  const { '~standard': _, ...schema } = z.toJSONSchema(estateFile, { io: 'input', target: 'draft-7' });
  // The library types its result wider than what it produces for our schema; a test walks every node of it.
  return schema as SchemaNode & Readonly<Record<string, unknown>>;
};
