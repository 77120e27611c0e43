/**
 * Every cause of the catalogue, made in the model, must be named first, at its place; two at once must both be named; and what only looks
 * like a cause must not be.
 */
import type { ChangeEvent } from '@coequal/contract';
import { assert } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CauseName, causeNames } from '../causes.ts';
import { diagnoseIncident, incidentOfScene } from '../incident/diagnose-incident.ts';
import { isWithin } from '../incident/graph.ts';
import { confirmIncidents, emptyKnowledge, formatKnowledge, parseKnowledge } from '../profile/knowledge.ts';
import { type Fault, faults } from './faults.ts';
import { siteNames } from './model.ts';
import { sceneOf } from './scene.ts';
import { instanceAt } from './signals.ts';

const nameOf = ({ cause, note }: Fault): string => `${cause}${note === undefined ? '' : ` ${note}`}`;
const faultNamed = (cause: CauseName): Fault => {
  const fault = faults.find((each) => each.cause === cause);
  assert(fault !== undefined, `there is a scenario of ${cause}`);
  return fault;
};
const siteOf = (seed: number) => siteNames[seed % siteNames.length] ?? 'north';

const summary = (diagnosis: ReturnType<typeof diagnoseIncident>): string =>
  [
    diagnosis.sentence,
    ...diagnosis.causes.map(
      ({ cause, place, confidence, witnesses }) =>
        `${cause} at ${JSON.stringify(place)} ${confidence.toFixed(2)} ${JSON.stringify(witnesses)}`,
    ),
  ].join('\n');

describe('one fault', () => {
  test.each(faults.map((fault) => [nameOf(fault), fault] as const))('%s', (_, fault) => {
    for (const [seed, since, before] of [
      [1, 6, 240],
      [2, 9, 240],
      [3, 30, 240],
      [4, 8, 60],
    ] as const) {
      const site = siteOf(seed);
      const diagnosis = diagnoseIncident(sceneOf({ faults: [{ fault, site }], seed: seed * 7, since, before }));
      const [first] = diagnosis.causes;
      expect(first?.cause, `seed ${seed}, after ${since} s\n${summary(diagnosis)}`).toBe(fault.cause);
      expect(isWithin(first?.place ?? {}, fault.place(site)), summary(diagnosis)).toBe(true);
      expect(Math.abs((first?.sinceMs ?? 0) - diagnosis.atMs + since * 1_000), summary(diagnosis)).toBeLessThanOrEqual(
        4_000,
      );
      expect(diagnosis.unknown).toBeLessThan(0.5);
    }
  });

  test('there is a scenario for every cause', () => {
    expect(new Set(faults.map(({ cause }) => cause))).toEqual(new Set(causeNames));
  });
});

describe('two faults at once are both named', () => {
  test.each<readonly [CauseName, CauseName]>([
    ['slow disk', 'failed log-ins'],
    ['idle transaction holds locks', 'CPU taken by another process'],
    ['instance crashed', 'slow disk'],
    ['gateway crashed', 'expensive statement'],
    ['memory pressure', 'clock offset'],
  ])('%s, and elsewhere %s', (one, other) => {
    const told = [
      { fault: faultNamed(one), site: 'north' },
      { fault: faultNamed(other), site: 'west' },
    ] as const;
    const diagnosis = diagnoseIncident(sceneOf({ faults: told, seed: 5, since: 10 }));
    const names = diagnosis.causes.slice(0, 3).map(({ cause }) => cause);
    expect(names, summary(diagnosis)).toEqual(expect.arrayContaining([one, other]));
  });
});

/** A setting that was changed shortly before, and did nothing. */
const harmless = (atMs: number): ChangeEvent => ({
  kind: 'change',
  id: 'harmless',
  atMs,
  place: { site: 'south', host: 'south-1', service: 'bank', instance: instanceAt('south') },
  change: 'setting',
  text: 'the setting long_query_time from 10 to 5',
  source: 'test',
});

describe('what only looks like a cause', () => {
  test.each<CauseName>(['instance crashed', 'slow disk', 'idle transaction holds locks', 'load spike'])(
    'a harmless change shortly before is not taken for the cause of: %s',
    (cause) => {
      const scene = sceneOf({ faults: [{ fault: faultNamed(cause), site: 'north' }], seed: 11, since: 9 });
      const changes = [...scene.changes, harmless(scene.nowMs - 39_000)];
      const diagnosis = diagnoseIncident({ ...scene, changes });
      expect(diagnosis.causes[0]?.cause, summary(diagnosis)).toBe(cause);
    },
  );

  test('nothing is named for certain where load only varies', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const scene = sceneOf({ faults: [], seed, since: 30, wandering: 1 });
      const triggers = [{ name: 'answers take longer', place: { service: 'bank' }, startedMs: scene.nowMs - 8_000 }];
      const diagnosis = diagnoseIncident({ ...scene, triggers });
      expect(diagnosis.causes[0]?.confidence ?? 0, summary(diagnosis)).toBeLessThan(0.5);
      expect(diagnosis.unknown).toBeGreaterThan(0.5);
    }
  });

  test('databases that are served while their collectors are late are not taken for frozen', () => {
    const scene = sceneOf({ faults: [], seed: 2, since: 8 });
    const from = scene.window.length - 6;
    const signals = scene.window.signals.map((signal) =>
      signal.name.startsWith('mysql_')
        ? { ...signal, values: signal.values.map((value, row) => (row < from ? value : Number.NaN)) }
        : signal,
    );
    const triggers = [
      { name: 'CollectorSilent', place: { instance: instanceAt('north') }, startedMs: scene.nowMs - 3_000 },
    ];
    const diagnosis = diagnoseIncident({ ...scene, window: { ...scene.window, signals }, triggers });
    expect(diagnosis.causes[0]?.confidence ?? 0, summary(diagnosis)).toBeLessThan(0.5);
  });

  test('without anything to go by, nothing is named', () => {
    const scene = sceneOf({ faults: [], seed: 1, since: 5 });
    const empty = diagnoseIncident({ ...scene, window: { ...scene.window, signals: [] }, details: new Map() });
    expect(empty).toMatchObject({ causes: [], ruledOut: [], unknown: 1 });
    expect(empty.sentence).toContain('nothing that is known explains it');
  });
});

describe('what was confirmed', () => {
  test('makes the next incident of that cause surer, also at another site, and is small', () => {
    const causes = ['slow disk', 'CPU taken by another process', 'load spike', 'slow applier'] as const;
    const learned = causes.flatMap((cause) =>
      [1, 2, 3].map((seed) => {
        const site = siteOf(seed);
        const fault = faultNamed(cause);
        const scene = sceneOf({ faults: [{ fault, site }], seed: seed * 13, since: 12 });
        return incidentOfScene(scene, `${cause} ${seed}`, cause, fault.place(site));
      }),
    );
    const knowledge = parseKnowledge(formatKnowledge(confirmIncidents(emptyKnowledge, learned)), 'knowledge.json');
    expect(Math.max(...knowledge.incidents.map(({ profile }) => profile.signals.size))).toBeLessThan(60);
    for (const cause of causes) {
      const scene = sceneOf({ faults: [{ fault: faultNamed(cause), site: 'west' }], seed: 99, since: 10 });
      const [alone] = diagnoseIncident(scene).causes;
      const told = diagnoseIncident({ ...scene, knowledge });
      expect(told.causes[0]?.cause, summary(told)).toBe(cause);
      expect(told.causes[0]?.confidence, summary(told)).toBeGreaterThan(alone?.confidence ?? 1);
      expect(told.causes[0]?.witnesses.map(({ witness }) => witness)).toContain('profile');
    }
  });
});

describe('bad input', () => {
  const scene = sceneOf({ faults: [{ fault: faultNamed('slow disk'), site: 'north' }], seed: 3, since: 9 });
  const absurd = [Number.NaN, -1, 0, 1e308, -1e308, 4e18, Number.MIN_VALUE];

  test('absurd values, gaps, labels of no entity and times far off give numbers all the same', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom(...absurd),
        fc.integer({ min: -1e6, max: 1e6 }),
        (seed, value, off) => {
          const signals = scene.window.signals.map((signal, index) => ({
            ...signal,
            labels: (index * seed) % 13 === 0 ? { instance: '__proto__', job: 'x'.repeat(300) } : signal.labels,
            values: signal.values.map((old, row) => ((row * 31 + index * 17 + seed) % 5 === 0 ? value : old)),
          }));
          const triggers = scene.triggers.map((trigger) => ({
            ...trigger,
            startedMs: trigger.startedMs + off * 1_000,
          }));
          const diagnosis = diagnoseIncident({ ...scene, window: { ...scene.window, signals }, triggers });
          for (const { confidence } of diagnosis.causes) expect(confidence).toBeGreaterThanOrEqual(0);
          expect(diagnosis.causes.every(({ confidence }) => confidence <= 1)).toBe(true);
          expect(diagnosis.unknown).toBeGreaterThanOrEqual(0);
          expect(diagnosis.sentence).not.toMatch(/NaN|undefined|Infinity/);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('a window of one row, and one without length', () => {
    for (const length of [0, 1, 2]) {
      const signals = scene.window.signals.map((signal) => ({ ...signal, values: signal.values.subarray(0, length) }));
      const diagnosis = diagnoseIncident({ ...scene, window: { ...scene.window, length, signals } });
      expect(Number.isFinite(diagnosis.unknown)).toBe(true);
    }
  });
});
