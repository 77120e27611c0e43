/**
 * What an agent and a platform say over the line: JSON, one object a line. The agent dials, so that nothing has to be open on its host.
 * Without a certificate it may only enrol. Whatever is said may be said twice or get lost with the line: orders have keys, and how one ended
 * is told until it was heard.
 */
import { z } from 'zod';
import { action, orderState, preview } from './actions.ts';

/** Longer lines are not ours. */
export const lineLimit = 256 * 1_024;
export const lineVersion = 1;

const key = orderState.shape.key;
const pem = z.string().max(65_536);
const words = z.string().max(2_000);
const id = z.int().nonnegative();

export const fromAgent = z.discriminatedUnion('kind', [
  /** The only thing that somebody without a certificate may say. */
  z.object({ kind: z.literal('enrol'), secrets: z.array(z.string().min(16).max(200)).min(1).max(2), request: pem }),
  z.object({
    kind: z.literal('hello'),
    version: z.int(),
    program: z.string().max(64),
    nowMs: z.number(),
    actions: z.array(z.string().max(64)).max(64),
  }),
  z.object({ kind: z.literal('renew'), request: pem }),
  z.object({ kind: z.literal('state'), order: orderState }),
  /** It never heard of the key. */
  z.object({ kind: z.literal('unknown'), key }),
  /** The order was not taken, and its key is not used up by it. */
  z.object({ kind: z.literal('rejected'), key, reason: words }),
  z.object({ kind: z.literal('previewed'), id, preview }),
  z.object({ kind: z.literal('ping'), nowMs: z.number() }),
]);

export const fromPlatform = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('welcome'), nowMs: z.number() }),
  /** It ends the line after this. */
  z.object({ kind: z.literal('refused'), reason: words }),
  z.object({ kind: z.literal('issued'), certificate: pem, authority: pem }),
  z.object({
    kind: z.literal('order'),
    key,
    action,
    /** For all of it, from when it is taken. */
    deadlineMs: z.int().min(100).max(86_400_000),
    /** Who agreed, for the journal. */
    by: z.string().min(1).max(200),
  }),
  z.object({ kind: z.literal('cancel'), key }),
  z.object({ kind: z.literal('ask'), key }),
  z.object({ kind: z.literal('preview'), id, action }),
  /** How an order ended was written down. */
  z.object({ kind: z.literal('heard'), key }),
  z.object({ kind: z.literal('pong'), nowMs: z.number() }),
]);

export type FromAgent = z.infer<typeof fromAgent>;
export type FromPlatform = z.infer<typeof fromPlatform>;
export type Order = Omit<Extract<FromPlatform, { kind: 'order' }>, 'kind'>;

/** What is handed to whoever enrols an agent, as a file: where the platforms are, whom to believe, and a secret for once. */
export const invitation = z.object({
  version: z.literal(1),
  agent: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  platforms: z
    .array(z.object({ address: z.string().min(1).max(253), port: z.int().min(1).max(65_535) }))
    .min(1)
    .max(8),
  authority: pem,
  secret: z.string().min(16).max(200),
  untilMs: z.number(),
});

export type Invitation = z.infer<typeof invitation>;
