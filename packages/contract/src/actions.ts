/**
 * What an agent may do, as a closed list: an action is one of these, with arguments of these shapes, and what is not here is not done. None
 * holds a secret, a value of a row or the text of a statement; statements are named by the SHA-256 of their text without literals.
 */
import { z } from 'zod';
import { settingNames } from './settable.ts';

const target = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);
const instance = { instance: target } as const;
const gateway = { gateway: target, instance: target.optional() } as const;
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Whom to end, and how to know that it is still the same. */
const session = {
  ...instance,
  /** As SHOW PROCESSLIST has it. */
  session: z.int().positive(),
  user: z.string().min(1).max(128),
} as const;

const scriptArgument = z.union([z.string().max(1_000), z.number(), z.boolean()]);

export const action = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('instance-start'), ...instance }),
  z.strictObject({ type: z.literal('instance-stop'), ...instance }),
  z.strictObject({ type: z.literal('instance-restart'), ...instance }),
  /** Ends it for certain and keeps it down: one that hangs or is cut off one way. */
  z.strictObject({ type: z.literal('instance-isolate'), ...instance }),
  z.strictObject({ type: z.literal('instance-rejoin'), ...instance }),
  /** Puts its data aside, so that it takes a whole copy from the others. */
  z.strictObject({ type: z.literal('instance-reprovision'), ...instance }),
  /** The group no longer waits for it. */
  z.strictObject({ type: z.literal('instance-desync'), ...instance }),
  z.strictObject({ type: z.literal('instance-resync'), ...instance }),
  /** The whole gateway, or one instance of it. */
  z.strictObject({ type: z.literal('gateway-drain'), ...gateway }),
  z.strictObject({ type: z.literal('gateway-undrain'), ...gateway }),
  /** Ends the statement that the session runs, and leaves the session. */
  z.strictObject({ type: z.literal('query-kill'), ...session, statement: digest }),
  /** Ends the session. Without a statement it must be idle inside a transaction. */
  z.strictObject({ type: z.literal('session-kill'), ...session, statement: digest.nullable() }),
  z.strictObject({
    type: z.literal('setting-set'),
    ...instance,
    setting: z.enum(settingNames),
    value: z.number(),
    /** What it must be before. */
    expected: z.number(),
  }),
  z.strictObject({ type: z.literal('diagnostics-collect'), ...instance }),
  /** A script of the bank's own, as its signed manifest describes it; backup and restore are such scripts. */
  z.strictObject({
    type: z.literal('script-run'),
    script: target,
    arguments: z.record(z.string().max(64), scriptArgument).refine((given) => Object.keys(given).length <= 32),
  }),
]);

export type Action = z.infer<typeof action>;
export type ActionType = Action['type'];
export type ActionOf<T extends ActionType> = Extract<Action, { type: T }>;

/** `C1` can be taken back, `C2` disturbs, `C3` may lose data. */
export const actionClasses = ['C1', 'C2', 'C3'] as const;
export type ActionClass = (typeof actionClasses)[number];

/** Of scripts the manifest on the host says it; here stands the least that a plan may take them for. */
export const classOf: Readonly<Record<ActionType, ActionClass>> = {
  'instance-start': 'C2',
  'instance-stop': 'C2',
  'instance-restart': 'C2',
  'instance-isolate': 'C2',
  'instance-rejoin': 'C2',
  'instance-reprovision': 'C3',
  'instance-desync': 'C1',
  'instance-resync': 'C1',
  'gateway-drain': 'C1',
  'gateway-undrain': 'C1',
  'query-kill': 'C1',
  'session-kill': 'C1',
  'setting-set': 'C2',
  'diagnostics-collect': 'C1',
  'script-run': 'C2',
};

export const actionTypes = Object.keys(classOf) as readonly ActionType[];

/**
 * How an action ended. `done`: and checked. `refused`: its precondition does not hold, nothing was changed. `untouched`: it was cancelled or
 * did not work, and nothing is changed. `undone`: something was changed and put back. `stopped`: it stands in between; the words say where.
 */
export const outcomes = ['done', 'refused', 'untouched', 'undone', 'stopped'] as const;

/** What became of an order, as an agent tells it. */
export const orderState = z.object({
  /** Of the order: the same key is done once. */
  key: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
  state: z.enum(['accepted', 'running', 'ended']),
  atMs: z.number(),
  /** What it is doing, or how it ended, for people. */
  words: z.string().max(2_000),
  outcome: z.enum(outcomes).optional(),
  /** What takes it back, where there is something. */
  undo: action.optional(),
  /** Figures and names, never values of rows. */
  result: z.record(z.string().max(64), z.union([z.string().max(4_000), z.number(), z.boolean()])).optional(),
});

export type OrderState = z.infer<typeof orderState>;
export type Outcome = (typeof outcomes)[number];

/** What would be done, for people, before anything is. */
export const preview = z.object({
  class: z.enum(actionClasses),
  does: z.array(z.string().max(1_000)).max(20),
  /** Whether it could be done now, and why not. */
  possible: z.boolean(),
  reason: z.string().max(2_000),
});

export type Preview = z.infer<typeof preview>;

/** The thing in the estate that an action is about. */
export const subjectOf = (one: Action): string => {
  if ('instance' in one && !one.type.startsWith('gateway-') && one.instance !== undefined)
    return `instance:${one.instance}`;
  if ('gateway' in one) return `gateway:${one.gateway}`;
  return one.type === 'script-run' ? `script:${one.script}` : one.type;
};
