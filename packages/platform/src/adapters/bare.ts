/** A platform without a network: its heart on a database in a folder. For what measures and tests what it does with what it is told. */
import type { Clock, Log, Random } from '@coequal/kernel';
import { ServiceAccounts } from '../access/service-accounts.ts';
import { type Heart, makeHeart } from '../heart.ts';
import { Silences } from '../notify/silences.ts';
import type { PlatformSettings } from '../settings.ts';
import { makeAccountStore, makeOnceStore } from '../store/adapters/accounts.ts';
import { type Backup, takeBackup } from '../store/adapters/backup.ts';
import { openDatabase } from '../store/adapters/database.ts';
import { makeDocumentStore, makeEventStore } from '../store/adapters/events.ts';
import { makeIncidentStore } from '../store/adapters/incidents.ts';
import type { OnceStore } from '../store/port.ts';

export type BarePlatform = {
  readonly heart: Heart;
  readonly accounts: ServiceAccounts;
  readonly once: OnceStore;
  readonly takeBackup: () => Promise<Backup>;
  readonly close: () => void;
};

export const openBarePlatform = (options: {
  readonly settings: PlatformSettings;
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): BarePlatform => {
  const { settings, folder, clock, random, log } = options;
  const database = openDatabase(folder);
  const heart = makeHeart({
    ...{ settings, clock, random, log, version: '0', store: undefined, diagnose: undefined, learn: undefined },
    incidents: makeIncidentStore(database),
    events: makeEventStore(database),
    silences: new Silences(makeDocumentStore(database), random),
    rules: () => undefined,
    headroom: () => undefined,
    onLook: () => undefined,
  });
  const accounts = new ServiceAccounts(makeAccountStore(database), clock);
  const copy = () => takeBackup(database, folder, clock.now());
  return { heart, accounts, once: makeOnceStore(database), takeBackup: copy, close: () => database.close() };
};
