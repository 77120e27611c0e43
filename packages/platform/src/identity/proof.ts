/** What a session has to show for what is asked. Pure but for the time. */

import { fail } from '@coequal/kernel';
import type { Factor, Role } from '../access/subject.ts';
import { identityLimits } from './limits.ts';
import type { IdentityPorts } from './ports.ts';
import type { Live } from './sessions.ts';

const words: Readonly<Partial<Record<Factor, string>>> = { passkey: 'passkey', totp: 'one-time code' };

/** @throws SESSION_LOCKED, FACTOR_STALE */
export const mustBeFresh = ({ clock }: IdentityPorts, { session }: Live, factors: readonly Factor[]): void => {
  if (session.lockedMs !== null) throw fail('SESSION_LOCKED', {});
  const fresh = clock.now() - session.factorMs < identityLimits.session.freshMs;
  if (fresh && factors.includes(session.factor)) return;
  throw fail('FACTOR_STALE', { factor: words[factors[0] ?? 'passkey'] ?? 'factor' });
};

/** With a fresh passkey, for whatever gives or takes access. @throws PERSON_REFUSED, SESSION_LOCKED, FACTOR_STALE */
export const mustBeAdmin = (ports: IdentityPorts, live: Live): void => {
  if (!holds(ports, live.person.id, 'security-admin'))
    throw fail('PERSON_REFUSED', {
      reason: 'Only a security-admin may do this',
      advice: 'Ask one: `coequal person list` shows who that is.',
    });
  mustBeFresh(ports, live, ['passkey']);
};

export const holds = ({ store, clock }: IdentityPorts, person: string, role: Role): boolean =>
  store.grants.of(person, clock.now()).some((grant) => grant.role === role);
