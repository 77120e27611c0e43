/** Reads the few forms of SET and of literals that reach a simulated instance, the gateway's own among them. */

export type Assignment = { readonly scope: 'user' | 'system'; readonly name: string; readonly value: string };

/** Splits at commas that stand outside of quotes and parentheses. */
export const partsOf = (text: string): readonly string[] => {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === "'" || character === '`') quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)].map((part) => part.trim());
};

export const assignmentsOf = (text: string): readonly Assignment[] =>
  partsOf(text.replace(/^SESSION /i, '')).map((part) => {
    const match = /^(@@SESSION\.|@@|@)?(`[^`]*`|\w+)\s*=\s*(.*)$/is.exec(part);
    if (match === null) throw new Error(`the simulation cannot read this assignment: ${part}`);
    const [, prefix = '', name = '', value = ''] = match;
    return { scope: prefix === '@' ? 'user' : 'system', name: name.replaceAll('`', ''), value };
  });

/** The value of a literal; bytes stay hexadecimal text. */
export const literalOf = (text: string): string | number | null => {
  if (/^NULL$/i.test(text)) return null;
  if (/^-?\d+$/.test(text)) return Number(text);
  const cast = /^CAST\((-?\d+) AS (?:UN)?SIGNED\)$/i.exec(text);
  if (cast !== null) return Number(cast[1]);
  const converted = /^CONVERT\(_utf8mb4 X'([0-9a-f]*)' USING \w+\)$/i.exec(text);
  if (converted !== null) return Buffer.from(converted[1] ?? '', 'hex').toString('utf8');
  const bytes = /^X'([0-9a-f]*)'$/i.exec(text);
  if (bytes !== null) return bytes[1] ?? '';
  const quoted = /^'((?:[^']|'')*)'$/s.exec(text);
  if (quoted !== null) return (quoted[1] ?? '').replaceAll("''", "'");
  if (/^\w+$/.test(text)) return text;
  throw new Error(`the simulation cannot read this literal: ${text}`);
};
