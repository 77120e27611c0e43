/**
 * A plan: what would be done about something, as an ordered list of actions, each with what must hold before, what is checked afterwards and
 * what takes it back. It is made by a pure function and shown before anything is done; who agrees signs the digest of its canonical JSON, so that
 * no word of it can change between reading and doing.
 */
import { z } from 'zod';
import { action, actionClasses, outcomes } from './actions.ts';
import { classified } from './classification.ts';
import { place } from './place.ts';

const words = z.string().min(1).max(1_000);
const entity = z.string().min(1).max(64);

/** What must hold right before a step, as the platform sees it; the agent looks for itself as well. */
export const need = z.discriminatedUnion('kind', [
  /** So many instances of the service serve, without those named. */
  z.strictObject({
    kind: z.literal('serving'),
    service: entity,
    least: z.int().min(1).max(100),
    without: z.array(entity).max(100),
  }),
  /** The instance is seen in one of these states. */
  z.strictObject({ kind: z.literal('state'), instance: entity, states: z.array(entity).min(1).max(20) }),
  /** The session is still at the root of what waits. */
  z.strictObject({ kind: z.literal('blocker'), instance: entity, session: z.int().positive() }),
]);

export const planStep = z.strictObject({
  /** Name of the agent that does it. */
  agent: entity,
  action,
  class: z.enum(actionClasses),
  does: words,
  needs: z.array(need).max(10),
  /** What the agent looks at afterwards. */
  check: words,
  undo: action.nullable(),
  deadlineMs: z.int().min(1_000).max(86_400_000),
});

export const plan = classified(
  'sensitive',
  z.strictObject({
    version: z.literal(1),
    estate: z.string().max(200),
    /** Left out where nobody reported one. */
    incident: z.string().max(200).nullable(),
    cause: z.string().max(200),
    place,
    /** Why this, in a sentence. */
    why: words,
    /** The highest of its steps. */
    class: z.enum(actionClasses),
    madeAtMs: z.int(),
    /** Not begun later than this. */
    untilMs: z.int(),
    steps: z.array(planStep).min(1).max(20),
  }),
);

export type Need = z.infer<typeof need>;
export type PlanStep = z.infer<typeof planStep>;
export type Plan = z.infer<typeof plan>;

/** What the platform proposes, or why it proposes nothing. */
export const proposal = classified(
  'sensitive',
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('plan'), plan, digest: z.string().regex(/^[0-9a-f]{64}$/) }),
    z.object({ kind: z.literal('none'), reason: words }),
  ]),
);

export type Proposal = z.infer<typeof proposal>;

export const stepState = z.object({
  /** Of the order that the agent gets. */
  key: z.string(),
  state: z.enum(['waiting', 'sent', 'ended']),
  words: z.string().max(2_000),
  outcome: z.enum(outcomes).optional(),
  undo: action.optional(),
  sentMs: z.number().optional(),
});

/** A plan that is being carried out, or was. */
export const planRun = classified(
  'sensitive',
  z.object({
    id: z.string().max(64),
    digest: z.string(),
    plan,
    /** Who agreed, as the signatures say. */
    by: z.array(z.string().max(200)).max(10),
    /** `stopped`: it did not come to its end; each step says where it stands. */
    state: z.enum(['running', 'done', 'stopped']),
    words: z.string().max(2_000),
    startedMs: z.number(),
    endedMs: z.number().optional(),
    /** Asked to end after what is in progress. */
    stopping: z.boolean(),
    steps: z.array(stepState).max(20),
  }),
);

export type StepState = z.infer<typeof stepState>;
export type PlanRun = z.infer<typeof planRun>;
