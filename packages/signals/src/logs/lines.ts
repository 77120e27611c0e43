/**
 * What a line of a log is: how severe, and its text without time and thread. Databases also write blocks whose further lines have no head
 * (deadlocks, statements, traces of a crash); these hold values of rows, so they are told apart and their text goes nowhere. Pure.
 */

export type LineSeverity = 'error' | 'warning' | 'info';
export type LogStyle = 'auto' | 'mariadb' | 'postgres' | 'json' | 'plain';

/** `continuation`: belongs to the line before. */
export type LogLine =
  | { readonly kind: 'line'; readonly severity: LineSeverity; readonly text: string; readonly style: LogStyle }
  | { readonly kind: 'continuation' };

const continuation: LogLine = { kind: 'continuation' };

/** `style`: as it was named, or as lines before have shown it. */
export const readLine = (line: string, style: LogStyle): LogLine => {
  switch (style) {
    case 'mariadb':
      return readMariadb(line) ?? continuation;
    case 'postgres':
      return readPostgres(line) ?? continuation;
    case 'json':
      return readJson(line) ?? continuation;
    case 'plain':
      return readPlain(line);
    case 'auto':
      return readJson(line) ?? readMariadb(line) ?? readPostgres(line) ?? readPlain(line);
  }
};

/** MariaDB `2026-11-25 12:34:06 0 [Note] …`, MySQL `2026-11-25T12:34:06.123456Z 0 [System] [MY-010116] [Server] …`, and the head of a crash. */
const mariadbHead =
  /^(?:\d{4}-\d\d-\d\d[T ]\s?\d?\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?\s+\d+\s+|\d{6}\s+\d?\d:\d\d:\d\d\s+)\[(ERROR|Warning|Note|System)\]\s*(.*)$/s;

const readMariadb = (line: string): LogLine | undefined => {
  const [, level, text] = mariadbHead.exec(line) ?? [];
  if (level === undefined || text === undefined) return undefined;
  const severity = level === 'ERROR' ? 'error' : level === 'Warning' ? 'warning' : 'info';
  return { kind: 'line', severity, text, style: 'mariadb' };
};

/** Whatever `log_line_prefix` puts before the level, beginning with a time. */
const postgresHead =
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? .{0,300}?\b(DEBUG\d?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION):\s+(.*)$/s;

const readPostgres = (line: string): LogLine | undefined => {
  const [, level, text] = postgresHead.exec(line) ?? [];
  if (level === undefined || text === undefined) return undefined;
  switch (level) {
    case 'DETAIL':
    case 'HINT':
    case 'CONTEXT':
    case 'STATEMENT':
    case 'QUERY':
    case 'LOCATION':
      return continuation;
    case 'ERROR':
    case 'FATAL':
    case 'PANIC':
      return { kind: 'line', severity: 'error', text: `${level}: ${text}`, style: 'postgres' };
    default:
      return { kind: 'line', severity: level === 'WARNING' ? 'warning' : 'info', text, style: 'postgres' };
  }
};

/** Our own logs (`level`, `event`), and those that number their levels as pino does. Other fields are values, and left out. */
const readJson = (line: string): LogLine | undefined => {
  if (!line.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const field = (...names: readonly string[]): unknown => {
    for (const name of names) if (Object.hasOwn(value, name)) return Reflect.get(value, name);
    return undefined;
  };
  const level = field('level', 'severity', 'lvl');
  const text = field('event', 'msg', 'message');
  if (typeof text !== 'string') return undefined;
  const reason = field('reason');
  const words = typeof reason === 'string' && reason !== '' ? `${text}: ${reason}` : text;
  return { kind: 'line', severity: severityOf(level), text: words, style: 'json' };
};

const severityOf = (level: unknown): LineSeverity => {
  if (typeof level === 'number') return level >= 50 ? 'error' : level >= 40 ? 'warning' : 'info';
  if (typeof level !== 'string') return 'info';
  if (/^(err|fatal|crit|alert|emerg|panic)/i.test(level)) return 'error';
  return /^warn/i.test(level) ? 'warning' : 'info';
};

const readPlain = (line: string): LogLine => {
  const severity = /\b(error|fatal|panic|critical|crit|emerg|alert)\b/i.test(line)
    ? 'error'
    : /\bwarn(ing)?\b/i.test(line)
      ? 'warning'
      : 'info';
  return { kind: 'line', severity, text: line, style: 'plain' };
};
