/**
 * `bench ingest`: what it costs a platform to take in what agents tell and to look at all of it twice a second, for 10, 100 and 1,000
 * hosts. Each host tells what this machine tells of itself and what a database tells, some 1,000 samples a second, in the bodies of remote
 * write that agents send. In processor time of this process; it starts no lab.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Estate, estateOrThrow } from '@coequal/estate';
import { type Clock, fail, silentLog, systemRandom } from '@coequal/kernel';
import { type BarePlatform, openBarePlatform, platformSettings } from '@coequal/platform';
import { encodeRemoteWrite, HostCollector, labelsOf, type Point, type Sample } from '@coequal/signals';
import { figureOf, tenth } from './figures.ts';
import { type Bench, type BenchTools, counting } from './tools.ts';

const partNames = ['10', '100', '1000'] as const;
type Part = (typeof partNames)[number];
const defaultRuns = 5;
const samplesEach = 1_000;
/** A second of 100,000 samples costs less than a second. */
const barMs = 1_000;
const per = 100_000;
/** Two looks a second, as the platform does. */
const looks = 2;
/** Signals of which so many in ten move, as those of a database do. */
const moving = 4;

export const benchIngest: Bench = async (options, tools) => {
  for (const part of options.parts ?? partNames) {
    if (!isPart(part))
      throw fail('COMMAND_USAGE', {
        problem: `The bench ingest has no part ${part}; it has ${partNames.join(', ')}.`,
        help: 'coequal bench --help',
      });
    await measure(part, options.runs ?? defaultRuns, tools);
  }
};

const isPart = (text: string): text is Part => partNames.some((name) => name === text);

const measure = async (part: Part, runs: number, tools: BenchTools): Promise<void> => {
  const hosts = Number(part);
  const points = await pointsOfHost(tools.clock);
  const folder = await mkdtemp(join(tmpdir(), 'coequal-bench-'));
  const clock = steppedClock(1_700_000_000_000);
  const platform = openBarePlatform({
    settings: platformSettings(estateOf(hosts, folder), undefined),
    ...{ folder, clock, random: systemRandom, log: silentLog },
  });
  try {
    const found: number[] = [];
    // What is new is more work than what is known: the first seconds do not count.
    for (const second of counting(runs + 2)) {
      tools.signal.throwIfAborted();
      clock.step(1_000);
      const bodies = counting(hosts).map((host) => bodyOf(points, host, second, clock.now()));
      const cpuMs = cpuOf(() => takeSecond(platform, bodies, clock));
      if (second <= 2) continue;
      found.push((cpuMs * per) / (hosts * points.length));
      tools.progress(
        `ingest: ${part} hosts, run ${second - 2} of ${runs}: ${tenth(cpuMs)} ms for ${hosts * points.length} samples`,
      );
    }
    const { window } = platform.heart.core;
    tools.figure(
      figureOf({
        name: `ingest/${part}-hosts/per-100000-samples`,
        ...{ unit: 'ms', values: found, bar: barMs },
        detail: {
          samples_a_second: hosts * points.length,
          signals: window.size,
          moving_signals: window.rings,
          resident_mb: Math.round(process.memoryUsage().rss / 2 ** 20),
        },
      }),
    );
  } finally {
    platform.close();
    await rm(folder, { recursive: true, force: true });
  }
};

const takeSecond = ({ heart }: BarePlatform, bodies: readonly Uint8Array[], clock: Clock): void => {
  for (const body of bodies) heart.core.intake.write(body, clock.now());
  for (const _ of counting(looks)) heart.beat();
};

/** What this machine tells of itself, filled up with what a database tells. */
const pointsOfHost = async (clock: Clock): Promise<readonly Point[]> => {
  const host = new HostCollector({ clock, root: '', pageBytes: 4_096, filesystemDeadlineMs: 1_000 });
  const own = (await host.collect()).points.slice(0, samplesEach);
  const database = counting(samplesEach - own.length).map(
    (index): Point => ({ name: `mysql_global_status_variable_${index}`, labels: [], value: index }),
  );
  return [...own, { name: 'mysql_up', labels: [], value: 1 }, ...database.slice(1)];
};

const bodyOf = (points: readonly Point[], host: number, second: number, timeMs: number): Uint8Array =>
  encodeRemoteWrite(
    points.map(({ name, labels, value }, index): Sample => {
      const database = name.startsWith('mysql_');
      const added = [
        ['host', `host-${host}`],
        ['instance', database ? `db-${host}` : `host-${host}`],
        ['job', database ? 'mysql' : 'node'],
        ['site', `site-${host % 3}`],
      ] as const;
      const known = labels.filter(([label]) => !added.some(([own]) => own === label));
      const moves = index % 10 < moving && name !== 'mysql_up';
      return { name, labels: labelsOf([...known, ...added]) ?? [], value: moves ? value + second : value, timeMs };
    }),
  );

const estateOf = (hosts: number, folder: string): Estate => {
  const places = counting(hosts).map((host) => ({ host, site: host % 3 }));
  const sites = [0, 1, 2].map((site) => {
    const own = places
      .filter((place) => place.site === site)
      .map(({ host }) => `{name: host-${host}, address: h${host}.example}`);
    return `  - {name: site-${site}, hosts: [${own.join(', ')}]}`;
  });
  // A service has 64 instances at most, and an odd number of votes: three each.
  const services = counting(Math.min(60, Math.floor(hosts / 3))).map((service) => {
    const own = [0, 1, 2].map((place) => service * 3 - 2 + place);
    const instances = own.map((host) => `{name: db-${host}, host: host-${host}, dataFolder: /data/db-${host}}`);
    return `  - {name: service-${service}, database: app, tls: false, instances: [${instances.join(', ')}]}`;
  });
  const platform = `  - {name: watch, host: host-1, stateFolder: ${folder}, liveMinutes: 2, liveSignals: 2000000, liveMemory: 2GiB}`;
  const text = `version: 1\nname: bench\nsites:\n${sites.join('\n')}\nservices:\n${services.join('\n')}\nplatforms:\n${platform}\n`;
  return estateOrThrow(text, 'the estate of the bench');
};

const steppedClock = (startMs: number): Clock & { readonly step: (ms: number) => void } => {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    sleep: async () => undefined,
    step: (ms) => {
      nowMs += ms;
    },
  };
};

/** Milliseconds of processor time. */
const cpuOf = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};
