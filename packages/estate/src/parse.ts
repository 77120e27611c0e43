/**
 * From text to an estate that is known to be valid, or to the list of everything that is wrong with it. The
 * text goes through three gates in turn: YAML (`source.ts`), shape (`schema.ts`, `to-estate.ts`), rules (`rules.ts`); problems of
 * one gate are told together, and the next gate is only reached by a file that passed the one before.
 */
import { fail } from '@coequal/kernel';
import type { z } from 'zod';
import { keysAt, schemaAt } from './json-schema.ts';
import type { Estate } from './model.ts';
import { nearest } from './nearest.ts';
import { type FilePath, type Finding, formatProblem, type Problem, pathText, sortProblems } from './problem.ts';
import { checkRules } from './rules.ts';
import { type EstateFile, estateFile } from './schema.ts';
import { readSource } from './source.ts';
import { toEstate } from './to-estate.ts';

export type EstateResult =
  | { readonly ok: true; readonly estate: Estate; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Parses the text of an estate file. Pure: reading the file is the caller's business. */
export const parseEstate = (text: string): EstateResult => {
  const read = readSource(text);
  if (!read.ok) return { ok: false, problems: sortProblems(read.problems) };
  const { value, place } = read.source;
  const shape = estateFile.safeParse(value);
  if (!shape.success) {
    const findings = withoutMisspelt(shape.error.issues.flatMap((issue) => shapeFindings(issue, value)));
    return { ok: false, problems: sortProblems(findings.map(place)) };
  }
  const estate = toEstate(shape.data);
  const { errors, warnings } = checkRules(estate);
  const inFile = placesInFile(shape.data);
  const told = (findings: readonly Finding[]): readonly Problem[] => sortProblems(findings.map(inFile).map(place));
  if (errors.length > 0) return { ok: false, problems: told(errors) };
  return { ok: true, estate, warnings: told(warnings) };
};

/** The model has services of two kinds in two lists; the file has them in one. */
const placesInFile = ({ services }: EstateFile): ((finding: Finding) => Finding) => {
  const indexes = (external: boolean): readonly number[] =>
    services.flatMap(({ engine }, index) => ((engine === 'external') === external ? [index] : []));
  const lists = new Map([
    ['services', indexes(false)],
    ['externals', indexes(true)],
  ]);
  return (finding) => {
    const [list = '', index = -1, ...rest] = finding.at;
    const own = lists.get(String(list))?.[Number(index)];
    return own === undefined ? finding : { ...finding, at: ['services', own, ...rest] };
  };
};

/**
 * Parses, or throws ESTATE_INVALID with every problem on a line of its own.
 * @param path the name of the file, for messages
 */
export const estateOrThrow = (text: string, path: string): Estate => {
  const result = parseEstate(text);
  if (result.ok) return result.estate;
  throw fail('ESTATE_INVALID', {
    path,
    count: result.problems.length === 1 ? 'one problem' : `${result.problems.length} problems`,
    problems: formatProblems(path, result.problems),
  });
};

/** More problems than this are not read by anyone. */
const maximumListed = 50;

export const formatProblems = (path: string, problems: readonly Problem[]): string => {
  const listed = problems.slice(0, maximumListed).map((problem) => formatProblem(path, problem));
  const more = problems.length - listed.length;
  return [...listed, ...(more > 0 ? [`${path}: and ${more} more. Correct these first.`] : [])].join('\n');
};

type Issue = z.core.$ZodIssue;

/** What a person reads instead of the library's words. One issue may name several unknown keys. */
const shapeFindings = (issue: Issue, value: unknown): readonly ShapeFinding[] => {
  const at = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(at, key, valueAt(value, at)));
    case 'invalid_type':
      return [wrongType(at, issue.expected, valueAt(value, at))];
    case 'invalid_value':
      return [wrongChoice(at, issue.values.map(String), valueAt(value, at))];
    case 'invalid_union':
      return [
        wrongChoice([...at, ...(at.at(-1) === 'engine' ? [] : ['engine'])], ['galera', 'external'], valueAt(value, at)),
      ];
    case 'too_small':
    case 'too_big':
      return [outOfRange(at, issue)];
    case 'custom':
      return [{ at, message: issue.message, advice: adviceOf(issue.params) }];
    default:
      return [{ at, message: `${nameOf(at)} is not right: ${issue.message}`, advice: 'See docs/estate.md.' }];
  }
};

/** A key that is missing because it is misspelt is one mistake, told once: where the misspelt one stands. */
const withoutMisspelt = (findings: readonly ShapeFinding[]): readonly Finding[] => {
  const meant = new Set(findings.map((finding) => finding.meant));
  return findings.filter(({ missing }) => missing === undefined || !meant.has(missing));
};

/** `meant` and `missing` are places as text: of the key that an unknown one resembles, and of one that is not there. */
type ShapeFinding = Finding & { readonly meant?: string; readonly missing?: string };

const adviceOf = (params: Readonly<Record<string, unknown>> | undefined): string =>
  typeof params?.advice === 'string' ? params.advice : 'See docs/estate.md.';

const unknownKey = (at: FilePath, key: string, found: unknown): ShapeFinding => {
  const known = keysAt(at, found);
  const meant = nearest(key, known);
  const where = at.length === 0 ? 'at the top of the file' : `in ${nameOf(at)}`;
  return {
    at: [...at, key],
    point: 'key',
    message: `There is no key \`${key.slice(0, 60)}\` ${where}`,
    ...(meant === undefined
      ? { advice: `The keys here are ${listed(known)}.` }
      : { advice: `Did you mean \`${meant}\`?`, meant: pathText([...at, meant]) }),
  };
};

const wrongType = (at: FilePath, expected: string, found: unknown): ShapeFinding => {
  const node = schemaAt(at);
  const example = node?.examples?.[0];
  const like = example === undefined ? '' : `, like \`${String(example)}\``;
  if (found === undefined)
    return {
      at,
      missing: pathText(at),
      message: `${nameOf(at)} is missing`,
      advice: `Add \`${String(at.at(-1))}\`${like}: ${lowerFirst(node?.description ?? 'see docs/estate.md.')}`,
    };
  if (at.length === 0)
    return {
      at,
      message: `The file is ${kindOf(found)}, and an estate is a map of keys`,
      advice: 'Check that this is the right file; an estate file begins with `version: 1`.',
    };
  if (found === null)
    return {
      at,
      message: `${nameOf(at)} has no value`,
      advice: `Write ${typeWords(expected)}${like}, or remove the key.`,
    };
  const quotes = expected === 'string' && example === undefined ? ', in quotes if it looks like something else' : '';
  return {
    at,
    message: `${nameOf(at)} is ${kindOf(found)}, and ${typeWords(expected)} is expected`,
    advice: `Write ${typeWords(expected)}${like}${quotes}.`,
  };
};

const wrongChoice = (at: FilePath, choices: readonly string[], found: unknown): ShapeFinding => {
  if (found === undefined)
    return {
      at,
      missing: pathText(at),
      message: `${nameOf(at)} is missing`,
      advice: `Add \`${String(at.at(-1))}: ${choices[0] ?? ''}\`.`,
    };
  const written = typeof found === 'string' && !choices.includes(found) ? `\`${found.slice(0, 60)}\`` : kindOf(found);
  const meant = nearest(String(found), choices);
  return {
    at,
    message: `${nameOf(at)} cannot be ${written}`,
    advice: `${meant === undefined ? '' : `Did you mean \`${meant}\`? `}It can be ${listed(choices)}.`,
  };
};

const outOfRange = (at: FilePath, issue: Extract<Issue, { code: 'too_small' | 'too_big' }>): Finding => {
  const small = issue.code === 'too_small';
  const limit = Number(small ? issue.minimum : issue.maximum);
  const bound = `at ${small ? 'least' : 'most'} ${limit}`;
  const node = schemaAt(at);
  if (issue.origin === 'array' && small && limit === 1)
    return { at, message: `${nameOf(at)} is empty`, advice: 'Describe at least one, or remove what holds it.' };
  if (issue.origin === 'array')
    return {
      at,
      message: `${nameOf(at)} has too ${small ? 'few' : 'many'} entries`,
      advice: Array.isArray(node?.items) ? `Write exactly ${limit}.` : `Write ${bound}.`,
    };
  if (issue.origin === 'string')
    return { at, message: `${nameOf(at)} is too ${small ? 'short' : 'long'}`, advice: `Write ${bound} characters.` };
  return {
    at,
    message: `${nameOf(at)} is out of range`,
    advice: `Write ${node?.minimum ?? limit} to ${node?.maximum ?? limit}.`,
  };
};

const valueAt = (value: unknown, path: FilePath): unknown =>
  path.reduce<unknown>(
    (found, part) =>
      typeof found === 'object' && found !== null ? Object.getOwnPropertyDescriptor(found, part)?.value : undefined,
    value,
  );

const nameOf = (at: FilePath): string => (at.length === 0 ? 'The file' : `\`${pathText(at)}\``);

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'empty';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text \`${value.slice(0, 40)}\``;
  return typeof value === 'number' ? `the number ${value}` : `\`${String(value)}\``;
};

const typeWords = (expected: string): string => {
  switch (expected) {
    case 'string':
      return 'text';
    case 'int':
      return 'a whole number';
    case 'number':
      return 'a number';
    case 'boolean':
      return '`true` or `false`';
    case 'array':
    case 'tuple':
      return 'a list';
    default:
      return 'a map of keys';
  }
};

const listed = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(', ');
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
