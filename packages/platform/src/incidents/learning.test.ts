/** What a confirmed incident teaches, while the live window still has it and long after. */
import { incidentOfScene } from '@coequal/diagnosis';
import { LiveWindow, labelsOf, type StoreResult, usualWindow } from '@coequal/signals';
import { expect, test } from 'vitest';
import { findingOf, startMs, tell, tryPlaces } from '../testing.ts';
import { stepGroups } from './groups.ts';
import { learningScene } from './learning.ts';
import type { SceneSources } from './scene.ts';

const places = tryPlaces();
const place = { site: 'north', host: 'north-1', service: 'bank', instance: 'north-db-1' };
const faultMs = startMs + 400_000;
const labels = { instance: 'north-db-1', host: 'north-1', job: 'mysql', site: 'north' };
const valueAt = (second: number): number => (second * 1_000 < faultMs ? 5 : 60) + (second % 4);

const incident = stepGroups([], [findingOf('SessionsPileUp', place, { startedMs: faultMs })], {
  ...{ places, nowMs: faultMs + 1_000, newId: () => 'i-1', recent: [] },
}).open[0];
if (incident === undefined) throw new Error('no incident was opened');

const sourcesOf = (window: LiveWindow): SceneSources => ({
  ...{ window, places, changes: () => [], logs: () => [], details: () => [] },
});

const live = (): LiveWindow => {
  const window = new LiveWindow(usualWindow);
  for (let second = startMs / 1_000; second * 1_000 < faultMs + 600_000; second += 1)
    tell(window, second, labels, { mysql_global_status_threads_running: valueAt(second) });
  return window;
};

const asked: (readonly [string, number, number])[] = [];
const store = {
  range: async (query: string, fromMs: number, toMs: number): Promise<StoreResult> => {
    asked.push([query, fromMs, toMs]);
    if (!query.includes('host="north-1"')) return { ok: true, series: [], warnings: [] };
    const times = Array.from({ length: (toMs - fromMs) / 1_000 + 1 }, (_, row) => fromMs + row * 1_000);
    const own = labelsOf(Object.entries({ ...labels, __name__: 'mysql_global_status_threads_running' })) ?? [];
    const values = Float64Array.from(times, (atMs) => valueAt(atMs / 1_000));
    return { ok: true, series: [{ labels: own, timesMs: Float64Array.from(times), values }], warnings: [] };
  },
};

const nowMs = faultMs + 600_000;

test('an hour later the store teaches what the live window would have taught', async () => {
  const times = { nowMs, liveFromMs: startMs, store };
  const fresh = await learningScene(incident, sourcesOf(live()), times);
  expect(asked).toEqual([]);
  const late = await learningScene(incident, sourcesOf(new LiveWindow(usualWindow)), {
    ...{ nowMs: nowMs + 3_600_000, liveFromMs: nowMs + 3_000_000, store },
  });
  expect(asked.length).toBe(3);
  const [one, other] = [fresh, late].map((scene) => incidentOfScene(scene, 'i-1', 'load spike', place));
  expect(one?.profile.signals.size).toBe(1);
  expect([...(other?.profile.signals.keys() ?? [])]).toEqual([...(one?.profile.signals.keys() ?? [])]);
  const [before, after] = [one, other].map((each) => [...(each?.profile.signals.values() ?? [])][0]);
  for (const [index, feature] of [...(before ?? [])].entries()) expect(after?.[index]).toBeCloseTo(feature, 1);
});

test('the beginning is what is learned, not what it was like in the end', async () => {
  const { window, nowMs: end } = await learningScene(incident, sourcesOf(live()), { nowMs, liveFromMs: 0, store });
  expect(window.startMs).toBeLessThan(faultMs - 300_000);
  expect(end).toBeLessThan(faultMs + 300_000);
});

test('a store that does not answer is said, and one that has forgotten it leaves what there is', async () => {
  const late = { nowMs: nowMs + 3_600_000, liveFromMs: nowMs + 3_000_000 };
  const away = { range: async (): Promise<StoreResult> => ({ ok: false, what: 'nobody listens' }) };
  const sources = sourcesOf(live());
  await expect(learningScene(incident, sources, { ...late, store: away })).rejects.toMatchObject({
    code: 'STORE_FAILED',
  });
  const empty = { range: async (): Promise<StoreResult> => ({ ok: true, series: [], warnings: [] }) };
  expect((await learningScene(incident, sources, { ...late, store: empty })).window.signals).toHaveLength(1);
});
