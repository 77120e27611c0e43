/**
 * Rows of PostgreSQL's statistics views as points of postgres_exporter. Most views become metrics by one rule (view, column, labels), as
 * the exporter has it; what is null there is NaN with the exporter and no point here.
 */
import { numberOf, type Row, type Rows, recordsOf, textOf } from '../database/answer.ts';
import { point } from '../database/points.ts';
import type { Label, Point } from '../sample.ts';

/** Databases, tables, slots and whatever else a server may have without end. */
const rowLimit = 1_000;

/** Every column that is no label and holds a number, under the name of the view. */
export const readView = (view: string, labels: readonly string[], suffix = '') => {
  return (answer: Rows): readonly Point[] =>
    recordsOf(answer)
      .slice(0, rowLimit)
      .flatMap((record) => {
        const own = labels.map((label): Label => [label, textOf(record[label])]);
        return Object.entries(record).flatMap(([column, cell]) => {
          const value = labels.includes(column) ? undefined : switchOf(cell);
          return value === undefined ? [] : [point(`${view}_${column}${suffix}`, own, value)];
        });
      });
};

const switchOf = (cell: string | null): number | undefined => {
  if (cell === 't' || cell === 'true') return 1;
  if (cell === 'f' || cell === 'false') return 0;
  return numberOf(cell);
};

const units: Readonly<Record<string, readonly [name: string, factor: number]>> = {
  ms: ['seconds', 1e-3],
  s: ['seconds', 1],
  min: ['seconds', 60],
  h: ['seconds', 3_600],
  d: ['seconds', 86_400],
  B: ['bytes', 1],
  kB: ['bytes', 2 ** 10],
  MB: ['bytes', 2 ** 20],
  GB: ['bytes', 2 ** 30],
  TB: ['bytes', 2 ** 40],
};

/** `8kB`, `16MB`, `ms` as the exporter's units: seconds and bytes. */
const unitOf = (unit: string): readonly [name: string, factor: number] | undefined => {
  const [, count = '', name = ''] = /^(\d*)([A-Za-z]+)$/.exec(unit) ?? [];
  const known = Object.hasOwn(units, name) ? units[name] : undefined;
  return known === undefined ? undefined : [known[0], known[1] * (count === '' ? 1 : Number(count))];
};

export type Setting = { readonly name: string; readonly value: string; readonly unit: string; readonly type: string };

export const settingPoints = (settings: readonly Setting[]): readonly Point[] =>
  settings.slice(0, rowLimit).flatMap(({ name, value, unit, type }) => {
    const metric = `pg_settings_${name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`;
    if (type === 'bool') return [point(metric, [], value === 'on' ? 1 : 0)];
    const number = numberOf(value);
    if ((type !== 'integer' && type !== 'real') || number === undefined) return [];
    if (unit === '') return [point(metric, [], number)];
    const known = unitOf(unit);
    if (known === undefined) return [];
    // -1 says "as elsewhere" or "off", in whatever unit.
    return [point(`${metric}_${known[0]}`, [], number === -1 ? -1 : number * known[1])];
  });

export const lockModes = [
  'accesssharelock',
  'rowsharelock',
  'rowexclusivelock',
  'shareupdateexclusivelock',
  'sharelock',
  'sharerowexclusivelock',
  'exclusivelock',
  'accessexclusivelock',
  'sireadlock',
] as const;

export const states = [
  'active',
  'idle',
  'idle in transaction',
  'idle in transaction (aborted)',
  'fastpath function call',
  'disabled',
] as const;

/** Rows: database, mode, count. Every mode of every database, also those that nobody holds. */
export const lockPoints = (databases: readonly string[], rows: readonly Row[]): readonly Point[] => {
  const counts = new Map(rows.map(([database, mode, count]) => [`${database}\n${mode}`, numberOf(count) ?? 0]));
  return databases.slice(0, rowLimit).flatMap((datname) =>
    lockModes.map((mode) => {
      const labels: readonly Label[] = [
        ['datname', datname],
        ['mode', mode],
      ];
      return point('pg_locks_count', labels, counts.get(`${datname}\n${mode}`) ?? 0);
    }),
  );
};
