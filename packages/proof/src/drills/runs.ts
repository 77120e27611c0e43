/** Several runs of a drill as one answer: every report, and how far the figures spread. Pure. */
import { percentile } from '../timeline.ts';
import type { DrillReport, FaultReport } from './report.ts';

export type Spread = {
  readonly runs: number;
  readonly median: number;
  readonly smallest: number;
  readonly largest: number;
};

export type DrillRuns = {
  readonly runs: readonly DrillReport[];
  readonly passed: boolean;
  /** What all clients of the drills saw that their applications would call an error. */
  readonly errors: number;
  /** The longest pause after each of all faults, over all runs; a fault counts with its worst site. Milliseconds. */
  readonly pauses: {
    readonly gateway: Spread | null;
    /** The longest that a single client waited for one transfer. */
    readonly gatewayWaits: Spread | null;
    readonly direct: Spread | null;
  };
  /** The longest pause on sites without a fault, of each run; and what was seen of the faults. Milliseconds. */
  readonly spread: {
    readonly longestPauseMs: Spread | null;
    readonly detectMs: Spread | null;
    readonly evictMs: Spread | null;
    readonly rejoinMs: Spread | null;
    readonly recoveryMs: Spread | null;
  };
};

export const summariseRuns = (runs: readonly DrillReport[]): DrillRuns => ({
  runs,
  passed: runs.every((run) => run.passed),
  errors: runs.reduce((sum, run) => sum + run.errors, 0),
  pauses: {
    gateway: spreadOf(ofFaults(runs, 'gateway', ({ pausesMs }) => pausesMs)),
    gatewayWaits: spreadOf(ofFaults(runs, 'gateway', ({ waitsMs }) => waitsMs)),
    direct: spreadOf([
      ...ofFaults(runs, 'direct', ({ pausesMs }) => pausesMs),
      ...ofFaults(runs, 'gateway', ({ directPausesMs }) => directPausesMs),
    ]),
  },
  spread: {
    longestPauseMs: spreadOf(runs.map(worstPause)),
    detectMs: spreadOf(runs.map((run) => run.detectMs)),
    evictMs: spreadOf(runs.map((run) => run.evictMs)),
    rejoinMs: spreadOf(runs.map((run) => run.rejoinMs)),
    recoveryMs: spreadOf(runs.map((run) => run.recoveryMs)),
  },
});

type BySite = Readonly<Record<string, number | null>>;

const ofFaults = (
  runs: readonly DrillReport[],
  via: DrillReport['via'],
  felt: (fault: FaultReport) => BySite,
): readonly (number | null)[] =>
  runs
    .filter((run) => run.via === via)
    .flatMap(({ faults }) => faults.map((fault) => worstOf(Object.values(felt(fault)))));

const worstOf = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
};

/** The longest pause of a run on the sites that had no fault; of all sites when each had one. */
export const worstPause = (run: DrillReport): number | null => {
  const others = run.sites.filter((site) => !site.faulted);
  const pauses = (others.length > 0 ? others : run.sites).flatMap(({ longestPauseMs }) => longestPauseMs ?? []);
  return pauses.length === 0 ? null : Math.max(...pauses);
};

export const spreadOf = (values: readonly (number | null)[]): Spread | null => {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const median = percentile(known, 0.5);
  const [smallest] = known;
  const largest = known.at(-1);
  if (median === null || smallest === undefined || largest === undefined) return null;
  return { runs: known.length, median, smallest, largest };
};
