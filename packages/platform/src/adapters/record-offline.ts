/** Records in the platform's own chain what somebody does at its machine while it does not run: before it is done, and with its end. */
import { type Clock, CoequalError, codeOf, type Log, silentLog } from '@coequal/kernel';
import type { PlatformSettings } from '../settings.ts';
import { openAudit } from './audit.ts';

export type OfflinePorts = { readonly clock: Clock; readonly user: string; readonly log?: Log };

/** @throws AUDIT_UNWRITABLE: then it was not done; and what `work` throws */
export const recordOffline = async <T>(
  settings: PlatformSettings,
  { action, target }: { readonly action: string; readonly target: string },
  { clock, user, log = silentLog }: OfflinePorts,
  work: () => T | Promise<T>,
): Promise<T> => {
  const audit = await openAudit(settings, clock, log);
  const entry = { actor: `os:${user}`, action, target };
  try {
    await audit.write({ ...entry, result: 'asked' });
    const done = await work();
    await audit.write({ ...entry, result: 'done' });
    return done;
  } catch (error) {
    const result = error instanceof CoequalError && error.kind === 'user' ? 'refused' : 'failed';
    await audit.write({ ...entry, result, reason: codeOf(error) ?? 'BUG' });
    throw error;
  } finally {
    await audit.close();
  }
};
