/**
 * The way of samples to the store: nothing is lost while it is away. A body is sent at once while nothing waits, and otherwise goes to
 * disk and is sent in its turn. So a store that is there costs no disk, and one that was away for an hour gets everything,
 * in order. What a kill takes is the body on its way.
 */
import { type Clock, type Log, type Random, reasonOf } from '@coequal/kernel';
import { HttpPeer, type Outbox, resending, sendWaiting, type WriteOutcome } from '@coequal/signals/collecting';
import { endDeadlineMs, firstPauseMs, longestStorePauseMs, storeDeadlineMs } from '../limits.ts';
import { Pause } from '../pause.ts';
import type { Destination } from '../settings.ts';
import { writeTo } from './remote-write.ts';

export type LinkFigures = {
  readonly taken: number;
  readonly refused: number;
  /** Attempts after which the body had to wait. */
  readonly failed: number;
  /** Bodies that were given up. */
  readonly lost: number;
  readonly waiting: number;
  readonly up: boolean;
};

export type StoreLinkOptions = {
  readonly store: Destination;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export class StoreLink {
  readonly #options: StoreLinkOptions;
  readonly #peer: HttpPeer;
  readonly #write: (body: Uint8Array) => Promise<WriteOutcome>;
  readonly #pause: Pause;
  readonly #ending = new AbortController();
  #working: Promise<void> | undefined;
  #figures = { taken: 0, refused: 0, failed: 0 };
  #up = true;
  /** Bodies lost, as far as it was said. */
  #lostSaid = 0;
  /** It was said that bodies are lost, and something still waits. */
  #losing = false;

  constructor(options: StoreLinkOptions) {
    this.#options = options;
    const { store, clock, random } = options;
    this.#peer = new HttpPeer({ ...store, clock, files: store });
    this.#write = resending(writeTo(this.#peer, storeDeadlineMs), clock);
    this.#pause = new Pause(firstPauseMs, longestStorePauseMs, random);
    // What an earlier process left.
    if (options.outbox.waiting > 0) this.#work(undefined);
  }

  /** Takes a body over; never waits for the store. */
  offer(body: Uint8Array): void {
    if (this.#working === undefined) this.#work(body);
    else this.#keep(body);
  }

  figures(): LinkFigures {
    const { dropped, refused: unwritten } = this.#options.outbox.losses();
    const { waiting } = this.#options.outbox;
    return { ...this.#figures, lost: dropped + unwritten, waiting, up: this.#up };
  }

  /** Sends what can be sent in a moment; the rest waits on disk for the next start. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#working;
    const end = this.#options.clock.monotonic() + endDeadlineMs;
    const inTime = async (body: Uint8Array): Promise<WriteOutcome> =>
      this.#options.clock.monotonic() < end ? this.#write(body) : { outcome: 'again', what: 'the agent ends' };
    if (this.#up) await sendWaiting(this.#options.outbox, { write: inTime });
    this.#peer.close();
    await this.#options.outbox.close();
  }

  #keep(body: Uint8Array): void {
    this.#options.outbox.append(body).then(
      () => this.#sayLosses(),
      (error: unknown) => this.#broken(error),
    );
  }

  /** Once when it begins, and how many there were when nothing waits any more. */
  #sayLosses(): void {
    const { log, outbox, store } = this.#options;
    const { dropped, refused } = outbox.losses();
    if (!this.#losing && dropped + refused > this.#lostSaid) {
      this.#losing = true;
      const [event, bodies] =
        dropped > 0
          ? ['the oldest samples are dropped: there is no room for more on disk', dropped]
          : ['samples cannot be written to disk', refused];
      log('error', event, { url: store.url, bodies, waiting: outbox.waiting });
    }
    if (this.#losing && outbox.waiting === 0) {
      this.#losing = false;
      log('warn', 'samples were lost while the store took none', {
        url: store.url,
        bodies: dropped + refused - this.#lostSaid,
      });
      this.#lostSaid = dropped + refused;
    }
  }

  #work(body: Uint8Array | undefined): void {
    this.#working = this.#send(body)
      .catch((error: unknown) => this.#broken(error))
      .finally(() => {
        this.#working = undefined;
      });
  }

  async #send(body: Uint8Array | undefined): Promise<void> {
    const { outbox } = this.#options;
    if (body !== undefined) {
      const answer = await this.#write(body);
      if (answer.outcome === 'again') await outbox.append(body);
      this.#judge(answer.outcome === 'taken' ? 1 : 0, answer.outcome === 'refused' ? 1 : 0, whatOf(answer));
      if (answer.outcome === 'again') await this.#sleep();
    }
    while (outbox.waiting > 0 && !this.#ending.signal.aborted) {
      const { taken, refused, stopped } = await sendWaiting(outbox, { write: this.#write });
      this.#judge(taken, refused, stopped);
      if (stopped !== undefined) await this.#sleep();
    }
  }

  async #sleep(): Promise<void> {
    await this.#options.clock.sleep(this.#pause.next(), this.#ending.signal).catch(() => undefined);
  }

  #judge(taken: number, refused: number, trouble: string | undefined): void {
    const { log, store } = this.#options;
    this.#figures.taken += taken;
    this.#figures.refused += refused;
    if (refused > 0)
      log('error', 'the store refused samples', { url: store.url, bodies: refused, reason: trouble ?? '' });
    const up = trouble === undefined || taken + refused > 0;
    if (trouble !== undefined && refused === 0) this.#figures.failed += 1;
    if (up) this.#pause.reset();
    this.#sayLosses();
    if (up === this.#up) return;
    this.#up = up;
    if (up) log('info', 'the store takes samples again', { url: store.url });
    else log('warn', 'the store does not take samples; they wait on disk', { url: store.url, reason: trouble ?? '' });
  }

  /** The disk of the outbox failed in a way that is none of its own codes. */
  #broken(error: unknown): void {
    this.#options.log('error', 'samples could not be kept', { reason: reasonOf(error) });
  }
}

const whatOf = (answer: WriteOutcome): string | undefined => (answer.outcome === 'taken' ? undefined : answer.what);
