/** Who may do what, as the API tells it: roles with their scopes, and accounts of programs. Times are milliseconds since 1970. */
import { z } from 'zod';
import { classified } from './classification.ts';
import { name } from './place.ts';
import { pageOf } from './problem.ts';

export const roleNames = ['viewer', 'operator', 'approver', 'security-admin', 'auditor'] as const;

/** Everywhere, or names of the estate. */
export const grantScope = z.union([z.literal('*'), z.array(name).min(1).max(1_000)]);

export const grant = z.strictObject({
  role: z.enum(roleNames),
  services: grantScope.default('*'),
  sites: grantScope.default('*'),
});

export const grants = z.array(grant).min(1).max(50);

export const serviceAccountRequest = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  grants,
  /** How many days its token lives. */
  lifeDays: z
    .number()
    .min(1 / 1_440)
    .max(366)
    .default(90),
});

export const serviceAccount = classified(
  'sensitive',
  z.object({
    id: z.string(),
    name: z.string(),
    grants: z.array(grant),
    createdMs: z.number(),
    createdBy: z.string(),
    expiresMs: z.number(),
    revokedMs: z.number().nullable(),
    revokedBy: z.string().nullable(),
  }),
);

export const serviceAccountPage = classified('sensitive', pageOf(serviceAccount));

export const serviceAccountToken = classified(
  'sensitive',
  z.object({ account: serviceAccount, token: classified('secret', z.string()) }),
);

/** A copy of the platform's database, on the platform's machine. */
export const platformBackup = classified(
  'sensitive',
  z.object({ file: z.string(), bytes: z.number().int(), sha256: z.string() }),
);

export type Grant = z.output<typeof grant>;
export type ServiceAccountView = z.output<typeof serviceAccount>;
