/**
 * Service accounts: how programs ask. A token is 256 random bits that are shown once and kept as a hash; it expires, can be revoked at
 * once, and carries grants with scopes. What a service account may do at most stands in the table of actions: look, and attend to
 * incidents; nothing that touches a database.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type Clock, fail } from '@coequal/kernel';
import type { AccountStore, KeptAccount } from '../store/port.ts';
import type { Known } from './audience.ts';
import { checkedGrants } from './grants.ts';
import type { Grant } from './subject.ts';

const day = 86_400_000;
export const accountLimits = {
  /** A token that lives longer is forgotten somewhere. */
  longestMs: 366 * day,
  shortestMs: 60_000,
  /** Not revoked ones. */
  count: 1_000,
} as const;

const prefix = 'coequal-sa-';

export type NewAccount = {
  readonly name: string;
  readonly grants: readonly Grant[];
  readonly lifeMs: number;
  readonly by: string;
};

export class ServiceAccounts {
  readonly #store: AccountStore;
  readonly #clock: Clock;

  constructor(store: AccountStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The token is told here and never again. @throws GRANTS_REFUSED, SERVICE_ACCOUNT_EXISTS, REQUEST_INVALID */
  add({ name, grants, lifeMs, by }: NewAccount): { readonly account: KeptAccount; readonly token: string } {
    const nowMs = this.#clock.now();
    if (!(lifeMs >= accountLimits.shortestMs && lifeMs <= accountLimits.longestMs))
      throw fail('REQUEST_INVALID', { what: 'A service account lives between a minute and 366 days.' });
    const known = this.#store.byName(name);
    if (known !== undefined && known.expiresMs > nowMs) throw fail('SERVICE_ACCOUNT_EXISTS', { name });
    if (known !== undefined) this.#store.revoke(known.id, by, nowMs);
    if (this.#store.list().filter(({ revokedMs }) => revokedMs === null).length >= accountLimits.count)
      throw fail('REQUEST_INVALID', { what: `There are ${accountLimits.count} service accounts: revoke some first.` });
    const token = `${prefix}${randomBytes(32).toString('base64url')}`;
    const account: KeptAccount = {
      ...{ id: `service-${randomBytes(8).toString('hex')}`, name, tokenHash: hashOf(token) },
      ...{ grants: checkedGrants(grants), createdMs: nowMs, createdBy: by, expiresMs: nowMs + lifeMs },
      ...{ revokedMs: null, revokedBy: null },
    };
    this.#store.add(account);
    return { account, token };
  }

  list(): readonly KeptAccount[] {
    return this.#store.list();
  }

  /** @throws SERVICE_ACCOUNT_UNKNOWN */
  revoke(name: string, by: string): KeptAccount {
    const found = this.#store.byName(name);
    if (found === undefined) throw fail('SERVICE_ACCOUNT_UNKNOWN', { name });
    this.#store.revoke(found.id, by, this.#clock.now());
    return { ...found, revokedMs: this.#clock.now(), revokedBy: by };
  }

  /** Whose token it is. The hash is looked up, so that no comparison tells how much of a guess was right. */
  known(token: string): Known | undefined {
    const hash = hashOf(token);
    const holds = (): KeptAccount | undefined => {
      const found = this.#store.byHash(hash);
      return found !== undefined && found.revokedMs === null && found.expiresMs > this.#clock.now() ? found : undefined;
    };
    const found = holds();
    if (found === undefined) return undefined;
    const { id, name, grants } = found;
    return { subject: { kind: 'service', id, name, grants, session: null }, still: () => holds() !== undefined };
  }
}

export const isServiceToken = (token: string): boolean => token.startsWith(prefix);

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
