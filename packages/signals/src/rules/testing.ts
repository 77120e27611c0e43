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
