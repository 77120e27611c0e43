/**
 * `bench gateway`: what the gateway costs and what it carries, beside HAProxy and direct connections in the same run.
 * One lab of three instances for everything but the part `plain`, which has one of a single instance. Parts can be chosen by name.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { gatewayAddress } from '../network/addresses.ts';
import { withHaproxy } from './gateway-peers.ts';
import { authorityPathOf, certificateOf, gatewaysAt, instanceAt } from './gateway-places.ts';
import { measureRules } from './gateway-rules.ts';
import { measureIdle, measureRestore } from './gateway-sessions.ts';
import { measureStream } from './gateway-stream.ts';
import { openSysbench, prepareSysbench } from './gateway-sysbench.ts';
import { type Field, measureLatency, measureThroughput } from './gateway-throughput.ts';
import { type BenchLab, untilWhole, withLab } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, defaultRtt } from './tools.ts';

/** What a part gets: the lab, and sysbench's tables in it. */
type Measure = (stage: Stage, options: BenchOptions, tools: BenchTools) => Promise<void>;

export type Stage = {
  readonly lab: BenchLab;
  /** The site in which the bench's clients, HAProxy and the gateway under test are. */
  readonly site: string;
  /** A folder of the bench's own. */
  readonly folder: string;
  readonly field: Field;
};

const parts = {
  latency: ({ field }, options, tools) => measureLatency(field, options, tools),
  throughput: ({ field }, options, tools) => measureThroughput(field, options, tools),
  plain: ({ field }, options, tools) => measureThroughput(field, options, tools),
  rules: measureRules,
  idle: measureIdle,
  stream: measureStream,
  restore: measureRestore,
} as const satisfies Readonly<Record<string, Measure>>;

type PartName = keyof typeof parts;

const isPart = (name: string): name is PartName => Object.hasOwn(parts, name);
const allParts: readonly PartName[] = Object.keys(parts).filter(isPart);

const chosenParts = ({ parts: wanted = [] }: BenchOptions): readonly PartName[] => {
  const unknown = wanted.find((part) => !isPart(part));
  if (unknown !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: `bench gateway has no part ${unknown}; its parts are ${allParts.join(', ')}.`,
      help: 'coequal bench --help',
    });
  return wanted.length === 0 ? allParts : allParts.filter((part) => wanted.includes(part));
};

export const benchGateway: Bench = async (options, tools) => {
  const chosen = chosenParts(options);
  for (const [kind, scene] of Object.entries(scenes)) {
    const own = chosen.filter((part) => (part === 'plain') === (kind === 'plain'));
    if (own.length === 0) continue;
    const wish = { rtt: options.rtt ?? defaultRtt, sites: scene.sites, connectionsPerInstance: crowdedInstance };
    await withLab(tools, wish, async (lab) => {
      const folder = await mkdtemp(`${lab.definition.folder}/gateway-`);
      try {
        await untilWhole(lab, tools);
        await onStage(lab, folder, scene, tools, async (stage) => {
          for (const part of own) await parts[part](stage, options, tools);
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
};

/** Room for the parts that count sessions. */
const crowdedInstance = 4_000;

type Scene = Pick<Field, 'name' | 'leastRatio' | 'several'> & { readonly sites: number };

/** One instance that replicates to nobody is as near to a plain one as a gateway serves. */
const scenes = {
  lab: { name: 'lab', sites: 3, leastRatio: 0.9, several: true },
  plain: { name: 'plain', sites: 1, leastRatio: 0.75, several: false },
} as const satisfies Readonly<Record<string, Scene>>;

/** The last of the addresses that a site keeps for gateways: the lab has fewer of them. */
const haproxyNumber = 4;

const onStage = async (
  lab: BenchLab,
  folder: string,
  { name, leastRatio, several }: Scene,
  tools: BenchTools,
  use: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const [site = ''] = lab.sites;
  const [gateway] = gatewaysAt(lab, site);
  if (gateway === undefined) throw new Error(`Bug: the site ${site} has no gateway`);
  const enter = (argv: readonly string[]): readonly string[] => lab.enter(site, argv);
  const tlsFiles = { authorityPath: authorityPathOf(lab), certificate: certificateOf(lab) };
  const sysbench = await openSysbench({ folder: `${folder}/sysbench`, enter, ...tlsFiles }, tools);
  await prepareSysbench(sysbench, instanceAt(lab, site), tools);
  const wish = {
    instances: lab.endpointsFrom(site),
    address: lab.definition.mode === 'plain' ? '127.0.0.1' : gatewayAddress(1, haproxyNumber),
    ports: [7_201, 7_202],
    folder,
    enter,
  } as const;
  await withHaproxy(wish, tools, async (haproxy) => {
    const direct = instanceAt(lab, site);
    await use({
      lab,
      site,
      folder,
      field: { name, sysbench, gateway, haproxy, direct, leastRatio, several },
    });
  });
};
