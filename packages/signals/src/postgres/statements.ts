/** Kinds of statements as pg_stat_statements counts them: differences for the detail, counters under the exporter's names. */
import type { StatementRow } from '../database/activity.ts';
import { numberOf, type Row, textOf } from '../database/answer.ts';
import { point } from '../database/points.ts';
import type { Label, Point } from '../sample.ts';

const milliseconds = 1e-3;

/**
 * Columns as `statements` asks for them. `complete`: the reading before had all there were, so that one not seen there is new. The server
 * counts no rows that were read, no errors, and no use of indexes by kind of statement: those are 0.
 */
export const readStatements = (rows: readonly Row[], complete: boolean): readonly StatementRow[] =>
  rows.flatMap(([query, database, role, calls, time, count]) => {
    if (query === null || query === undefined) return [];
    return [
      {
        key: `${textOf(database)}\n${textOf(role)}\n${query}`,
        digest: query,
        database: database ?? undefined,
        isNew: complete,
        counters: {
          calls: numberOf(calls) ?? 0,
          seconds: (numberOf(time) ?? 0) * milliseconds,
          lockSeconds: 0,
          rowsExamined: 0,
          rowsSent: numberOf(count) ?? 0,
          rowsChanged: 0,
          errors: 0,
          withoutIndex: 0,
          temporaryTablesOnDisk: 0,
        },
      },
    ];
  });

const toldLimit = 50;

export const statementPoints = (rows: readonly Row[]): readonly Point[] =>
  rows.slice(0, toldLimit).flatMap(([query, database, role, calls, time, count, read, write]) => {
    const labels: readonly Label[] = [
      ['user', textOf(role)],
      ['datname', textOf(database)],
      ['queryid', textOf(query)],
    ];
    const one = (name: string, value: number): Point => point(`pg_stat_statements_${name}_total`, labels, value);
    return [
      one('calls', numberOf(calls) ?? 0),
      one('seconds', (numberOf(time) ?? 0) * milliseconds),
      one('rows', numberOf(count) ?? 0),
      one('block_read_seconds', (numberOf(read) ?? 0) * milliseconds),
      one('block_write_seconds', (numberOf(write) ?? 0) * milliseconds),
    ];
  });

/** What kind of change a statement is, beyond rows; undefined for every other one. */
export const changeOf = (text: string): 'ddl' | 'account' | undefined => {
  const words = text.trimStart().slice(0, 60).toUpperCase();
  if (/^(CREATE|ALTER|DROP) (USER|ROLE|GROUP)\b/.test(words) || /^(GRANT|REVOKE)\b/.test(words)) return 'account';
  if (/^CREATE (LOCAL |GLOBAL )?TEMP/.test(words)) return undefined;
  return /^(CREATE|ALTER(?! SYSTEM)|DROP|TRUNCATE|REINDEX|CLUSTER|ANALYZE)\b/.test(words) ? 'ddl' : undefined;
};
