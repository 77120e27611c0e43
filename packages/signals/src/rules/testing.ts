/**
 * Series in the notation of promtool's tests, as samples: `1 2 3`, `0+10x5` (0 and five more, each 10 larger), `7x3` (7 and three more),
 * `_` for no sample, `stale` for the end of a series.
 */
import { parseExposition } from '../exposition/parse.ts';
import type { Sample } from '../sample.ts';

export const rowsOf = (rows: Readonly<Record<string, string>>, beginMs: number, stepMs: number): readonly Sample[] =>
  Object.entries(rows).flatMap(([series, notation]) => {
    const { name, labels } = seriesOf(series);
    return valuesOf(notation).flatMap((value, index) =>
      value === undefined ? [] : [{ name, labels, value, timeMs: beginMs + index * stepMs }],
    );
  });

const seriesOf = (text: string): Pick<Sample, 'name' | 'labels'> => {
  const { samples, problems } = parseExposition(new TextEncoder().encode(`${text} 0\n`), {
    format: 'prometheus',
    timeMs: 0,
  });
  const [sample] = samples;
  if (sample === undefined || problems.length > 0) throw new Error(`not a series: ${text}`);
  return sample;
};

const valuesOf = (notation: string): readonly (number | undefined)[] =>
  notation
    .trim()
    .split(/\s+/)
    .flatMap((word) => {
      const missing = /^_(?:x(\d+))?$/.exec(word);
      if (missing !== null) return new Array<undefined>(Number(missing[1] ?? 1)).fill(undefined);
      const [, start, step, times] = /^(-?[\d.eE]+?)(?:([+-][\d.eE]+))?(?:x(\d+))?$/.exec(word) ?? [];
      if (start === undefined) throw new Error(`not a value: ${word}`);
      return Array.from({ length: Number(times ?? 0) + 1 }, (_, index) => Number(start) + index * Number(step ?? 0));
    });

/** Words of PromQL that stand where a metric's name could. */
const words = new Set(
  'and or unless by without on ignoring group_left group_right bool offset inf nan start end atan2'.split(' '),
);

/** The names of metrics that an expression is about. */
export const metricNames = (expression: string): readonly string[] => {
  const bare = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '')
    .replaceAll(/#[^\n]*/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/gi, ' ');
  const found = new Set<string>();
  for (const { 0: name, index } of bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*/g)) {
    const isCall = /^\s*\(/.test(bare.slice(index + name.length));
    if (!isCall && !words.has(name.toLowerCase())) found.add(name);
  }
  return [...found];
};

type Json = { readonly [key: string]: unknown } | readonly unknown[] | string | number | boolean | null;

/** The expressions of a Grafana dashboard, with something in the place of its variables. */
export const expressionsOf = (dashboard: string): readonly string[] => {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'expr' && typeof inner === 'string') found.push(inner);
      else if (key === 'query' && typeof inner === 'string' && /^label_values\(/.test(inner))
        found.push(/^label_values\((.*),\s*\w+\)$/.exec(inner)?.[1] ?? inner);
      else walk(inner);
    }
  };
  const json: Json = JSON.parse(dashboard);
  walk(json);
  return found.map((expression) =>
    expression.replaceAll('$__rate_interval', '1m').replaceAll(/\$\{?\w+(:\w+)?\}?/g, '.*'),
  );
};
