/**
 * Matchers of labels as Alertmanager has them: `severity="critical"`, `instance=~"north-.*"`, with `!=` and `!~`. A label that is not there
 * is the empty text. Regular expressions match the whole value. Pure.
 */

import { fixPattern } from '../rules/patterns.ts';
import { type Labels, labelValue, quoted } from '../sample.ts';

export const matchSigns = ['=', '!=', '=~', '!~'] as const;

export type Matcher = { readonly name: string; readonly sign: (typeof matchSigns)[number]; readonly value: string };

export type MatcherResult =
  | { readonly ok: true; readonly matchers: readonly Matcher[] }
  | { readonly ok: false; readonly what: string };

const matcherLimit = 50;
const one = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\.)*"|[^\s"'{},]*)\s*/y;

/** `{a="b", c=~"d"}`, with or without the braces; a value without blanks and commas needs no quotes. */
export const parseMatchers = (text: string): MatcherResult => {
  const inner = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1] ?? text;
  const matchers: Matcher[] = [];
  one.lastIndex = 0;
  while (one.lastIndex < inner.length) {
    const at = one.lastIndex;
    const [, name, sign, value] = one.exec(inner) ?? [];
    const known = matchSigns.find((each) => each === sign);
    if (name === undefined || known === undefined || value === undefined)
      return { ok: false, what: `${quoted(inner.slice(at))} is not a matcher such as severity="critical"` };
    matchers.push({ name, sign: known, value: unquoted(value) });
    if (one.lastIndex < inner.length) {
      if (inner[one.lastIndex] !== ',')
        return { ok: false, what: `a comma is missing before ${quoted(inner.slice(one.lastIndex))}` };
      one.lastIndex += 1;
      // A comma at the end is no mistake.
      if (inner.slice(one.lastIndex).trim() === '') break;
    }
  }
  const fault = matchersFault(matchers);
  return fault === undefined ? { ok: true, matchers } : { ok: false, what: fault };
};

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['b', '\b'],
  ['f', '\f'],
]);

const unquoted = (value: string): string =>
  value.startsWith('"')
    ? value
        .slice(1, -1)
        .replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, code: string | undefined, char = '') =>
          code === undefined ? (escapes.get(char) ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
        )
    : value;

/** What is wrong with matchers from anywhere, or undefined. */
export const matchersFault = (matchers: readonly Matcher[]): string | undefined => {
  if (matchers.length > matcherLimit) return `there are more than ${matcherLimit} matchers`;
  for (const { name, sign, value } of matchers) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) return `${quoted(name)} cannot be the name of a label`;
    if (sign.endsWith('~') && fixPattern(value, true) === undefined)
      return `${quoted(value)} is not a regular expression that is known here`;
  }
  return undefined;
};

export const formatMatcher = ({ name, sign, value }: Matcher): string => `${name}${sign}${JSON.stringify(value)}`;

const matchesOne = ({ sign, value }: Matcher, text: string): boolean => {
  switch (sign) {
    case '=':
      return text === value;
    case '!=':
      return text !== value;
    case '=~':
      return fixPattern(value, true)?.test(text) ?? false;
    case '!~':
      return !(fixPattern(value, true)?.test(text) ?? true);
  }
};

/** All of them; no matcher matches everything. */
export const matchesAll = (matchers: readonly Matcher[], labels: Labels): boolean =>
  matchers.every((matcher) => matchesOne(matcher, labelValue(labels, matcher.name)));

/** Whether they would match an alert without any labels, and so all that there are. */
export const matchesEverything = (matchers: readonly Matcher[]): boolean =>
  matchers.every((matcher) => matchesOne(matcher, ''));
