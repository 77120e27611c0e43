/** Incidents on disk: each is one row with its document, and one row for each place it touches, written together. */
import { type Incident, type IncidentQuery, incident as incidentSchema, type Place } from '@coequal/contract';
import type { IncidentStore, Page } from '../port.ts';
import type { Database, Row } from './database.ts';

const kinds = ['site', 'host', 'service', 'instance', 'gateway'] as const;

export const makeIncidentStore = (database: Database): IncidentStore => ({
  save: (incidents) => {
    if (incidents.length === 0) return;
    database.together(() => {
      for (const one of incidents) save(database, one);
    });
  },
  get: (id) => database.all('SELECT document FROM incident WHERE id = ?', id).map(incidentOf)[0],
  list: (query) => list(database, query),
  open: () =>
    database.all("SELECT document FROM incident WHERE state <> 'resolved' ORDER BY detected_ms, id").map(incidentOf),
  resolvedSince: (ms) =>
    database
      .all(
        "SELECT document FROM incident WHERE state = 'resolved' AND resolved_ms >= ? ORDER BY resolved_ms DESC LIMIT 1000",
        ms,
      )
      .map(incidentOf),
  prune: (kept) =>
    database.run(
      `DELETE FROM incident WHERE state = 'resolved' AND id NOT IN
         (SELECT id FROM incident ORDER BY detected_ms DESC, id DESC LIMIT ?)`,
      kept,
    ),
});

const save = (database: Database, one: Incident): void => {
  database.run(
    `INSERT INTO incident (id, state, severity, started_ms, detected_ms, resolved_ms, document)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, severity = excluded.severity, started_ms = excluded.started_ms,
       resolved_ms = excluded.resolved_ms, document = excluded.document`,
    ...[one.id, one.state, one.severity, Math.round(one.startedMs), Math.round(one.detectedMs)],
    ...[one.resolvedMs === undefined ? null : Math.round(one.resolvedMs), JSON.stringify(one)],
  );
  for (const place of [one.place, ...one.places])
    for (const kind of kinds) {
      const name = place[kind];
      if (name !== undefined)
        database.run(
          'INSERT OR IGNORE INTO incident_place (incident, kind, name) VALUES (?, ?, ?)',
          one.id,
          kind,
          name,
        );
    }
};

const list = (database: Database, query: IncidentQuery): Page<Incident> => {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const add = (sql: string, ...given: readonly (string | number)[]): void => {
    where.push(sql);
    values.push(...given);
  };
  if (query.state !== undefined) add('state = ?', query.state);
  if (query.severity !== undefined) add('severity = ?', query.severity);
  if (query.fromMs !== undefined) add('detected_ms >= ?', query.fromMs);
  if (query.toMs !== undefined) add('detected_ms <= ?', query.toMs);
  for (const kind of kinds) {
    const name = (query as Place)[kind];
    if (name !== undefined)
      add(
        'EXISTS (SELECT 1 FROM incident_place p WHERE p.incident = incident.id AND p.kind = ? AND p.name = ?)',
        kind,
        name,
      );
  }
  const after = cursorOf(query.cursor);
  if (after !== undefined) add('(detected_ms, id) < (?, ?)', after.ms, after.id);
  const rows = database.all(
    `SELECT id, detected_ms, document FROM incident ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
     ORDER BY detected_ms DESC, id DESC LIMIT ?`,
    ...values,
    query.limit + 1,
  );
  return pageOf(rows, query.limit, incidentOf);
};

const incidentOf = ({ document }: Row): Incident => incidentSchema.parse(JSON.parse(String(document)));

/** A cursor is where the page before ended: its time and id. */
export const cursorOf = (cursor: string | undefined): { readonly ms: number; readonly id: string } | undefined => {
  const [, ms, id] = /^(\d{1,16})~(.{1,200})$/.exec(cursor ?? '') ?? [];
  return ms === undefined || id === undefined ? undefined : { ms: Number(ms), id };
};

/** One row more than asked for says that there is a next page. */
export const pageOf = <T>(rows: readonly Row[], limit: number, read: (row: Row) => T): Page<T> => {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map(read),
    next: last === undefined ? null : `${String(last['detected_ms'] ?? last['at_ms'])}~${String(last['id'])}`,
  };
};
