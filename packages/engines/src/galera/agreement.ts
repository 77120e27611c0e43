/**
 * What instances say of their group, held against each other. One that has just woken from a pause believes for a
 * moment in a membership that the others have left without it; taken alone its answer looks healthy. Pure.
 */
import { serves } from '@coequal/estate';
import type { Observation } from '../driver.ts';

/** The observations with those demoted to `catching-up` that believe in another membership than most who serve. */
export const agreeOnMembers = <T extends Observation>(observations: readonly T[]): readonly T[] => {
  const believers = new Map<number, number>();
  for (const { state, members } of observations) {
    if (serves(state) && members !== undefined) believers.set(members, (believers.get(members) ?? 0) + 1);
  }
  const most = Math.max(0, ...believers.values());
  const views = [...believers].filter(([, count]) => count === most);
  const [view] = views;
  // Opinions in balance: nothing can be said from outside, so everyone is believed.
  if (view === undefined || views.length > 1) return observations;
  return observations.map((each) =>
    serves(each.state) && each.members !== undefined && each.members !== view[0]
      ? {
          ...each,
          state: 'catching-up',
          reason: `It believes in ${each.members} members, while the others are ${view[0]}; it has yet to notice.`,
        }
      : each,
  );
};
