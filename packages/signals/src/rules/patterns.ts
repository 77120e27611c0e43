/**
 * Go's regular expressions (RE2), as far as templates and matchers use them, by those of this language. A pattern is compiled once; one that
 * needs what RE2 does not have (looking around, back references) is refused, because it could take for ever.
 */

const cache = new Map<string, RegExp | undefined>();
const cacheLimit = 1_000;
/** Labels are short; a long text could make a bad pattern slow. */
const textLimit = 4_096;

/** The pattern as one of this language, or undefined. `anchored`: it must match the whole text, as matchers of labels do. */
export const fixPattern = (pattern: string, anchored = false): RegExp | undefined => {
  const key = `${anchored ? '^' : ' '}${pattern}`;
  if (cache.has(key)) return cache.get(key);
  const made = compile(pattern, anchored);
  if (cache.size >= cacheLimit) cache.clear();
  cache.set(key, made);
  return made;
};

const compile = (pattern: string, anchored: boolean): RegExp | undefined => {
  if (/\(\?(<?[=!])|\\[1-9]|\\k</.test(pattern)) return undefined;
  const [, flags = '', rest = pattern] = /^\(\?([is]+)\)(.*)$/s.exec(pattern) ?? [];
  const source = rest.replaceAll('(?P<', '(?<').replaceAll('\\z', '$').replaceAll('\\A', '^');
  // Matchers of labels see line feeds as any other character.
  const all = [...new Set(`u${flags}${anchored ? 's' : ''}`)].join('');
  try {
    return new RegExp(anchored ? `^(?:${source})$` : source, all);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

export const matches = (pattern: string, text: string): boolean =>
  fixPattern(pattern)?.test(text.slice(0, textLimit)) ?? false;

/** `$1`, `${1}` and `${name}` stand for groups, `$$` for the sign. A pattern that is none changes nothing. */
export const replaceAll = (pattern: string, by: string, text: string): string => {
  const expression = fixPattern(pattern);
  if (expression === undefined || text.length > textLimit) return text;
  return text.replaceAll(new RegExp(expression.source, `${expression.flags}g`), (...found: readonly unknown[]) => {
    const last = found.at(-1);
    const named =
      typeof last === 'object' && last !== null ? new Map(Object.entries(last)) : new Map<string, unknown>();
    return by.replaceAll(/\$(?:\$|\{(\w+)\}|(\w+))/g, (sign, braced?: string, bare?: string) => {
      const name = braced ?? bare;
      if (name === undefined) return sign === '$$' ? '$' : sign;
      const group = /^\d+$/.test(name) ? groupOf(found, Number(name)) : named.get(name);
      return typeof group === 'string' ? group : '';
    });
  });
};

/** Groups stand before the place of the match, which is a number. */
const groupOf = (found: readonly unknown[], index: number): unknown => {
  const place = found.findIndex((part) => typeof part === 'number');
  return index < place ? found[index] : undefined;
};
