/**
 * One line of samples: `name{label="value",…} value [time] [# exemplar]`, and since Prometheus 3 also
 * `{"any name", "any label"="value"} value`. Pure and without backtracking: one pass over the characters.
 */
import { type Label, type Labels, labelsOf, quoted } from '../sample.ts';
import { expositionLimits } from './limits.ts';
import { parseNumber } from './number.ts';

/** `time` is the text of the timestamp, whose unit depends on the format. */
export type SampleLine = {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
  readonly time: string | undefined;
};

export type LineResult =
  | { readonly ok: true; readonly line: SampleLine }
  | { readonly ok: false; readonly what: string };

const metricName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const labelName = /[a-zA-Z_][a-zA-Z0-9_]*/y;

const bad = (what: string): { readonly ok: false; readonly what: string } => ({ ok: false, what });

export const parseSampleLine = (text: string, withExemplars: boolean): LineResult => {
  const bare = match(metricName, text, 0) ?? '';
  let at = skipBlanks(text, bare.length);
  const pairs: Label[] = [];
  let name = bare;
  if (text[at] === '{') {
    const block = parseLabels(text, at + 1, bare === '');
    if (!block.ok) return block;
    for (const pair of block.pairs) pairs.push(pair);
    name = bare === '' ? (block.name ?? '') : bare;
    at = skipBlanks(text, block.end);
  } else if (bare !== '' && at === bare.length) return bad(`after the name ${quoted(bare)} comes ${next(text, at)}`);
  if (name === '') return bad(`a metric's name is expected, not ${next(text, 0)}`);
  const labels = labelsOf(pairs);
  if (labels === undefined || pairs.some(([label]) => label === '__name__'))
    return bad(`a label of ${quoted(name)} is given twice`);
  return withValue(text.slice(at), { name, labels }, withExemplars);
};

const withValue = (
  rest: string,
  { name, labels }: { readonly name: string; readonly labels: Labels },
  withExemplars: boolean,
): LineResult => {
  const hash = withExemplars ? rest.indexOf('#') : -1;
  // An exemplar points to one request; no series is made of it, so it is passed over.
  const words = (hash < 0 ? rest : rest.slice(0, hash)).split(/[ \t]+/).filter((word) => word !== '');
  const [valueText = '', time, extra] = words;
  const value = parseNumber(valueText);
  if (value === undefined)
    return bad(`${quoted(valueText)} is not the value of ${quoted(name)}: a float64 is expected`);
  if (extra !== undefined) return bad(`${quoted(extra)} follows the time of ${quoted(name)}`);
  return { ok: true, line: { name, labels, value, time } };
};

type LabelBlock = {
  readonly ok: true;
  readonly name: string | undefined;
  readonly pairs: readonly Label[];
  readonly end: number;
};

/** From behind `{` to behind `}`. A quoted text without `=` is the metric's name where that may stand here. */
const parseLabels = (
  text: string,
  from: number,
  nameInside: boolean,
): LabelBlock | { readonly ok: false; readonly what: string } => {
  const pairs: Label[] = [];
  let name: string | undefined;
  let at = skipBlanks(text, from);
  while (text[at] !== '}') {
    const label = text[at] === '"' ? parseQuoted(text, at) : bareLabel(text, at);
    if (label === undefined) return bad(`a label's name is expected, not ${next(text, at)}`);
    const wasQuoted = text[at] === '"';
    at = skipBlanks(text, label.end);
    if (text[at] === '=') {
      at = skipBlanks(text, at + 1);
      const value = text[at] === '"' ? parseQuoted(text, at) : undefined;
      if (value === undefined) return bad(`the value of the label ${quoted(label.text)} has no quotes around it`);
      if (label.text === '') return bad('a label has an empty name');
      if (pairs.length >= expositionLimits.labels) return bad(`more than ${expositionLimits.labels} labels`);
      pairs.push([label.text, value.text]);
      at = skipBlanks(text, value.end);
    } else if (nameInside && wasQuoted && name === undefined && pairs.length === 0) name = label.text;
    else return bad(`after the label ${quoted(label.text)} comes ${next(text, at)} where = is expected`);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
    else if (text[at] !== '}') return bad(`${next(text, at)} stands where , or } is expected`);
  }
  return { ok: true, name, pairs, end: at + 1 };
};

type Piece = { readonly text: string; readonly end: number };

const bareLabel = (text: string, at: number): Piece | undefined => {
  const found = match(labelName, text, at);
  return found === undefined ? undefined : { text: found, end: at + found.length };
};

/** `at` is the opening quote. Unknown escapes stay as they are, as Prometheus reads them. */
const parseQuoted = (text: string, at: number): Piece | undefined => {
  let result = '';
  let from = at + 1;
  for (let index = from; index < text.length; index += 1) {
    const char = text[index];
    if (char === '"') return { text: result + text.slice(from, index), end: index + 1 };
    if (char !== '\\') continue;
    const escaped = text[index + 1];
    const plain = escaped === 'n' ? '\n' : escaped === '\\' || escaped === '"' ? escaped : undefined;
    if (plain !== undefined) {
      result += text.slice(from, index) + plain;
      from = index + 2;
    }
    index += 1;
  }
  return undefined;
};

const match = (pattern: RegExp, text: string, at: number): string | undefined => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
};

const skipBlanks = (text: string, from: number): number => {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  return at;
};

const next = (text: string, at: number): string => (at >= text.length ? 'the end of the line' : quoted(text.slice(at)));
