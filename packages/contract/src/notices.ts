/** Changes as the API lists them. */
import { z } from 'zod';
import { classified } from './classification.ts';
import { changeEvent, changeKinds } from './events.ts';
import { pageOf, pageQuery } from './problem.ts';

export const changeQuery = z.object({
  ...pageQuery,
  fromMs: z.coerce.number().optional(),
  toMs: z.coerce.number().optional(),
  change: z.enum(changeKinds).optional(),
  host: z.string().max(200).optional(),
  instance: z.string().max(200).optional(),
  service: z.string().max(200).optional(),
});

export const changePage = classified('sensitive', pageOf(changeEvent));

export type ChangeQuery = z.infer<typeof changeQuery>;
