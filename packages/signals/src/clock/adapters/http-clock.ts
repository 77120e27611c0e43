/** Asks another agent for its time. */
import type { Clock } from '@coequal/kernel';
import { HttpPeer } from '../../scrape/adapters/http-peer.ts';
import { bestAnswer, type ClockAnswer } from '../offset.ts';

/** The first question may have to connect; the second one then is the better answer. */
const questions = 2;
const answerBytes = 1_024;

export class HttpClock {
  readonly #peer: HttpPeer;
  readonly #clock: Clock;
  readonly #deadlineMs: number;

  /** @param url of the agent, without the path */
  constructor(url: string, clock: Clock, deadlineMs: number) {
    this.#peer = new HttpPeer({ url, clock });
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Or in words why there is no answer. */
  async ask(signal: AbortSignal): Promise<ClockAnswer | string> {
    const answers: ClockAnswer[] = [];
    for (let question = 0; question < questions; question += 1) {
      const askedMs = this.#clock.now();
      const started = this.#clock.monotonic();
      const exchange = { method: 'GET', path: '/time', deadlineMs: this.#deadlineMs, answerBytes, signal } as const;
      const answer = await this.#peer.exchange(exchange);
      const roundTripMs = this.#clock.monotonic() - started;
      if (!answer.ok) return answer.what;
      const theirsMs = answer.status === 200 ? timeOf(answer.body) : undefined;
      if (theirsMs === undefined) return `it answers ${answer.status} without a time`;
      answers.push({ askedMs, roundTripMs, theirsMs });
    }
    return bestAnswer(answers) ?? 'it was not asked';
  }

  close(): void {
    this.#peer.close();
  }
}

const timeOf = (body: Uint8Array): number | undefined => {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== 'object' || value === null || !('nowMs' in value)) return undefined;
    return typeof value.nowMs === 'number' ? value.nowMs : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
