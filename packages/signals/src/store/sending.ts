/** What becomes of bodies that are sent to a store, and sending what waits for it. Pure but for what it is given. */
import type { Outbox } from './adapters/outbox.ts';

/**
 * `taken`: it is in the store. `again`: the store is away, slow or overloaded: later. `refused`: the store will never take this body.
 * Source: the remote write specification, "Retries & Backoff": 4xx but 429 must not be sent again.
 */
export type WriteOutcome =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'again' | 'refused'; readonly what: string };

export type SendResult = {
  readonly taken: number;
  /** Bodies that the store will never take; they are gone. */
  readonly refused: number;
  /** Why it stopped before all was sent; undefined when nothing waits. */
  readonly stopped: string | undefined;
};

/** Sends what waits, in order, until nothing waits or the store asks for later. Call it again after a while. */
export const sendWaiting = async (
  outbox: Outbox,
  client: { readonly write: (body: Uint8Array) => Promise<WriteOutcome> },
): Promise<SendResult> => {
  let [taken, refused] = [0, 0];
  for (let body = await outbox.peek(); body !== undefined; body = await outbox.peek()) {
    const answer = await client.write(body);
    if (answer.outcome === 'again') return { taken, refused, stopped: answer.what };
    if (answer.outcome === 'taken') taken += 1;
    else refused += 1;
    await outbox.acknowledge();
  }
  return { taken, refused, stopped: undefined };
};
