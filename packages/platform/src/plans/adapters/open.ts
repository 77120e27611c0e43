/** Plans that are carried out, with the line to the agents that do it: both are opened together, because each hears of the other. */
import { type Clock, fail, type Log, reasonOf } from '@coequal/kernel';
import type { AuditWriter } from '@coequal/trust';
import { openHands } from '../../hands/adapters/open.ts';
import { recordHeard } from '../../hands/heard.ts';
import type { AgentLines } from '../../hands/ports.ts';
import type { Core } from '../../ports.ts';
import type { PlatformSettings } from '../../settings.ts';
import type { DocumentStore } from '../../store/port.ts';
import { makeApprovals } from '../approvals.ts';
import { factsOf } from '../from-core.ts';
import { Runs } from '../runs.ts';

export type OpenPlansOptions = {
  readonly core: Core;
  readonly settings: PlatformSettings;
  readonly audit: AuditWriter;
  readonly documents: DocumentStore;
  readonly clock: Clock;
  readonly log: Log;
};

export type OpenedPlans = { readonly runs: Runs; readonly close: () => Promise<void> };

const beatMs = 1_000;

/** @throws as `openHands` */
export const openPlans = async (options: OpenPlansOptions): Promise<OpenedPlans> => {
  const { core, settings, audit, documents, clock, log } = options;
  let lines: AgentLines = nobodyThere;
  const runs = new Runs({
    ...{ approvals: makeApprovals(core.places), documents, audit, clock, log },
    // Whoever has a line now: it is opened when the runs of before are known, so that no agent is heard without them.
    lines: {
      connected: () => lines.connected(),
      order: (agent, order) => lines.order(agent, order),
      cancel: (agent, key) => lines.cancel(agent, key),
      ask: (agent, key) => lines.ask(agent, key),
      preview: (agent, action) => lines.preview(agent, action),
    },
    facts: () => factsOf(core),
    tell: (run) => core.stream.publish({ kind: 'plan-run', run }),
  });
  const record = recordHeard(audit);
  const hands = await openHands({
    ...{ settings, audit, clock, log },
    hear: async (agent, heard) => {
      await runs.hear(agent, heard);
      await record(agent, heard);
    },
  });
  if (hands !== undefined) lines = hands;
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    runs
      .beat()
      .catch((error: unknown) => log('error', 'a look at plans failed', { reason: reasonOf(error) }))
      .finally(() => {
        busy = false;
      });
  }, beatMs);
  return {
    runs,
    close: async () => {
      clearInterval(timer);
      await hands?.close();
    },
  };
};

const away = (agent: string): never => {
  throw fail('AGENT_AWAY', { name: agent });
};
const nobodyThere: AgentLines = { connected: () => [], order: away, cancel: away, ask: away, preview: away };
