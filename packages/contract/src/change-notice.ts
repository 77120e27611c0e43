/** A change as pipelines, backup scripts and schedulers tell it to an agent: `POST /api/v1/changes`. */
import { z } from 'zod';
import { changeKinds } from './events.ts';
import { place } from './place.ts';

export const changeNotice = z.object({
  /** The same when the same change is told again; made of the rest unless given. */
  id: z.string().min(1).max(200).optional(),
  /** When it was made; now unless given. */
  atMs: z.number().int().positive().optional(),
  change: z.enum(changeKinds),
  /** In words that complete "because of". No value of a row, no secret. */
  text: z.string().trim().min(1).max(1_000),
  place: place.default({}),
  by: z.string().trim().min(1).max(200).optional(),
  source: z.string().trim().min(1).max(200).default('webhook'),
});

export type ChangeNotice = z.infer<typeof changeNotice>;
