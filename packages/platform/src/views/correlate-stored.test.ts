/** Correlation over the store: what moved alike in any stretch is found with lag and sign, and what is asked for is bounded. */
import { correlateRequest } from '@coequal/contract';
import { seededRandom, systemClock } from '@coequal/kernel';
import { labelsOf, type StoreResult, type StoreSeries } from '@coequal/signals';
import { describe, expect, test } from 'vitest';
import { startMs, tryEstate } from '../testing.ts';
import { correlateStored } from './correlate-stored.ts';

const seconds = 3_600;
type Course = (second: number) => number;
type Told = { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly course: Course };

/** Answers the two questions of this file as a store does; `nameless` takes names away, as Prometheus does from means. */
const storeOf = (all: readonly Told[], nameless = false) => {
  const queries: string[] = [];
  const range = async (query: string, fromMs: number, toMs: number, stepMs: number): Promise<StoreResult> => {
    queries.push(query);
    const [, rollup = '', inner = '', span = '0'] = /^(\w+)\(\{(.*)\}\[(\d+)s\]\)$/.exec(query) ?? [];
    const matchers = [...inner.matchAll(/(\w+)(=|!~)("(?:[^"\\]|\\.)*")/g)];
    const found = all.filter(({ name, labels }) =>
      matchers.every(([, label = '', sign, quoted = '""']) => {
        const value = label === '__name__' ? name : (labels[label] ?? '');
        const wanted: string = JSON.parse(quoted);
        return sign === '=' ? value === wanted : !new RegExp(`^(?:${wanted})$`).test(value);
      }),
    );
    const series = found.map(({ name, labels, course }): StoreSeries => {
      const times = Array.from({ length: Math.floor((toMs - fromMs) / stepMs) + 1 }, (_, row) => fromMs + row * stepMs);
      const inStep = (atMs: number): readonly number[] =>
        Array.from({ length: Number(span) }, (_, back) => course((atMs - startMs) / 1_000 - back));
      const values = times.map((atMs) =>
        rollup === 'avg_over_time'
          ? inStep(atMs).reduce((sum, value) => sum + value, 0) / Number(span)
          : (inStep(atMs)[0] ?? Number.NaN),
      );
      const own = nameless && rollup === 'avg_over_time' ? labels : { ...labels, __name__: name };
      return {
        ...{ labels: labelsOf(Object.entries(own)) ?? [] },
        ...{ timesMs: Float64Array.from(times), values: Float64Array.from(values) },
      };
    });
    return { ok: true, series, warnings: [] };
  };
  return { range, queries };
};

/** A course that wanders, by second. */
const wander = (seed: number): Course => {
  const random = seededRandom(seed);
  let level = 0;
  const values = Array.from({ length: seconds + 200 }, () => {
    level = 0.97 * level + random.next() - 0.5;
    return level;
  });
  return (second) => values[Math.max(0, Math.floor(second) + 100)] ?? 0;
};

const chart = wander(1);
/** Rises all the time, by more where the chart is high: it counts what the chart is a level of. */
const counted = (): Course => {
  const sums = [0];
  for (let second = 1; second < seconds + 200; second += 1)
    sums.push((sums[second - 1] ?? 0) + 10 + chart(second - 100));
  return (second) => sums[Math.max(0, Math.floor(second) + 100)] ?? 0;
};

const told = (): readonly Told[] => {
  const at = (site: string) => ({ host: `${site}-1`, instance: `${site}-db-1`, job: 'mysql' });
  const noise = Array.from({ length: 300 }, (_, index): Told => {
    const site = ['north', 'south', 'west'][index % 3] ?? '';
    return { name: `mysql_other_${index}`, labels: at(site), course: wander(100 + index) };
  });
  return [
    { name: 'latency', labels: at('north'), course: (second) => 5 + chart(second) },
    { name: 'latency', labels: at('south'), course: wander(50) },
    { name: 'follows', labels: at('south'), course: (second) => 3 * chart(second - 7) },
    { name: 'falls', labels: at('west'), course: (second) => 100 - chart(second) },
    { name: 'counts_total', labels: { gateway: 'north-gate' }, course: counted() },
    { name: 'chart_bucket', labels: at('north'), course: chart },
    { name: 'stands', labels: at('north'), course: () => 4 },
    ...noise,
  ];
};

const ask = (store: ReturnType<typeof storeOf>, more: object = {}) =>
  correlateStored(
    { store, estate: tryEstate(), clock: systemClock },
    correlateRequest.parse({
      ...{ name: 'latency', labels: { instance: 'north-db-1' }, answers: 3 },
      ...{ fromMs: startMs, toMs: startMs + (seconds - 1) * 1_000, ...more },
    }),
  );

describe('correlation over the store', () => {
  test.each([false, true])(
    'finds what moved alike, with lag and sign (a store that takes names from means: %s)',
    async (nameless) => {
      const answer = await ask(storeOf(told(), nameless));
      expect(answer).toMatchObject({ source: 'store', whole: true });
      expect(answer.searched).toBeGreaterThan(300);
      const found = new Map(answer.correlated.map((one) => [one.name, one]));
      expect([...found.keys()].toSorted()).toEqual(['counts_total', 'falls', 'follows']);
      expect(found.get('follows')).toMatchObject({ lagSeconds: 7, labels: { instance: 'south-db-1' } });
      expect(found.get('falls')?.correlation).toBeLessThan(-0.9);
      expect(found.get('falls')?.lagSeconds).toBe(0);
      expect(found.get('counts_total')?.correlation).toBeGreaterThan(0.9);
    },
  );

  test('asks for few points of all, and for many of few', async () => {
    const store = storeOf(told());
    await ask(store);
    const [coarse, fine] = [
      store.queries.filter((one) => one.includes('[30s]')),
      store.queries.filter((one) => one.includes('[1s]')),
    ];
    // The chart, three hosts, and what is on none; then the chart and the likest.
    expect([coarse.length, fine.length <= 101]).toEqual([5, true]);
    expect(coarse.length + fine.length).toBe(store.queries.length);
  });

  test('looks at a part of the estate only when asked to', async () => {
    const answer = await ask(storeOf(told()), { among: { host: 'south-1' } });
    expect(answer.correlated[0]).toMatchObject({ name: 'follows' });
    expect(answer.correlated.every(({ labels }) => labels['host'] === 'south-1')).toBe(true);
  });

  test('refuses what means no signal or several, and what no store is asked', async () => {
    const refused = (more: object, what: RegExp) =>
      expect(ask(storeOf(told()), more)).rejects.toMatchObject({
        ...{ code: 'REQUEST_INVALID', message: expect.stringMatching(what) },
      });
    await refused({ name: 'nothing' }, /no signal nothing/);
    await refused({ labels: {} }, /2 signals latency .*instance=/);
    await refused({ labels: { 'a"} or b{c': 'd' } }, /no name of a label/);
    await refused({ among: { 'x y': 'd' } }, /no name of a label/);
    await refused({ toMs: startMs + 3_000 }, /not 4 seconds/);
    await refused({ fromMs: 0 }, /31 days/);
    const away = { range: async (): Promise<StoreResult> => ({ ok: false, what: 'nobody listens' }), queries: [] };
    await expect(ask(away)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});
