/** How an API says no (RFC 9457, `application/problem+json`), and how lists come in pages. */
import { z } from 'zod';
import { classified } from './classification.ts';

export const problem = classified(
  'sensitive',
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    /** What happened, in words. */
    detail: z.string(),
    /** Of the registry of errors. */
    code: z.string(),
    /** What to do. */
    advice: z.string().optional(),
    retry: z.boolean().optional(),
  }),
);

/** Most entries of a page. */
export const pageLimit = 500;

/** Query parameters of every list: `cursor` is what the page before said as `next`. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(pageLimit).default(100),
  cursor: z.string().max(200).optional(),
};

export const pageOf = <T extends z.ZodType>(entry: T) =>
  z.object({ items: z.array(entry), next: z.string().nullable() });

export type Problem = z.infer<typeof problem>;
