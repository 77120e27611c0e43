/**
 * The client of VictoriaMetrics, or of any store that speaks remote write and Prometheus' query API. Every request has a
 * deadline over all of it, body included, and every answer a bound; none of it throws for what the store or the way to it does wrong.
 */
import { reasonOf } from '@coequal/kernel';
import { remoteWriteHeaders } from '../../remote/remote-write.ts';
import { parseStoreAnswer, type StoreResult } from '../results.ts';
import type { Outbox } from './outbox.ts';

export type StoreClientOptions = {
  /** Without the paths of the API: `http://127.0.0.1:8428`. */
  readonly url: string;
  /** For one request, milliseconds. */
  readonly deadlineMs: number;
  /** An answer that is larger is refused. 5,000 series of an hour at one second are some 400 MB: ask for less at once. */
  readonly answerBytes: number;
};

/**
 * `taken`: it is in the store. `again`: the store is away, slow or overloaded: later. `refused`: the store will never take this body.
 * Source: the remote write specification, "Retries & Backoff": 4xx but 429 must not be sent again.
 */
export type WriteOutcome =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'again' | 'refused'; readonly what: string };

export class StoreClient {
  readonly #options: StoreClientOptions;

  constructor(options: StoreClientOptions) {
    this.#options = options;
  }

  /** `body`: of `encodeRemoteWrite`. */
  async write(body: Uint8Array): Promise<WriteOutcome> {
    const answer = await this.#ask('/api/v1/write', {
      method: 'POST',
      headers: remoteWriteHeaders,
      body: new Uint8Array(body),
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
    const answer = await this.#ask(path, { method: 'POST', body: new URLSearchParams(parameters) });
    if (!answer.ok) return answer;
    const result = parseStoreAnswer(answer.text);
    if (answer.status === 200 || (!result.ok && answer.text.startsWith('{'))) return result;
    return { ok: false, what: `the store answers ${answer.status}` };
  }

  async #ask(
    path: string,
    request: RequestInit,
  ): Promise<
    | { readonly ok: true; readonly status: number; readonly text: string }
    | { readonly ok: false; readonly what: string }
  > {
    const { url, deadlineMs, answerBytes } = this.#options;
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}${path}`, {
        ...request,
        redirect: 'error',
        signal: AbortSignal.timeout(deadlineMs),
      });
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of response.body ?? []) {
        length += chunk.length;
        // Leaving the loop ends the connection.
        if (length > answerBytes) return { ok: false, what: `the answer is larger than ${answerBytes} bytes` };
        chunks.push(chunk);
      }
      return { ok: true, status: response.status, text: Buffer.concat(chunks).toString('utf8') };
    } catch (error) {
      // What fetch throws when the way, the other end or the deadline fails; anything else is a bug of ours.
      if (error instanceof TypeError || error instanceof DOMException)
        return { ok: false, what: reasonOf(error.cause ?? error) };
      throw error;
    }
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
