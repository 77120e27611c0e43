/**
 * The platform's own chain of the audit, in its state folder. A platform whose audit cannot be opened does not start: it could allow
 * nothing. Whatever else fails (anchor, time stamp, syslog) is told in the log and tried again.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock, Log } from '@coequal/kernel';
import { AuditKeeper, type AuditWriter, openChain } from '@coequal/trust';
import type { PlatformSettings } from '../settings.ts';

export type PlatformAudit = AuditWriter & {
  /** Begins the duties that come again and again; the last of each is done at the end in any case. */
  readonly start: () => void;
  readonly close: () => Promise<void>;
};

const usualCheckpointMs = 60_000;

/** @throws AUDIT_UNWRITABLE, AUDIT_INVALID, SECRET_FILE_EXPOSED */
export const openAudit = async (
  { platform: { name, stateFolder }, estate }: PlatformSettings,
  clock: Clock,
  log: Log,
): Promise<PlatformAudit> => {
  const place = { folder: join(stateFolder, 'audit'), chain: name, keyFile: join(stateFolder, 'audit.key') };
  const chain = await openChain(place, clock);
  const { checkpointMs = usualCheckpointMs, ...duties } = estate.audit ?? {};
  const tell = (duty: string, reason: string | undefined): void =>
    reason === undefined
      ? log('info', 'the audit is well again', { duty })
      : log('error', 'the audit goes on, but a duty failed', { duty, reason });
  const keeper = new AuditKeeper(chain, { everyMs: checkpointMs, ...duties }, { clock, hostName: hostname(), tell });
  return { write: (entry) => chain.write(entry), start: () => keeper.start(), close: () => keeper.close() };
};
