/**
 * A first look at a PromQL expression: whether it is empty, and whether its quotes and brackets close. Evaluating, and all
 * else there is to say of it, is the store's; this finds the mistakes of editing before the file is in use.
 */
import { quoted } from '../sample.ts';

const closing: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);
const closers: ReadonlySet<string> = new Set(closing.values());

/** What is wrong, or undefined. */
export const expressionFault = (text: string): string | undefined => {
  if (text.trim() === '') return 'the expression is empty';
  const open: string[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (char === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (char === '"' || char === "'" || char === '`') {
      const end = endOfText(text, at, char);
      if (end === undefined) return `a quote is not closed: ${quoted(text.slice(at))}`;
      at = end;
    } else if (closing.has(char)) open.push(closing.get(char) ?? '');
    else if (closers.has(char) && open.pop() !== char) return `${quoted(char)} closes nothing, or something else`;
  }
  const missing = open.at(-1);
  return missing === undefined ? undefined : `${quoted(missing)} is missing at its end`;
};

const endOfText = (text: string, from: number, quote: string): number | undefined => {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\' && quote !== '`') at += 1;
    else if (text[at] === quote) return at;
  }
  return undefined;
};
