/**
 * The benches by name, run one after the other. Each measures beside a peer in the same run, on this machine, and
 * ends what it started, whatever happens. Figures come as they are known.
 */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { formatBytes, systemClock } from '@coequal/kernel';
import { benchAgent } from './agent.ts';
import { benchClients } from './clients.ts';
import { benchDiagnosis } from './diagnosis.ts';
import type { Figure } from './figures.ts';
import { benchGateway } from './gateway.ts';
import { benchGatewayPause } from './gateway-pause.ts';
import { benchIngest } from './ingest.ts';
import { benchMemory } from './memory.ts';
import { benchOutage } from './outage.ts';
import { benchSignals } from './signals.ts';
import { benchStall } from './stall.ts';
import { benchStartup } from './startup.ts';
import { benchStuns } from './stuns.ts';
import { benchThroughput } from './throughput.ts';
import type { Bench, BenchOptions } from './tools.ts';
import { benchTwoAddresses } from './two-addresses.ts';

const benches = {
  startup: benchStartup,
  stall: benchStall,
  stuns: benchStuns,
  throughput: benchThroughput,
  memory: benchMemory,
  gateway: benchGateway,
  'gateway-pause': benchGatewayPause,
  clients: benchClients,
  'two-addresses': benchTwoAddresses,
  signals: benchSignals,
  agent: benchAgent,
  outage: benchOutage,
  ingest: benchIngest,
  diagnosis: benchDiagnosis,
} as const satisfies Record<string, Bench>;

export type BenchName = keyof typeof benches;

/** A figure with where and when it was taken. */
export type BenchFigure = Figure & { readonly machine: string; readonly at: string };

export type BenchTell = {
  readonly figure: (figure: BenchFigure) => void;
  readonly progress: (text: string) => void;
};

/** Runs benches in the order given. Aborted, it ends what it started and rejects. */
export const runBench = async (
  names: readonly BenchName[],
  options: BenchOptions,
  tell: BenchTell,
  signal: AbortSignal,
): Promise<void> => {
  const machine = machineInWords();
  const figure = (found: Figure): void =>
    tell.figure({ ...found, machine, at: new Date(systemClock.now()).toISOString() });
  for (const name of names)
    await benches[name](options, { clock: systemClock, signal, progress: tell.progress, figure });
};

/** The machine that figures were taken on, in a line. */
const machineInWords = (): string =>
  `${availableParallelism()} cores (${cpus()[0]?.model.trim() || 'unknown processor'}), ${formatBytes(totalmem())} memory, Linux ${release()}`;
