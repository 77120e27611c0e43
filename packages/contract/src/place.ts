/** Where in the estate something is: the names that `coequal.yaml` gives. What is not known, or does not apply, is left out. */
import { z } from 'zod';

export const name = z.string().min(1).max(200);

export const place = z.object({
  site: name.optional(),
  host: name.optional(),
  service: name.optional(),
  instance: name.optional(),
  gateway: name.optional(),
});

export type Place = z.infer<typeof place>;
