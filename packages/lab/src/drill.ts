/**
 * A drill from the command line: in a lab of its own that is ended afterwards, or in one that runs. Several runs
 * share the lab and take consecutive seeds, so that each can be repeated by itself.
 */
import { randomBytes } from 'node:crypto';
import type { PresetName } from '@coequal/estate';
import type { DrillName, DrillReport } from '@coequal/proof';
import { type LabHandle, type LabProgress, openLab, startLab } from './client.ts';

export type LabDrillOptions = {
  readonly name: DrillName;
  readonly lab?: string;
  readonly estatePath?: string;
  readonly rtt?: string;
  readonly preset?: PresetName | undefined;
  readonly seed: number;
  readonly seconds: number;
  readonly runs: number;
  /** Absolute; with several runs each gets a folder of its own below. */
  readonly out: string;
  /** Clients connect to the instances themselves; the only way until there are gateways. */
  readonly direct: boolean;
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
  try {
    for (let run = 0; run < options.runs; run += 1) {
      if (options.runs > 1) progress('run', `${run + 1} of ${options.runs}`);
      reports.push(await lab.drill(callOf(options, run), (text) => progress(text)));
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
      ...(estatePath === undefined ? {} : { estatePath }),
      ...(rtt === undefined ? {} : { rtt }),
      ...(preset === undefined ? {} : { preset }),
    },
    progress,
    undefined,
    signal,
  );
};

const callOf = (options: LabDrillOptions, run: number) => {
  const seed = options.seed + run;
  return {
    name: options.name,
    seed,
    seconds: options.seconds,
    out: options.runs === 1 ? options.out : `${options.out}/run-${String(run + 1).padStart(2, '0')}`,
    command: commandOf(options, seed),
  };
};

/** The command that repeats one run. */
const commandOf = ({ name, seconds, rtt, preset, lab, estatePath }: LabDrillOptions, seed: number): string =>
  [
    `coequal drill ${name} --seconds ${seconds} --seed ${seed}`,
    ...(lab === undefined ? [] : [`--lab ${lab}`]),
    ...(estatePath === undefined ? [] : [`--estate ${estatePath}`]),
    ...(rtt === undefined ? [] : [`--rtt ${rtt}`]),
    ...(preset === undefined ? [] : [`--preset ${preset}`]),
    '--out evidence',
  ].join(' ');
