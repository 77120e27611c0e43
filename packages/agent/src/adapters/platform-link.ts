/**
 * The way to one platform. Samples are for its live window: those it does not take within seconds are dropped and counted, because the
 * store has them. Events are told until they were taken: they are on disk before they are sent. Details of databases are for the moment: of each
 * the newest goes with the next report.
 */
import type { AgentReport, DatabaseDetail, Event } from '@coequal/contract';
import { type Clock, type Log, type Random, reasonOf } from '@coequal/kernel';
import { HttpPeer, type Outbox, type WriteOutcome } from '@coequal/signals/collecting';
import {
  answerBytes,
  eventsPerReport,
  firstPauseMs,
  liveBodies,
  longestPlatformPauseMs,
  platformDeadlineMs,
} from '../limits.ts';
import { Pause } from '../pause.ts';
import type { Destination } from '../settings.ts';
import { outcomeOf, writeTo } from './remote-write.ts';
import type { LinkFigures } from './store-link.ts';

export type PlatformLinkOptions = {
  readonly platform: Destination;
  readonly sender: Pick<AgentReport, 'agent' | 'host' | 'site'>;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export class PlatformLink {
  readonly #options: PlatformLinkOptions;
  readonly #peer: HttpPeer;
  readonly #write: (body: Uint8Array) => Promise<WriteOutcome>;
  readonly #livePause: Pause;
  readonly #reportPause: Pause;
  readonly #details = new Map<string, DatabaseDetail>();
  #live: Uint8Array[] = [];
  #notBeforeMs = { live: 0, report: 0 };
  #sending: Promise<void> | undefined;
  #reporting: Promise<void> | undefined;
  #figures = { taken: 0, refused: 0, failed: 0, lost: 0, eventsTaken: 0, eventsRefused: 0 };
  #up = true;

  constructor(options: PlatformLinkOptions) {
    this.#options = options;
    const { platform, clock, random } = options;
    this.#peer = new HttpPeer({ ...platform, clock, files: platform });
    this.#write = writeTo(this.#peer, platformDeadlineMs);
    this.#livePause = new Pause(firstPauseMs, longestPlatformPauseMs, random);
    this.#reportPause = new Pause(firstPauseMs, longestPlatformPauseMs, random);
  }

  offer(body: Uint8Array): void {
    this.#live.push(body);
    if (this.#live.length > liveBodies) {
      this.#live.shift();
      this.#figures.lost += 1;
    }
    if (this.#options.clock.monotonic() < this.#notBeforeMs.live) return;
    this.#sending ??= this.#sendLive()
      .catch((error: unknown) => this.#broken(error))
      .finally(() => {
        this.#sending = undefined;
      });
  }

  /** Once a second, also without events: a platform knows by it that the agent lives. */
  report(details: readonly DatabaseDetail[], events: readonly Event[]): void {
    for (const detail of details) this.#details.set(detail.instance, detail);
    for (let from = 0; from < events.length; from += eventsPerReport)
      this.#keep(events.slice(from, from + eventsPerReport));
    if (this.#options.clock.monotonic() < this.#notBeforeMs.report) return;
    this.#reporting ??= this.#sendReports()
      .catch((error: unknown) => this.#broken(error))
      .finally(() => {
        this.#reporting = undefined;
      });
  }

  figures(): LinkFigures & {
    readonly eventsTaken: number;
    readonly eventsLost: number;
    readonly eventsWaiting: number;
  } {
    const { eventsRefused, ...figures } = this.#figures;
    const { dropped, refused } = this.#options.outbox.losses();
    const eventsLost = dropped + refused + eventsRefused;
    return {
      ...figures,
      waiting: this.#live.length,
      up: this.#up,
      eventsLost,
      eventsWaiting: this.#options.outbox.waiting,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#sending, this.#reporting]);
    // The last events, once more: what is not taken waits on disk.
    if (this.#up) await this.#sendReports().catch((error: unknown) => this.#broken(error));
    this.#peer.close();
    await this.#options.outbox.close();
  }

  async #sendLive(): Promise<void> {
    for (let body = this.#live.shift(); body !== undefined; body = this.#live.shift()) {
      const answer = await this.#write(body);
      this.#judge(answer);
      if (answer.outcome === 'taken') {
        this.#figures.taken += 1;
        this.#livePause.reset();
        continue;
      }
      this.#figures.lost += 1;
      if (answer.outcome === 'refused') {
        this.#figures.refused += 1;
        continue;
      }
      this.#figures.failed += 1;
      this.#notBeforeMs.live = this.#options.clock.monotonic() + this.#livePause.next();
      return;
    }
  }

  async #sendReports(): Promise<void> {
    const { outbox, clock } = this.#options;
    for (;;) {
      const waiting = await outbox.peek();
      const details = [...this.#details.values()];
      const answer = await this.#post(details, waiting === undefined ? [] : eventsOf(waiting));
      this.#judge(answer);
      if (answer.outcome === 'again') {
        this.#notBeforeMs.report = clock.monotonic() + this.#reportPause.next();
        return;
      }
      this.#reportPause.reset();
      for (const detail of details)
        if (this.#details.get(detail.instance) === detail) this.#details.delete(detail.instance);
      if (waiting === undefined) return;
      if (answer.outcome === 'taken') this.#figures.eventsTaken += 1;
      else {
        this.#figures.eventsRefused += 1;
        this.#options.log('error', 'a platform refused events', {
          url: this.#options.platform.url,
          reason: answer.what,
        });
      }
      await outbox.acknowledge();
      if (outbox.waiting === 0) return;
    }
  }

  async #post(details: readonly DatabaseDetail[], events: readonly unknown[]): Promise<WriteOutcome> {
    const { sender, clock } = this.#options;
    const body = Buffer.from(JSON.stringify({ ...sender, atMs: clock.now(), details, events }));
    return outcomeOf(
      await this.#peer.exchange({
        method: 'POST',
        path: '/api/v1/agent',
        headers: { 'content-type': 'application/json' },
        body,
        deadlineMs: platformDeadlineMs,
        answerBytes,
      }),
    );
  }

  #keep(events: readonly Event[]): void {
    this.#options.outbox.append(Buffer.from(JSON.stringify(events))).catch((error: unknown) => this.#broken(error));
  }

  #judge(answer: WriteOutcome): void {
    const { log, platform } = this.#options;
    const up = answer.outcome !== 'again';
    if (up === this.#up) return;
    this.#up = up;
    if (up) log('info', 'a platform answers again', { url: platform.url });
    else log('warn', 'a platform does not answer', { url: platform.url, reason: whatOf(answer) });
  }

  #broken(error: unknown): void {
    this.#options.log('error', 'something could not be told to a platform', { reason: reasonOf(error) });
  }
}

const whatOf = (answer: WriteOutcome): string => (answer.outcome === 'taken' ? '' : answer.what);

/** A body of the outbox, which has its sum checked: what is no list any more is none. */
const eventsOf = (body: Uint8Array): readonly unknown[] => {
  try {
    const events: unknown = JSON.parse(new TextDecoder().decode(body));
    return Array.isArray(events) ? events : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
};
