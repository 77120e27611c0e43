/** What agents say of orders goes into the audit: how each ended, and what was refused. Progress is not recorded. */
import type { AuditWriter } from '@coequal/trust';
import type { Hear } from './ports.ts';

export const recordHeard =
  (audit: AuditWriter): Hear =>
  async (agent, heard) => {
    const entry = { actor: `agent:${agent}`, action: 'agent.order' };
    if (heard.kind === 'rejected')
      await audit.write({ ...entry, target: `order:${heard.key}`, result: 'refused', reason: heard.reason });
    if (heard.kind !== 'state' || heard.order.state !== 'ended') return;
    const { key, outcome = 'stopped', words } = heard.order;
    const result = outcome === 'done' ? 'done' : outcome === 'refused' ? 'refused' : 'failed';
    await audit.write({ ...entry, target: `order:${key}`, result, reason: words, details: { outcome } });
  };
