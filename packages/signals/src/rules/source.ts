/**
 * The text of a rule file as a value that knows its lines. This is the only file here that knows YAML. It bounds what
 * hostile text can cost: size, depth (through the parser's own limit), and aliases, which rule files do not have.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { quoted } from '../sample.ts';

/** A thousand rules are a tenth of it. */
const maximumBytes = 4 * 2 ** 20;

/** `line`: where the value begins. */
export type Node =
  | { readonly kind: 'map'; readonly line: number; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly Node[] }
  | { readonly kind: 'text'; readonly line: number; readonly text: string }
  | { readonly kind: 'number'; readonly line: number; readonly number: number; readonly text: string }
  | { readonly kind: 'nothing'; readonly line: number };

export type Entry = { readonly key: string; readonly line: number; readonly value: Node };

type Fault = { readonly line: number; readonly what: string };
export type SourceResult =
  | { readonly ok: true; readonly node: Node }
  | { readonly ok: false; readonly faults: readonly Fault[] };

export const readRuleSource = (text: string): SourceResult => {
  if (new TextEncoder().encode(text).length > maximumBytes) return refused(1, 'the file is larger than 4 MiB');
  if (text.includes('\u0000')) return refused(1, 'the file is not text: it holds a zero byte');
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    logLevel: 'error',
    schema: 'core',
  });
  const lineOf = (offset: number): number => Math.max(1, counter.linePos(Math.min(offset, text.length)).line);
  const faults = [...document.errors.slice(0, 20), ...document.warnings.slice(0, 20)].map((error) => ({
    line: lineOf(error.pos[0]),
    what: `this is not YAML: ${quoted((error.message.split('\n')[0] ?? '').replace(/[.;:]\s*$/, ''))}`,
  }));
  const aliases = aliasesOf(document, lineOf);
  if (faults.length > 0 || aliases.length > 0) return { ok: false, faults: [...faults, ...aliases] };
  return { ok: true, node: toNode(document.contents, 1, lineOf) };
};

const refused = (line: number, what: string): SourceResult => ({ ok: false, faults: [{ line, what }] });

const aliasesOf = (document: Document.Parsed, lineOf: (offset: number) => number): readonly Fault[] => {
  const faults: Fault[] = [];
  visit(document, {
    Alias: (_, alias) => {
      if (faults.length < 20)
        faults.push({
          line: lineOf(alias.range?.[0] ?? 0),
          what: `the alias *${alias.source} is not expanded here: write it out`,
        });
    },
  });
  return faults;
};

const toNode = (value: unknown, above: number, lineOf: (offset: number) => number): Node => {
  if (isMap(value)) {
    const line = lineOf(value.range?.[0] ?? 0);
    const entries = value.items.map((pair) => {
      const keyLine = isScalar(pair.key) ? lineOf(pair.key.range?.[0] ?? 0) : line;
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      return { key, line: keyLine, value: toNode(pair.value, keyLine, lineOf) };
    });
    return { kind: 'map', line, entries };
  }
  if (isSeq(value)) {
    const line = lineOf(value.range?.[0] ?? 0);
    return { kind: 'list', line, items: value.items.map((item) => toNode(item, line, lineOf)) };
  }
  if (isScalar(value) && !isAlias(value)) {
    const line = value.range ? lineOf(value.range[0]) : above;
    if (value.value === null || value.value === undefined) return { kind: 'nothing', line };
    // As it is written: `for: 0` and `severity: 010` are texts to Prometheus.
    const text = typeof value.value === 'string' ? value.value : (value.source ?? String(value.value));
    return typeof value.value === 'number'
      ? { kind: 'number', line, number: value.value, text }
      : { kind: 'text', line, text };
  }
  return { kind: 'nothing', line: above };
};
