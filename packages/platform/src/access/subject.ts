/**
 * Who asks, as far as a decision needs to know it. A subject is a value that identity made of a session or a token; nothing here looks
 * anything up, so what is decided about it can be decided again years later.
 */

import { roleNames } from '@coequal/contract';

/** `security-admin` gives and takes access and touches no database; `auditor` reads everything and changes nothing. */
export const roles = roleNames;
export type Role = (typeof roles)[number];

/** Where a role holds: names of the estate, or everywhere. */
export type Scope = '*' | readonly string[];

export type Grant = { readonly role: Role; readonly services: Scope; readonly sites: Scope };

export const factors = ['passkey', 'totp', 'recovery', 'oidc', 'ldap-password', 'password', 'token'] as const;
export type Factor = (typeof factors)[number];

export type SubjectSession = {
  readonly id: string;
  readonly device: {
    readonly id: string;
    /** Its key cannot leave it: a passkey that is not synchronised. */
    readonly bound: boolean;
  };
  /** What was shown last. */
  readonly factor: Factor;
  /** When, in milliseconds since 1970. */
  readonly factorAt: number;
  /** Since when it is locked because nobody used it; null while it is not. */
  readonly lockedSince: number | null;
};

export type Subject = {
  /** `platform`: what the platform itself does, by a policy that people approved. */
  readonly kind: 'person' | 'service' | 'platform';
  readonly id: string;
  readonly name: string;
  readonly grants: readonly Grant[];
  /** Null for services and the platform. */
  readonly session: SubjectSession | null;
};
