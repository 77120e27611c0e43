/**
 * Who somebody is, over the API: people, their devices and passkeys, and what is asked and answered when they prove who they are. Options
 * and answers of passkeys are WebAuthn's own JSON and pass through; the platform checks them.
 */
import { z } from 'zod';

const ms = z.number().describe('Milliseconds since 1970.');
const scope = z.union([z.literal('*'), z.array(z.string().min(1).max(100)).min(1).max(1_000)]);

export const personName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._@-]{0,62}$/i, 'is not a name: letters, digits, `.`, `_`, `-` and `@`, 63 at most');
export const displayName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{C}]*$/u, 'holds characters that cannot be shown');

export const personGrant = z.strictObject({
  role: z.enum(['viewer', 'operator', 'approver', 'security-admin', 'auditor']),
  services: scope.default('*'),
  sites: scope.default('*'),
});

export const passkeyQuestion = z.object({
  ceremony: z.string(),
  options: z.record(z.string(), z.unknown()),
});

export const passkeyAnswer = z.strictObject({
  ceremony: z.string().min(1).max(100),
  response: z.record(z.string(), z.unknown()),
});

const passkeyView = z.object({
  id: z.string(),
  name: z.string(),
  bound: z.boolean().describe('It cannot leave its authenticator.'),
  madeMs: ms,
  usedMs: ms.nullable(),
});

const deviceView = z.object({
  id: z.string(),
  name: z.string(),
  madeMs: ms,
  seenMs: ms,
  here: z.boolean().describe('The one that asks.'),
});

export const me = z.object({
  id: z.string(),
  name: z.string(),
  display: z.string(),
  grants: z.array(z.object({ role: z.string(), services: scope, sites: scope })),
  session: z.object({
    factor: z.string(),
    factorAtMs: ms,
    lockedSinceMs: ms.nullable(),
    endsMs: ms,
    deviceBound: z.boolean(),
  }),
  totp: z.boolean(),
  recoveryCodesLeft: z.number(),
  passkeys: z.array(passkeyView),
  devices: z.array(deviceView),
});

const personView = z.object({
  id: z.string(),
  name: z.string(),
  display: z.string(),
  source: z.enum(['local', 'oidc', 'ldap']),
  madeMs: ms,
  revokedMs: ms.nullable(),
  grants: z.array(z.object({ role: z.string(), services: scope, sites: scope })),
  passkeys: z.number(),
  devices: z.array(z.object({ id: z.string(), name: z.string(), seenMs: ms })),
  sessions: z.number(),
});
export type PersonView = z.infer<typeof personView>;

export const personPage = z.object({ items: z.array(personView), next: z.string().nullable() });

/** A code that somebody comes in with, and where. */
export const enrolmentLink = z.object({ name: z.string(), code: z.string(), url: z.string() });
export const reEnrolment = z.object({ id: z.string(), half: z.string() });

export const terminalAsked = z.object({
  deviceCode: z.string(),
  userCode: z.string(),
  url: z.string(),
  endsMs: ms,
  everySeconds: z.number(),
});

export const terminalAnswer = z.discriminatedUnion('state', [
  z.object({ state: z.literal('waiting') }),
  z.object({ state: z.literal('denied') }),
  z.object({ state: z.literal('approved'), token: z.string(), name: z.string(), endsMs: ms }),
]);
