/** What the encoder of a sender writes is what the plain one writes, whatever is told and however often. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Label, labelsOf, type Sample } from '../sample.ts';
import { estateLabels, Relabeler, withLabels } from '../scrape/relabel.ts';
import { RemoteWriteEncoder } from './encoder.ts';
import { decodeRemoteWrite } from './remote-write.ts';

const pair = fc.tuple(fc.constantFrom('a', 'host', 'instance', 'exported_host', 'z'), fc.string({ unit: 'grapheme' }));
const point = fc.record({
  name: fc.constantFrom('node_load1', 'up', 'x_total'),
  labels: fc
    .uniqueArray(pair, { selector: ([name]) => name })
    .map((pairs) => labelsOf(pairs.map(([name, value]): Label => [name, value])) ?? []),
  value: fc.double(),
});
const own = estateLabels({ host: 'north-1', job: 'node', site: undefined, service: '' });

test('labels of the estate join, and what clashes is kept under another name', () => {
  expect(own).toEqual([
    ['host', 'north-1'],
    ['job', 'node'],
  ]);
  const [sample] = withLabels(
    [
      {
        name: 'm',
        labels: [
          ['exported_host', 'a'],
          ['host', 'b'],
        ],
        value: 1,
      },
    ],
    own,
    5,
  );
  expect(sample).toEqual({
    name: 'm',
    labels: [
      ['exported_exported_host', 'b'],
      ['exported_host', 'a'],
      ['host', 'north-1'],
      ['job', 'node'],
    ],
    value: 1,
    timeMs: 5,
  });
});

test('a source that tells nearly the same again and again is told as one that tells it once', () => {
  fc.assert(
    fc.property(fc.array(fc.array(point, { maxLength: 8 }), { maxLength: 6 }), (rounds) => {
      const relabeler = new Relabeler(own);
      const encoder = new RemoteWriteEncoder();
      for (const [round, points] of rounds.entries()) {
        const told = relabeler.points(points, round);
        expect(told).toEqual(withLabels(points, own, round));
        const decoded = decodeRemoteWrite(encoder.encode(told));
        expect(decoded).toEqual({ ok: true, samples: told, left: 0 });
      }
    }),
  );
});

test('the same series keeps its list of labels from one round to the next', () => {
  const relabeler = new Relabeler(own);
  const points = (): readonly Sample[] => [{ name: 'a', labels: [['x', '1']], value: 1, timeMs: 9 }];
  const [first, second] = [relabeler.samples(points()), relabeler.samples(points())];
  expect(second[0]?.labels).toBe(first[0]?.labels);
  expect(second[0]?.timeMs).toBe(9);
});
