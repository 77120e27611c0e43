/** Every cause of the catalogue, made in the model, must be named first, at its place. */
import { describe, expect, test } from 'vitest';
import { causeNames } from '../causes.ts';
import { diagnoseIncident } from '../incident/diagnose-incident.ts';
import { isWithin } from '../incident/graph.ts';
import { faults } from './faults.ts';
import { siteNames } from './model.ts';
import { sceneOf } from './scene.ts';

const told = faults.map(
  (fault) => [`${fault.cause}${fault.note === undefined ? '' : ` ${fault.note}`}`, fault] as const,
);

describe('scenarios', () => {
  test.each(told)('%s', (_, fault) => {
    for (const seed of [1, 2, 3]) {
      const site = siteNames[seed % 3] ?? 'north';
      for (const since of [6, 9, 25]) {
        const scene = sceneOf({ faults: [{ fault, site }], seed: seed * 100 + since, since });
        const { causes, sentence } = diagnoseIncident(scene);
        const lines = causes.map(
          ({ cause, place, confidence, witnesses }) =>
            `${cause} @ ${JSON.stringify(place)} ${confidence.toFixed(2)} ${JSON.stringify(witnesses)}`,
        );
        expect(causes[0]?.cause, `${seed}/${since}: ${sentence}\n${lines.join('\n')}`).toBe(fault.cause);
        expect(isWithin(causes[0]?.place ?? {}, fault.place(site)), lines.join('\n')).toBe(true);
      }
    }
  });

  test('there is a scenario for every cause', () => {
    expect(new Set([...faults.map(({ cause }) => cause), 'one-way partition'])).toEqual(new Set(causeNames));
  });
});
