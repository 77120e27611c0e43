/** What is on disk: whole or not there, up to the newest shape and back, bounded, and never a later version's. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ChangeEvent, Incident } from '@coequal/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { restoreBackup, takeBackup } from './adapters/backup.ts';
import { openDatabase, stepBack } from './adapters/database.ts';
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

const mostly = migrations.slice(0, 1);
const names = (database: { readonly all: (sql: string) => readonly object[] }) =>
  database.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");

test('the release before works on the newest shape, and what it writes is there afterwards', () => {
  openDatabase(folder).close();
  const before = openDatabase(folder, mostly);
  makeIncidentStore(before).save([incidentOf('a', 1)]);
  makeEventStore(before).add([change('c', 1)]);
  makeDocumentStore(before).put('d', 1);
  before.close();
  const newest = openDatabase(folder);
  expect(makeIncidentStore(newest).get('a')?.id).toBe('a');
  expect(makeEventStore(newest).change('c')?.id).toBe('c');
  newest.close();
  const breaking = { name: '999-breaks', up: 'CREATE TABLE later (a TEXT)', down: 'DROP TABLE later' };
  openDatabase(folder, [...migrations, { ...breaking, breaks: true }]).close();
  expect(() => openDatabase(folder)).toThrow(
    expect.objectContaining({ code: 'PLATFORM_DATABASE_NEWER', message: expect.stringContaining('999-breaks') }),
  );
  expect(stepBack(folder, migrations.at(-1)?.name ?? '')).toEqual(['999-breaks']);
  openDatabase(folder).close();
});

test('steps add only, or say that they break', () => {
  const adding = /^(CREATE (UNIQUE )?(TABLE|INDEX)|ALTER TABLE \w+ ADD COLUMN)\b/;
  for (const { name, up, breaks } of migrations)
    for (const statement of up.split(';').map((one) => one.trim()))
      if (statement !== '' && breaks !== true) expect([name, statement]).toEqual([name, expect.stringMatching(adding)]);
});

test('the shape goes back to a step, with what was kept before it, also of a database that the first release made', () => {
  const path = join(folder, 'platform.sqlite');
  const first = new DatabaseSync(path);
  first.exec('CREATE TABLE migration (name TEXT PRIMARY KEY) STRICT');
  for (const { name, up } of mostly) {
    first.exec(up);
    first.prepare('INSERT INTO migration (name) VALUES (?)').run(name);
  }
  const shape = first.prepare("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'migration' ORDER BY name").all();
  first.close();
  const newest = openDatabase(folder);
  makeIncidentStore(newest).save([incidentOf('a', 1)]);
  expect(names(newest).length).toBeGreaterThan(5);
  newest.close();
  expect(stepBack(folder, '001-incidents-and-events').at(-1)).toBe(migrations[1]?.name);
  expect(() => stepBack(folder, 'none')).toThrow(expect.objectContaining({ code: 'PLATFORM_STEP_UNKNOWN' }));
  const again = new DatabaseSync(path);
  expect(again.prepare("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'migration' ORDER BY name").all()).toEqual(
    shape,
  );
  expect(again.prepare('SELECT id FROM incident').all()).toEqual([{ id: 'a' }]);
  again.close();
});

test('a copy is made while the database is written to, is whole, and is put back', async () => {
  const database = openDatabase(folder);
  const store = makeIncidentStore(database);
  store.save(Array.from({ length: 2_000 }, (_, index) => incidentOf(`i-${index}`, index)));
  const copying = takeBackup(database, folder, 1_800_000_000_000);
  store.save([incidentOf('while', 1)]);
  const { file, bytes, sha256 } = await copying;
  store.save([incidentOf('after', 2)]);
  expect([file, bytes > 0, sha256.length]).toEqual([
    join(folder, 'backups', 'platform-20270115-080000000.sqlite'),
    true,
    64,
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await expect(restoreBackup(folder, file, 1)).rejects.toMatchObject({ code: 'PLATFORM_ALREADY_RUNNING' });
  database.close();
  const aside = await restoreBackup(folder, file, 1_800_000_000_001);
  const restored = openDatabase(folder);
  expect(restored.all("SELECT count(*) AS n FROM incident WHERE id LIKE 'i-%'")).toEqual([{ n: 2_000 }]);
  expect(makeIncidentStore(restored).get('after')).toBeUndefined();
  restored.close();
  const old = new DatabaseSync(aside ?? '');
  expect(old.prepare("SELECT id FROM incident WHERE id = 'after'").all()).toEqual([{ id: 'after' }]);
  old.close();
});

test('only the newest ten copies are kept, and nothing else is deleted', async () => {
  const database = openDatabase(folder);
  mkdirSync(join(folder, 'backups'));
  writeFileSync(join(folder, 'backups', 'mine.sqlite'), 'x');
  for (let index = 0; index < 12; index += 1) await takeBackup(database, folder, 1_800_000_000_000 + index);
  const found = readdirSync(join(folder, 'backups')).sort();
  expect([found.length, found[0], found.at(-1)]).toEqual([11, 'mine.sqlite', 'platform-20270115-080000011.sqlite']);
  database.close();
});

test('what is no copy is refused, and the database stays as it is', async () => {
  const database = openDatabase(folder);
  makeIncidentStore(database).save([incidentOf('a', 1)]);
  const { file } = await takeBackup(database, folder, 1_800_000_000_000);
  database.close();
  const torn = join(folder, 'torn.sqlite');
  const bytes = readFileSync(file);
  bytes.fill(0x55, 4_096, 12_288);
  writeFileSync(torn, bytes);
  const text = join(folder, 'text.sqlite');
  writeFileSync(text, 'no database, and long enough to be looked at as one. '.repeat(200));
  const other = join(folder, 'other.sqlite');
  const foreign = new DatabaseSync(other);
  foreign.exec('CREATE TABLE a (b TEXT)');
  foreign.close();
  for (const wrong of [torn, text, other, join(folder, 'none')])
    await expect(restoreBackup(folder, wrong, 2)).rejects.toMatchObject({ code: 'BACKUP_INVALID' });
  const same = openDatabase(folder);
  expect(makeIncidentStore(same).get('a')?.id).toBe('a');
  same.close();
});
