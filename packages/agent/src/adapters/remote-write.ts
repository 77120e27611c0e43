/** Writes bodies of samples to a store or platform, and says what became of them. */
import { type HttpPeer, type PeerAnswer, remoteWriteHeaders, type WriteOutcome } from '@coequal/signals/collecting';
import { answerBytes } from '../limits.ts';

/**
 * `refused`: the other end will never take this. Source: the remote write specification, "Retries & Backoff": 4xx but 429 must not be
 * sent again; what speaks of a certificate, a token or a path that somebody is about to put right is no judgement of the body.
 */
export const outcomeOf = (answer: PeerAnswer): WriteOutcome => {
  if (!answer.ok) return { outcome: 'again', what: answer.what };
  const { status, body } = answer;
  if (status >= 200 && status < 300) return { outcome: 'taken' };
  const what = `it answers ${status}: ${new TextDecoder().decode(body.subarray(0, 200)).replaceAll(/\s+/g, ' ').trim()}`;
  return { outcome: status >= 400 && status < 500 && !repairable.has(status) ? 'refused' : 'again', what };
};

const repairable: ReadonlySet<number> = new Set([401, 403, 404, 407, 408, 421, 425, 429, 495, 496]);

export const writeTo =
  (peer: HttpPeer, deadlineMs: number) =>
  async (body: Uint8Array): Promise<WriteOutcome> =>
    outcomeOf(
      await peer.exchange({
        method: 'POST',
        path: '/api/v1/write',
        headers: remoteWriteHeaders,
        body,
        deadlineMs,
        answerBytes,
      }),
    );
