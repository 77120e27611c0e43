/**
 * Who may do what. One pure function; what it does not know it denies. One grant alone has to carry an action: two grants together
 * never allow what neither of them does. It looks nothing up: signatures come verified, and the time is passed in.
 */
import { type ActionClass, type ActionRule, ruleOf } from './actions.ts';
import type { Grant, Role, Scope, Subject } from './subject.ts';

/** A service and site of the estate; what is not known is left out, and only a grant for all of that kind covers it. */
export type ScopedPlace = { readonly service?: string | undefined; readonly site?: string | undefined };

export type Reach =
  /** A list: whoever holds a role anywhere may ask, and is shown what his grants cover. */
  | { readonly reach: 'some' }
  /** Something that cannot be divided. */
  | { readonly reach: 'all' }
  | { readonly reach: 'any' | 'every'; readonly places: readonly ScopedPlace[] };

export type Resource = Reach & {
  /** Whose it is, where it is a person's own. */
  readonly owner?: string;
  /** What is signed. */
  readonly plan?: { readonly class: ActionClass; readonly requester: string };
};

/** Verified before, under the digest of the very plan that is to be run. */
export type Signature = {
  readonly as: 'requester' | 'approver';
  /** With what he is granted now, not then. */
  readonly subject: Subject;
  readonly factor: string;
  /** The key cannot leave its device. */
  readonly bound: boolean;
  readonly atMs: number;
};

/** Sealed once, used once: one person alone for a named action. */
export type BreakGlass = {
  readonly id: string;
  readonly subject: string;
  readonly action: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly used: boolean;
};

export type Context = {
  readonly nowMs: number;
  /** In the person's own words. */
  readonly reason?: string;
  readonly signatures?: readonly Signature[];
  /** What would be done was shown by a run without effect. */
  readonly dryRun?: boolean;
  /** Clocks of members differ by more than a second, so nothing that is signed has a sure time. */
  readonly clocksApart?: boolean;
  readonly breakGlass?: BreakGlass;
};

export const denials = [
  'unknown-action',
  'conflicting-roles',
  'no-session',
  'no-role',
  'out-of-scope',
  'not-own',
  'own-access',
  'own-plan',
  'reason-missing',
  'device-not-bound',
  'clocks-apart',
  'not-for-services',
  'not-for-the-platform',
] as const;
export type Denial = (typeof denials)[number];

export type Decision =
  | { readonly answer: 'allow'; readonly because: 'role' | 'signatures' | 'break-glass' }
  | { readonly answer: 'stepUp'; readonly why: 'locked' | 'stale' | 'weak'; readonly factor: 'any' | 'passkey' }
  | {
      readonly answer: 'needApproval';
      readonly missing: { readonly requester: boolean; readonly approvers: number; readonly dryRun: boolean };
    }
  | { readonly answer: 'deny'; readonly reason: Denial };

const minute = 60_000;
/** A factor older than this is asked for again before anything is changed. */
export const freshFactorMs = 5 * minute;
/** How long a signature stands: C3 as long as the world it was given for, C2 as long as a shift needs to answer. */
const validMs = { C2: 60 * minute, C3: 15 * minute } as const;
const approversNeeded = { C2: 1, C3: 2 } as const;

const allow = (because: 'role' | 'signatures' | 'break-glass'): Decision => ({ answer: 'allow', because });
const deny = (reason: Denial): Decision => ({ answer: 'deny', reason });

export const decide = (subject: Subject, action: string, resource: Resource, context: Context): Decision => {
  const rule = ruleOf(action);
  if (rule === undefined) return deny('unknown-action');
  if (conflictOf(subject.grants) !== undefined) return deny('conflicting-roles');
  if (subject.kind === 'service') return service(subject, rule, resource);
  if (subject.kind === 'platform') return platform(subject, rule, resource, context);
  return person(subject, action, rule, resource, context);
};

/** Roles that nobody holds together: whoever gives access does not use it, and whoever audits changes nothing. */
export const conflictOf = (grants: readonly { readonly role: Role }[]): readonly [Role, Role] | undefined => {
  const held = new Set(grants.map(({ role }) => role));
  return conflicts.find(([one, other]) => held.has(one) && held.has(other));
};

const conflicts: readonly (readonly [Role, Role])[] = [
  ['security-admin', 'operator'],
  ['security-admin', 'approver'],
  ['auditor', 'operator'],
  ['auditor', 'approver'],
  ['auditor', 'security-admin'],
];

const service = (subject: Subject, rule: ActionRule, resource: Resource): Decision => {
  if (!rule.services || rule.class !== 'C0') return deny('not-for-services');
  return byGrant(subject, rule, resource) ?? allow('role');
};

/** The platform holds no role. What people signed, it carries out. */
const platform = (subject: Subject, rule: ActionRule, resource: Resource, context: Context): Decision =>
  rule.touches === 'databases' && (rule.class === 'C2' || rule.class === 'C3')
    ? signed(subject, rule.class, resource, context)
    : deny('not-for-the-platform');

const person = (subject: Subject, action: string, rule: ActionRule, resource: Resource, context: Context): Decision => {
  const { session } = subject;
  if (session === null) return deny('no-session');
  const refused = rule.touches === 'self' ? ownOnly(subject, resource) : byGrant(subject, rule, resource);
  if (refused !== undefined) return refused;
  if (rule.touches === 'access' && rule.class !== 'C0' && resource.owner === subject.id) return deny('own-access');
  if (session.lockedSince !== null) return { answer: 'stepUp', why: 'locked', factor: 'any' };
  if (action === 'plan.request' || action === 'plan.approve') return signing(subject, action, resource, context);
  switch (rule.class) {
    case 'C0':
      return allow('role');
    case 'C1':
      return stepUp(subject, 'any', context) ?? (worded(context) ? allow('role') : deny('reason-missing'));
    case 'C2':
    case 'C3':
      return context.breakGlass === undefined
        ? signed(subject, rule.class, resource, context)
        : alone(subject, action, context.breakGlass, rule.class, resource, context);
  }
};

const ownOnly = ({ id }: Subject, { owner }: Resource): Decision | undefined =>
  owner === id ? undefined : deny('not-own');

/** Undefined: a grant carries it. */
const byGrant = ({ grants }: Subject, { roles }: ActionRule, resource: Resource): Decision | undefined => {
  const held = grants.filter(({ role }) => roles.includes(role));
  if (held.length === 0) return deny('no-role');
  return held.some((grant) => covers(grant, resource)) ? undefined : deny('out-of-scope');
};

/** Whether one grant reaches what is meant. */
export const covers = (grant: Grant, resource: Reach): boolean => {
  switch (resource.reach) {
    case 'some':
      return true;
    case 'all':
      return grant.services === '*' && grant.sites === '*';
    case 'any':
      return resource.places.some((place) => coversPlace(grant, place)) || coversAll(grant);
    case 'every':
      return resource.places.length > 0
        ? resource.places.every((place) => coversPlace(grant, place))
        : coversAll(grant);
  }
};

const coversAll = (grant: Grant): boolean => covers(grant, { reach: 'all' });

const coversPlace = ({ services, sites }: Grant, { service: ofService, site }: ScopedPlace): boolean =>
  within(services, ofService) && within(sites, site);

const within = (scope: Scope, name: string | undefined): boolean =>
  scope === '*' || (name !== undefined && scope.includes(name));

const worded = ({ reason = '' }: Context): boolean => reason.trim() !== '';

/** Undefined: what was shown is strong and fresh. A time ahead of ours is not fresh. */
const stepUp = ({ session }: Subject, factor: 'any' | 'passkey', { nowMs }: Context): Decision | undefined => {
  if (session === null) return deny('no-session');
  const strong = session.factor === 'passkey' || (factor === 'any' && session.factor === 'totp');
  if (!strong) return { answer: 'stepUp', why: 'weak', factor };
  const age = nowMs - session.factorAt;
  return age >= -1_000 && age < freshFactorMs ? undefined : { answer: 'stepUp', why: 'stale', factor };
};

/** Putting one's own name under a plan. */
const signing = (subject: Subject, action: string, { plan }: Resource, context: Context): Decision => {
  if (context.clocksApart === true) return deny('clocks-apart');
  if (action === 'plan.approve' && (plan === undefined || plan.requester === subject.id)) return deny('own-plan');
  const asked = stepUp(subject, 'passkey', context);
  if (asked !== undefined) return asked;
  return plan?.class === 'C3' && subject.session?.device.bound !== true ? deny('device-not-bound') : allow('role');
};

/** By the signatures of several. */
const signed = (subject: Subject, grade: 'C2' | 'C3', resource: Resource, context: Context): Decision => {
  if (context.clocksApart === true) return deny('clocks-apart');
  const good = (context.signatures ?? []).filter((one) => stands(one, grade, resource, context));
  const requester = good.find((one) => one.as === 'requester' && one.subject.id === subject.id);
  const approvers = new Set(
    good.filter(({ as, subject: { id } }) => as === 'approver' && id !== subject.id).map(({ subject: { id } }) => id),
  );
  const missing = {
    requester: requester === undefined,
    approvers: Math.max(0, approversNeeded[grade] - approvers.size),
    dryRun: grade === 'C3' && context.dryRun !== true,
  };
  const whole = !missing.requester && missing.approvers === 0 && !missing.dryRun;
  return whole ? allow('signatures') : { answer: 'needApproval', missing };
};

const stands = (one: Signature, grade: 'C2' | 'C3', resource: Resource, { nowMs }: Context): boolean => {
  const { as, subject: signer, factor, bound, atMs } = one;
  const age = nowMs - atMs;
  if (age < -1_000 || age >= validMs[grade]) return false;
  if (signer.kind === 'platform') return as === 'requester';
  if (signer.kind !== 'person' || factor !== 'passkey' || (grade === 'C3' && !bound)) return false;
  if (conflictOf(signer.grants) !== undefined) return false;
  const role = as === 'approver' ? 'approver' : 'operator';
  return signer.grants.some((grant) => grant.role === role && covers(grant, resource));
};

/** Behind the glass: with a fresh passkey and a reason, once, for what the seal names. What is wrong with the seal needs approval as ever. */
const alone = (
  subject: Subject,
  action: string,
  seal: BreakGlass,
  grade: 'C2' | 'C3',
  resource: Resource,
  context: Context,
): Decision => {
  const { nowMs } = context;
  const fits = seal.subject === subject.id && seal.action === action && !seal.used;
  if (!fits || nowMs < seal.fromMs || nowMs >= seal.untilMs) return signed(subject, grade, resource, context);
  const asked = stepUp(subject, 'passkey', context);
  if (asked !== undefined) return asked;
  return worded(context) ? allow('break-glass') : deny('reason-missing');
};
