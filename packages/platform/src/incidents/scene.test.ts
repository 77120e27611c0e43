/** What a diagnosis is told of an incident that came back: what is wrong now, not what was over before. */
import { LiveWindow, usualWindow } from '@coequal/signals';
import { expect, test } from 'vitest';
import { findingOf, startMs, tryPlaces } from '../testing.ts';
import { stepGroups } from './groups.ts';
import { sceneOf } from './scene.ts';

const places = tryPlaces();
const place = { site: 'north', host: 'north-1', service: 'bank', instance: 'north-db-1' };
const sources = {
  ...{ window: new LiveWindow(usualWindow), places, changes: () => [], logs: () => [], details: () => [] },
};
const down = (atMs: number) => findingOf('InstanceDown', place, { startedMs: atMs });
const locks = (atMs: number) => findingOf('RowLockWaits', place, { startedMs: atMs });
const step = (
  before: ReturnType<typeof stepGroups>,
  findings: Parameters<typeof stepGroups>[1],
  nowMs: number,
): ReturnType<typeof stepGroups> =>
  stepGroups(before.open, findings, {
    ...{ places, nowMs, newId: () => 'i-1' },
    recent: before.changed.filter(({ state }) => state === 'resolved'),
  });

test('alerts that were over before an incident came back trigger nothing', () => {
  const began = step({ open: [], changed: [], overflow: 0 }, [down(startMs), locks(startMs)], startMs + 1_000);
  const quiet = step(began, [], startMs + 5_000);
  const over = step(quiet, [], startMs + 40_000);
  expect(over.open).toEqual([]);
  const back = step(over, [down(startMs + 60_000)], startMs + 61_000);
  const [again] = back.open;
  expect(again?.alerts).toHaveLength(2);
  if (again === undefined) throw new Error('it did not come back');
  expect(sceneOf(again, sources, startMs + 62_000).triggers).toMatchObject([
    { name: 'InstanceDown', startedMs: startMs + 60_000 },
  ]);
  const [both] = step(back, [down(startMs + 60_000), locks(startMs + 63_000)], startMs + 64_000).open;
  if (both === undefined) throw new Error('it is gone');
  const { triggers } = sceneOf(both, sources, startMs + 65_000);
  expect(triggers.map(({ startedMs }) => startedMs - startMs).sort()).toEqual([60_000, 63_000]);
});

test('all alerts of an incident that never was over do', () => {
  const began = step({ open: [], changed: [], overflow: 0 }, [down(startMs), locks(startMs)], startMs + 1_000);
  const [one] = step(began, [locks(startMs)], startMs + 5_000).open;
  if (one === undefined) throw new Error('no incident was opened');
  expect(sceneOf(one, sources, startMs + 6_000).triggers).toHaveLength(2);
});
