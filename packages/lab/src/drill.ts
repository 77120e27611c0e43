/**
 * A drill from the command line: in a lab of its own that is ended afterwards, or in one that runs. Several runs
 * share the lab and take consecutive seeds, so that each can be repeated by itself.
 */
import { randomBytes } from 'node:crypto';
import type { PresetName } from '@coequal/estate';
import {
  comparedDrills,
  type DrillName,
  type DrillReport,
  drills,
  type RequestedDrill,
  shortestSeconds,
} from '@coequal/proof';
import { type DrillCallParams, type LabHandle, type LabProgress, openLab, startLab } from './client.ts';
import { usualGateways } from './definition.ts';

/** Of `batch`: what gateways do about the large write; `none`: nothing. All of them, one after the other, unless told. */
export type BatchRule = 'none' | 'refuse' | 'fragment' | 'chunk';
const batchRules: readonly BatchRule[] = ['none', 'refuse', 'fragment', 'chunk'];

export type LabDrillOptions = {
  readonly name: RequestedDrill;
  readonly lab?: string;
  readonly estatePath?: string;
  readonly rtt?: string;
  readonly preset?: PresetName | undefined;
  readonly seed: number;
  /** The drill's own length unless given. */
  readonly seconds?: number;
  readonly runs: number;
  /** Absolute; with several runs each gets a folder of its own below. */
  readonly out: string;
  /** Clients connect to the instances themselves. */
  readonly direct: boolean;
  readonly style?: 'careful' | 'legacy' | 'mixed';
  readonly connections?: number;
  readonly ratePerSecond?: number;
  /** For drills that go in rounds. */
  readonly faults?: number;
  readonly commits?: number;
  /** For `batch`. */
  readonly rows?: number;
  readonly rule?: BatchRule;
};

/** Runs the drill and answers one report a run. Aborted, it ends its own lab and rejects. */
export const runLabDrill = async (
  options: LabDrillOptions,
  progress: LabProgress,
  signal: AbortSignal,
): Promise<readonly DrillReport[]> => {
  const lab = await openStage(options, progress, signal);
  const leave = (): void => lab.detach();
  signal.addEventListener('abort', leave, { once: true });
  const reports: DrillReport[] = [];
  const calls = callsOf(options);
  try {
    for (const [index, call] of calls.entries()) {
      if (calls.length > 1) progress('run', `${index + 1} of ${calls.length}`);
      reports.push(await lab.drill(call, (text) => progress(text)));
    }
    return reports;
  } finally {
    signal.removeEventListener('abort', leave);
    if (options.lab === undefined) await lab.down();
    else lab.detach();
  }
};

const openStage = (options: LabDrillOptions, progress: LabProgress, signal: AbortSignal): Promise<LabHandle> => {
  if (options.lab !== undefined) return openLab(options.lab);
  const { estatePath, rtt, preset } = options;
  return startLab(
    {
      name: `drill-${randomBytes(4).toString('hex')}`,
      sites: 3,
      keep: false,
      hosts: false,
      workload: false,
      detach: false,
      gateways: options.direct ? 0 : usualGateways,
      ...(estatePath === undefined ? {} : { estatePath }),
      ...(rtt === undefined ? {} : { rtt }),
      ...(preset === undefined ? {} : { preset }),
    },
    progress,
    undefined,
    signal,
  );
};

type Run = { readonly name: DrillName; readonly seed: number; readonly rule?: BatchRule };

/** Several runs take consecutive seeds, so that each can be repeated by itself. */
export const callsOf = (options: LabDrillOptions): readonly DrillCallParams[] => {
  const seeds = Array.from({ length: options.runs }, (_, run) => options.seed + run);
  const runs = seeds.flatMap((seed) => runsOf(options, seed));
  return runs.map((run, index) => callOf(options, run, runs.length === 1 ? undefined : index + 1));
};

const runsOf = ({ name, rule, direct }: LabDrillOptions, seed: number): readonly Run[] => {
  if (name === 'compare') return comparedDrills.map((each) => ({ name: each, seed }));
  if (name !== 'batch') return [{ name, seed }];
  if (direct) return [{ name, seed, rule: 'none' }];
  return (rule === undefined ? batchRules : [rule]).map((each) => ({ name, seed, rule: each }));
};

const callOf = (options: LabDrillOptions, run: Run, number: number | undefined): DrillCallParams => {
  const { rule } = run;
  const seconds = options.seconds ?? drills.find(({ name }) => name === run.name)?.seconds ?? shortestSeconds;
  return {
    name: run.name,
    seed: run.seed,
    seconds,
    out: number === undefined ? options.out : `${options.out}/run-${String(number).padStart(2, '0')}`,
    command: commandOf(options, run, seconds),
    direct: options.direct,
    compare: options.name === 'compare',
    ...given(options),
    ...(rule === undefined || rule === 'none' ? {} : { rule }),
  };
};

const given = ({ style, connections, ratePerSecond, faults, commits, rows }: LabDrillOptions) => ({
  ...(style === undefined ? {} : { style }),
  ...(connections === undefined ? {} : { connections }),
  ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
  ...(faults === undefined ? {} : { faults }),
  ...(commits === undefined ? {} : { commits }),
  ...(rows === undefined ? {} : { rows }),
});

/** The command that repeats one run. */
const commandOf = (options: LabDrillOptions, { name, seed, rule }: Run, seconds: number): string => {
  const { lab, estatePath, rtt, preset, direct, style, connections, ratePerSecond, faults, commits, rows } = options;
  const flags: readonly (readonly [string, string | number | undefined])[] = [
    ['--lab', lab],
    ['--estate', estatePath],
    ['--rtt', rtt],
    ['--preset', preset],
    ['--style', style],
    ['--connections', connections],
    ['--rate', ratePerSecond],
    ['--faults', faults],
    ['--commits', commits],
    ['--rows', rows],
    ['--rule', rule],
  ];
  return [
    `coequal drill ${options.name === 'compare' ? 'compare' : name} --seconds ${seconds} --seed ${seed}`,
    ...flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag} ${value}`])),
    ...(direct ? ['--direct'] : []),
    '--out evidence',
  ].join(' ');
};
