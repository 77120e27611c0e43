/** The JSON schema for editors: current in the repository, a description at every key, and the same judgement. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { jsonSchema, jsonSchemaText, type SchemaNode, schemaAt } from './json-schema.ts';

test('schema/coequal.schema.json is what `coequal estate schema` prints', () => {
  const stored = readFileSync(new URL('../../../schema/coequal.schema.json', import.meta.url), 'utf8');
  expect(stored, 'Run: bin/coequal.js estate schema > schema/coequal.schema.json').toBe(jsonSchemaText());
});

const keys = (node: SchemaNode, path: string): readonly (readonly [string, SchemaNode])[] => [
  [path, node],
  ...Object.entries(node.properties ?? {}).flatMap(([key, child]) => keys(child, `${path}.${key}`)),
  ...(node.oneOf ?? []).flatMap((child, index) => keys(child, `${path}(${index})`)),
  ...[node.items ?? []].flat().flatMap((child, index) => keys(child, `${path}[${index}]`)),
];

test('every key has a description and a type', () => {
  const all = keys(jsonSchema(), '');
  expect(all.length).toBeGreaterThan(50);
  expect(all.filter(([, node]) => node.description === undefined).map(([path]) => path)).toEqual([]);
  const untyped = all.filter(([, node]) => node.type === undefined && node.oneOf === undefined);
  expect(untyped.map(([path]) => path)).toEqual([]);
});

test('every example matches the pattern beside it', () => {
  const judged = keys(jsonSchema(), '').flatMap(([path, node]) =>
    'pattern' in node && typeof node.pattern === 'string' && node.examples !== undefined
      ? [{ path, examples: node.examples, pattern: new RegExp(node.pattern) }]
      : [],
  );
  expect(judged.length).toBeGreaterThan(10);
  for (const { path, examples, pattern } of judged)
    for (const example of examples) expect(String(example), path).toMatch(pattern);
});

test('docs/estate.md describes every key', () => {
  const page = readFileSync(new URL('../../../docs/estate.md', import.meta.url), 'utf8');
  const names = keys(jsonSchema(), '').flatMap(([, node]) => Object.keys(node.properties ?? {}));
  expect([...new Set(names)].filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
});

test('a path that the schema does not know has no node', () => {
  expect(schemaAt(['sites', 0, 'nothing', 'below'])).toBeUndefined();
  expect(schemaAt(['links', 0, 'between', 1])).toMatchObject({ type: 'string' });
});
