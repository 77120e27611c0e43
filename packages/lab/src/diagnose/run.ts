/** The drill `diagnose` from the command line: its lab, its plan, and its report, to which every occasion adds. */

import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { codeOf, fail, systemClock } from '@coequal/kernel';
import { type LabHandle, type LabProgress, openLab, startLab } from '../client.ts';
import { drillDiagnosis, type Healthy } from './drill.ts';
import { faultClasses, planFaults, planPairs } from './faults.ts';
import type { Verdict } from './judge.ts';
import { platformAt } from './platform.ts';
import { type DiagnoseSummary, summarise } from './summary.ts';

export type DiagnoseDrillOptions = {
  readonly lab?: string;
  readonly seed: number;
  /** Faults; every class once unless told. */
  readonly runs?: number;
  /** Of one fault. */
  readonly holdSeconds: number;
  readonly quietSeconds: number;
  /** Pairs of faults at once, after the single ones. */
  readonly pairs: number;
  /** Without any fault, in the end. */
  readonly healthySeconds: number;
  /** Only these kinds of faults. */
  readonly kinds?: readonly string[];
  /** Absolute; faults of earlier occasions that lie there count as well. */
  readonly out: string;
};

export type DiagnoseReport = DiagnoseSummary & {
  readonly seed: number;
  readonly skipped: readonly { readonly kind: string; readonly reason: string }[];
  readonly verdicts: readonly Verdict[];
  readonly report: string;
};

export const runDiagnoseDrill = async (
  options: DiagnoseDrillOptions,
  progress: LabProgress,
  signal: AbortSignal,
): Promise<DiagnoseReport> => {
  const classes = classesOf(options.kinds);
  const lab = await openStage(options, progress, signal);
  const leave = (): void => lab.detach();
  signal.addEventListener('abort', leave, { once: true });
  try {
    const { platform, sites } = await lab.snapshot();
    if (platform === null)
      throw fail('DRILL_IMPOSSIBLE', {
        reason: `nothing watches the lab ${lab.name}: start it with --operations and --branches`,
      });
    await mkdir(options.out, { recursive: true });
    const names = sites.filter(({ instances }) => instances.length > 0).map(({ name }) => name);
    const plan = [
      ...planFaults(options.runs ?? classes.length, options.seed, names, classes),
      ...planPairs(options.pairs, options.seed, names),
    ];
    const { skipped } = await drillDiagnosis(
      plan,
      {
        ...{ holdMs: options.holdSeconds * 1_000, quietMs: options.quietSeconds * 1_000 },
        healthyMs: options.healthySeconds * 1_000,
      },
      {
        platform: platformAt(platform.url, (await readFile(platform.tokenFile, 'utf8')).trim(), signal),
        fault: (fault) => lab.fault(fault),
        heal: () => lab.heal(),
        clock: systemClock,
        tell: (text) => progress(text),
        signal,
      },
      (line) => add(options.out, line),
    );
    return await writeReport(options, skipped);
  } catch (error) {
    throw signal.aborted ? fail('INTERRUPTED', {}, { cause: error }) : error;
  } finally {
    signal.removeEventListener('abort', leave);
    if (options.lab === undefined) await lab.down();
    else lab.detach();
  }
};

const classesOf = (kinds: readonly string[] | undefined) => {
  if (kinds === undefined) return faultClasses;
  const known = new Set<string>(faultClasses.map(({ fault }) => fault.kind));
  const unknown = kinds.filter((kind) => !known.has(kind));
  if (unknown.length > 0)
    throw fail('COMMAND_USAGE', {
      problem: `The drill diagnose knows no fault ${unknown.join(', ')}; it knows ${[...known].join(', ')}.`,
      help: 'coequal drill --help',
    });
  return faultClasses.filter(({ fault }) => kinds.includes(fault.kind));
};

const openStage = (options: DiagnoseDrillOptions, progress: LabProgress, signal: AbortSignal): Promise<LabHandle> =>
  options.lab !== undefined
    ? openLab(options.lab)
    : startLab(
        {
          name: `drill-${randomBytes(4).toString('hex')}`,
          sites: 3,
          keep: false,
          hosts: false,
          // What the branches do is enough to see by; a machine at its limit would be a finding of its own.
          workload: false,
          branches: true,
          operations: true,
          detach: false,
        },
        progress,
        undefined,
        signal,
      );

const linesFile = (out: string): string => `${out}/faults.ndjson`;
const add = (out: string, line: Verdict | Healthy): Promise<void> =>
  appendFile(linesFile(out), `${JSON.stringify(line)}\n`);

/** From everything that lies in the folder: what this occasion added, and those before it. */
const writeReport = async (
  { out, seed }: DiagnoseDrillOptions,
  skipped: DiagnoseReport['skipped'],
): Promise<DiagnoseReport> => {
  const text = await readFile(linesFile(out), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  });
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Verdict | Healthy);
  const verdicts = lines.filter((line) => line.type === 'fault');
  const healthy = lines.filter((line) => line.type === 'healthy');
  const healthyMs = healthy.reduce((sum, each) => sum + each.forMs, 0);
  const falseIncidents = healthy.reduce((sum, each) => sum + each.falseIncidents.length, 0);
  const report = `${out}/report.json`;
  const whole: DiagnoseReport = { ...summarise(verdicts, healthyMs, falseIncidents), seed, skipped, verdicts, report };
  await writeFile(report, `${JSON.stringify(whole, null, 2)}\n`);
  return whole;
};
