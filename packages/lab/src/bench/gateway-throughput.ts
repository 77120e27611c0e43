/**
 * Parts `throughput` and `latency` of `bench gateway`: sysbench through the gateway, through HAProxy and directly, in
 * turn in the same run, in front of the lab's three instances. HAProxy sends everybody to the nearest instance, as the gateway
 * does. Ratios are those of runs that followed each other.
 */

import { codeOf, reasonOf } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { figureOf, tenth } from './figures.ts';
import type { Haproxy } from './gateway-peers.ts';
import {
  directIgnores,
  gatewayIgnores,
  runSysbench,
  type Sysbench,
  type SysbenchResult,
  type SysbenchRun,
  type Workload,
} from './gateway-sysbench.ts';
import { type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

export type Field = {
  /** Part of the figures' names: `lab` or `plain`. */
  readonly name: string;
  readonly sysbench: Sysbench;
  readonly gateway: Endpoint;
  readonly haproxy: Haproxy;
  readonly direct: Endpoint;
  /** What the ratio to HAProxy should not be below: oltp_read_write at 8 threads. */
  readonly leastRatio: number;
  /** Whether there are other instances to spread over. */
  readonly several: boolean;
};

const threadCounts = [1, 8, 64];
const workloads: readonly Workload[] = ['oltp_read_write', 'oltp_point_select'];
const modes = [
  { name: 'text', prepared: false },
  { name: 'prepared', prepared: true },
] as const;
const defaultRuns = 3;
const seconds = 5;
/** The promise is made for this many. */
const promisedThreads = 8;

type Way = 'gateway' | 'haproxy' | 'direct' | 'leastconn';
type Load = Omit<SysbenchRun, 'ignored'>;
type Results = Readonly<Record<Way, readonly SysbenchResult[]>> & {
  /** What ended a run of the gateway before its time; such a run counts as nothing done. */
  readonly failures: readonly string[];
};

export const measureThroughput = async (field: Field, options: BenchOptions, tools: BenchTools): Promise<void> => {
  for (const workload of workloads) {
    for (const { name: mode, prepared } of modes) {
      for (const threads of threadCounts) {
        const run = { workload, threads, prepared, seconds };
        const leastconn = field.several && workload === 'oltp_read_write' && threads === promisedThreads;
        const ways: readonly Way[] = ['gateway', 'haproxy', 'direct', ...(leastconn ? (['leastconn'] as const) : [])];
        const results = await inTurn(field, run, ways, options.runs ?? defaultRuns, tools);
        tools.figure(throughputFigure(field, run, mode, results, options));
      }
    }
  }
};

/** Every way once a run, begun with another one each time. */
const inTurn = async (
  field: Field,
  run: Load,
  ways: readonly Way[],
  runs: number,
  tools: BenchTools,
): Promise<Results> => {
  const results: Record<Way, SysbenchResult[]> = { gateway: [], haproxy: [], direct: [], leastconn: [] };
  const failures: string[] = [];
  for (const number of counting(runs)) {
    const turn = number % ways.length;
    for (const way of [...ways.slice(turn), ...ways.slice(0, turn)])
      results[way].push(await once(field, way, run, failures, tools));
    const rates = ways.map((way) => `${way} ${Math.round(results[way].at(-1)?.perSecond ?? 0)}`);
    tools.progress(
      `gateway: ${field.name}, ${run.workload}, ${run.prepared ? 'prepared' : 'text'}, ${run.threads} threads, run ${number} of ${runs}: ${rates.join(', ')} transactions/s`,
    );
  }
  return { ...results, failures };
};

const nothing: SysbenchResult = { perSecond: 0, queriesPerSecond: 0, p50Ms: 0, conflicts: 0 };

const once = async (
  field: Field,
  way: Way,
  run: Load,
  failures: string[],
  tools: BenchTools,
): Promise<SysbenchResult> => {
  if (way !== 'gateway')
    return await runSysbench(field.sysbench, endpointOf(field, way), { ...run, ignored: directIgnores }, tools);
  try {
    return await runSysbench(field.sysbench, field.gateway, { ...run, ignored: gatewayIgnores }, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    if (codeOf(error) !== 'PROGRAM_FAILED') throw error;
    failures.push(/FATAL: (.*)/.exec(reasonOf(error))?.[1] ?? reasonOf(error));
    return nothing;
  }
};

const endpointOf = ({ gateway, haproxy, direct }: Field, way: Way): Endpoint => {
  switch (way) {
    case 'gateway':
      return gateway;
    case 'haproxy':
      return haproxy.first;
    case 'leastconn':
      return haproxy.leastconn;
    case 'direct':
      return direct;
  }
};

const throughputFigure = (
  field: Field,
  { workload, threads }: Load,
  mode: string,
  results: Results,
  options: BenchOptions,
) => {
  const promised =
    workload === 'oltp_read_write' && threads === promisedThreads && (options.rtt ?? defaultRtt) === defaultRtt;
  const rates = (way: Way): readonly number[] => results[way].map(({ perSecond }) => perSecond);
  const haproxy = {
    name: `HAProxy ${field.haproxy.version}, balance first`,
    values: rates('haproxy'),
    inTurn: true,
  } as const;
  const direct = figureOf({
    name: '',
    unit: 'transactions/s',
    values: rates('gateway'),
    peer: { name: '', values: rates('direct'), inTurn: true },
  });
  const leastconn = figureOf({ name: '', unit: 'transactions/s', values: rates('leastconn') });
  return figureOf({
    name: named(`gateway/throughput/${field.name}/${workload}/${mode}/${threads}`, options),
    unit: 'transactions/s',
    values: rates('gateway'),
    peer: haproxy,
    ...(promised ? { ratioBar: field.leastRatio } : {}),
    ...noteOf(results),
    detail: {
      direct: direct.peer_value,
      ratio_to_direct: direct.ratio,
      ...(leastconn.value === null ? {} : { haproxy_leastconn: leastconn.value }),
      p50_ms: medianMs(results.gateway),
      haproxy_p50_ms: medianMs(results.haproxy),
      direct_p50_ms: medianMs(results.direct),
      conflicts: sum(results.gateway),
      haproxy_conflicts: sum(results.haproxy),
    },
  });
};

const noteOf = ({ failures }: Results): { readonly note?: string } =>
  failures.length === 0 ? {} : { note: `${failures.length} runs ended by an error: ${failures[0]}` };

const sum = (results: readonly SysbenchResult[]): number =>
  results.reduce((total, { conflicts }) => total + conflicts, 0);

/** To a microsecond. */
const medianMs = (results: readonly SysbenchResult[]): number =>
  tenth((median(results.map(({ p50Ms }) => p50Ms)) ?? 0) * 1_000) / 1_000;

const median = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
};

const latencyBarUs = 60;
const latencyRuns = 7;
const latencySeconds = 4;

/** What the gateway adds to a point select of one client, over direct; and what HAProxy adds, beside it. */
export const measureLatency = async (field: Field, options: BenchOptions, tools: BenchTools): Promise<void> => {
  for (const { name: mode, prepared } of modes) {
    const run = { workload: 'oltp_point_select', threads: 1, prepared, seconds: latencySeconds } as const;
    const results = await inTurn(field, run, ['gateway', 'haproxy', 'direct'], options.runs ?? latencyRuns, tools);
    const added = (way: Way): readonly number[] =>
      results[way].map(({ p50Ms }, index) => tenth((p50Ms - (results.direct[index]?.p50Ms ?? 0)) * 1_000));
    tools.figure(
      figureOf({
        name: named(`gateway/latency/${field.name}/oltp_point_select/${mode}/1`, options),
        unit: 'µs',
        values: added('gateway'),
        peer: { name: `HAProxy ${field.haproxy.version}, over direct as well`, values: added('haproxy') },
        bar: latencyBarUs,
        ...noteOf(results),
        detail: {
          direct_p50_us: tenth((median(results.direct.map(({ p50Ms }) => p50Ms)) ?? 0) * 1_000),
          haproxy_p50_us: tenth((median(results.haproxy.map(({ p50Ms }) => p50Ms)) ?? 0) * 1_000),
          gateway_p50_us: tenth((median(results.gateway.map(({ p50Ms }) => p50Ms)) ?? 0) * 1_000),
        },
      }),
    );
  }
};
