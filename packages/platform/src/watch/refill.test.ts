/** A platform that was started again knows what is usual from what the store remembers, and does without a store. */
import { type Clock, silentLog } from '@coequal/kernel';
import { LiveWindow, labelsOf, labelValue, type Sample, type StoreResult, usualWindow } from '@coequal/signals';
import { expect, test } from 'vitest';
import { startMs, tryPlaces } from '../testing.ts';
import { Detectors } from './detectors.ts';
import { Readings } from './reading.ts';
import { type RefillOptions, refilledDetectors } from './refill.ts';

const firstSecond = startMs / 1_000;
const history = 300;

/** A gateway whose requests take 8 ms, and from some second on ten times as long. */
const gateway = (slowFrom = Number.POSITIVE_INFINITY) => {
  const labels = labelsOf(Object.entries({ job: 'coequal_gateway', instance: 'north-gate', host: 'north-1' })) ?? [];
  let [count, sum] = [0, 0];
  return (second: number): readonly Sample[] => {
    const requests = 100 + (second % 7);
    count += requests;
    sum += requests * (second >= slowFrom ? 0.08 : 0.008 + 0.0002 * (second % 5));
    return Object.entries({
      coequal_gateway_user_request_seconds_count: count,
      coequal_gateway_user_request_seconds_sum: sum,
    }).map(([name, value]) => ({ name, labels, value, timeMs: second * 1_000 + 400 }));
  };
};

/** Answers from samples as a store does: of each second that ends with a step, its last value. */
const storeOf = (samples: readonly Sample[]) => ({
  range: async (query: string, fromMs: number, toMs: number, stepMs: number): Promise<StoreResult> => {
    const name = /^last_over_time\((\w+)\{/.exec(query)?.[1];
    const own = samples.filter((sample) => sample.name === name && labelValue(sample.labels, 'job') !== '');
    const found = own.filter(({ timeMs }) => timeMs > fromMs - stepMs && timeMs <= toMs);
    const [first] = found;
    if (first === undefined) return { ok: true, series: [], warnings: [] };
    const timesMs = Float64Array.from(found, ({ timeMs }) => Math.ceil(timeMs / stepMs) * stepMs);
    const values = Float64Array.from(found, ({ value }) => value);
    return { ok: true, series: [{ labels: first.labels, timesMs, values }], warnings: [] };
  },
});

const clockAt = (atMs: number): Clock => {
  let passed = 0;
  return {
    now: () => atMs,
    monotonic: () => passed,
    sleep: async (ms) => {
      passed += ms;
    },
  };
};

const refill = (more: Partial<RefillOptions> & Pick<RefillOptions, 'store'>) =>
  refilledDetectors({
    ...{ places: tryPlaces(), clock: clockAt(startMs + history * 1_000), log: silentLog },
    ...{ signal: new AbortController().signal, onSamples: () => undefined, ...more },
  });

/** Looks at what is told after the restart. */
const after = (detectors: Detectors, tell: (second: number) => readonly Sample[], seconds: number) => {
  const window = new LiveWindow({ ...usualWindow, seconds: 120 });
  const readings = new Readings(window, tryPlaces());
  return Array.from({ length: seconds }, (_, index) => {
    const second = firstSecond + history + index;
    const nowMs = second * 1_000 + 900;
    window.ingest(tell(second), nowMs);
    readings.begin(nowMs);
    return detectors.look(readings, nowMs).map(({ name }) => name);
  });
};

const remembered = (tell: (second: number) => readonly Sample[]): readonly Sample[] =>
  Array.from({ length: history }, (_, index) => tell(firstSecond + index)).flat();

test('what begins right after a restart is seen at once, which a platform that remembers nothing cannot', async () => {
  const tell = gateway(firstSecond + history + 3);
  const store = storeOf(remembered(tell));
  const told: number[] = [];
  const detectors = await refill({ store, onSamples: (samples) => told.push(samples.length) });
  if (detectors === undefined) throw new Error('the store was not asked');
  expect(told.reduce((sum, count) => sum + count)).toBe(history * 2);
  const looks = after(detectors, tell, 12);
  expect(looks.slice(0, 3).flat()).toEqual([]);
  expect(looks.at(-1)).toEqual(['RequestsSlow']);
  expect(after(new Detectors(tryPlaces()), gateway(firstSecond + history + 3), 12).flat()).toEqual([]);
});

test('what fired before a restart goes on firing, since then', async () => {
  const tell = gateway(firstSecond + 250);
  const detectors = await refill({ store: storeOf(remembered(tell)) });
  if (detectors === undefined) throw new Error('the store was not asked');
  expect(after(detectors, tell, 3).flat()).toEqual(['RequestsSlow', 'RequestsSlow', 'RequestsSlow']);
});

test('a store that is away, empty or slow is done without', async () => {
  const away = async (): Promise<StoreResult> => ({ ok: false, what: 'nobody listens there' });
  expect(await refill({ store: { range: away } })).toBeUndefined();
  expect(await refill({ store: storeOf([]) })).toBeUndefined();
  const clock = clockAt(startMs);
  const slow = async (): Promise<StoreResult> => {
    await clock.sleep(10_000);
    return { ok: true, series: [], warnings: [] };
  };
  expect(await refill({ clock, store: { range: slow } })).toBeUndefined();
  const throwing = async (): Promise<StoreResult> => {
    throw new Error('broken');
  };
  expect(await refill({ store: { range: throwing } })).toBeUndefined();
});
