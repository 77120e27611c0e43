/** Identity of a platform, put together: its rows, its keys, the audit, and a look every second at what has ended. */
import { type Clock, CoequalError, type Log, reasonOf } from '@coequal/kernel';
import type { AuditWriter } from '@coequal/trust';
import type { Database } from '../../store/adapters/database.ts';
import { type Identity, makeIdentity } from '../identity.ts';
import { identityLimits } from '../limits.ts';
import type { Note } from '../ports.ts';
import { namesOf } from '../whence.ts';
import { makeIdentityStore } from './store.ts';
import { openVault } from './vault.ts';

export type IdentitySettings = {
  readonly stateFolder: string;
  readonly port: number;
  /** Of the estate. */
  readonly title: string;
  readonly url: string | undefined;
  readonly keyRing: string | undefined;
  readonly trustedProxies: readonly string[];
};

export type OpenedIdentity = { readonly identity: Identity; readonly close: () => Promise<void> };

export const openIdentity = async (
  settings: IdentitySettings,
  {
    database,
    audit,
    clock,
    log,
  }: {
    readonly database: Database;
    readonly audit: AuditWriter;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<OpenedIdentity> => {
  const { stateFolder, keyRing, url, port, title, trustedProxies } = settings;
  const note: Note = (actor, action, target, result, details) =>
    audit.write({ actor, action, target, result, ...(details === undefined ? {} : { details }) });
  const identity = makeIdentity(
    {
      ...{ store: makeIdentityStore(database), vault: await openVault(stateFolder, keyRing, clock) },
      ...{ note, clock, names: namesOf(url, port), title },
    },
    { trustedProxies },
  );
  const closing = new AbortController();
  const sweeping = sweep(identity, clock, log, closing.signal);
  return {
    identity,
    close: async () => {
      closing.abort();
      await sweeping;
    },
  };
};

const sweep = async (identity: Identity, clock: Clock, log: Log, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      identity.sessions.sweep();
    } catch (error) {
      // A disk that is full now may not be later; what has ended is found again when it is asked for.
      log('error', 'sessions could not be looked through', {
        reason: error instanceof CoequalError ? error.message : reasonOf(error),
      });
    }
    await clock.sleep(identityLimits.sweepMs, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
};
