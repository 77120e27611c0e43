/**
 * `bench startup`: from the command to databases serving and to the first transaction on all sites, with programs and
 * seed in the cache; and the driver alone, three instances from stopped to serving. Beside them one plain instance,
 * and the ordinary way to a cluster: bootstrap one, copy it in full to the others.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startService } from '@coequal/engines';
import { fail, silentLog, until } from '@coequal/kernel';
import { endLab } from '../client.ts';
import { figureOf } from './figures.ts';
import { labName, withLab } from './lab.ts';
import { type Servers, withPlain, withServers } from './servers.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, timed } from './tools.ts';

const defaultRuns = 5;
/** The ordinary way takes many seconds and is beside the point. */
const coldRuns = 3;
const labBarMs = 3_000;
const driverBarMs = 2_000;
/** A full outage: all were killed at once, and must come back by themselves. */
const outageBarMs = 5_000;
const serveDeadlineMs = 120_000;
const launcher = fileURLToPath(new URL('../../../../bin/coequal.js', import.meta.url));

export const benchStartup: Bench = async (options, tools) => {
  const runs = options.runs ?? defaultRuns;
  const labs = await labStarts(runs, options, tools);
  await withServers(tools, async (servers) => {
    const plain: number[] = [];
    for (const run of counting(runs)) {
      plain.push(await withPlain(servers, tools, async ({ startedInMs }) => startedInMs));
      tools.progress(`startup: plain instance, run ${run} of ${runs}: ${Math.round(plain.at(-1) ?? 0)} ms`);
    }
    const peer = { name: 'one plain instance, from process start to first answer', values: plain };
    tools.figure(
      figureOf({ name: 'startup/lab/serving', unit: 'ms', values: labs.map(({ servingMs }) => servingMs), peer }),
    );
    const values = labs.map(({ firstMs }) => firstMs);
    tools.figure(figureOf({ name: 'startup/lab/first-transaction', unit: 'ms', values, peer, bar: labBarMs }));
    await driverStarts(servers, runs, tools);
  });
};

type LabStart = { readonly servingMs: number; readonly firstMs: number };

const labStarts = async (runs: number, options: BenchOptions, tools: BenchTools): Promise<readonly LabStart[]> => {
  // What only the first lab of a machine waits for is not what is measured here.
  await withLab(tools, { rtt: options.rtt ?? defaultRtt }, async () => undefined);
  const starts: LabStart[] = [];
  for (const run of counting(runs)) {
    const start = await labStart(options.rtt ?? defaultRtt, tools);
    tools.progress(
      `startup: lab, run ${run} of ${runs}: ${Math.round(start.servingMs)} ms, first transactions ${Math.round(start.firstMs)} ms`,
    );
    starts.push(start);
  }
  return starts;
};

/** The command as a user runs it. Its steps are told as they begin: accounts are opened when the databases serve. */
const labStart = async (rtt: string, { clock, signal }: BenchTools): Promise<LabStart> => {
  signal.throwIfAborted();
  const name = labName();
  const began = clock.monotonic();
  const seen = new Map<string, number>();
  const child = spawn(process.execPath, [launcher, 'lab', 'up', '--name', name, '--rtt', rtt], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    let last = '';
    child.stdout.resume();
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line;
      const step = /^\s*[\d.]+ s {2}(\S+)/.exec(line)?.[1];
      if (step !== undefined && !seen.has(step)) seen.set(step, clock.monotonic() - began);
    });
    await until(
      clock,
      { what: 'A lab serving', deadlineMs: serveDeadlineMs, everyMs: 2, signal, last: () => last },
      () => {
        if (child.exitCode !== null) throw fail('LAB_ENDED', { name, reason: last, log: 'what it said' });
        return seen.has('serving');
      },
    );
    return { servingMs: seen.get('bank') ?? 0, firstMs: seen.get('serving') ?? 0 };
  } finally {
    if (child.exitCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      await exited;
    }
    // In order it leaves nothing; interrupted early it may not have come to that.
    await endLab(name).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'LAB_NOT_RUNNING')) throw error;
    });
  }
};

const driverStarts = async (servers: Servers, runs: number, tools: BenchTools): Promise<void> => {
  const { drivers, instances, plant, service } = servers;
  const { clock, progress, signal } = tools;
  const how = { service: service.name, clock, log: silentLog, serveDeadlineMs };
  const begin = () => timed(clock, () => startService(drivers, how));
  const times = { clean: [] as number[], killed: [] as number[], cold: [] as number[] };
  const endAll = (end: 'stop' | 'fence') =>
    Promise.all(drivers.map((driver) => (end === 'stop' ? driver.stop(serveDeadlineMs) : driver.fence())));
  await plant(instances.map(({ dataFolder }) => dataFolder));
  for (const driver of drivers) await driver.prepare();
  await begin();
  for (const run of counting(runs)) {
    signal.throwIfAborted();
    await endAll('stop');
    times.clean.push(await begin());
    await endAll('fence');
    times.killed.push(await begin());
    progress(
      `startup: driver, run ${run} of ${runs}: ${Math.round(times.clean.at(-1) ?? 0)} ms after a clean stop, ${Math.round(times.killed.at(-1) ?? 0)} ms after a kill`,
    );
  }
  for (const run of counting(Math.min(runs, coldRuns))) {
    signal.throwIfAborted();
    times.cold.push(await coldStart(servers, tools));
    progress(`startup: bootstrap and two full copies, run ${run}: ${Math.round(times.cold.at(-1) ?? 0)} ms`);
  }
  await endAll('fence');
  const peer = { name: 'bootstrap one, two full copies by rsync', values: times.cold };
  tools.figure(
    figureOf({ name: 'startup/driver/after-stop', unit: 'ms', values: times.clean, peer, bar: driverBarMs }),
  );
  tools.figure(
    figureOf({ name: 'startup/driver/after-kill', unit: 'ms', values: times.killed, peer, bar: outageBarMs }),
  );
};

/** Only the first instance has data; the others start empty and are copied to, both at once where the donor allows. */
const coldStart = async ({ drivers, instances, plant }: Servers, { clock }: BenchTools): Promise<number> => {
  const [first, ...others] = drivers;
  if (first === undefined) throw new Error('Bug: no instance to bootstrap');
  for (const driver of drivers) await driver.fence();
  await plant(instances.slice(0, 1).map(({ dataFolder }) => dataFolder));
  for (const driver of others) await driver.reprovision();
  for (const driver of drivers) await driver.prepare();
  return timed(clock, async () => {
    await first.start({ kind: 'bootstrap' });
    await first.untilServing(serveDeadlineMs);
    await Promise.all(
      others.map(async (driver) => {
        await driver.start({ kind: 'join' });
        await driver.untilServing(serveDeadlineMs);
      }),
    );
  });
};
