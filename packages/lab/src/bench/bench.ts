/**
 * The benches by name, run one after the other. Each measures beside a peer in the same run, on this machine, and
 * ends what it started, whatever happens. Figures come as they are known.
 */
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { formatBytes, systemClock } from '@coequal/kernel';
import type { Figure } from './figures.ts';
import { benchMemory } from './memory.ts';
import { benchStall } from './stall.ts';
import { benchStartup } from './startup.ts';
import { benchStuns } from './stuns.ts';
import { benchThroughput } from './throughput.ts';
import type { Bench, BenchOptions } from './tools.ts';

export const benches = {
  startup: { what: 'from the command to the first transaction; three instances from stopped to serving', run: benchStartup },
  stall: { what: 'how long survivors wait when a database is killed, hangs or is cut off', run: benchStall },
  stuns: { what: 'which pauses of a machine cost it its membership, preset by preset', run: benchStuns },
  throughput: { what: 'transactions a second of three equal sites beside one plain instance', run: benchThroughput },
  memory: { what: 'what a lab without load keeps in memory', run: benchMemory },
} as const satisfies Record<string, { readonly what: string; readonly run: Bench }>;

export type BenchName = keyof typeof benches;

export const benchNames: readonly BenchName[] = ['startup', 'stall', 'stuns', 'throughput', 'memory'];

/** Runs benches in the order given. Aborted, it ends what it started and rejects. */
export const runBench = async (
  names: readonly BenchName[],
  options: BenchOptions,
  tell: { readonly figure: (figure: Figure) => void; readonly progress: (text: string) => void },
  signal: AbortSignal,
): Promise<void> => {
  for (const name of names) await benches[name].run(options, { clock: systemClock, signal, ...tell });
};

/** The machine that figures were taken on, in a line. */
export const machineInWords = (): string =>
  `${availableParallelism()} cores (${cpus()[0]?.model.trim() || 'unknown processor'}), ${formatBytes(totalmem())} memory, Linux ${release()}`;
