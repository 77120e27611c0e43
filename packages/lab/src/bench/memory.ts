/**
 * `bench memory`: what a lab without load keeps in memory. Shared pages are counted by their share (PSS) where the
 * kernel lets us read that, as three servers share one program; resident size (RSS) is told beside it.
 */
import { readFileSync } from 'node:fs';
import { codeOf } from '@coequal/kernel';
import { findMarked } from '../process/sweep.ts';
import { figureOf, tenth } from './figures.ts';
import { withLab } from './lab.ts';
import { withPlain, withServers } from './servers.ts';
import { type Bench, type BenchTools, counting, defaultRtt } from './tools.ts';

const barMb = 750;
const defaultRuns = 3;
const betweenMs = 1_000;

export type Size = { readonly program: string; readonly rssMb: number; readonly pssMb: number | null };

export const benchMemory: Bench = async (options, tools) => {
  const runs = options.runs ?? defaultRuns;
  const samples = await withLab(tools, { rtt: options.rtt ?? defaultRtt }, (lab) =>
    sampled(runs, tools, () => findMarked(`${lab.handle.name}:`)),
  );
  const plain = await withServers(tools, (servers) =>
    withPlain(servers, tools, ({ pid }) => sampled(runs, tools, () => [pid])),
  );
  const last = samples.at(-1) ?? [];
  tools.figure(
    figureOf({
      name: 'memory/lab',
      unit: 'MB',
      values: samples.map(totalMb),
      peer: { name: 'one plain instance', values: plain.map(totalMb) },
      bar: barMb,
      detail: {
        counted_as: last.every(({ pssMb }) => pssMb !== null) ? 'PSS' : 'RSS',
        rss_mb: tenth(last.reduce((sum, { rssMb }) => sum + rssMb, 0)),
        processes: last.length,
        ...byProgram(last),
      },
    }),
  );
};

const sampled = async (
  runs: number,
  { clock, signal, progress }: BenchTools,
  pids: () => readonly number[],
): Promise<readonly (readonly Size[])[]> => {
  const samples: (readonly Size[])[] = [];
  for (const run of counting(runs)) {
    await clock.sleep(betweenMs, signal);
    const sizes = pids().flatMap((pid) => sizeOf(pid) ?? []);
    samples.push(sizes);
    progress(`memory: sample ${run} of ${runs}: ${Math.round(totalMb(sizes))} MB in ${sizes.length} processes`);
  }
  return samples;
};

/** All by their share, or all by what is resident: a mixture would be neither. */
export const totalMb = (sizes: readonly Size[]): number => {
  const shared = sizes.every(({ pssMb }) => pssMb !== null);
  return sizes.reduce((sum, { rssMb, pssMb }) => sum + (shared ? (pssMb ?? 0) : rssMb), 0);
};

/** `mariadbd_mb: 312.4` and so on, the largest first. */
export const byProgram = (sizes: readonly Size[]): Readonly<Record<string, number>> => {
  const sums = new Map<string, number>();
  for (const size of sizes) sums.set(size.program, (sums.get(size.program) ?? 0) + totalMb([size]));
  return Object.fromEntries([...sums].sort((a, b) => b[1] - a[1]).map(([name, mb]) => [`${name}_mb`, tenth(mb)]));
};

/** Undefined when the process has ended meanwhile, or is another user's. */
export const sizeOf = (pid: number): Size | undefined => {
  const status = read(`/proc/${pid}/status`);
  const rssMb = status === undefined ? undefined : fieldMb(status, 'VmRSS');
  if (status === undefined || rssMb === undefined) return undefined;
  const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? 'unknown';
  // Node gives its first thread a name, which the process then carries.
  const program = name === 'MainThread' ? 'node' : name;
  const shares = read(`/proc/${pid}/smaps_rollup`);
  return { program, rssMb, pssMb: shares === undefined ? null : (fieldMb(shares, 'Pss') ?? null) };
};

/** A field of a status file in kB as megabytes (10^6 bytes); undefined when it is not there. */
export const fieldMb = (text: string, field: string): number | undefined => {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  return kib === undefined ? undefined : (Number(kib) * 1_024) / 1e6;
};

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
};
