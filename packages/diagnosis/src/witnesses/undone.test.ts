/** A change that was put back before the trouble began is no suspect; one that lasts, or was put back too late, is. */
import type { ChangeEvent } from '@coequal/contract';
import { expect, test } from 'vitest';
import { withoutUndone } from './undone.ts';

const at = (atMs: number, text: string, more: Partial<ChangeEvent> = {}): ChangeEvent => ({
  ...{ kind: 'change', id: `${atMs} ${text}`, atMs, place: { instance: 'north-db-1' }, change: 'setting', text },
  source: 'test',
  ...more,
});
const on = (atMs: number, more?: Partial<ChangeEvent>) =>
  at(atMs, 'the setting read_only changed from OFF to ON', more);
const off = (atMs: number, more?: Partial<ChangeEvent>) =>
  at(atMs, 'the setting read_only changed from ON to OFF', more);

test('a setting that has its old value again', () => {
  expect(withoutUndone([on(1_000), off(20_000)], 60_000, 5_000)).toEqual([]);
});

test('a setting that lasts, that was put back elsewhere, or only when it had begun', () => {
  const elsewhere = { place: { instance: 'south-db-1' } };
  expect(withoutUndone([on(1_000)], 60_000, 5_000)).toHaveLength(1);
  expect(withoutUndone([on(1_000), off(20_000, elsewhere)], 60_000, 5_000)).toHaveLength(2);
  expect(withoutUndone([on(1_000), off(58_000)], 60_000, 5_000)).toHaveLength(2);
});

test('what was stopped and runs again; not where something else was started', () => {
  const stop = at(1_000, 'the stop of north-db-1', { change: 'stop' });
  const start = at(9_000, 'the start of north-db-1', { change: 'restart' });
  const other = at(9_000, 'the start of south-db-1', { change: 'restart', place: { instance: 'south-db-1' } });
  expect(withoutUndone([stop, start], 60_000, 5_000)).toEqual([]);
  expect(withoutUndone([stop, other], 60_000, 5_000)).toEqual([stop, other]);
});

test('made again after it was put back', () => {
  expect(withoutUndone([on(1_000), off(20_000), on(50_000)], 60_000, 5_000)).toEqual([on(50_000)]);
});

test('an index that is there again, and another one that is not', () => {
  const ddl = (atMs: number, text: string) => at(atMs, `the schema change ${text}`, { change: 'ddl' });
  const gone = ddl(1_000, 'ALTER TABLE `payments` DROP INDEX IF EXISTS `customer`');
  const back = ddl(9_000, 'ALTER TABLE `payments` ADD INDEX IF NOT EXISTS `customer` ( `customer` )');
  const other = ddl(9_000, 'ALTER TABLE `payments` ADD INDEX `branch` ( `branch` )');
  expect(withoutUndone([gone, back], 60_000, 5_000)).toEqual([]);
  expect(withoutUndone([gone, other], 60_000, 5_000)).toEqual([gone, other]);
});
