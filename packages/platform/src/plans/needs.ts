/** Whether what a step needs holds now. Pure. It is asked when a plan is made, and again right before each step: the world may have moved. */
import type { Need } from '@coequal/contract';
import { type Facts, servingOf } from './facts.ts';

/** Why it does not hold; undefined: it does. */
export const unmet = (need: Need, facts: Facts): string | undefined => {
  switch (need.kind) {
    case 'serving': {
      const others = servingOf(facts, need.service).filter((name) => !need.without.includes(name));
      return others.length >= need.least
        ? undefined
        : `${others.length} other instances of ${need.service} serve, and ${need.least} are needed`;
    }
    case 'state': {
      const state = facts.instances.get(need.instance) ?? 'unknown';
      return need.states.includes(state)
        ? undefined
        : `${need.instance} is ${state}, and not ${need.states.join(' or ')}`;
    }
    case 'blocker': {
      const blockers = facts.details.get(need.instance)?.blockers ?? [];
      return blockers.some(({ session, inRing }) => session === need.session && !inRing)
        ? undefined
        : `nobody waits for session ${need.session} of ${need.instance} any more`;
    }
  }
};

export const firstUnmet = (needs: readonly Need[], facts: Facts): string | undefined => {
  for (const need of needs) {
    const reason = unmet(need, facts);
    if (reason !== undefined) return reason;
  }
  return undefined;
};
