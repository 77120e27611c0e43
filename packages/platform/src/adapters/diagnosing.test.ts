/** Diagnosis in its thread: the same answers as without one, and one that dies, hangs or breaks is replaced. */
import type { DatabaseDetail } from '@coequal/contract';
import {
  diagnoseIncident,
  emptyKnowledge,
  type IncidentScene,
  incidentOfScene,
  usualWeights,
} from '@coequal/diagnosis';
import { systemClock } from '@coequal/kernel';
import { afterEach, expect, test } from 'vitest';
import { startMs, tryEstate } from '../testing.ts';
import { type Diagnosing, type DiagnosingOptions, openDiagnosing } from './diagnosing.ts';

const length = 300;
const estate = tryEstate();
const place = { site: 'north', host: 'north-1', service: 'bank', instance: 'north-db-1' };

const detailAt = (second: number): DatabaseDetail => ({
  ...{ instance: 'north-db-1', atMs: startMs + second * 1_000, intervalMs: 1_000, waits: [], statements: [] },
  ...{ blockers: [{ session: 7, blocked: 4, inRing: false }] },
  sessions: [
    { id: 7, user: 'app', address: '10.0.0.9', command: 'Sleep', state: '', seconds: 9, transactionSeconds: 9 },
  ],
});

/** An instance whose sessions wait behind an idle one; a signal more in a later scene. */
const sceneOf = (names: readonly string[], details: readonly DatabaseDetail[]): IncidentScene => ({
  ...{ nowMs: startMs + length * 1_000, changes: [], logs: [], estate },
  details: new Map([['north-db-1', details]]),
  window: {
    ...{ startMs, stepMs: 1_000, length },
    signals: names.map((name, signal) => ({
      name: `mysql_global_status_${name}`,
      labels: { instance: 'north-db-1', job: 'mysql', host: 'north-1' },
      kind: 'gauge',
      values: Float64Array.from({ length }, (_, row) => (row < 280 ? 5 : 50) + ((row * (signal + 3)) % 4)),
    })),
  },
  triggers: [{ name: 'SessionsPileUp', place: { instance: 'north-db-1' }, startedMs: startMs + 282_000 }],
});

const names = ['threads_running', 'questions', 'innodb_row_lock_current_waits'];
const first = () => sceneOf(names, [detailAt(280), detailAt(290)]);
const second = () => sceneOf([...names, 'threads_connected'], [detailAt(280), detailAt(290), detailAt(298)]);

const opened: Diagnosing[] = [];
const open = (more: Partial<DiagnosingOptions> = {}): Diagnosing => {
  const made = openDiagnosing({
    ...{ estate, weights: undefined, knowledge: () => emptyKnowledge, clock: systemClock, ...more },
  });
  opened.push(made);
  return made;
};
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

test('a thread answers what would be answered without it, also where it was not told all again', async () => {
  const { diagnose, learn } = open();
  const told = await diagnose(first());
  expect(told).toEqual(diagnoseIncident(first()));
  expect(told.causes[0]?.cause).toBe('idle transaction holds locks');
  expect(await diagnose(second())).toEqual(diagnoseIncident(second()));
  const learned = await learn('i-1', 'slow disk', place, first());
  expect(learned).toEqual(incidentOfScene(first(), 'i-1', 'slow disk', place));
});

test('weights that were given count', async () => {
  const weights = { ...usualWeights, detail: 1 };
  const { diagnose } = open({ weights });
  const told = await diagnose(first());
  expect(told).toEqual(diagnoseIncident({ ...first(), weights }));
  expect(told.causes[0]?.confidence).not.toBe(diagnoseIncident(first()).causes[0]?.confidence);
});

test('what is known is told to it when it is learned', async () => {
  const learned = incidentOfScene(first(), 'i-1', 'slow disk', place);
  let knowledge = emptyKnowledge;
  const { diagnose } = open({ knowledge: () => knowledge });
  expect(await diagnose(first())).toEqual(diagnoseIncident(first()));
  knowledge = { incidents: [learned] };
  expect(await diagnose(first())).toEqual(diagnoseIncident({ ...first(), knowledge }));
});

const broken = `
  import { parentPort, threadId } from 'node:worker_threads';
  parentPort.on('message', (question) => {
    if (question.ask === 'know') return;
    if (question.number === 1) process.exit(3);
    if (question.number === 2) throw new Error('something is not there');
    if (question.number === 3) for (;;);
    if (question.number === 4) parentPort.postMessage({ number: 4, failed: 'it cannot be told' });
    else parentPort.postMessage({ number: question.number, diagnosis: threadId });
  });`;

test('a thread that ends, breaks or hangs is an error, and the next question gets another', async () => {
  const program = new URL(`data:text/javascript,${encodeURIComponent(broken)}`);
  const { diagnose } = open({ program, deadlineMs: 1_000 });
  const failed = (reason: RegExp) => ({ code: 'DIAGNOSIS_FAILED', message: expect.stringMatching(reason) });
  await expect(diagnose(first())).rejects.toMatchObject(failed(/ended with code 3/));
  await expect(diagnose(first())).rejects.toMatchObject(failed(/something is not there/));
  await expect(diagnose(first())).rejects.toMatchObject(failed(/longer than 1 s/));
  await expect(diagnose(first())).rejects.toMatchObject(failed(/cannot be told/));
  // What only could not be told costs no thread.
  const [one, other] = [await diagnose(first()), await diagnose(first())];
  expect(one).toBe(other);
});
