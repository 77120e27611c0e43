/** What identity needs from around it. */
import type { Clock } from '@coequal/kernel';
import type { AuditDetails, AuditEntry } from '@coequal/trust';
import type { IdentityStore, Person } from './store.ts';
import type { Names } from './whence.ts';

/** Seals values for the place where they are kept; what was moved elsewhere does not open. */
export type Vault = {
  readonly seal: (plain: string, place: SealedPlace) => Promise<string>;
  /** @throws SEALED_STORE_UNREADABLE: it was changed, or belongs elsewhere */
  readonly open: (sealed: string, place: SealedPlace) => Promise<string>;
};

export type SealedPlace = {
  readonly table: 'passkey' | 'totp' | 'recovery_code' | 'signature' | 'directory_token';
  readonly row: string;
};

/** Writes to the audit; what cannot be written down must not be done. @throws AUDIT_UNWRITABLE */
export type Note = (
  actor: string,
  action: string,
  target: string,
  result: AuditEntry['result'],
  details?: AuditDetails,
) => Promise<void>;

export type IdentityPorts = {
  readonly store: IdentityStore;
  readonly vault: Vault;
  readonly note: Note;
  readonly clock: Clock;
  readonly names: Names;
  /** Of the estate: shown by authenticators. */
  readonly title: string;
};

export const actorOf = ({ name }: Pick<Person, 'name'>): string => `person:${name}`;
/** Nobody yet: who it is going to be is what is being asked. */
export const nobody = 'nobody';
