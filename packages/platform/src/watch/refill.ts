/**
 * What a restart forgot, from the store: the last minutes of the signals that indicators are read from, looked at second by second as if
 * they were told now. So a platform that was started again knows at once what is usual, and goes on with what fired. Bounded in time and
 * memory; without a store, or when it does not answer, detectors get to know everything by themselves.
 */
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import { LiveWindow, type Sample, type StoreSeries } from '@coequal/signals';
import { limits } from '../limits.ts';
import type { Places } from '../places.ts';
import type { MetricsStore } from '../ports.ts';
import { Detectors } from './detectors.ts';
import { externalSignals } from './external.ts';
import { indicatorSignals } from './indicators.ts';
import { Readings, type Selector } from './reading.ts';

export type RefillOptions = {
  readonly places: Places;
  readonly store: Pick<MetricsStore, 'range'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Also told what comes from the store, in the order of time: samples of one second after the other. */
  readonly onSamples: (samples: readonly Sample[]) => void;
};

/** Rates look so far back. */
const windowSeconds = 120;

/** Detectors that know the last minutes; undefined when the store says nothing of them in time. */
export const refilledDetectors = async (options: RefillOptions): Promise<Detectors | undefined> => {
  const { clock, log, signal } = options;
  const endMs = clock.monotonic() + limits.watch.refillMs;
  while (!signal.aborted) {
    const problem = await triedOnce(options, endMs);
    if (problem instanceof Detectors) return problem;
    if (clock.monotonic() + limits.watch.refillAgainMs >= endMs) {
      log('warn', 'what is usual is learned anew', { reason: problem });
      return undefined;
    }
    await clock.sleep(limits.watch.refillAgainMs, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
  return undefined;
};

/** The detectors, or what stood in the way. */
const triedOnce = async (options: RefillOptions, endMs: number): Promise<Detectors | string> => {
  const { clock, places, signal, log } = options;
  const window = new LiveWindow({
    ...{ seconds: windowSeconds, seriesLimit: limits.ingest.rememberedSeries },
    ...{ staleSeconds: windowSeconds, futureSeconds: limits.ingest.futureSeconds },
  });
  const readings = new Readings(window, places);
  const detectors = new Detectors(places);
  const startSecond = Math.floor(clock.now() / 1_000) - limits.watch.refillSeconds;
  let [second, values] = [startSecond, 0];
  // The last step ends where now is by then, which may be a little later than when it began.
  while (second < Math.floor(clock.now() / 1_000)) {
    const to = Math.min(second + stepSeconds(detectors), Math.floor(clock.now() / 1_000));
    const told = await askedOf(options, second, to, endMs);
    if (typeof told === 'string') return told;
    for (const samples of told) {
      if (signal.aborted) return 'the platform ends';
      const nowMs = second * 1_000 + 999;
      window.ingest(samples, nowMs);
      options.onSamples(samples);
      readings.begin(nowMs);
      detectors.look(readings, nowMs);
      values += samples.length;
      second += 1;
      // Between two seconds others have their turn.
      await clock.sleep(0, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
  if (values === 0) return 'the store has no signals of the last minutes';
  log('info', 'what is usual is known from the store', { seconds: second - startSecond, values });
  return detectors;
};

const stepSeconds = ({ watched }: Detectors): number =>
  Math.max(1, Math.floor(limits.watch.refillValues / (limits.watch.refillValuesEach * Math.max(1, watched))));

/** Samples of each second from `from` on, before `to`. */
const askedOf = async (
  { store, clock, signal, places }: RefillOptions,
  from: number,
  to: number,
  endMs: number,
): Promise<readonly (readonly Sample[])[] | string> => {
  const seconds = Array.from({ length: to - from }, (): Sample[] => []);
  for (const selector of [...indicatorSignals, ...externalSignals(places.estate)]) {
    if (signal.aborted) return 'the platform ends';
    if (clock.monotonic() >= endMs) return 'the store took too long';
    try {
      // A step tells what was measured in the second that ends with it.
      const answer = await store.range(promqlOf(selector), (from + 1) * 1_000, to * 1_000, 1_000);
      if (!answer.ok) return answer.what;
      for (const series of answer.series) spread(selector.name, series, from, seconds);
    } catch (error) {
      return reasonOf(error);
    }
  }
  return seconds;
};

const spread = (name: string, { labels, timesMs, values }: StoreSeries, from: number, seconds: Sample[][]): void => {
  const own = labels.filter(([label]) => label !== '__name__');
  for (let index = 0; index < timesMs.length; index += 1) {
    const second = Math.round((timesMs[index] ?? 0) / 1_000) - 1;
    seconds[second - from]?.push({ name, labels: own, value: values[index] ?? Number.NaN, timeMs: second * 1_000 });
  }
};

/** The value of each second by itself, so that nothing that fell silent is repeated. */
const promqlOf = ({ name, where = [], not = [] }: Selector): string => {
  const matchers = [
    ...where.map(([label, value]) => `${label}=${JSON.stringify(value)}`),
    ...not.map(([label, value]) => `${label}!=${JSON.stringify(value)}`),
  ];
  return `last_over_time(${name}{${matchers.join(',')}}[1s])`;
};
