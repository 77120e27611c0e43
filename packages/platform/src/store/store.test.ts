/** What is on disk: whole or not there, up to the newest shape and back, bounded, and never a later version's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ChangeEvent, Incident } from '@coequal/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from './adapters/database.ts';
import { makeDocumentStore, makeEventStore } from './adapters/events.ts';
import { makeIncidentStore } from './adapters/incidents.ts';
import { migrations } from './migrations.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const incidentOf = (id: string, detectedMs: number, state: Incident['state'] = 'open'): Incident => ({
  ...{ id, state, severity: 'warning', title: id, place: { service: 'bank' }, places: [{ service: 'bank' }] },
  ...{ startedMs: detectedMs, detectedMs, alerts: [], timeline: [] },
  ...(state === 'resolved' ? { resolvedMs: detectedMs } : {}),
});

const change = (id: string, atMs: number): ChangeEvent => ({
  ...{ kind: 'change', id, atMs, place: { host: 'north-1' }, change: 'job', text: id, source: 'test' },
});

test('what was saved together is there together, or not at all', () => {
  const database = openDatabase(folder);
  const store = makeIncidentStore(database);
  store.save([incidentOf('a', 1), incidentOf('b', 2)]);
  const broken = { ...incidentOf('d', 4), severity: undefined } as unknown as Incident;
  expect(() => store.save([{ ...incidentOf('a', 1), title: 'changed' }, incidentOf('c', 3), broken])).toThrow();
  expect(store.list({ limit: 10 }).items.map(({ title }) => title)).toEqual(['b', 'a']);
  database.close();
  const again = openDatabase(folder);
  expect(
    makeIncidentStore(again)
      .open()
      .map(({ id }) => id),
  ).toEqual(['a', 'b']);
  again.close();
});

test('the oldest resolved incidents go, open ones never', () => {
  const database = openDatabase(folder);
  const store = makeIncidentStore(database);
  store.save([incidentOf('open', 0), ...[1, 2, 3, 4].map((ms) => incidentOf(`r${ms}`, ms, 'resolved'))]);
  store.prune(2);
  expect(store.list({ limit: 10 }).items.map(({ id }) => id)).toEqual(['r4', 'r3', 'open']);
  expect(store.resolvedSince(4).map(({ id }) => id)).toEqual(['r4']);
  expect(database.all('SELECT count(*) AS n FROM incident_place')[0]?.['n']).toBe(3);
  database.close();
});

test('an event counts once, and only so many are kept', () => {
  const database = openDatabase(folder);
  const store = makeEventStore(database);
  expect(store.add([change('a', 1), change('a', 1), change('b', 2)])).toHaveLength(2);
  expect(store.add([change('a', 1), change('c', 3)]).map(({ id }) => id)).toEqual(['c']);
  const page = store.changes({ limit: 2 });
  expect(page.items.map(({ id }) => id)).toEqual(['c', 'b']);
  expect(store.changes({ limit: 2, cursor: page.next ?? '' }).items.map(({ id }) => id)).toEqual(['a']);
  expect(store.changes({ limit: 2, host: 'south-1' }).items).toEqual([]);
  store.prune(1);
  expect(store.since('change', 0, 10).map(({ id }) => id)).toEqual(['c']);
  database.close();
});

test('small values are replaced by name', () => {
  const database = openDatabase(folder);
  const documents = makeDocumentStore(database);
  documents.put('a', { b: [1] });
  documents.put('a', { b: [2] });
  expect([documents.get('a'), documents.get('c')]).toEqual([{ b: [2] }, undefined]);
  database.close();
});

test('one process owns the database', () => {
  const database = openDatabase(folder);
  expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'PLATFORM_ALREADY_RUNNING' }));
  database.close();
  openDatabase(folder).close();
});

test('a later version’s database is refused and left alone; what is none is refused in words', () => {
  const path = join(folder, 'platform.sqlite');
  openDatabase(folder).close();
  const other = new DatabaseSync(path);
  other.exec("INSERT INTO migration (name) VALUES ('999-from-the-future')");
  other.close();
  expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'PLATFORM_DATABASE_NEWER' }));
  rmSync(path);
  writeFileSync(
    path,
    'This is a text, and long enough to be looked at as a database file by whoever opens it.'.repeat(20),
  );
  expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'PLATFORM_DATABASE_BROKEN' }));
});

test('every step has a way back that leaves nothing', () => {
  const database = new DatabaseSync(':memory:');
  const tables = () => database.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all();
  for (const { up } of migrations) database.exec(up);
  expect(tables().length).toBeGreaterThan(0);
  for (const { down } of migrations.toReversed()) database.exec(down);
  expect(tables()).toEqual([]);
});
