/**
 * sysbench as a load: its own workloads at an endpoint, from inside a site, and what it says at the end. TLS the
 * same way for whatever stands behind the endpoint. Keys are uniform.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type FoundCompanion, findCompanion } from '@coequal/engines';
import { fail } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { type CertificatePaths, layOutSysbench, sysbenchArgv, sysbenchEnvironment } from '../clients/foreign.ts';
import { placesOf } from '../places.ts';
import { startBeside, toGoodEnd } from './beside.ts';
import type { BenchTools } from './tools.ts';

export type Workload = 'oltp_read_write' | 'oltp_point_select' | 'oltp_write_only';

export type SysbenchRun = {
  readonly workload: Workload;
  readonly threads: number;
  readonly prepared: boolean;
  readonly seconds: number;
  /** Errors after which sysbench begins its transaction again; at any other it ends. */
  readonly ignored: readonly number[];
};

/** All that a client of the gateway has to know. */
export const gatewayIgnores: readonly number[] = [1213];
/** Without a gateway, snapshot isolation also answers 1020, and lock waits 1205. */
export const directIgnores: readonly number[] = [1213, 1020, 1205];

export type SysbenchResult = {
  readonly perSecond: number;
  readonly queriesPerSecond: number;
  readonly p50Ms: number;
  /** Answers that were ignored errors. */
  readonly conflicts: number;
};

export type Sysbench = {
  readonly found: FoundCompanion;
  /** A folder with the files that it wants for TLS. */
  readonly folder: string;
  readonly enter: (argv: readonly string[]) => readonly string[];
};

export type SysbenchWish = {
  readonly folder: string;
  readonly authorityPath: string;
  readonly certificate: CertificatePaths;
  readonly enter: (argv: readonly string[]) => readonly string[];
};

export const tables = { count: 4, rows: 20_000 };

export const openSysbench = async (wish: SysbenchWish, tools: BenchTools): Promise<Sysbench> => {
  const { clock, progress, signal } = tools;
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const found = await findCompanion('sysbench', { cacheFolder, environment: process.env, clock, progress, signal });
  await mkdir(wish.folder, { recursive: true });
  await layOutSysbench(wish.folder, wish.authorityPath, wish.certificate);
  return { found, folder: wish.folder, enter: wish.enter };
};

export const tableOptions = [`--tables=${tables.count}`, `--table-size=${tables.rows}`, '--rand-type=uniform'];

/** sysbench's own scripts lie beside its program. */
const scriptOf = ({ found }: Sysbench, workload: Workload): string =>
  `${dirname(dirname(found.files[0]))}/share/sysbench/${workload}.lua`;

export const argvOf = (sysbench: Sysbench, endpoint: Endpoint, options: readonly string[]): readonly string[] => [
  ...sysbenchArgv(sysbench.found, endpoint, sysbench.folder),
  ...options,
];

/** Makes the tables, in place of those that are there. */
export const prepareSysbench = async (sysbench: Sysbench, endpoint: Endpoint, tools: BenchTools): Promise<void> => {
  for (const step of ['cleanup', 'prepare'])
    await attend(
      sysbench,
      argvOf(sysbench, endpoint, [scriptOf(sysbench, 'oltp_read_write'), ...tableOptions, step]),
      tools,
    );
};

export const runSysbench = async (
  sysbench: Sysbench,
  endpoint: Endpoint,
  run: SysbenchRun,
  tools: BenchTools,
): Promise<SysbenchResult> => {
  const options = [
    ...[scriptOf(sysbench, run.workload), ...tableOptions, `--threads=${run.threads}`, `--time=${run.seconds}`],
    ...[
      `--mysql-ignore-errors=${run.ignored.join(',')}`,
      '--events=0',
      '--percentile=50',
      '--histogram=on',
      `--db-ps-mode=${run.prepared ? 'auto' : 'disable'}`,
      'run',
    ],
  ];
  const text = await attend(sysbench, argvOf(sysbench, endpoint, options), tools);
  const result = parseSysbench(text);
  if (result !== undefined) return result;
  throw fail('PROGRAM_FAILED', {
    program: 'sysbench',
    status: 'an answer that is not understood',
    output: text.slice(-500),
    advice: 'Its own words above say why.',
  });
};

const attend = async (sysbench: Sysbench, argv: readonly string[], tools: BenchTools): Promise<string> => {
  let text = '';
  const environment = { ...process.env, ...sysbenchEnvironment(sysbench.found) };
  const running = startBeside(argv, {
    environment,
    enter: sysbench.enter,
    clock: tools.clock,
    onLine: (line) => {
      text += `${line}\n`;
    },
  });
  await toGoodEnd(running, 'sysbench', tools.signal);
  return text;
};

/** The summary at the end of a run. */
export const parseSysbench = (text: string): SysbenchResult | undefined => {
  const number = (pattern: RegExp): number | undefined => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const perSecond = number(/^\s+transactions:\s+\d+\s+\(([\d.]+) per sec\.\)/m);
  const queriesPerSecond = number(/^\s+queries:\s+\d+\s+\(([\d.]+) per sec\.\)/m);
  const p50Ms = medianOf(text) ?? number(/^\s+50th percentile:\s+([\d.]+)/m);
  const conflicts = number(/^\s+ignored errors:\s+(\d+)/m);
  if (perSecond === undefined || queriesPerSecond === undefined || p50Ms === undefined) return undefined;
  return { perSecond, queriesPerSecond, p50Ms, conflicts: conflicts ?? 0 };
};

/**
 * The middle of the histogram, in its summary only told to a hundredth of a millisecond. Its steps are 1.8 % wide;
 * within a step all values are taken as equally frequent.
 */
const medianOf = (text: string): number | undefined => {
  const steps = [...text.matchAll(/^\s+([\d.]+) \|\**\s+(\d+)$/gm)].map((match) => ({
    value: Number(match[1]),
    count: Number(match[2]),
  }));
  const half = steps.reduce((sum, { count }) => sum + count, 0) / 2;
  let below = 0;
  let last = 0;
  for (const { value, count } of steps) {
    if (below + count >= half && count > 0) return last + (value - last) * ((half - below) / count);
    below += count;
    last = value;
  }
  return undefined;
};
