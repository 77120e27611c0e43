/** Whatever a body holds, the window is the same as when it is decoded and taken in sample by sample. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Label, labelsOf, type Sample } from '../sample.ts';
import { LiveWindow, type WindowOptions } from '../window/live-window.ts';
import { decodeRemoteWrite, encodeRemoteWrite } from './remote-write.ts';
import { snappyEncode } from './snappy.ts';
import { labelOfWrite, WriteTaker } from './write-taker.ts';

const options: WindowOptions = { seconds: 20, seriesLimit: 6, staleSeconds: 5, futureSeconds: 3 };
const nowMs = 100_000;

const sample: fc.Arbitrary<Sample> = fc
  .tuple(
    fc.constantFrom('a', 'b', 'é\u{1f600}'),
    fc.uniqueArray(fc.tuple(fc.constantFrom('host', 'x', 'z'), fc.constantFrom('1', 'two', 'ü')), {
      selector: ([name]) => name,
    }),
    fc.oneof(fc.constantFrom(0, 1, Number.NaN, Number.POSITIVE_INFINITY), fc.double()),
    fc.integer({ min: -5_000, max: 110_000 }),
  )
  .map(([name, labels, value, timeMs]) => ({ name, labels: labelsOf(labels as Label[]) ?? [], value, timeMs }));

const contents = (window: LiveWindow) =>
  window
    .read({}, nowMs - 19_000, nowMs + 3_000)
    .columns.map(({ name, labels, values }) => [name, labels, [...values]] as const)
    .filter(([, , values]) => values.some((value) => !Number.isNaN(value)))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const both = (bodies: readonly Uint8Array[]) => {
  const [plain, quick] = [
    new LiveWindow({ ...options, seriesLimit: 100 }),
    new LiveWindow({ ...options, seriesLimit: 100 }),
  ];
  const taker = new WriteTaker(quick, 4);
  for (const body of bodies) {
    const read = decodeRemoteWrite(body);
    if (read.ok) plain.ingest(read.samples, nowMs);
    const taken = taker.take(body, nowMs);
    expect(taken.ok).toBe(read.ok);
    if (taken.ok && read.ok) expect([taken.samples, taken.left]).toEqual([read.samples.length, read.left]);
    if (!taken.ok && !read.ok) expect(taken.what).toBe(read.what);
  }
  expect(contents(quick)).toEqual(contents(plain));
};

test('bodies as senders make them', () => {
  fc.assert(
    fc.property(fc.array(fc.array(sample, { maxLength: 12 }), { maxLength: 5 }), (bodies) =>
      both(bodies.map((one) => encodeRemoteWrite(one))),
    ),
  );
});

test('bodies that were cut, changed or made up', () => {
  const damaged = fc
    .tuple(fc.array(sample, { maxLength: 6 }), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean())
    .map(([samples, place, byte, cut]) => {
      const body = encodeRemoteWrite(samples);
      if (cut) return body.slice(0, place % (body.length + 1));
      if (body.length > 0) body[place % body.length] = byte;
      return body;
    });
  fc.assert(fc.property(fc.array(damaged, { maxLength: 4 }), both));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => both([snappyEncode(bytes)])));
});

test('a series that made room for others is found again', () => {
  const window = new LiveWindow({ ...options, seriesLimit: 1 });
  const taker = new WriteTaker(window, 100);
  const body = (name: string, timeMs: number) =>
    encodeRemoteWrite([{ name, labels: [['host', 'h']], value: 1, timeMs }]);
  expect(labelOfWrite(taker.take(body('a', 1_000), 1_000), 'host')).toBe('h');
  taker.take(body('b', 10_000), 10_000);
  expect([...window.all()].map(({ name }) => name)).toEqual(['b']);
  taker.take(body('a', 20_000), 20_000);
  expect([...window.all()].map(({ name, newest }) => [name, newest])).toEqual([['a', 20]]);
  expect(window.losses().full).toBe(0);
});
