/** Identity of a platform, put together: its rows, its keys, the audit, and a look every second at what has ended. */
import { type Clock, type Log, reasonOf } from '@coequal/kernel';
import type { AuditWriter } from '@coequal/trust';
import type { Database } from '../../store/adapters/database.ts';
import type { Directory } from '../directory.ts';
import { type Identity, makeIdentity } from '../identity.ts';
import { identityLimits } from '../limits.ts';
import type { Note } from '../ports.ts';
import { namesOf } from '../whence.ts';
import { type LdapSettings, openLdap } from './ldap.ts';
import { type OidcSettings, openOidc } from './oidc.ts';
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
  readonly ldap?: (LdapSettings & Polled) | undefined;
  readonly oidc?: (OidcSettings & Polled) | undefined;
};

/** How often the directory is asked about everybody who came from it. */
type Polled = { readonly pollMs: number };

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
  const names = namesOf(url, port);
  const store = makeIdentityStore(database);
  const vault = await openVault(stateFolder, keyRing, clock);
  const ldap = settings.ldap === undefined ? undefined : openLdap(settings.ldap);
  const oidc =
    settings.oidc === undefined
      ? undefined
      : openOidc(settings.oidc, `${names.origin}/identity/arrive`, { store, vault });
  const identity = makeIdentity({ store, vault, note, clock, names, title }, { trustedProxies, ldap, oidc, log });
  const closing = new AbortController();
  const round = (directory: Directory) => () => identity.directories.round(directory, closing.signal);
  const loops = Promise.all([
    every(identityLimits.sweepMs, async () => identity.sessions.sweep(), clock, log, closing.signal),
    ...(ldap === undefined ? [] : [every(settings.ldap?.pollMs ?? 0, round(ldap), clock, log, closing.signal)]),
    ...(oidc === undefined ? [] : [every(settings.oidc?.pollMs ?? 0, round(oidc), clock, log, closing.signal)]),
  ]);
  return {
    identity,
    close: async () => {
      closing.abort();
      await loops;
    },
  };
};

/** What fails is told and done again: a disk that is full now may not be later, and what has ended is found when it is asked for. */
const every = async (
  everyMs: number,
  work: () => Promise<unknown>,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      log('error', 'people and sessions could not be looked through', { reason: reasonOf(error) });
    }
    await clock.sleep(everyMs, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
};
