/** Who may do what: the table of security.md line by line, and properties over every subject, action and place. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Action, actions } from './actions.ts';
import { type Context, conflictOf, type Decision, decide, type Resource, type Signature } from './decide.ts';
import { type Factor, factors, type Grant, type Role, roles, type Subject } from './subject.ts';

const nowMs = 1_800_000_000_000;
const everywhere = (...held: readonly Role[]): readonly Grant[] =>
  held.map((role) => ({ role, services: '*', sites: '*' }));

const person = (
  id: string,
  grants: readonly Grant[],
  more: Partial<NonNullable<Subject['session']>> = {},
): Subject => ({
  ...{ kind: 'person', id, name: id, grants },
  session: {
    ...{ id: `s-${id}`, device: { id: `d-${id}`, bound: true }, factor: 'passkey', factorAt: nowMs - 1_000 },
    ...{ lockedSince: null, ...more },
  },
});
const ann = person('ann', everywhere('operator'));
const bob = person('bob', everywhere('approver'));
const eve = person('eve', everywhere('approver'));
const bank: Resource = { reach: 'every', places: [{ service: 'bank', site: 'north' }] };
const now: Context = { nowMs, reason: 'it hangs' };
const sign = (as: Signature['as'], subject: Subject, more: Partial<Signature> = {}): Signature => ({
  ...{ as, subject, factor: 'passkey', bound: true, atMs: nowMs - 1_000, ...more },
});
const self: Subject = { kind: 'platform', id: 'platform', name: 'watch', grants: [], session: null };
const missing = (requester: boolean, approvers: number, dryRun = false): Decision => ({
  ...{ answer: 'needApproval', missing: { requester, approvers, dryRun } },
});
const allowed = (because: 'role' | 'signatures' | 'break-glass' = 'role'): Decision => ({ answer: 'allow', because });
const denied = (reason: string) => ({ answer: 'deny', reason });

describe('classes', () => {
  test('C0 needs a session that is not locked', () => {
    expect(
      decide(person('v', everywhere('viewer'), { factor: 'oidc', factorAt: 0 }), 'estate.read', bank, now),
    ).toEqual(allowed());
    expect(decide({ ...ann, session: null }, 'estate.read', bank, now)).toEqual(denied('no-session'));
    const locked = person('ann', ann.grants, { lockedSince: nowMs - 1 });
    expect(decide(locked, 'estate.read', bank, now)).toEqual({ answer: 'stepUp', why: 'locked', factor: 'any' });
  });

  test('C1 needs a factor fresher than five minutes, and a reason', () => {
    const at = (ms: number, factor: Factor = 'passkey') =>
      decide(person('ann', ann.grants, { factorAt: nowMs - ms, factor }), 'query.kill', bank, now);
    expect(at(299_999)).toEqual(allowed());
    expect(at(299_999, 'totp')).toEqual(allowed());
    expect(at(300_000)).toEqual({ answer: 'stepUp', why: 'stale', factor: 'any' });
    expect(at(-60_000)).toEqual({ answer: 'stepUp', why: 'stale', factor: 'any' });
    for (const weak of ['recovery', 'oidc', 'ldap-password', 'password'] as const)
      expect(at(0, weak)).toEqual({ answer: 'stepUp', why: 'weak', factor: 'any' });
    for (const reason of ['', '  \n'])
      expect(decide(ann, 'query.kill', bank, { nowMs, reason })).toEqual(denied('reason-missing'));
    expect(decide(bob, 'query.kill', bank, now)).toEqual(denied('no-role'));
  });

  test('C2 needs the signatures of a requester and of another approver, by passkey', () => {
    const run = (...signatures: readonly Signature[]) => decide(ann, 'instance.restart', bank, { ...now, signatures });
    expect(run()).toEqual(missing(true, 1));
    expect(run(sign('requester', ann))).toEqual(missing(false, 1));
    expect(run(sign('requester', ann), sign('approver', bob))).toEqual(allowed('signatures'));
    const both = person('ann', everywhere('operator', 'approver'));
    expect(run(sign('requester', both), sign('approver', both))).toEqual(missing(false, 1));
    expect(run(sign('requester', ann), sign('approver', bob, { factor: 'totp' }))).toEqual(missing(false, 1));
    expect(run(sign('requester', ann), sign('approver', bob, { atMs: nowMs - 3_600_000 }))).toEqual(missing(false, 1));
    expect(run(sign('requester', ann), sign('approver', person('bob', everywhere('viewer'))))).toEqual(
      missing(false, 1),
    );
    const elsewhere = person('bob', [{ role: 'approver', services: ['card'], sites: '*' }]);
    expect(run(sign('requester', ann), sign('approver', elsewhere))).toEqual(missing(false, 1));
    expect(run(sign('requester', bob), sign('approver', eve))).toEqual(missing(true, 0));
  });

  test('a plan of the platform needs one person, and of grave ones two', () => {
    const run = (action: Action, ...people: readonly Subject[]) =>
      decide(self, action, bank, {
        ...{ nowMs, dryRun: true },
        signatures: [sign('requester', self), ...people.map((one) => sign('approver', one))],
      });
    expect(run('instance.restart', bob)).toEqual(allowed('signatures'));
    expect(run('instance.reprovision', bob)).toEqual(missing(false, 1));
    expect(run('instance.reprovision', bob, bob)).toEqual(missing(false, 1));
    expect(run('instance.reprovision', bob, eve)).toEqual(allowed('signatures'));
    expect(run('instance.restart', self)).toEqual(missing(false, 1));
    expect(run('query.kill', bob)).toEqual(denied('not-for-the-platform'));
  });

  test('C3 needs two others, device-bound keys, a dry run, and all of it within fifteen minutes', () => {
    const run = (
      more: Partial<Context>,
      signatures = [sign('requester', ann), sign('approver', bob), sign('approver', eve)],
    ) => decide(ann, 'group.force-primary', bank, { ...now, dryRun: true, signatures, ...more });
    expect(run({})).toEqual(allowed('signatures'));
    expect(run({ dryRun: false })).toEqual(missing(false, 0, true));
    expect(run({ clocksApart: true })).toEqual(denied('clocks-apart'));
    expect(run({ nowMs: nowMs + 15 * 60_000 })).toEqual(missing(true, 2));
    const loose = sign('approver', eve, { bound: false });
    expect(run({}, [sign('requester', ann), sign('approver', bob), loose])).toEqual(missing(false, 1));
  });

  test('signing needs a fresh passkey, another one’s plan, and for C3 a key that cannot leave its device', () => {
    const plan = (requester: string, grade: 'C2' | 'C3'): Resource => ({ ...bank, plan: { class: grade, requester } });
    expect(decide(bob, 'plan.approve', plan('ann', 'C2'), now)).toEqual(allowed());
    expect(decide(bob, 'plan.approve', plan('bob', 'C2'), now)).toEqual(denied('own-plan'));
    expect(decide(bob, 'plan.approve', bank, now)).toEqual(denied('own-plan'));
    expect(decide(ann, 'plan.approve', plan('bob', 'C2'), now)).toEqual(denied('no-role'));
    const soft = person('bob', bob.grants, { device: { id: 'd', bound: false } });
    expect(decide(soft, 'plan.approve', plan('ann', 'C2'), now)).toEqual(allowed());
    expect(decide(soft, 'plan.approve', plan('ann', 'C3'), now)).toEqual(denied('device-not-bound'));
    const code = person('bob', bob.grants, { factor: 'totp' });
    expect(decide(code, 'plan.approve', plan('ann', 'C2'), now)).toEqual({
      ...{ answer: 'stepUp', why: 'weak', factor: 'passkey' },
    });
    expect(decide(bob, 'plan.approve', plan('ann', 'C2'), { ...now, clocksApart: true })).toEqual(
      denied('clocks-apart'),
    );
  });

  test('behind the glass one person acts alone, once, in time, for what was sealed', () => {
    const seal = {
      id: 'g',
      subject: 'ann',
      action: 'group.force-primary',
      fromMs: nowMs,
      untilMs: nowMs + 1_000,
      used: false,
    };
    const run = (more: Partial<typeof seal>, context: Context = now, who = ann) =>
      decide(who, 'group.force-primary', bank, { ...context, breakGlass: { ...seal, ...more } });
    expect(run({})).toEqual(allowed('break-glass'));
    for (const wrong of [
      { subject: 'bob' },
      { action: 'service.restore' },
      { used: true },
      { untilMs: nowMs },
      { fromMs: nowMs + 1 },
    ])
      expect(run(wrong)).toEqual(missing(true, 2, true));
    expect(run({}, { nowMs })).toEqual(denied('reason-missing'));
    expect(run({}, now, person('ann', ann.grants, { factorAt: 0 })).answer).toBe('stepUp');
    expect(run({}, now, person('ann', everywhere('viewer')))).toEqual(denied('no-role'));
  });
});

describe('separation of duties', () => {
  test('whoever gives access acts on no database, and gives himself nothing', () => {
    const admin = person('kim', everywhere('security-admin'));
    for (const [name, rule] of Object.entries(actions))
      if (rule.touches === 'databases' || rule.touches === 'plans')
        expect(decide(admin, name, bank, now)).toEqual(denied('no-role'));
    expect(decide(admin, 'access.grant', { reach: 'all', owner: 'ann' }, now)).toEqual(allowed());
    expect(decide(admin, 'access.grant', { reach: 'all', owner: 'kim' }, now)).toEqual(denied('own-access'));
  });

  test('the auditor reads everything and changes nothing', () => {
    const auditor = person('lee', everywhere('auditor'));
    for (const [name, rule] of Object.entries(actions)) {
      if (rule.touches === 'self') continue;
      const answer = decide(auditor, name, bank, now).answer;
      if (rule.routine) expect([name, answer]).toEqual([name, 'allow']);
      else if (!['literal.reveal', 'audit.export'].includes(name)) expect([name, answer]).toEqual([name, 'deny']);
    }
  });

  test('nobody holds roles that watch each other', () => {
    expect(conflictOf(everywhere(...roles))).toBeDefined();
    expect(conflictOf(everywhere('operator', 'approver', 'viewer'))).toBeUndefined();
    const all = person('root', everywhere(...roles));
    for (const name of Object.keys(actions)) expect(decide(all, name, bank, now)).toEqual(denied('conflicting-roles'));
  });

  test('one’s own is nobody else’s', () => {
    expect(decide(person('ann', []), 'self.change', { reach: 'some', owner: 'ann' }, now)).toEqual(allowed());
    expect(decide(person('eve', []), 'self.change', { reach: 'some', owner: 'ann' }, now)).toEqual(denied('not-own'));
    expect(decide(person('eve', []), 'self.change', { reach: 'some' }, now)).toEqual(denied('not-own'));
  });
});

const name = fc.constantFrom('bank', 'card', 'north', 'south');
const scope = fc.oneof(fc.constant('*' as const), fc.array(name, { maxLength: 3 }));
const grant: fc.Arbitrary<Grant> = fc.record({ role: fc.constantFrom(...roles), services: scope, sites: scope });
const subjectWith = (grants: fc.Arbitrary<readonly Grant[]>): fc.Arbitrary<Subject> =>
  fc.record({
    ...{
      kind: fc.constantFrom('person', 'service', 'platform'),
      id: fc.constantFrom('a', 'b'),
      name: fc.constant('n'),
    },
    grants,
    session: fc.option(
      fc.record({
        ...{ id: fc.constant('s'), device: fc.record({ id: fc.constant('d'), bound: fc.boolean() }) },
        factor: fc.constantFrom(...factors),
        factorAt: fc.constantFrom(nowMs, nowMs - 400_000, nowMs + 400_000),
        lockedSince: fc.constantFrom(null, nowMs),
      }),
    ),
  });
const place = fc.record({ service: name, site: name }, { requiredKeys: [] });
const plan = fc.record({ class: fc.constantFrom('C2', 'C3'), requester: fc.constantFrom('a', 'b') });
const resource: fc.Arbitrary<Resource> = fc
  .tuple(
    fc.oneof(
      fc.constantFrom({ reach: 'some' }, { reach: 'all' }),
      fc.record({ reach: fc.constantFrom('any', 'every'), places: fc.array(place, { maxLength: 3 }) }),
    ),
    fc.record({ owner: fc.constantFrom('a', 'b'), plan }, { requiredKeys: [] }),
  )
  .map(([reach, more]) => ({ ...reach, ...more }) as Resource);
const signature: fc.Arbitrary<Signature> = fc.record({
  ...{ as: fc.constantFrom('requester', 'approver'), subject: subjectWith(fc.array(grant, { maxLength: 2 })) },
  ...{
    factor: fc.constantFrom('passkey', 'totp'),
    bound: fc.boolean(),
    atMs: fc.constantFrom(nowMs, nowMs - 1_000_000),
  },
});
const context: fc.Arbitrary<Context> = fc.record(
  {
    ...{ nowMs: fc.constant(nowMs), reason: fc.constantFrom('', 'why'), dryRun: fc.boolean() },
    ...{ signatures: fc.array(signature, { maxLength: 4 }), clocksApart: fc.boolean() },
  },
  { requiredKeys: ['nowMs'] },
);
const action = fc.constantFrom(...(Object.keys(actions) as Action[]));
const runs = { numRuns: 3_000, seed: 20 } as const;

describe('for every subject, action and place', () => {
  test('grants together allow nothing that none of them allows alone', () => {
    fc.assert(
      fc.property(
        subjectWith(fc.array(grant, { maxLength: 4 })),
        action,
        resource,
        context,
        (who, what, where, when) => {
          if (decide(who, what, where, when).answer !== 'allow') return;
          const parts: readonly (readonly Grant[])[] = [[], ...who.grants.map((one) => [one])];
          expect(parts.some((grants) => decide({ ...who, grants }, what, where, when).answer === 'allow')).toBe(true);
        },
      ),
      runs,
    );
  });

  test('a narrower scope never allows more, nor does a weaker session', () => {
    fc.assert(
      fc.property(
        subjectWith(fc.array(grant, { maxLength: 1 })),
        action,
        resource,
        context,
        (who, what, where, when) => {
          if (decide(who, what, where, when).answer !== 'allow') return;
          const wide = who.grants.map((one): Grant => ({ ...one, services: '*', sites: '*' }));
          expect(decide({ ...who, grants: wide }, what, where, when).answer).toBe('allow');
          if (who.session === null) return;
          const better = { ...who.session, factor: 'passkey', factorAt: nowMs, lockedSince: null } as const;
          const strong = { ...better, device: { id: 'd', bound: true } };
          expect(decide({ ...who, session: strong }, what, where, when).answer).toBe('allow');
        },
      ),
      runs,
    );
  });

  test('what is unknown is denied', () => {
    fc.assert(
      fc.property(subjectWith(fc.array(grant)), fc.string(), resource, context, (who, what, where, when) => {
        if (Object.hasOwn(actions, what)) return;
        expect(decide(who, what, where, when)).toEqual(denied('unknown-action'));
      }),
      {
        ...runs,
        examples: [
          [ann, 'toString', bank, now],
          [ann, '__proto__', bank, now],
        ],
      },
    );
  });

  test('without a grant that carries it nothing is allowed but what is one’s own, and what others signed for the platform', () => {
    fc.assert(
      fc.property(subjectWith(fc.constant([])), action, resource, context, (who, what, where, when) => {
        const { answer } = decide(who, what, where, when);
        if (answer === 'allow' && who.kind !== 'platform') expect(actions[what].touches).toBe('self');
      }),
      runs,
    );
  });
});
