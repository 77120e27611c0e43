/**
 * The functions of alert templates, with the wording of Prometheus: `humanize` and its kin, comparisons, `printf` with the verbs
 * s, d, f, g, e, v, q and %, and what is done with the answers of `query`. A text that should be a number counts as NaN; nothing throws.
 */
import { parseNumber } from '../exposition/number.ts';
import { quoted } from '../sample.ts';
import { parseRuleDuration } from './duration.ts';
import { fixPattern, matches, replaceAll } from './patterns.ts';
import type { TemplateValue } from './values.ts';

export type { TemplateValue } from './values.ts';

type Arity = { readonly least: number; readonly most: number };
type Made = {
  readonly arity: Arity;
  readonly call: (args: readonly TemplateValue[], externalUrl: string) => TemplateValue;
};

/** Most arguments that `printf`, `and`, `or` and `print` take. */
const many = 32;

const one = (call: (value: TemplateValue) => TemplateValue): Made => ({
  arity: { least: 1, most: 1 },
  call: ([value = '']) => call(value),
});
const compared = (call: (order: number) => boolean): Made => ({
  arity: { least: 2, most: 2 },
  call: ([a = '', b = '']) => call(orderOf(a, b)),
});
const several = (least: number, call: Made['call']): Made => ({ arity: { least, most: many }, call });

const numberOf = (value: TemplateValue): number =>
  typeof value === 'number'
    ? value
    : typeof value === 'string'
      ? (parseNumber(value) ?? Number.NaN)
      : typeof value === 'object' && value.kind === 'sample'
        ? value.value
        : Number.NaN;

/** Numbers by size where both are numbers, else texts. NaN is in no order to anything. */
const orderOf = (a: TemplateValue, b: TemplateValue): number => {
  if (typeof a === 'number' || typeof b === 'number') {
    const [x, y] = [numberOf(a), numberOf(b)];
    return x === y ? 0 : x < y ? -1 : x > y ? 1 : Number.NaN;
  }
  const [x, y] = [textOf(a), textOf(b)];
  return x === y ? 0 : x < y ? -1 : 1;
};

/** As in Go: what is empty or zero is false. */
export const isTruthy = (value: TemplateValue): boolean => {
  if (typeof value !== 'object') return value !== '' && value !== 0 && value !== false && value !== undefined;
  switch (value.kind) {
    case 'labels':
      return value.labels.size > 0;
    case 'list':
      return value.items.length > 0;
    case 'sample':
    case 'fields':
      return true;
  }
};

/** Numbers as Go prints a float64, samples by their value; what is no text for a person is empty. */
export const textOf = (value: TemplateValue): string => {
  if (typeof value === 'number') return general(value, undefined);
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  return value?.kind === 'sample' ? general(value.value, undefined) : '';
};

/** What `range` goes through: keys and items. */
export const itemsOf = (value: TemplateValue): readonly (readonly [TemplateValue, TemplateValue])[] => {
  if (typeof value !== 'object') return [];
  if (value.kind === 'list') return value.items.map((item, index) => [index, item]);
  // Go walks a map in the order of its keys.
  if (value.kind === 'labels') return [...value.labels].sort(([a], [b]) => (a < b ? -1 : 1));
  return [];
};

const special = (value: number): string | undefined =>
  Number.isFinite(value) ? undefined : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';

/** Go writes exponents with two digits at least. */
const exponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

/** %g: the shortest, or so many significant digits; with an exponent below 1e-4 and from where the digits, or 6, end. */
const general = (value: number, precision: number | undefined): string => {
  const known = special(value);
  if (known !== undefined) return known;
  if (value === 0) return '0';
  // A float64 has no more than 17 digits to show.
  const digits = precision === undefined ? undefined : Math.min(17, Math.max(1, precision));
  const scientific = digits === undefined ? value.toExponential() : value.toExponential(digits - 1);
  const power = Number(scientific.slice(scientific.indexOf('e') + 1));
  if (power < -4 || power >= (digits ?? 6))
    return exponent(scientific.replace(/(\.\d*?)0+e/, '$1e').replace('.e', 'e'));
  return String(digits === undefined ? value : Number(value.toPrecision(digits)));
};

const fourDigits = (value: number): string => general(value, 4);

const humanizeBy = (base: number, large: readonly string[], small: readonly string[]) => (value: TemplateValue) => {
  const number = numberOf(value);
  if (number === 0 || !Number.isFinite(number)) return fourDigits(number);
  let rest = number;
  let prefix = '';
  if (Math.abs(number) >= 1) {
    for (const next of large) {
      if (Math.abs(rest) < base) break;
      prefix = next;
      rest /= base;
    }
  } else {
    for (const next of small) {
      if (Math.abs(rest) >= 1) break;
      prefix = next;
      rest *= base;
    }
  }
  return `${fourDigits(rest)}${prefix}`;
};

const humanizeDuration = (value: TemplateValue): string => {
  const seconds = numberOf(value);
  if (!Number.isFinite(seconds)) return fourDigits(seconds);
  if (seconds === 0) return '0s';
  if (Math.abs(seconds) < 1) return `${humanizeBy(1_000, [], ['m', 'u', 'n'])(seconds)}s`;
  const sign = seconds < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${sign}${days}d ${hours}h ${minutes}m ${whole % 60}s`;
  if (hours > 0) return `${sign}${hours}h ${minutes}m ${whole % 60}s`;
  if (minutes > 0) return `${sign}${minutes}m ${whole % 60}s`;
  return `${fourDigits(seconds)}s`;
};

const humanizeTimestamp = (value: TemplateValue): string => {
  const seconds = numberOf(value);
  if (!(Math.abs(seconds) < 8.64e12)) return fourDigits(seconds);
  const text = new Date(seconds * 1_000).toISOString().replace('T', ' ');
  return text
    .replace(/(\.\d*?)0*Z$/, '$1')
    .replace(/\.$/, '')
    .concat(' +0000 UTC');
};

const printf = ([format = '', ...args]: readonly TemplateValue[]): string => {
  let next = 0;
  return textOf(format).replaceAll(
    /%(-?\d{0,2})(?:\.(\d{1,2}))?([a-zA-Z%])/g,
    (_, width: string, digits: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      const arg = args[next];
      next += 1;
      const text =
        arg === undefined
          ? `%!${verb}(MISSING)`
          : formatVerb(verb, arg, digits === undefined ? undefined : Number(digits));
      return width.startsWith('-') ? text.padEnd(Number(width.slice(1))) : text.padStart(Number(width));
    },
  );
};

const formatVerb = (verb: string, arg: TemplateValue, digits: number | undefined): string => {
  const number = numberOf(arg);
  switch (verb) {
    case 'f':
    case 'F':
      return special(number) ?? (Math.abs(number) < 1e21 ? number.toFixed(digits ?? 6) : general(number, undefined));
    case 'e':
      return special(number) ?? exponent(number.toExponential(digits ?? 6));
    case 'g':
      return general(number, digits);
    case 'd':
      return special(number) ?? String(Math.trunc(number));
    case 'q':
      return JSON.stringify(textOf(arg));
    case 's':
    case 'v':
      return digits === undefined ? textOf(arg) : textOf(arg).slice(0, digits);
    default:
      return `%!${verb}(${textOf(arg)})`;
  }
};

const labelOf = ([name = '', sample]: readonly TemplateValue[]): TemplateValue =>
  typeof sample === 'object' && sample.kind === 'sample' ? (sample.labels.get(textOf(name)) ?? '') : '';

const sortByLabel = ([name = '', list]: readonly TemplateValue[]): TemplateValue => {
  if (typeof list !== 'object' || list.kind !== 'list') return list;
  const key = textOf(name);
  const of = (labels: ReadonlyMap<string, string>): string => labels.get(key) ?? '';
  const items = [...list.items].sort((a, b) =>
    of(a.labels) < of(b.labels) ? -1 : of(a.labels) > of(b.labels) ? 1 : 0,
  );
  return { kind: 'list', items };
};

const indexOf = ([of, key]: readonly TemplateValue[]): TemplateValue => {
  if (typeof of !== 'object') return undefined;
  if (of.kind === 'labels') return of.labels.get(textOf(key)) ?? '';
  return of.kind === 'list' ? of.items[numberOf(key)] : undefined;
};

const lengthOf = (value: TemplateValue): number =>
  typeof value === 'object' ? itemsOf(value).length : new TextEncoder().encode(textOf(value)).length;

const stripPort = (text: string): string => {
  const [, host] = /^(\[[^\]]*\]|[^:]*):\d*$/.exec(text) ?? [];
  return host === undefined ? text : host.replace(/^\[(.*)\]$/, '$1');
};

/** Addresses have no domain to take away. */
const stripDomain = (text: string): string => {
  const [, host = text, port = ''] = /^(.*?)(:\d+)?$/.exec(text) ?? [];
  return /^[\d.]+$|:/.test(host) ? text : `${host.split('.')[0]}${port}`;
};

/** A page of Prometheus' own interface, which other tools know as well. */
const link = (tab: number) => (value: TemplateValue) =>
  `/graph?g0.expr=${encodeURIComponent(textOf(value)).replaceAll('%20', '+')}&g0.tab=${tab}`;

const pathPrefixOf = (url: string): string => (URL.canParse(url) ? new URL(url).pathname.replace(/\/$/, '') : '');

const all: ReadonlyMap<string, Made> = new Map<string, Made>([
  // Answered by whoever fills in: it asks the store.
  ['query', one(() => undefined)],
  ['first', one((list) => (typeof list === 'object' && list.kind === 'list' ? list.items[0] : undefined))],
  ['value', one((sample) => (typeof sample === 'object' && sample.kind === 'sample' ? sample.value : undefined))],
  ['label', { arity: { least: 2, most: 2 }, call: labelOf }],
  ['strvalue', one((sample) => labelOf(['__value__', sample]))],
  ['sortByLabel', { arity: { least: 2, most: 2 }, call: sortByLabel }],
  ['index', { arity: { least: 2, most: 2 }, call: indexOf }],
  ['len', one(lengthOf)],
  ['match', { arity: { least: 2, most: 2 }, call: ([pattern, text]) => matches(textOf(pattern), textOf(text)) }],
  [
    'reReplaceAll',
    {
      arity: { least: 3, most: 3 },
      call: ([pattern, by, text]) => replaceAll(textOf(pattern), textOf(by), textOf(text)),
    },
  ],
  ['parseDuration', one((text) => (parseRuleDuration(textOf(text)) ?? Number.NaN) / 1_000)],
  ['stripPort', one((text) => stripPort(textOf(text)))],
  ['stripDomain', one((text) => stripDomain(textOf(text)))],
  ['graphLink', one(link(0))],
  ['tableLink', one(link(1))],
  ['urlquery', one((text) => encodeURIComponent(textOf(text)).replaceAll('%20', '+'))],
  ['safeHtml', one((text) => textOf(text))],
  ['externalURL', { arity: { least: 0, most: 0 }, call: (_, externalUrl) => externalUrl }],
  ['pathPrefix', { arity: { least: 0, most: 0 }, call: (_, externalUrl) => pathPrefixOf(externalUrl) }],
  ['println', several(1, (args) => `${args.map(textOf).join(' ')}\n`)],
  [
    'humanize',
    one(humanizeBy(1_000, ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'], ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'])),
  ],
  ['humanize1024', one(humanizeBy(1_024, ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'], []))],
  ['humanizeDuration', one(humanizeDuration)],
  ['humanizePercentage', one((value) => `${fourDigits(numberOf(value) * 100)}%`)],
  ['humanizeTimestamp', one(humanizeTimestamp)],
  ['title', one((value) => textOf(value).replaceAll(/(^|\s)\p{L}/gu, (letter) => letter.toUpperCase()))],
  ['toUpper', one((value) => textOf(value).toUpperCase())],
  ['toLower', one((value) => textOf(value).toLowerCase())],
  ['not', one((value) => !isTruthy(value))],
  ['eq', compared((order) => order === 0)],
  ['ne', compared((order) => order !== 0)],
  ['lt', compared((order) => order < 0)],
  ['le', compared((order) => order <= 0)],
  ['gt', compared((order) => order > 0)],
  ['ge', compared((order) => order >= 0)],
  ['and', several(1, (args) => args.find((arg) => !isTruthy(arg)) ?? args.at(-1) ?? '')],
  ['or', several(1, (args) => args.find(isTruthy) ?? args.at(-1) ?? '')],
  ['print', several(1, (args) => args.map(textOf).join(''))],
  ['printf', several(1, printf)],
]);

export const knownFunctions: ReadonlyMap<string, Arity> = new Map([...all].map(([name, { arity }]) => [name, arity]));

/** What is wrong with arguments that are known when the file is read; those that are not are undefined. */
export const functionFault = (name: string, args: readonly TemplateValue[]): string | undefined => {
  const [first] = args;
  if (typeof first !== 'string') return undefined;
  if ((name === 'match' || name === 'reReplaceAll') && fixPattern(first) === undefined)
    return `${quoted(first)} is not a regular expression that is known here`;
  if (name === 'parseDuration' && parseRuleDuration(first) === undefined) return `${quoted(first)} is not a duration`;
  return undefined;
};

/** The name is one of `knownFunctions`, and the number of arguments one it takes: the parser has seen to both. */
export const callFunction = (name: string, args: readonly TemplateValue[], externalUrl: string): TemplateValue =>
  all.get(name)?.call(args, externalUrl) ?? undefined;
