/**
 * The text of an estate file as a plain value, with the place of every part of it. This is the only file that
 * knows YAML. It bounds what hostile text can cost: size, aliases, and depth (through the parser's own limit).
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import { type FilePath, type Finding, type Problem, pathText } from './problem.ts';

/** A thousand hosts are a quarter of it. */
export const maximumFileBytes = 2 ** 20;
/** People write a handful; more is an attack by expansion. */
const maximumAliases = 100;

export type Source = { readonly value: unknown; readonly place: (finding: Finding) => Problem };
export type SourceResult =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads YAML text. Every problem has a line and a column, also those that the parser words for programmers. */
export const readSource = (text: string): SourceResult => {
  if (new TextEncoder().encode(text).length > maximumFileBytes) return refused(tooLarge);
  if (text.includes('\u0000')) return refused(notText);
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, logLevel: 'error' });
  const problems = syntaxProblems(document, text, counter);
  if (problems.length > 0) return { ok: false, problems };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null))
    return refused(emptyFile);
  const value = toValue(document);
  if (value === undefined) return refused(aliasesExplode);
  return { ok: true, source: { value, place: placer(document, counter) } };
};

const top = { line: 1, column: 1, path: '' } as const;
const refused = (problem: Problem): SourceResult => ({ ok: false, problems: [problem] });

const emptyFile: Problem = {
  ...top,
  message: 'The file is empty',
  advice: 'Start from estates/three-centres.yaml, or write `version: 1` and go on from docs/estate.md.',
};
const tooLarge: Problem = {
  ...top,
  message: 'The file is larger than 1 MiB',
  advice: 'An estate file describes sites, hosts and services, not data; check that this is the right file.',
};
const notText: Problem = {
  ...top,
  message: 'The file is not text: it holds a zero byte',
  advice: 'Save it as UTF-8 text.',
};
const aliasesExplode: Problem = {
  ...top,
  message: `The aliases (\`*name\`) of this file expand to more than ${maximumAliases} places`,
  advice: 'Write the repeated parts out.',
};

const toValue = (document: Document): unknown => {
  try {
    return document.toJS({ maxAliasCount: maximumAliases });
  } catch (error) {
    // The one way in which a document without errors has no value.
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
};

const syntaxProblems = (document: Document.Parsed, text: string, counter: LineCounter): readonly Problem[] => {
  const at = (offset: number): Pick<Problem, 'line' | 'column' | 'path'> => {
    const { line, col } = counter.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1), path: '' };
  };
  const exhausted = document.errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  const errors = exhausted === undefined ? document.errors.slice(0, 20) : [exhausted];
  const problems = [...errors, ...document.warnings].map((error) => ({
    ...at(error.pos[0]),
    ...syntaxWords(error.code, error.message, text.slice(error.pos[0], error.pos[0] + 60)),
  }));
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined)
        problems.push({
          ...at(alias.range?.[0] ?? 0),
          message: `Nothing before this place is marked \`&${alias.source}\``,
          advice: 'Mark the value that is meant, or put quotes around a text that begins with `*`.',
        });
    },
    Pair: (_, pair) => {
      if (!isScalar(pair.key) && isNode(pair.key))
        problems.push({
          ...at(pair.key.range?.[0] ?? 0),
          message: 'A key is a word, not a list or a map',
          advice: 'Write `key: value`; check for a stray `?` or bracket.',
        });
    },
  });
  return problems;
};

const syntaxWords = (code: string, message: string, there: string): Pick<Problem, 'message' | 'advice'> => {
  switch (code) {
    case 'DUPLICATE_KEY':
      return { message: `The key \`${firstWord(there)}\` is given twice in one map`, advice: 'Keep one of them.' };
    case 'TAB_AS_INDENT':
      return { message: 'A tab indents this line', advice: 'Indent with spaces.' };
    case 'MULTIPLE_DOCS':
      return { message: 'A second document begins here', advice: 'Describe one estate in one file; remove the `---`.' };
    case 'RESOURCE_EXHAUSTION':
      return { message: 'The file is nested too deeply', advice: 'An estate is at most eight levels deep.' };
    case 'TAG_RESOLVE_FAILED':
      return { message: 'A tag (`!…`) says of what type this value is', advice: 'Remove it; types are known.' };
    default:
      return {
        message: `This is not YAML: ${(message.split('\n')[0] ?? message).replace(/[.;:]\s*$/, '')}`,
        advice: 'Correct the indentation, quotes or brackets here or on the line before.',
      };
  }
};

const firstWord = (text: string): string => /^[^\s:]*/.exec(text.trim())?.[0] ?? '';

/** Turns a path into line and column. Where a part does not exist, the nearest thing above it is meant. */
const placer =
  (document: Document, counter: LineCounter) =>
  (finding: Finding): Problem => {
    const offset = offsetOf(document, finding.at, finding.point ?? 'value');
    const { line, col } = counter.linePos(offset);
    return {
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      path: pathText(finding.at),
      message: finding.message,
      advice: finding.advice,
    };
  };

const offsetOf = (document: Document, path: FilePath, point: 'key' | 'value'): number => {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const child: unknown = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(part))
      : isSeq(node) && typeof part === 'number'
        ? node.items[part]
        : undefined;
    if (child === undefined) return offset;
    const last = index === path.length - 1;
    const value: unknown = isPair(child) ? child.value : child;
    const key = isPair(child) ? startOf(child.key) : undefined;
    offset = (last && point === 'key' ? key : undefined) ?? startOf(value) ?? key ?? offset;
    node = value;
  }
  return offset;
};

const startOf = (node: unknown): number | undefined => (isNode(node) ? (node.range?.[0] ?? undefined) : undefined);
