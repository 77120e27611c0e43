/**
 * What happens, for readers that stay connected: events with increasing ids, the last of them kept for readers that come back with the
 * id they saw last. A reader that does not read has a bounded backlog, and is let go when it is full. Nothing here knows
 * of sockets.
 */
import type { StreamEvent } from '@coequal/contract';
import { limits } from '../limits.ts';

/** Samples have no id: nobody needs them later. */
export type Told = { readonly id: string | undefined; readonly event: StreamEvent };

export type Subscriber = {
  /** False: it takes no more. */
  readonly give: (told: Told) => boolean;
  readonly end: () => void;
  /** Names of signals whose newest values it wants every second. */
  readonly signals: readonly string[];
};

export class Stream {
  readonly #epoch: string;
  readonly #history: Told[] = [];
  readonly #subscribers = new Set<Subscriber>();
  #next = 1;

  /** @param epoch another one at each start, so that ids of before are known as such */
  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  get readers(): number {
    return this.#subscribers.size;
  }

  publish(event: StreamEvent): void {
    const told = { id: `${this.#epoch}-${this.#next}`, event };
    this.#next += 1;
    this.#history.push(told);
    if (this.#history.length > limits.http.streamHistory) this.#history.shift();
    for (const subscriber of this.#subscribers) if (!subscriber.give(told)) this.#drop(subscriber);
  }

  /**
   * What was missed since `lastId` comes first; when that is not known any more, a `missed` event says so. Undefined: there are as
   * many readers as there may be.
   */
  subscribe(subscriber: Subscriber, lastId: string | undefined): (() => void) | undefined {
    if (this.#subscribers.size >= limits.http.streams) return undefined;
    for (const told of this.#since(lastId)) if (!subscriber.give(told)) return () => undefined;
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  /** Newest values to those that asked for some. */
  tick(samples: (names: readonly string[]) => StreamEvent): void {
    for (const subscriber of this.#subscribers)
      if (subscriber.signals.length > 0 && !subscriber.give({ id: undefined, event: samples(subscriber.signals) }))
        this.#drop(subscriber);
  }

  close(): void {
    for (const subscriber of this.#subscribers) this.#drop(subscriber);
  }

  #since(lastId: string | undefined): readonly Told[] {
    if (lastId === undefined || lastId === '') return [];
    const last = `${this.#epoch}-${this.#next - 1}`;
    if (lastId === last) return [];
    const index = this.#history.findIndex(({ id }) => id === lastId);
    return index < 0 ? [{ id: last, event: { kind: 'missed' } }] : this.#history.slice(index + 1);
  }

  #drop(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    subscriber.end();
  }
}
