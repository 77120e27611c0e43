/** Who could do what, and when: every grant with its validity, and what it let its holder do. Times are milliseconds since 1970. */
import { z } from 'zod';
import { grantScope, roleNames } from './access.ts';
import { classified } from './classification.ts';

export const accessReviewQuery = z.strictObject({
  /** A day, from its first moment to its last; now unless given. */
  on: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/)
    .optional(),
  /** Whose day: a zone of the IANA database. */
  zone: z.string().min(1).max(64).default('UTC'),
});

export const accessReviewEntry = z.object({
  subject: z.object({ kind: z.enum(['person', 'service']), id: z.string(), name: z.string() }),
  role: z.enum(roleNames),
  services: grantScope,
  sites: grantScope,
  givenBy: z.string(),
  fromMs: z.number(),
  /** When it ended, or will; null: it has no end. */
  toMs: z.number().nullable(),
  endedBy: z.string().nullable(),
  /** Of the table of actions. */
  actions: z.array(z.string()),
});

export const accessReview = classified(
  'sensitive',
  z.object({ fromMs: z.number(), toMs: z.number(), items: z.array(accessReviewEntry) }),
);

export type AccessReview = z.output<typeof accessReview>;
export type AccessReviewEntry = z.output<typeof accessReviewEntry>;
