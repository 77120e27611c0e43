/**
 * Part `stream` of `bench gateway`: a result of one gigabyte through the gateway, read as fast as it comes, and read by a
 * client that stops for a while in the middle. What counts is how far the gateway's resident memory rises above what
 * it was before.
 */
import { spawn } from 'node:child_process';
import { findPrograms } from '@coequal/engines';
import { codeOf } from '@coequal/kernel';
import { placesOf } from '../places.ts';
import { figureOf, tenth } from './figures.ts';
import type { Stage } from './gateway.ts';
import { type OwnGateway, withGateway } from './gateway-own.ts';
import { authorityPathOf } from './gateway-places.ts';
import { childrenOf } from './gateway-sessions.ts';
import { sizeOf } from './memory.ts';
import { type BenchOptions, type BenchTools, counting, named } from './tools.ts';

const rows = 1_000_000;
const rowBytes = 1_000;
const barMb = 100;
const defaultRuns = 3;
const sampleMs = 20;
const stopsForMs = 4_000;

export const measureStream = async (stage: Stage, options: BenchOptions, tools: BenchTools): Promise<void> => {
  for (const [name, stops] of [
    ['fast', false],
    ['slow-reader', true],
  ] as const)
    await measure(stage, name, stops, options, tools);
};

const measure = async (
  stage: Stage,
  name: string,
  stops: boolean,
  options: BenchOptions,
  tools: BenchTools,
): Promise<void> => {
  const runs = options.runs ?? defaultRuns;
  const rises: number[] = [];
  const seconds: number[] = [];
  let bytes = 0;
  for (const run of counting(runs)) {
    const wish = { name: `bench-stream-${name}-${run}`, site: stage.site };
    await withGateway(stage.lab, wish, tools, async (gateway) => {
      // Warm: the programs that a first session loads are no part of the question.
      await read(stage, gateway, 1_000, false, tools);
      await tools.clock.sleep(1_000, tools.signal);
      const before = await residentMb(gateway);
      const began = tools.clock.monotonic();
      const watch = watching(gateway, tools);
      bytes = await read(stage, gateway, rows, stops, tools);
      rises.push((await watch.end()) - before);
      seconds.push((tools.clock.monotonic() - began) / 1_000);
      tools.progress(
        `gateway: stream, ${name}, run ${run} of ${runs}: ${Math.round(bytes / 1e6)} MB, memory +${Math.round(rises.at(-1) ?? 0)} MB`,
      );
    });
  }
  tools.figure(
    figureOf({
      name: named(`gateway/stream/${name}`, options),
      unit: 'MB',
      values: rises,
      bar: barMb,
      worstBar: barMb,
      detail: {
        result_mb: Math.round(bytes / 1e6),
        seconds: tenth(seconds.at(-1) ?? 0),
        counted_as: 'RSS of all its processes above idle',
      },
    }),
  );
};

const residentMb = async ({ process: { pid } }: OwnGateway): Promise<number> => {
  const pids = [pid, ...(await childrenOf(pid))];
  return pids.reduce((sum, each) => sum + (sizeOf(each)?.rssMb ?? 0), 0);
};

/** The largest of samples taken every few milliseconds. */
const watching = (gateway: OwnGateway, { clock }: BenchTools) => {
  const stop = new AbortController();
  let largest = 0;
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      largest = Math.max(largest, await residentMb(gateway));
      try {
        await clock.sleep(sampleMs, stop.signal);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
    }
  };
  const watched = watch();
  return {
    end: async (): Promise<number> => {
      stop.abort();
      await watched;
      return largest;
    },
  };
};

/** The command line client, which keeps no rows; answers how many bytes it wrote. */
const read = async (
  { lab, site }: Stage,
  { endpoint }: OwnGateway,
  count: number,
  stops: boolean,
  { clock, progress, signal }: BenchTools,
): Promise<number> => {
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const programs = await findPrograms(['mariadb'], { cacheFolder, environment: process.env, clock, progress, signal });
  const { host, port, user, password, database } = endpoint;
  const [command = '', ...args] = lab.enter(site, [
    ...['setpriv', '--pdeathsig', 'KILL', '--', programs.path('mariadb') ?? 'mariadb', '--quick', '--batch'],
    ...[
      '--skip-column-names',
      `--host=${host}`,
      `--port=${port}`,
      `--user=${user}`,
      `--ssl-ca=${authorityPathOf(lab)}`,
    ],
    ...[database, '--execute', `SELECT REPEAT('x', ${rowBytes}) FROM seq_1_to_${count}`],
  ]);
  const env = { ...process.env, ...programs.environment, MYSQL_PWD: password };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let bytes = 0;
  let stopped = !stops;
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString('utf8');
  });
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (stopped || bytes < (count * rowBytes) / 10) return;
    stopped = true;
    child.stdout.pause();
    clock.sleep(stopsForMs, signal).then(
      () => child.stdout.resume(),
      () => child.kill('SIGKILL'),
    );
  });
  const status = await new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(codeOf(error) ?? error.message));
    child.once('close', (code, name) => resolve(code ?? name ?? 'unknown'));
  });
  if (status !== 0 || bytes < count * rowBytes)
    throw new Error(`the result broke off after ${bytes} bytes: ${status} ${complaint}`);
  return bytes;
};
