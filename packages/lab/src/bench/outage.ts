/**
 * `bench outage`: an hour without a store. An agent's folder is given what it keeps on disk in an hour of 1,000 signals a second; the real agent adds
 * to it while the store is away, and a real VictoriaMetrics comes, is killed in the middle and comes again. In the end every sample is counted
 * in it: what is missing, what is there twice, how much room the hour took, and how long it took to catch up. It starts no lab.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCompanion } from '@coequal/engines';
import { until } from '@coequal/kernel';
import { Outbox, RemoteWriteEncoder, type Sample, StoreClient } from '@coequal/signals';
import { placesOf } from '../places.ts';
import { freePorts } from '../process/ports.ts';
import { figureOf, tenth, type Unit } from './figures.ts';
import { type Bench, type BenchTools, counting } from './tools.ts';

const seconds = 3_600;
const signals = 1_000;
/** Of the agent: more than an hour takes, so that nothing is dropped. */
const outbox = { limitBytes: 512 * 2 ** 20, segmentBytes: 2 ** 20 };
const patienceMs = 10 * 60_000;
/** What an agent collects itself while the store is away, bodies. */
const aloneBodies = 5;

export const benchOutage: Bench = async (options, tools) => {
  for (const run of counting(options.runs ?? 1)) {
    const found = await measure(tools);
    tools.progress(`outage: run ${run}: ${found.missing} samples are missing of ${seconds * signals}`);
    const detail = { samples: seconds * signals, kills_of_the_store: 1 };
    const figure = (name: string, unit: Unit, value: number, bar?: number): void =>
      tools.figure(
        figureOf({ name: `outage/${name}`, unit, values: [value], detail, ...(bar === undefined ? {} : { bar }) }),
      );
    figure('missing', 'samples', found.missing, 0);
    figure('wrong', 'series', found.wrong, 0);
    figure('disk', 'MB', found.diskMb);
    figure('catching-up', 's', found.seconds);
  }
};

type Found = {
  readonly missing: number;
  /** Series whose sum is not that of their samples: one is there twice, or has another value. */
  readonly wrong: number;
  readonly diskMb: number;
  readonly seconds: number;
};

const measure = async (tools: BenchTools): Promise<Found> => {
  const { clock, signal } = tools;
  const folder = mkdtempSync(join(tmpdir(), 'coequal-bench-outage-'));
  const children: ChildProcess[] = [];
  const run = (argv: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, ...environment },
    });
    children.push(child);
    return child;
  };
  try {
    const [port = 0, storePort = 0] = await freePorts('127.0.0.1', 2);
    writeFileSync(join(folder, 'coequal.yaml'), estateText(folder, port, storePort));
    const endMs = Math.floor(clock.now() / 1_000) * 1_000 - 5_000;
    tools.progress(`outage: leaving ${seconds} s of ${signals} signals on disk`);
    const diskMb = await leaveOnDisk(join(folder, 'state/samples'), endMs);
    const store = await storeOf(tools, folder, storePort);
    run([process.execPath, fileURLToPath(import.meta.resolve('@coequal/agent/main')), '--config', 'coequal.yaml']);
    const waiting = (): Promise<number> => waitingOf(port);
    const wait = (what: string, probe: (bodies: number) => boolean): Promise<boolean> =>
      until(clock, { what, deadlineMs: patienceMs, everyMs: 200, signal }, async () => probe(await waiting()));
    await wait('the agent to add to it', (bodies) => bodies >= seconds + aloneBodies);
    const began = clock.monotonic();
    const first = run(store.argv, store.environment);
    await wait('half of it to be taken', (bodies) => bodies < seconds / 2);
    first.kill('SIGKILL');
    await once(first, 'exit');
    run(store.argv, store.environment);
    await wait('all of it to be taken', (bodies) => bodies === 0);
    const caughtUp = (clock.monotonic() - began) / 1_000;
    return { ...(await counted(tools, storePort, endMs)), diskMb, seconds: caughtUp };
  } finally {
    for (const child of children.reverse())
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    rmSync(folder, { recursive: true, force: true });
  }
};

/** As the agent writes it. Values of a series add up to what tells whether each is there once. */
const leaveOnDisk = async (folder: string, endMs: number): Promise<number> => {
  const box = await Outbox.open({ folder, ...outbox });
  const encoder = new RemoteWriteEncoder();
  for (const second of counting(seconds)) {
    const timeMs = endMs - (seconds - second) * 1_000;
    const samples = counting(signals).map(
      (index): Sample => ({
        name: `outage_${index % 50}_total`,
        labels: [
          ['host', 'north-1'],
          ['signal', String(index)],
        ],
        value: second * index,
        timeMs,
      }),
    );
    await box.append(encoder.encode(samples));
  }
  await box.close();
  return tenth(readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / 1e6);
};

const storeOf = async ({ clock, progress, signal }: BenchTools, folder: string, port: number) => {
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const wanted = { cacheFolder, environment: process.env, clock, progress, signal };
  const found = await findCompanion('victoria-metrics', wanted);
  const argv = [
    ...[found.files[0], `-storageDataPath=${folder}/store`, `-httpListenAddr=127.0.0.1:${port}`],
    ...['-memory.allowedBytes=200MB', '-search.latencyOffset=0s', '-dedup.minScrapeInterval=1ms'],
  ];
  return { argv, environment: found.environment };
};

/** NaN while the agent does not answer. */
const waitingOf = async (port: number): Promise<number> => {
  try {
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^coequal_agent_bodies_waiting\{[^}]*to="store"\} (\d+)$/m.exec(page)?.[1] ?? Number.NaN);
  } catch (error) {
    if (error instanceof TypeError) return Number.NaN;
    throw error;
  }
};

/** Asked until the store finds no more: what it took a moment ago is not found at once. */
const counted = async (
  { clock, signal }: BenchTools,
  port: number,
  endMs: number,
): Promise<Pick<Found, 'missing' | 'wrong'>> => {
  const client = new StoreClient({
    url: `http://127.0.0.1:${port}`,
    deadlineMs: 60_000,
    answerBytes: 64 * 2 ** 20,
    signal,
  });
  const asked = async (rollup: string): Promise<ReadonlyMap<string, number>> => {
    const answer = await client.instant(`${rollup}({__name__=~"outage_.*"}[${seconds + 60}s])`, endMs);
    if (!answer.ok) throw new Error(`The store does not count: ${answer.what}`);
    return new Map(
      answer.series.map(({ labels, values }) => [new Map(labels).get('signal') ?? '', values[0] ?? Number.NaN]),
    );
  };
  const stillMs = 10_000;
  let [most, sinceMs] = [-1, clock.monotonic()];
  await until(clock, { what: 'the samples to be found', deadlineMs: patienceMs, everyMs: 1_000, signal }, async () => {
    const sum = [...(await asked('count_over_time')).values()].reduce((all, one) => all + one, 0);
    if (sum > most) [most, sinceMs] = [sum, clock.monotonic()];
    return sum >= seconds * signals || clock.monotonic() - sinceMs > stillMs;
  });
  const sums = await asked('sum_over_time');
  const whole = (seconds * (seconds + 1)) / 2;
  client.close();
  return {
    missing: seconds * signals - most,
    wrong: counting(signals).filter((index) => sums.get(String(index)) !== whole * index).length,
  };
};

const estateText = (folder: string, port: number, storePort: number): string => {
  const sites = ['north', 'south', 'west'];
  return `version: 1
name: bench
sites:
${sites.map((site, index) => `  - { name: ${site}, hosts: [{ name: ${site}-1, address: 10.0.0.${index + 1} }] }`).join('\n')}
services:
  - name: bank
    database: bank
    instances:
${sites.map((site) => `      - { name: bank-${site}, host: ${site}-1, dataFolder: /nowhere/${site} }`).join('\n')}
agents:
  - host: north-1
    port: ${port}
    stateFolder: ${folder}/state
    sendTo: { store: "http://127.0.0.1:${storePort}" }
`;
};
