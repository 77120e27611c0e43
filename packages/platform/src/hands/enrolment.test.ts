/** Who may enrol: one invitation for what is new, two people for what was there before. */
import { describe, expect, it } from 'vitest';
import { type AgentRecord, decideEnrolment, type InvitationRecord, refusalOf, withCertificate } from './enrolment.ts';

const invitation = (by: string, agent = 'north-1', untilMs = 1_000): InvitationRecord => ({ agent, by, untilMs });
const record: AgentRecord = { agent: 'north-1', enrolledMs: 0, certificates: ['a'], revoked: false };
const decide = (list: readonly (InvitationRecord | undefined)[], known?: AgentRecord, nowMs = 500) =>
  decideEnrolment(list, () => known, nowMs);

describe('an enrolment', () => {
  it('of a new agent takes one invitation', () => {
    expect(decide([invitation('ann')])).toEqual({ ok: true, agent: 'north-1', by: ['ann'] });
  });

  it('of a known one takes two, of two people', () => {
    expect(decide([invitation('ann')], record)).toMatchObject({ ok: false, reason: expect.stringMatching(/second/) });
    expect(decide([invitation('ann'), invitation('ann')], record)).toMatchObject({ ok: false });
    expect(decide([invitation('ann'), invitation('bob')], record)).toMatchObject({ ok: true, by: ['ann', 'bob'] });
    expect(decide([invitation('ann')], { ...record, revoked: true })).toMatchObject({ ok: false });
  });

  it('is refused alike for what is unknown, used, over, or mixed', () => {
    const answers = [
      [],
      [undefined],
      [invitation('ann', 'north-1', 500)],
      [invitation('ann'), undefined],
      [invitation('ann'), invitation('bob', 'south-1')],
    ].map((list) => decide(list));
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(answers[0]).toMatchObject({ ok: false });
  });
});

describe('a certificate', () => {
  it('counts until the one after the next', () => {
    const first = withCertificate(undefined, 'north-1', 'a', undefined, 1);
    expect(refusalOf(first, 'a')).toBeUndefined();
    const second = withCertificate(first, 'north-1', 'b', 'a', 2);
    // The answer got lost: it comes with the old one again.
    const third = withCertificate(second, 'north-1', 'c', 'a', 3);
    expect(['a', 'b', 'c'].map((one) => refusalOf(third, one) === undefined)).toEqual([true, false, true]);
    const fourth = withCertificate(third, 'north-1', 'd', 'c', 4);
    expect(refusalOf(fourth, 'a')).toMatch(/replaced/);
    expect(fourth.enrolledMs).toBe(1);
  });

  it('counts no more after another enrolment, a revocation, or for nobody', () => {
    expect(refusalOf(withCertificate(record, 'north-1', 'z', undefined, 9), 'a')).toMatch(/replaced/);
    expect(refusalOf({ ...record, revoked: true }, 'a')).toMatch(/revoked/);
    expect(refusalOf(undefined, 'a')).toMatch(/never enrolled/);
  });
});
