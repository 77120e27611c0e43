/**
 * The gateway's own chain of the audit, in its state folder. Clients do not wait for it: a gateway whose audit cannot be opened serves,
 * and refuses what operators ask for until it can; each of them makes it try again.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Clock, reasonOf } from '@coequal/kernel';
import { type AuditEntry, AuditKeeper, type Chain, openChain } from '@coequal/trust';
import type { GatewaySettings } from '../../settings.ts';
import type { OperatorAudit } from '../audited.ts';
import type { GatewayEvent } from '../events.ts';

export type GatewayAudit = OperatorAudit & { readonly close: () => Promise<void> };

const usualCheckpointMs = 60_000;

/** What stands in a gateway's state folder. */
export const auditFolderOf = (stateFolder: string): string => join(stateFolder, 'audit');

export const startAudit = (
  settings: Pick<GatewaySettings, 'name' | 'stateFolder' | 'audit'>,
  clock: Clock,
  event: (event: GatewayEvent) => void,
): GatewayAudit => {
  const { name, stateFolder, audit } = settings;
  let opening: Promise<Opened> | undefined;
  const open = async (): Promise<Opened> => {
    const place = { folder: auditFolderOf(stateFolder), chain: name, keyFile: join(stateFolder, 'audit.key') };
    const chain = await openChain(place, clock);
    const { checkpointMs = usualCheckpointMs, ...duties } = audit ?? {};
    const tell = (duty: string, reason: string | undefined): void =>
      event(reason === undefined ? { event: 'audit-well', duty } : { event: 'audit-trouble', duty, reason });
    const keeper = new AuditKeeper(chain, { everyMs: checkpointMs, ...duties }, { clock, hostName: hostname(), tell });
    keeper.start();
    return { chain, keeper };
  };
  const opened = (): Promise<Opened> => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      event({ event: 'audit-trouble', duty: 'open', reason: reasonOf(error) });
      throw error;
    });
    return opening;
  };
  return {
    write: async (entry: AuditEntry) => (await opened()).chain.write(entry),
    close: async () => {
      const last = await opening?.catch(() => undefined);
      await last?.keeper.close();
    },
  };
};

type Opened = { readonly chain: Chain; readonly keeper: AuditKeeper };
