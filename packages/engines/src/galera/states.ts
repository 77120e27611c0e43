/**
 * From what an instance answers to a named state. Pure. The answer comes over SQL; where there is none, the log
 * and the kind of silence decide. The existence of a process is never taken as health.
 */
import type { InstanceState } from '@coequal/estate';

/** Answers of `SHOW GLOBAL STATUS`, or how the question failed. */
export type Answer =
  | { readonly kind: 'status'; readonly status: Readonly<Record<string, string>>; readonly answerMs: number }
  /** Nobody listens. */
  | { readonly kind: 'refused' }
  /** The connection or the answer did not come within the deadline. */
  | { readonly kind: 'timeout'; readonly afterMs: number }
  /** The connection ended while asking. */
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'credentials' }
  /** Something that is not this service answers. */
  | { readonly kind: 'foreign'; readonly found: string };

export type Named = { readonly state: InstanceState; readonly reason: string };

/** Above this an instance that answers is `slow`, ms. */
export const slowAnswerMs = 250;

export const credentialsReason = 'It refuses the account of the estate.';

export const nameState = (answer: Answer, service: string, logReason: string | undefined): Named => {
  switch (answer.kind) {
    case 'status':
      return nameStatus(answer.status, answer.answerMs, service);
    case 'refused':
      return { state: 'gone', reason: logReason ?? 'Nobody listens at its address.' };
    case 'lost':
      return { state: 'gone', reason: `The connection ended: ${answer.reason}` };
    case 'timeout':
      return {
        state: 'silent',
        reason: `It holds connections but has not answered for ${Math.round(answer.afterMs)} ms.`,
      };
    case 'credentials':
      return { state: 'foreign', reason: credentialsReason };
    case 'foreign':
      return { state: 'foreign', reason: `It belongs to ${answer.found}, not to ${service}.` };
  }
};

const nameStatus = (status: Readonly<Record<string, string>>, answerMs: number, service: string): Named => {
  const comment = status['wsrep_local_state_comment'] ?? '';
  const members = status['wsrep_cluster_size'] ?? '?';
  if (status['wsrep_cluster_status'] !== 'Primary') {
    return comment === 'Initialized' || status['wsrep_connected'] !== 'ON'
      ? { state: 'isolated', reason: `It sees ${members} of the votes: no majority, so it refuses reads and writes.` }
      : { state: 'isolated', reason: `Its component is ${status['wsrep_cluster_status'] ?? 'unknown'}.` };
  }
  if (comment === 'Synced') {
    return answerMs > slowAnswerMs
      ? { state: 'slow', reason: `It took ${Math.round(answerMs)} ms to answer.` }
      : { state: 'serving', reason: `Synced, one of ${members} members of ${service}.` };
  }
  if (comment.startsWith('Donor')) return { state: 'donating', reason: 'It gives its data to a joining instance.' };
  if (comment.startsWith('Joined')) return { state: 'catching-up', reason: 'It applies the last write sets.' };
  return { state: 'joining', reason: `It receives data (${comment || 'state unknown'}).` };
};
