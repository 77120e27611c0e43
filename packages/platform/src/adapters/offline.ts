/**
 * What somebody at its machine does to a platform that does not run: its first service accounts, which an API that knows nobody could not make; a copy
 * of its database put back; and the way back to an earlier version. A service account can look and attend to incidents, no more.
 */
import { mkdir } from 'node:fs/promises';
import { type NewAccount, ServiceAccounts } from '../access/service-accounts.ts';
import type { PlatformSettings } from '../settings.ts';
import { makeAccountStore } from '../store/adapters/accounts.ts';
import { copyAside, restoreBackup } from '../store/adapters/backup.ts';
import { openDatabase, stepBack } from '../store/adapters/database.ts';
import { type OfflinePorts, recordOffline } from './record-offline.ts';

/** The token. One of the same name is revoked. @throws PLATFORM_ALREADY_RUNNING, GRANTS_REFUSED, AUDIT_UNWRITABLE */
export const addServiceAccountOffline = (
  settings: PlatformSettings,
  wanted: Omit<NewAccount, 'by'>,
  ports: OfflinePorts,
): Promise<string> => {
  const by = `os:${ports.user}`;
  return onAccounts(settings, 'service-account.add', wanted.name, ports, (accounts) => {
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
  const revoke = (accounts: ServiceAccounts) => accounts.revoke(name, `os:${ports.user}`);
  await onAccounts(settings, 'service-account.revoke', name, ports, revoke);
};

const onAccounts = <T>(
  settings: PlatformSettings,
  action: string,
  target: string,
  ports: OfflinePorts,
  work: (accounts: ServiceAccounts) => T,
): Promise<T> => {
  const database = openDatabase(settings.platform.stateFolder);
  const run = () => work(new ServiceAccounts(makeAccountStore(database), ports.clock));
  return recordOffline(settings, { action, target }, ports, run).finally(() => database.close());
};

/** Where the database lies now that was there before. @throws BACKUP_INVALID, PLATFORM_ALREADY_RUNNING, PLATFORM_DATABASE_NEWER */
export const restorePlatform = async (
  settings: PlatformSettings,
  backup: string,
  ports: OfflinePorts,
): Promise<string | null> => {
  const { stateFolder } = settings.platform;
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  return recordOffline(settings, { action: 'platform.restore', target: backup }, ports, () =>
    restoreBackup(stateFolder, backup, ports.clock.now()),
  );
};

/** The steps that were taken back, and the copy that was made before. @throws PLATFORM_STEP_UNKNOWN, PLATFORM_ALREADY_RUNNING */
export const takePlatformBack = (
  settings: PlatformSettings,
  to: string,
  ports: OfflinePorts,
): Promise<{ readonly steps: readonly string[]; readonly backup: string }> => {
  const { stateFolder } = settings.platform;
  return recordOffline(settings, { action: 'platform.step-back', target: to }, ports, async () => {
    const backup = await copyAside(stateFolder, ports.clock.now());
    return { steps: stepBack(stateFolder, to), backup };
  });
};
