import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Counters, type CountersSnapshot, lastingOf, mergeSnapshots, prometheusText } from './counters.ts';

const example = (): Counters => {
  const counters = new Counters();
  const requests = counters.counter({ name: 'requests_total', help: 'Requests.', labels: ['user', 'kind'] });
  requests.with({ user: 'bank', kind: 'read' }).add(3);
  requests.with({ user: 'a "b" \\ \n', kind: 'write' }).add();
  counters.gauge({ name: 'open', help: 'Open,\nnow \\ here.', labels: [] }).with({}).set(1.5);
  const times = counters.histogram({ name: 'took_seconds', help: 'Times.', labels: ['user'], buckets: [0.1, 1] });
  for (const value of [0.05, 0.1, 0.5, 7]) times.with({ user: 'bank' }).observe(value);
  return counters;
};

test('the text is what Prometheus reads', () => {
  expect(prometheusText(example().snapshot())).toBe(
    [
      '# HELP requests_total Requests.',
      '# TYPE requests_total counter',
      'requests_total{user="bank",kind="read"} 3',
      'requests_total{user="a \\"b\\" \\\\ \\n",kind="write"} 1',
      '# HELP open Open,\\nnow \\\\ here.',
      '# TYPE open gauge',
      'open 1.5',
      '# HELP took_seconds Times.',
      '# TYPE took_seconds histogram',
      'took_seconds_bucket{user="bank",le="0.1"} 2',
      'took_seconds_bucket{user="bank",le="1"} 3',
      'took_seconds_bucket{user="bank",le="+Inf"} 4',
      'took_seconds_sum{user="bank"} 7.65',
      'took_seconds_count{user="bank"} 4',
      '',
    ].join('\n'),
  );
});

test('a series is the same object each time, and dropping one forgets it', () => {
  const counters = new Counters();
  const family = counters.counter({ name: 'a_total', help: 'A.', labels: ['x'] });
  const first = family.with({ x: '1' });
  expect(family.with({ x: '1' })).toBe(first);
  first.add();
  family.drop({ x: '1' });
  expect(counters.snapshot()[0]?.series).toEqual([]);
});

test('beyond its bound a family counts everything in one series', () => {
  const counters = new Counters();
  const family = counters.counter({ name: 'a_total', help: 'A.', labels: ['x', 'y'], limit: 2 });
  for (let i = 0; i < 50; i += 1) family.with({ x: String(i), y: 'y' }).add();
  expect(counters.snapshot()[0]?.series).toEqual([
    { labels: ['0', 'y'], value: 1 },
    { labels: ['1', 'y'], value: 1 },
    { labels: ['other', 'other'], value: 48 },
  ]);
});

test('names are made once, and are names', () => {
  const counters = new Counters();
  counters.counter({ name: 'a_total', help: 'A.', labels: [] });
  expect(() => counters.counter({ name: 'a_total', help: 'A.', labels: [] })).toThrow('made once');
  expect(() => counters.counter({ name: 'a b', help: 'A.', labels: [] })).toThrow('can name');
  expect(() => counters.histogram({ name: 'h', help: 'H.', labels: [], buckets: [2, 1] })).toThrow('ascend');
});

test('a greatest value stays the greatest, a sum of gauges goes with its process', () => {
  const counters = new Counters();
  const most = counters.gauge({ name: 'most', help: 'Most.', labels: [], combine: 'max' }).with({});
  most.raise(4);
  most.raise(2);
  counters.gauge({ name: 'open', help: 'Open.', labels: [] }).with({}).add(2);
  const snapshot = counters.snapshot();
  expect(mergeSnapshots([snapshot, snapshot]).map(({ series }) => series)).toEqual([
    [{ labels: [], value: 4 }],
    [{ labels: [], value: 4 }],
  ]);
  expect(lastingOf(snapshot).map(({ name }) => name)).toEqual(['most']);
});

test('a family of another shape is left out, whatever it counted', () => {
  const other = new Counters();
  other
    .counter({ name: 'requests_total', help: 'Requests.', labels: ['user'] })
    .with({ user: 'bank' })
    .add(9);
  const merged = mergeSnapshots([example().snapshot(), other.snapshot()]);
  expect(merged).toEqual(example().snapshot());
});

describe('over any figures', () => {
  const buckets = [0.5, 1, 2, 4];
  const action = fc.oneof(
    fc.record({ what: fc.constant('count' as const), label: fc.constantFrom('a', 'b', 'c'), amount: fc.nat(100) }),
    fc.record({ what: fc.constant('set' as const), label: fc.constantFrom('a', 'b'), amount: fc.nat(100) }),
    fc.record({ what: fc.constant('observe' as const), label: fc.constantFrom('a', 'b'), amount: fc.nat(5) }),
  );
  type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

  const after = (actions: readonly Action[]): CountersSnapshot => {
    const counters = new Counters();
    const counted = counters.counter({ name: 'c_total', help: 'C.', labels: ['l'] });
    const gauge = counters.gauge({ name: 'g', help: 'G.', labels: ['l'], combine: 'max' });
    const histogram = counters.histogram({ name: 'h', help: 'H.', labels: ['l'], buckets });
    for (const { what, label, amount } of actions) {
      if (what === 'count') counted.with({ l: label }).add(amount);
      else if (what === 'set') gauge.with({ l: label }).raise(amount);
      else histogram.with({ l: label }).observe(amount);
    }
    return counters.snapshot();
  };
  /** Order of series is that of their first use; figures are what counts. */
  const sorted = (snapshot: CountersSnapshot) =>
    snapshot.map((family) => ({
      ...family,
      series: [...family.series].sort((a, b) => (a.labels.join() < b.labels.join() ? -1 : 1)),
    }));
  const actions = fc.array(action, { maxLength: 30 });

  test('merging is what one process would have counted', () => {
    fc.assert(
      fc.property(actions, actions, (first, second) => {
        expect(sorted(mergeSnapshots([after(first), after(second)]))).toEqual(sorted(after([...first, ...second])));
      }),
    );
  });

  test('merging neither depends on the order nor on the grouping', () => {
    fc.assert(
      fc.property(actions, actions, actions, (a, b, c) => {
        const [x, y, z] = [after(a), after(b), after(c)];
        expect(sorted(mergeSnapshots([mergeSnapshots([x, y]), z]))).toEqual(
          sorted(mergeSnapshots([z, mergeSnapshots([y, x])])),
        );
      }),
    );
  });

  test('a snapshot survives JSON', () => {
    fc.assert(
      fc.property(actions, (all) => {
        const snapshot = after(all);
        expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
      }),
    );
  });

  test('buckets in the text count what is not above their bound', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 8, noNaN: true }), { maxLength: 50 }), (values) => {
        const counters = new Counters();
        const histogram = counters.histogram({ name: 'h', help: 'H.', labels: [], buckets }).with({});
        for (const value of values) histogram.observe(value);
        const text = prometheusText(counters.snapshot());
        for (const bound of buckets)
          expect(text).toContain(`h_bucket{le="${bound}"} ${values.filter((value) => value <= bound).length}\n`);
        expect(text).toContain(`h_bucket{le="+Inf"} ${values.length}\n`);
        expect(text).toContain(`h_count ${values.length}\n`);
      }),
    );
  });

  test('whatever a label holds can be read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const counters = new Counters();
        counters
          .counter({ name: 'c_total', help: 'C.', labels: ['l'] })
          .with({ l: value })
          .add();
        const line = prometheusText(counters.snapshot()).split('\n').slice(2).join('\n');
        const quoted = /^c_total\{l="((?:[^"\\\n]|\\["\\n])*)"\} 1\n$/u.exec(line)?.[1];
        const read = quoted?.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
        expect(read).toBe(value);
      }),
    );
  });
});
