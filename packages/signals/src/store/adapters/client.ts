/**
 * The client of VictoriaMetrics, or of any store that speaks remote write and Prometheus' query API. Every request has a
 * deadline over all of it, body included, and every answer a bound; none of it throws for what the store or the way to it does wrong.
 */
import { remoteWriteHeaders } from '../../remote/remote-write.ts';
import { parseStoreAnswer, type StoreResult } from '../results.ts';
import type { WriteOutcome } from '../sending.ts';
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
