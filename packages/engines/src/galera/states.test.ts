/** Named states from answers: silence, refusal and a missing majority are three different things. */
import { serves } from '@coequal/estate';
import { describe, expect, it } from 'vitest';
import { type Answer, nameState, slowAnswerMs } from './states.ts';

const status = (values: Readonly<Record<string, string>>, answerMs = 2): Answer => ({
  kind: 'status',
  answerMs,
  status: {
    wsrep_cluster_status: 'Primary',
    wsrep_connected: 'ON',
    wsrep_cluster_size: '3',
    wsrep_local_state_comment: 'Synced',
    ...values,
  },
});
const name = (answer: Answer, logReason?: string) => nameState(answer, 'bank', logReason);

describe('nameState', () => {
  it.each([
    ['Synced', 'serving'],
    ['Donor/Desynced', 'donating'],
    ['Joined', 'catching-up'],
    ['Joining: receiving State Transfer', 'joining'],
    ['Initialized', 'joining'],
  ])('calls a member that says "%s" %s', (comment, state) => {
    expect(name(status({ wsrep_local_state_comment: comment })).state).toBe(state);
  });

  it('calls a member without a majority isolated, whatever else it says', () => {
    expect(name(status({ wsrep_cluster_status: 'non-Primary' })).state).toBe('isolated');
    expect(name(status({ wsrep_cluster_status: 'Disconnected' })).state).toBe('isolated');
  });

  it('calls a late answer slow, which still serves', () => {
    const late = name(status({}, slowAnswerMs + 1));
    expect(late.state).toBe('slow');
    expect(serves(late.state)).toBe(true);
  });

  it('tells silence from refusal', () => {
    expect(name({ kind: 'timeout', afterMs: 700 }).state).toBe('silent');
    expect(name({ kind: 'refused' }).state).toBe('gone');
    expect(name({ kind: 'refused' }, 'its disk is full').reason).toBe('its disk is full');
  });

  it('calls wrong credentials and other clusters foreign', () => {
    expect(name({ kind: 'credentials' }).state).toBe('foreign');
    expect(name({ kind: 'foreign', found: 'a server without Galera' }).state).toBe('foreign');
  });
});
