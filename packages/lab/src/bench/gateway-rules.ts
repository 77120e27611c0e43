/**
 * Part `rules` of `bench gateway`: what consistency profiles and guards cost in throughput, and what only looking on
 * (`--observe`) would cost. Gateways that differ in nothing else, in turn, in the same run.
 */
import type { ServiceGateway } from '@coequal/estate';
import type { Endpoint } from '@coequal/proof';
import { figureOf } from './figures.ts';
import type { Stage } from './gateway.ts';
import { type GatewayWish, withGateway } from './gateway-own.ts';
import { directIgnores, gatewayIgnores, runSysbench, type Workload } from './gateway-sysbench.ts';
import { type BenchOptions, type BenchTools, counting, named } from './tools.ts';

const defaultRuns = 3;
const seconds = 5;
const threads = 8;

type Variant = { readonly name: string; readonly conduct: Partial<ServiceGateway>; readonly observe?: true };

/** The first is what the others are compared with: what a service has that asks for nothing. */
const variants: readonly Variant[] = [
  { name: 'real-time', conduct: { profile: 'real-time', guards: [] } },
  { name: 'session', conduct: { profile: 'session', guards: [] } },
  { name: 'local', conduct: { profile: 'local', guards: [] } },
  { name: 'guard', conduct: { profile: 'real-time', guards: [{ name: 'bench', tables: ['sbtest1'] }] } },
  { name: 'observe', conduct: { profile: 'real-time', guards: [] }, observe: true },
];

const workloads: readonly Workload[] = ['oltp_read_write', 'oltp_point_select'];

export const measureRules = (stage: Stage, options: BenchOptions, tools: BenchTools): Promise<void> =>
  withAll(stage, tools, [...variants], new Map(), async (endpoints) => {
    for (const workload of workloads) await compare(stage, workload, endpoints, options, tools);
  });

/** One gateway a variant, all at once: an idle one costs next to nothing. */
const withAll = async (
  stage: Stage,
  tools: BenchTools,
  rest: readonly Variant[],
  started: ReadonlyMap<string, Endpoint>,
  use: (endpoints: ReadonlyMap<string, Endpoint>) => Promise<void>,
): Promise<void> => {
  const [variant, ...others] = rest;
  if (variant === undefined) return await use(started);
  const { name, conduct, observe } = variant;
  const wish: GatewayWish = {
    name: `bench-${name}`,
    site: stage.site,
    conduct,
    ...(observe === true ? { observe } : {}),
  };
  await withGateway(stage.lab, wish, tools, ({ endpoint }) =>
    withAll(stage, tools, others, new Map([...started, [name, endpoint]]), use),
  );
};

const compare = async (
  { field }: Stage,
  workload: Workload,
  endpoints: ReadonlyMap<string, Endpoint>,
  options: BenchOptions,
  tools: BenchTools,
): Promise<void> => {
  const runs = options.runs ?? defaultRuns;
  const rates = new Map<string, number[]>([...endpoints.keys()].map((name) => [name, []]));
  const conflicts = new Map<string, number>();
  for (const run of counting(runs)) {
    for (const [name, endpoint] of endpoints) {
      // Only looking on, a gateway hides nothing.
      const ignored = name === 'observe' ? directIgnores : gatewayIgnores;
      const result = await runSysbench(
        field.sysbench,
        endpoint,
        { workload, threads, prepared: false, seconds, ignored },
        tools,
      );
      rates.get(name)?.push(result.perSecond);
      conflicts.set(name, (conflicts.get(name) ?? 0) + result.conflicts);
    }
    const words = [...rates].map(([name, values]) => `${name} ${Math.round(values.at(-1) ?? 0)}`);
    tools.progress(`gateway: rules, ${workload}, run ${run} of ${runs}: ${words.join(', ')} transactions/s`);
  }
  const [first = '', ...others] = rates.keys();
  for (const name of others)
    tools.figure(
      figureOf({
        name: named(`gateway/rules/${name}/${workload}/text/${threads}`, options),
        unit: 'transactions/s',
        values: rates.get(name) ?? [],
        peer: { name: `profile ${first} without guards`, values: rates.get(first) ?? [], inTurn: true },
        detail: { conflicts: conflicts.get(name) ?? 0, peer_conflicts: conflicts.get(first) ?? 0 },
      }),
    );
};
