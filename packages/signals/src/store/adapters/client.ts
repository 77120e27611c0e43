/**
 * The client of VictoriaMetrics, or of any store that speaks remote write and Prometheus' query API. Every request has a
 * deadline over all of it, body included, and every answer a bound; none of it throws for what the store or the way to it does wrong.
 */
import { remoteWriteHeaders } from '../../remote/remote-write.ts';
import { parseStoreAnswer, type StoreResult } from '../results.ts';
import type { Outbox } from './outbox.ts';
import { Channel, type StoreCredentials, type StoreTls } from './request.ts';

export type StoreClientOptions = {
  /** Without the paths of the API: `http://127.0.0.1:8428`. */
  readonly url: string;
  /** For one request, milliseconds. */
  readonly deadlineMs: number;
  /** An answer that is larger is refused. 5,000 series of an hour at one second are some 400 MB: ask for less at once. */
  readonly answerBytes: number;
  /** For `https://`: who is believed, and what this client shows of itself. */
  readonly tls?: StoreTls;
  /** For a store of others that asks for them. */
  readonly credentials?: StoreCredentials;
  /** Ends what is under way, and refuses what comes after. */
  readonly signal?: AbortSignal;
};

/**
 * `taken`: it is in the store. `again`: the store is away, slow or overloaded: later. `refused`: the store will never take this body.
 * Source: the remote write specification, "Retries & Backoff": 4xx but 429 must not be sent again.
 */
export type WriteOutcome =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'again' | 'refused'; readonly what: string };

export class StoreClient {
  readonly #channel: Channel;

  constructor(options: StoreClientOptions) {
    this.#channel = new Channel(options);
  }

  /** Lets connections go that wait for more; the client can still be used. */
  close(): void {
    this.#channel.close();
  }

  /** `body`: of `encodeRemoteWrite`. */
  async write(body: Uint8Array): Promise<WriteOutcome> {
    const answer = await this.#channel.ask({
      method: 'POST',
      path: '/api/v1/write',
      headers: remoteWriteHeaders,
      body,
    });
    if (!answer.ok) return { outcome: 'again', what: answer.what };
    const { status, text } = answer;
    if (status >= 200 && status < 300) return { outcome: 'taken' };
    const what = `the store answers ${status}: ${text.slice(0, 200)}`;
    return { outcome: status >= 400 && status < 500 && status !== 429 ? 'refused' : 'again', what };
  }

  /** `atMs`: milliseconds since 1970. */
  instant(query: string, atMs: number): Promise<StoreResult> {
    return this.#query('/api/v1/query', { query, time: String(atMs / 1_000) });
  }

  /** Both ends included, one value a step. */
  range(query: string, fromMs: number, toMs: number, stepMs: number): Promise<StoreResult> {
    const times = { start: String(fromMs / 1_000), end: String(toMs / 1_000), step: String(stepMs / 1_000) };
    return this.#query('/api/v1/query_range', { query, ...times });
  }

  async #query(path: string, parameters: Readonly<Record<string, string>>): Promise<StoreResult> {
    const answer = await this.#channel.ask({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(parameters).toString(),
    });
    if (!answer.ok) return answer;
    const result = parseStoreAnswer(answer.text);
    if (answer.status === 200 || (!result.ok && answer.text.startsWith('{'))) return result;
    return { ok: false, what: `the store answers ${answer.status}` };
  }
}

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
