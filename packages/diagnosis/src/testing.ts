/** Made-up incidents for tests: a service with noise, and causes that move some of its signals. Seeded, so the same every time. */
import { type Random, seededRandom } from '@coequal/kernel';
import type { LabelledCase } from './cases.ts';
import { makeWindow, type SignalWindow, type Stretch } from './window.ts';

/** What each cause adds to a signal, in deviations of its noise. */
const effects: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'cpu hog': { avg_latency: 6, cpu_busy: 9, context_switches: 5, load: 6 },
  'disk slow': { avg_latency: 8, disk_wait: 9, dirty_pages: 6, commits: -5 },
  'lock chain': { avg_latency: 7, lock_waits: 9, threads_running: 7, cpu_busy: -4, commits: -6 },
};

const names = [
  'avg_latency',
  'commits',
  'cpu_busy',
  'context_switches',
  'load',
  'disk_wait',
  'dirty_pages',
  'lock_waits',
  'threads_running',
  'received_bytes',
  'sent_bytes',
  'sessions',
];

export const madeUpCauses = Object.keys(effects);

export type MadeUp = {
  readonly causes: readonly string[];
  readonly seed: number;
  readonly rows?: number;
  readonly stretch?: Stretch;
};

const usualStretch: Stretch = { start: 50, end: 80 };

export const madeUpWindow = ({ causes, seed, rows = 120, stretch = usualStretch }: MadeUp): SignalWindow => {
  const random = seededRandom(seed);
  return makeWindow({
    startMs: 0,
    stepMs: 1_000,
    length: rows,
    signals: names.map((name, place) => ({
      name,
      labels: {},
      kind: 'gauge' as const,
      values: Float64Array.from({ length: rows }, (_, row) => {
        const inside = row >= stretch.start && row < stretch.end;
        const moved = inside ? causes.reduce((sum, cause) => sum + (effects[cause]?.[name] ?? 0), 0) : 0;
        return 50 + 5 * place + moved + noise(random);
      }),
    })),
  });
};

/** About normal, deviation 1: the sum of twelve uniform numbers. */
const noise = (random: Random): number =>
  Array.from({ length: 12 }, () => random.next()).reduce((sum, each) => sum + each, -6);

export const madeUpCase = (made: MadeUp & { readonly id: string; readonly machine?: string }): LabelledCase => ({
  id: made.id,
  causes: made.causes,
  window: madeUpWindow(made),
  abnormal: made.causes.length === 0 ? undefined : (made.stretch ?? usualStretch),
  abnormalRows: [],
  machine: made.machine,
  kind: undefined,
});

/** Some cases of every cause, each with a seed and a stretch of its own. */
export const madeUpCases = (each: number, machine?: string): readonly LabelledCase[] =>
  madeUpCauses.flatMap((cause, place) =>
    Array.from({ length: each }, (_, index) => {
      const seed = 1 + place * 100 + index + (machine?.length ?? 0) * 1_000;
      const start = 40 + ((seed * 7) % 25);
      return madeUpCase({
        id: `${machine ?? 'case'}-${cause}-${index}`,
        causes: [cause],
        seed,
        stretch: { start, end: start + 25 },
        ...(machine === undefined ? {} : { machine }),
      });
    }),
  );

/** The text of cases in the format of the datasets. */
export const textOfCases = (cases: readonly LabelledCase[]): string =>
  [
    JSON.stringify({ columns: names }),
    ...cases.map(({ id, causes, window, abnormal }) =>
      JSON.stringify({
        id,
        causes,
        rows: Array.from({ length: window.length }, (_, row) => window.signals.map(({ values }) => values[row])),
        ...(abnormal === undefined
          ? {}
          : { abnormal: Array.from({ length: abnormal.end - abnormal.start }, (_, index) => abnormal.start + index) }),
      }),
    ),
    '',
  ].join('\n');
