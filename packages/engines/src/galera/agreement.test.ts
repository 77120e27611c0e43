/** An instance that wakes from a pause is not believed before it agrees with the others. */
import { describe, expect, it } from 'vitest';
import type { Observation } from '../driver.ts';
import { agreeOnMembers } from './agreement.ts';

const serving = (members: number): Observation => ({ state: 'serving', reason: '', members });
const states = (...observations: readonly Observation[]) => agreeOnMembers(observations).map(({ state }) => state);

describe('agreeOnMembers', () => {
  it('does not believe the one that still counts members whom the others have left', () => {
    expect(states(serving(2), serving(3), serving(2))).toEqual(['serving', 'catching-up', 'serving']);
  });

  it('believes all when they agree, or when opinions are in balance', () => {
    expect(states(serving(3), serving(3), serving(3))).toEqual(['serving', 'serving', 'serving']);
    expect(states(serving(2), serving(3))).toEqual(['serving', 'serving']);
  });

  it('leaves alone who does not serve', () => {
    const isolated: Observation = { state: 'isolated', reason: '', members: 1 };
    expect(states(serving(2), isolated, serving(2))).toEqual(['serving', 'isolated', 'serving']);
    expect(states()).toEqual([]);
  });
});
