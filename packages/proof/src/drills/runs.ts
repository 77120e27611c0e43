/** Several runs of a drill as one answer: every report, and how far the figures spread. Pure. */
import { percentile } from '../timeline.ts';
import type { DrillReport } from './report.ts';

export type Spread = {
  readonly runs: number;
  readonly median: number;
  readonly smallest: number;
  readonly largest: number;
};

export type DrillRuns = {
  readonly runs: readonly DrillReport[];
  readonly passed: boolean;
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
  spread: {
    longestPauseMs: spreadOf(runs.map(worstPause)),
    detectMs: spreadOf(runs.map((run) => run.detectMs)),
    evictMs: spreadOf(runs.map((run) => run.evictMs)),
    rejoinMs: spreadOf(runs.map((run) => run.rejoinMs)),
    recoveryMs: spreadOf(runs.map((run) => run.recoveryMs)),
  },
});

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
