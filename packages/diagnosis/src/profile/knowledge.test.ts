import { codeOf } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { incidentsOf } from '../learn.ts';
import { madeUpCases } from '../testing.ts';
import {
  confirmIncidents,
  emptyKnowledge,
  formatKnowledge,
  type Incident,
  parseKnowledge,
  signsOf,
} from './knowledge.ts';

const incidents: readonly Incident[] = madeUpCases(3).flatMap((one) => incidentsOf(one));
const text = formatKnowledge({ incidents });

describe('knowledge', () => {
  test('is a text that comes back the same', () => {
    expect(formatKnowledge(parseKnowledge(text, 'k'))).toBe(text);
  });

  test('has the same text in whatever order it was learned', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...incidents], { minLength: incidents.length }), (shuffled) => {
        expect(formatKnowledge(confirmIncidents(emptyKnowledge, shuffled))).toBe(text);
      }),
      { numRuns: 10 },
    );
  });

  test('grows by one line and its summary when a cause is confirmed', () => {
    const [first, ...others] = incidents;
    const before = formatKnowledge({ incidents: others }).split('\n');
    const after = formatKnowledge(confirmIncidents({ incidents: others }, first === undefined ? [] : [first])).split(
      '\n',
    );
    const added = after.filter((line) => !before.includes(line));
    expect(added.map((line) => line.trim().slice(0, 10))).toEqual(['"cpu hog":', '{"id":"cas']);
  });

  test('holds a corrected cause once', () => {
    const corrected = incidents.slice(0, 1).map((incident) => ({ ...incident, causes: ['disk slow'] }));
    const known = confirmIncidents({ incidents }, corrected).incidents.filter(({ id }) => id === corrected[0]?.id);
    expect(known.map(({ causes }) => causes)).toEqual([['disk slow']]);
  });

  test('says first what is known of each cause', () => {
    expect(text).toMatch(/"lock chain": "3 incidents: [^"]*lock_waits up [\d.]+/);
    expect(text).toMatch(/"disk slow": "3 incidents: [^"]*commits down/);
  });

  test('takes as signs only what all incidents share', () => {
    const keys = signsOf(incidents.filter(({ causes }) => causes.includes('cpu hog'))).map(({ key }) => key);
    expect(keys).toEqual(expect.arrayContaining(['cpu_busy', 'avg_latency', 'load', 'context_switches']));
    expect(keys).not.toContain('lock_waits');
  });

  test.each([
    ['', 'not JSON'],
    ['[]', 'its format is not'],
    [text.replace('knowledge/1', 'knowledge/9'), 'its format is not'],
    [text.replace('"robust"', '"other"'), 'its features are not'],
    [text.replace('"compared":true', '"compared":1'), 'does not say whether it was compared'],
    [text.replace('"causes":["cpu hog"]', '"causes":"cpu hog"'), 'no list of causes'],
    [text.replace(/"cpu_busy":\[[^,]*,/, '"cpu_busy":['), 'finite numbers for cpu_busy'],
  ])('that is not in order is refused with the reason', (broken, reason) => {
    expect(() => parseKnowledge(broken, 'k.json')).toThrow('k.json is not a knowledge file');
    expect(() => parseKnowledge(broken, 'k.json')).toThrow(reason);
  });

  test('cut off anywhere is refused with its code', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 10), (end) => {
        try {
          parseKnowledge(text.slice(0, end), 'k');
          expect.unreachable();
        } catch (error) {
          expect(codeOf(error)).toBe('KNOWLEDGE_INVALID');
        }
      }),
      { numRuns: 50 },
    );
  });
});
