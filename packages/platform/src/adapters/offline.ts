/**
 * Service accounts of a platform that does not run, for whoever sits at its machine: the first of them cannot be made over an API that
 * knows nobody. A service account can look and attend to incidents, no more. It is recorded like everything else.
 */
import { type Clock, type Log, silentLog } from '@coequal/kernel';
import { type NewAccount, ServiceAccounts } from '../access/service-accounts.ts';
import type { PlatformSettings } from '../settings.ts';
import { makeAccountStore } from '../store/adapters/accounts.ts';
import { openDatabase } from '../store/adapters/database.ts';
import { openAudit } from './audit.ts';

export type OfflinePorts = { readonly clock: Clock; readonly user: string; readonly log?: Log };

/** The token. One of the same name is revoked. @throws PLATFORM_ALREADY_RUNNING, GRANTS_REFUSED, AUDIT_UNWRITABLE */
export const addServiceAccountOffline = (
  settings: PlatformSettings,
  wanted: Omit<NewAccount, 'by'>,
  ports: OfflinePorts,
): Promise<string> => {
  const by = `os:${ports.user}`;
  return recorded(settings, 'service-account.add', wanted.name, ports, (accounts) => {
    if (accounts.list().some(({ name, revokedMs }) => name === wanted.name && revokedMs === null))
      accounts.revoke(wanted.name, by);
    return accounts.add({ ...wanted, by }).token;
  });
};

/** @throws PLATFORM_ALREADY_RUNNING, SERVICE_ACCOUNT_UNKNOWN, AUDIT_UNWRITABLE */
export const revokeServiceAccountOffline = async (
  settings: PlatformSettings,
  name: string,
  ports: OfflinePorts,
): Promise<void> => {
  const by = `os:${ports.user}`;
  await recorded(settings, 'service-account.revoke', name, ports, (accounts) => accounts.revoke(name, by));
};

const recorded = async <T>(
  settings: PlatformSettings,
  action: string,
  target: string,
  { clock, user, log = silentLog }: OfflinePorts,
  work: (accounts: ServiceAccounts) => T,
): Promise<T> => {
  const database = openDatabase(settings.platform.stateFolder);
  try {
    const audit = await openAudit(settings, clock, log);
    try {
      const entry = { actor: `os:${user}`, action, target };
      await audit.write({ ...entry, result: 'asked' });
      const done = work(new ServiceAccounts(makeAccountStore(database), clock));
      await audit.write({ ...entry, result: 'done' });
      return done;
    } finally {
      await audit.close();
    }
  } finally {
    database.close();
  }
};
