/**
 * A log line without what varies and without what nobody outside the database may read: values of rows, statements, names of
 * accounts. When in doubt it takes more away: everything between the first and the last quote of a line is one value, because a value
 * may hold quotes itself. Pure.
 */

/** The part that was taken away. */
export const masked = '<*>';

/** A line is looked at this far; what follows would make no better template. */
const lengthLimit = 1_000;

const rules: readonly (readonly [RegExp, string])[] = [
  // Whatever follows is a statement, or what a statement gave.
  [/\b(statement|query|sql|parameters|values|context|record|asc|hex)\s*[:=].*$/is, `$1: ${masked}`],
  // Dumps of records in what InnoDB says of deadlocks: `1: len 8; hex …; asc …;;`, without quotes.
  [/\b(len \d+; hex|hex|asc) .*$/is, `$1 ${masked}`],
  // Secrets that somebody else's program wrote. "(using password: YES)" is none.
  [/\b(\w*(?:password|passwd|secret|token|api[_-]?key))\s*[=:]\s*(?!(?:yes|no)\b)\S.*$/is, `$1: ${masked}`],
  [/\b(bearer|identified by|identified via|identified with)\s.*$/is, `$1 ${masked}`],
  // Servers cut their messages, so that the last quote may be missing.
  [/\b(duplicate entry|incorrect \w+ value|truncated \w+ value)\b.*$/is, `$1 ${masked}`],
  // PostgreSQL: Key (name)=(value), Failing row contains (value, …).
  [/=\(.*\)/s, `=(${masked})`],
  [/\bcontains \(.*\)/s, `contains (${masked})`],
  // A value may hold quotes: from the first to the last. An apostrophe within a word is none.
  [/(?<![\p{L}\p{N}])'.*'/su, masked],
  [/".*"/s, masked],
  [/`.*`/s, masked],
  // One without its partner: the line was cut.
  [/(?<![\p{L}\p{N}])'.*$/su, masked],
  [/["`].*$/s, masked],
  // Identifiers of members and views, and positions behind them.
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b(?::-?\d+)?/gi, masked],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}\b/gi, masked],
  [/\b\d+-\d+-\d+(?:,\d+-\d+-\d+)*\b/g, masked],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s,;)]+/gi, masked],
  [/(?<![\w<])\/[^\s,;:()'"]+/g, masked],
  [/[\w.+-]+@[\w.-]+/g, masked],
  [/(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:\/\d+)?/g, masked],
  [/(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi, masked],
  [/\b0x[0-9a-f]+\b/gi, masked],
  [/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}\b/gi, masked],
  [/(?<![A-Za-z_])[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?(?![A-Za-z_\d])/gi, masked],
  [/\d{4,}/g, masked],
];

export const maskLine = (line: string): string => {
  // Of a line that is cut here the end of the last value is not known.
  const whole =
    line.length <= lengthLimit ? line : line.slice(0, lengthLimit).replace(/(?<![\p{L}\p{N}])['"`].*$/su, masked);
  let text = whole.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ');
  for (const [pattern, by] of rules) text = text.replace(pattern, by);
  return text.replaceAll(/\s+/g, ' ').trim();
};
