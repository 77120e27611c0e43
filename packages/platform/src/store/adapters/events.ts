/** Events on disk: changes and log lines, each once by its id, the oldest dropped beyond a number. */
import { type ChangeEvent, type ChangeQuery, changeEvent, type Event, event as eventSchema } from '@coequal/contract';
import type { DocumentStore, EventStore, Page } from '../port.ts';
import type { Database, Row } from './database.ts';
import { cursorOf, pageOf } from './incidents.ts';

export const makeEventStore = (database: Database): EventStore => ({
  add: (events) => {
    const added: Event[] = [];
    if (events.length === 0) return added;
    database.together(() => {
      added.length = 0;
      for (const one of events) if (insert(database, one) === 1) added.push(one);
    });
    return added;
  },
  changes: (query) => changes(database, query),
  change: (id) =>
    database
      .all("SELECT document FROM event WHERE id = ? AND kind = 'change'", id)
      .map(({ document }) => changeEvent.parse(JSON.parse(String(document))))[0],
  since: (kind, ms, most) =>
    database
      .all(
        'SELECT document FROM event WHERE kind = ? AND at_ms >= ? ORDER BY at_ms DESC, id DESC LIMIT ?',
        kind,
        Math.round(ms),
        most,
      )
      .map(({ document }) => eventSchema.parse(JSON.parse(String(document))))
      .reverse(),
  prune: (kept) => database.run('DELETE FROM event WHERE rowid <= (SELECT max(rowid) FROM event) - ?', kept),
});

const insert = (database: Database, one: Event): number =>
  database.run(
    `INSERT INTO event (id, kind, at_ms, change, host, service, instance, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
    ...[one.id, one.kind, Math.round(one.atMs), one.kind === 'change' ? one.change : null],
    ...[one.place.host ?? null, one.place.service ?? null, one.place.instance ?? null, JSON.stringify(one)],
  );

const changes = (database: Database, query: ChangeQuery): Page<ChangeEvent> => {
  const where = ["kind = 'change'"];
  const values: (string | number)[] = [];
  const add = (sql: string, ...given: readonly (string | number)[]): void => {
    where.push(sql);
    values.push(...given);
  };
  for (const key of ['change', 'host', 'service', 'instance'] as const) {
    const wanted = query[key];
    if (wanted !== undefined) add(`${key} = ?`, wanted);
  }
  if (query.fromMs !== undefined) add('at_ms >= ?', query.fromMs);
  if (query.toMs !== undefined) add('at_ms <= ?', query.toMs);
  const after = cursorOf(query.cursor);
  if (after !== undefined) add('(at_ms, id) < (?, ?)', after.ms, after.id);
  const rows = database.all(
    `SELECT id, at_ms, document FROM event WHERE ${where.join(' AND ')} ORDER BY at_ms DESC, id DESC LIMIT ?`,
    ...values,
    query.limit + 1,
  );
  return pageOf(rows, query.limit, ({ document }: Row) => changeEvent.parse(JSON.parse(String(document))));
};

export const makeDocumentStore = (database: Database): DocumentStore => ({
  put: (name, value) =>
    void database.run(
      'INSERT INTO document (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      JSON.stringify(value),
    ),
  get: (name) => {
    const [row] = database.all('SELECT value FROM document WHERE name = ?', name);
    return row === undefined ? undefined : JSON.parse(String(row['value']));
  },
});
