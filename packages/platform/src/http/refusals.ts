/** Decisions that are no, as errors that say what is missing and nothing of what they protect. */
import { type CoequalError, fail } from '@coequal/kernel';
import type { Action } from '../access/actions.ts';
import type { Decision, Denial } from '../access/decide.ts';
import type { Subject } from '../access/subject.ts';

const words: Readonly<Record<Denial, string>> = {
  'unknown-action': 'nobody may do what has no rule',
  'conflicting-roles': 'roles that nobody holds together were given',
  'no-session': 'there is no session',
  'no-role': 'no role that was given carries it',
  'out-of-scope': 'the roles that were given do not reach it',
  'not-own': 'it is somebody else’s',
  'own-access': 'nobody changes what he himself may do',
  'own-plan': 'nobody approves what he asked for',
  'reason-missing': 'a reason is missing: send it in the header coequal-reason',
  'device-not-bound': 'the passkey may leave its device, and this needs one that may not',
  'clocks-apart': 'clocks differ by more than a second',
  'not-for-services': 'a service account looks and attends to incidents, and does nothing else',
  'not-for-the-platform': 'the platform does this only for people',
};

export const refusalOf = (
  { name }: Subject,
  action: Action,
  decision: Exclude<Decision, { readonly answer: 'allow' }>,
): CoequalError => {
  switch (decision.answer) {
    case 'deny':
      return fail('ACCESS_DENIED', { who: name, action, reason: words[decision.reason] });
    case 'stepUp':
      return fail('ACCESS_STEP_UP', {
        action,
        factor: decision.factor === 'passkey' ? 'a passkey' : 'a passkey or a code',
      });
    case 'needApproval': {
      const { requester, approvers, dryRun } = decision.missing;
      const missing = [
        ...(requester ? ['the requester’s'] : []),
        ...(approvers === 0 ? [] : [`${approvers} of other approvers`]),
        ...(dryRun ? ['and a dry run'] : []),
      ];
      return fail('ACCESS_NEEDS_APPROVAL', { action, missing: missing.join(', ') });
    }
  }
};
