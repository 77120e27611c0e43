/** Runs of plans for tests of the routes: there are none, and no agent is there. */
import { fail, silentLog, systemClock } from '@coequal/kernel';
import type { AgentLines } from '../hands/ports.ts';
import { tryEstate, tryPlaces } from '../testing.ts';
import { makeApprovals } from './approvals.ts';
import { Runs } from './runs.ts';

export const quietRuns = (): Runs => {
  const kept = new Map<string, unknown>();
  const away = (agent: string): never => {
    throw fail('AGENT_AWAY', { name: agent });
  };
  const lines: AgentLines = { connected: () => [], order: away, cancel: away, ask: away, preview: away };
  return new Runs({
    ...{ lines, approvals: makeApprovals(tryPlaces()), clock: systemClock, log: silentLog, tell: () => undefined },
    facts: () => ({
      estate: tryEstate(),
      ...{ nowMs: systemClock.now(), instances: new Map(), details: new Map(), changes: [], agents: [] },
    }),
    documents: { get: (name) => kept.get(name) ?? null, put: (name, value) => void kept.set(name, value) },
    audit: { write: async () => undefined },
  });
};
