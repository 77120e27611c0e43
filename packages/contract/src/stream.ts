/** Events of `GET /api/v1/events`, as server-sent events whose name is `kind` and whose data is the whole object. */
import { z } from 'zod';
import { classified } from './classification.ts';
import { event } from './events.ts';
import { incidentSummary } from './incident-requests.ts';
import { planRun } from './plans.ts';

export const streamEvent = classified(
  'sensitive',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('incident'), incident: incidentSummary }),
    z.object({ kind: z.literal('event'), event }),
    /** A plan that is being carried out has come further. */
    z.object({ kind: z.literal('plan-run'), run: planRun }),
    /** Newest values of the signals that were asked for; they are not sent again to readers that come back. */
    z.object({
      kind: z.literal('samples'),
      atMs: z.number(),
      samples: z.array(
        z.object({ name: z.string(), labels: z.record(z.string(), z.string()), value: z.number().nullable() }),
      ),
    }),
    /** What came after the id that the reader saw last is not known any more: read the lists again. */
    z.object({ kind: z.literal('missed') }),
  ]),
);

export const streamQuery = z.object({
  /** Names of signals with a comma between, whose newest values come every second. */
  signals: z.string().max(2_000).default(''),
});

export type StreamEvent = z.infer<typeof streamEvent>;
