/**
 * `bench signals`: what it costs to take in 100,000 samples, in each form they come in and into the live window, and what
 * reading this host once costs. In processor time of this process, so that what else the machine does stays out of it. It
 * starts no lab; the part `mariadb` starts a server.
 */
import { fail } from '@coequal/kernel';
import {
  decodeRemoteWrite,
  encodeRemoteWrite,
  HostCollector,
  LiveWindow,
  parseExposition,
  type Sample,
  usualWindow,
  writeExposition,
} from '@coequal/signals';
import { figureOf, tenth } from './figures.ts';
import { measureMariadb } from './signals-mariadb.ts';
import { type Bench, type BenchTools, counting } from './tools.ts';

const defaultRuns = 5;
const samplesPerRun = 100_000;
const seriesCount = 10_000;
/** As many as Prometheus sends at once. */
const samplesPerBody = 2_000;
/** One core takes in 100,000 samples a second. */
const barMs = 1_000;
/** A hundredth of a core, once a second. */
const hostBarMs = 10;
const collections = 20;

const partNames = ['window', 'text', 'remote-write', 'host', 'mariadb'] as const;
/** Those of one figure each, without a server. */
type Part = Exclude<(typeof partNames)[number], 'mariadb'>;

type Measured = { readonly cpuMs: number; readonly detail?: Readonly<Record<string, number | string>> };

const parts: Readonly<Record<Part, (tools: BenchTools) => Promise<Measured>>> = {
  window: async () => {
    const window = new LiveWindow();
    const rounds = counting(samplesPerRun / seriesCount).map((second) => samplesAt(1_700_000_000_000 + second * 1_000));
    const cpuMs = cpuOf(() => {
      for (const round of rounds) window.ingest(round, round[0]?.timeMs ?? 0);
    });
    return { cpuMs, detail: { series: window.size, seconds: usualWindow.seconds } };
  },
  text: async () => {
    const samples = samplesAt(0);
    const text = new TextEncoder().encode(writeExposition(samples, { format: 'prometheus', withTimes: false }));
    const cpuMs = cpuOf(() => {
      for (const _ of counting(samplesPerRun / seriesCount)) parseExposition(text, { timeMs: 0, format: 'prometheus' });
    });
    return { cpuMs, detail: { bytes_per_sample: Math.round(text.length / samples.length) } };
  },
  'remote-write': async () => {
    const samples = samplesAt(0);
    const bodies = counting(samplesPerRun / samplesPerBody).map((body) => {
      const from = ((body - 1) * samplesPerBody) % samples.length;
      return samples.slice(from, from + samplesPerBody);
    });
    let encoded: readonly Uint8Array[] = [];
    const encodeMs = cpuOf(() => {
      encoded = bodies.map(encodeRemoteWrite);
    });
    const cpuMs = cpuOf(() => {
      for (const body of encoded) decodeRemoteWrite(body);
    });
    const bytes = encoded.reduce((sum, { length }) => sum + length, 0);
    return { cpuMs, detail: { encoding_ms: tenth(encodeMs), bytes_per_sample: tenth(bytes / samplesPerRun) } };
  },
  host: async ({ clock }) => {
    const host = new HostCollector({ clock, root: '', pageBytes: 4_096, filesystemDeadlineMs: 1_000 });
    const first = await host.collect();
    const before = process.cpuUsage();
    for (const _ of counting(collections)) await host.collect();
    const { user, system } = process.cpuUsage(before);
    return { cpuMs: (user + system) / 1_000 / collections, detail: { points: first.points.length } };
  },
};

const names: Readonly<Record<Part, string>> = {
  window: 'signals/window/100000-samples',
  text: 'signals/text/100000-samples',
  'remote-write': 'signals/remote-write/100000-samples',
  host: 'signals/host/collection',
};

export const benchSignals: Bench = async (options, tools) => {
  const chosen = options.parts ?? partNames;
  for (const part of chosen) {
    if (!isPart(part))
      throw fail('COMMAND_USAGE', {
        problem: `The bench signals has no part ${part}; it has ${partNames.join(', ')}.`,
        help: 'coequal bench --help',
      });
    const runs = options.runs ?? defaultRuns;
    await (part === 'mariadb' ? measureMariadb(runs, tools) : measure(part, runs, tools));
  }
};

const isPart = (text: string): text is (typeof partNames)[number] => partNames.some((name) => name === text);

const measure = async (part: Part, runs: number, tools: BenchTools): Promise<void> => {
  const found: Measured[] = [];
  for (const run of counting(runs)) {
    tools.signal.throwIfAborted();
    found.push(await parts[part](tools));
    tools.progress(`signals: ${part}, run ${run} of ${runs}: ${tenth(found.at(-1)?.cpuMs ?? 0)} ms of processor time`);
  }
  tools.figure(
    figureOf({
      name: names[part],
      unit: 'ms',
      values: found.map(({ cpuMs }) => cpuMs),
      bar: part === 'host' ? hostBarMs : barMs,
      detail: found.at(-1)?.detail ?? {},
    }),
  );
};

/** As databases and hosts tell them: names shared by many, two labels. */
const samplesAt = (timeMs: number): readonly Sample[] =>
  counting(seriesCount).map((index) => ({
    name: `mysql_global_status_variable_${index % 500}_total`,
    labels: [
      ['instance', `north-db-${Math.floor(index / 500)}`],
      ['job', 'mariadb'],
    ],
    value: index * 1.25,
    timeMs,
  }));

/** Milliseconds of processor time. */
const cpuOf = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};
