/**
 * Programs of ours inside sites: the branches of the bank, which go on until the lab ends and are started again when they end, and the
 * work of load faults, which ends with the fault.
 */
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import { type Endpoint, type LoadFaultKind, linkOpener, type Via } from '@coequal/proof';
import { branchSchema, fillStatements } from '../branch/schema.ts';
import type { Assignment, SiteAssignment } from '../load-faults/assignment.ts';
import { type InsideProgram, startInside } from '../load-faults/program.ts';
import type { Stage, StageSite } from './stage.ts';

export type Inside = {
  readonly work: (site: StageSite, kind: LoadFaultKind, amount: number) => Promise<InsideProgram>;
  /** Makes and fills the branches' tables, and opens the branches. */
  readonly openBranches: () => Promise<void>;
  /** What a whole site's fault does to its branch as well. */
  readonly signalBranch: (site: string, name: NodeJS.Signals) => void;
  readonly close: () => Promise<void>;
};

export type InsideTools = {
  readonly stage: Stage;
  /** The instances as the daemon sees them. */
  readonly endpoints: () => readonly Endpoint[];
  readonly seed: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly endpointsFrom: (site: string, via: Via) => readonly Endpoint[];
  readonly clock: Clock;
  readonly log: Log;
};

const branchSessions = 5;
const branchRatePerSecond = 25;
const reviveEveryMs = 1_000;
const fillDeadlines = { connectMs: 5_000, statementMs: 60_000 };

export const programsInside = (tools: InsideTools): Inside => {
  const { stage, clock, log } = tools;
  const branches = new Map<string, InsideProgram>();
  const closing = new AbortController();
  let faults = 0;

  const start = (site: StageSite, assignment: Assignment): Promise<InsideProgram> =>
    startInside(assignment, {
      enter: (argv) => stage.network.enter(site.name, [...argv]),
      environment: tools.environment,
      started: (pid) => site.host?.add(pid),
      clock,
    });

  const assignmentOf = (site: StageSite, seed: number): SiteAssignment => ({
    site: site.name,
    seed,
    gateways: tools.endpointsFrom(site.name, 'gateway'),
    instances: tools.endpointsFrom(site.name, 'direct'),
  });

  const openBranch = async (site: StageSite): Promise<void> => {
    const seed = tools.seed + stage.sites.indexOf(site);
    const assignment = { ...assignmentOf(site, seed), kind: 'branch' as const };
    const work = { sessions: branchSessions, ratePerSecond: branchRatePerSecond };
    branches.set(site.name, await start(site, { ...assignment, ...work }));
  };

  const withDatabases = () => stage.sites.filter(({ drivers }) => drivers.length > 0);

  const fill = async (): Promise<void> => {
    const [endpoint] = tools.endpoints();
    if (endpoint === undefined) return;
    const link = await linkOpener(fillDeadlines)(endpoint);
    try {
      const names = withDatabases().map(({ name }) => name);
      for (const statement of [...branchSchema, ...fillStatements(names)]) await link.query(statement);
    } finally {
      link.close();
    }
  };

  const revive = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(reviveEveryMs, closing.signal);
      for (const site of withDatabases()) {
        if (branches.get(site.name)?.alive() === true) continue;
        await openBranch(site).catch((error: unknown) =>
          log('warn', 'branch not opened', { site: site.name, reason: reasonOf(error) }),
        );
      }
    }
  };

  return {
    work: (site, kind, amount) => {
      faults += 1;
      return start(site, {
        ...assignmentOf(site, tools.seed + 1_000 * faults),
        kind,
        amount,
        operator: stage.operator,
      });
    },
    openBranches: async () => {
      await fill();
      await Promise.all(withDatabases().map(openBranch));
      revive().catch((error: unknown) => {
        if (!closing.signal.aborted) log('error', 'branches are not watched any more', { reason: reasonOf(error) });
      });
    },
    signalBranch: (site, name) => branches.get(site)?.signal(name),
    close: async () => {
      closing.abort();
      await Promise.allSettled([...branches.values()].map((branch) => branch.end()));
    },
  };
};
