/** The knowledge file: begun when it is missing, grown by what people confirm, corrected by id, and never written over when it is broken. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatWeights, type IncidentScene, incidentOfScene, usualWeights } from '@coequal/diagnosis';
import { afterAll, expect, test } from 'vitest';
import { startMs, tryEstate } from '../testing.ts';
import { openKnowledge, readWeights } from './knowledge.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-knowledge-'));
afterAll(() => rmSync(folder, { recursive: true }));

const length = 300;
const scene: IncidentScene = {
  ...{ nowMs: startMs + length * 1_000, changes: [], logs: [], details: new Map(), estate: tryEstate() },
  window: {
    ...{ startMs, stepMs: 1_000, length },
    signals: ['threads_running', 'questions', 'innodb_row_lock_current_waits'].map((name, signal) => ({
      name: `mysql_global_status_${name}`,
      labels: { instance: 'north-db-1', job: 'mysql', host: 'north-1' },
      kind: 'gauge',
      values: Float64Array.from({ length }, (_, row) => (row < 280 ? 5 : 50) + ((row * (signal + 3)) % 4)),
    })),
  },
  triggers: [{ name: 'SessionsPileUp', place: { instance: 'north-db-1' }, startedMs: startMs + 282_000 }],
};
const place = { site: 'north', host: 'north-1', service: 'bank', instance: 'north-db-1' };

test('what people confirm is learned, kept, and corrected by the same incident', () => {
  const path = join(folder, 'knowledge.json');
  const knowledge = openKnowledge(path);
  knowledge.add(incidentOfScene(scene, 'i-1', 'slow disk', place));
  knowledge.add(incidentOfScene(scene, 'i-2', 'load spike', place));
  knowledge.add(incidentOfScene(scene, 'i-1', 'memory pressure', place));
  const again = openKnowledge(path).now();
  expect(again.incidents.map(({ id, causes }) => [id, causes]).toSorted()).toEqual([
    ['i-1', ['memory pressure']],
    ['i-2', ['load spike']],
  ]);
  expect(again.incidents[0]?.profile.signals.size).toBeGreaterThan(0);
  // The file rounds numbers, and nothing else.
  const names = again.incidents.map(({ profile }) => [...profile.signals.keys()].toSorted());
  expect(names).toEqual(knowledge.now().incidents.map(({ profile }) => [...profile.signals.keys()].toSorted()));
});

test('a file that is none is refused and left as it is', () => {
  const path = join(folder, 'broken.json');
  writeFileSync(path, '{"no": "knowledge"}');
  expect(() => openKnowledge(path)).toThrow(expect.objectContaining({ code: 'KNOWLEDGE_INVALID' }));
  expect(readFileSync(path, 'utf8')).toBe('{"no": "knowledge"}');
});

test('a folder that cannot be written is said', () => {
  const knowledge = openKnowledge(join(folder, 'missing', 'knowledge.json'));
  expect(() => knowledge.add(incidentOfScene(scene, 'i-1', 'slow disk', place))).toThrow(
    expect.objectContaining({ code: 'FOLDER_UNWRITABLE' }),
  );
});

test('weights are read where they are named, and refused with a reason', async () => {
  const path = join(folder, 'weights.json');
  const weights = { ...usualWeights, detail: 5, incidents: 12 };
  writeFileSync(path, formatWeights(weights));
  expect(await readWeights(path)).toEqual(weights);
  expect(await readWeights(undefined)).toBeUndefined();
  writeFileSync(path, '{}');
  await expect(readWeights(path)).rejects.toMatchObject({ code: 'KNOWLEDGE_INVALID' });
  await expect(readWeights(join(folder, 'missing.json'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
});
