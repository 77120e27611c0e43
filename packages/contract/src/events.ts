/**
 * What happened, as opposed to what was measured: changes that somebody made, and lines that logs wrote. An event's `id` is the same
 * whenever it is sent, so that what comes twice counts once. Times are milliseconds since 1970.
 */
import { z } from 'zod';
import { classified, mayHoldValues } from './classification.ts';
import { place } from './place.ts';

/**
 * `restart`: a process began anew; `stop`: it ended in order; `membership`: who is in the group; `job`: something that a schedule
 * started; `clock`: the time of the host was set.
 */
export const changeKinds = [
  'ddl',
  'setting',
  'deployment',
  'backup',
  'job',
  'restart',
  'stop',
  'membership',
  'account',
  'clock',
  'other',
] as const;

export const changeEvent = classified(
  'sensitive',
  z.object({
    kind: z.literal('change'),
    id: z.string().min(1).max(200),
    atMs: z.number(),
    place,
    change: z.enum(changeKinds),
    /** In words that complete "because of": `the schema change ALTER TABLE account`. No value of a row, no secret. */
    text: mayHoldValues(z.string().min(1).max(1_000)),
    /** Who made it, where that is known. */
    by: z.string().max(200).optional(),
    /** What told of it: `performance_schema`, `log`, `webhook`, the name of a script. */
    source: z.string().min(1).max(200),
  }),
);

export const logEvent = classified(
  'sensitive',
  z.object({
    kind: z.literal('log'),
    id: z.string().min(1).max(200),
    /** Of the first line that is counted here. */
    atMs: z.number(),
    place,
    severity: z.enum(['error', 'warning', 'info']),
    /** Which log: a path, or a unit of the journal. */
    log: z.string().max(1_000),
    /** The line with its varying parts as `<*>`. */
    template: mayHoldValues(z.string().max(2_000)),
    count: z.number().int().positive(),
  }),
);

export const event = z.discriminatedUnion('kind', [changeEvent, logEvent]);

export type ChangeKind = (typeof changeKinds)[number];
export type ChangeEvent = z.infer<typeof changeEvent>;
export type LogEvent = z.infer<typeof logEvent>;
export type Event = z.infer<typeof event>;
