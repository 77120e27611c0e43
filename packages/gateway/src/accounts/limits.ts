/**
 * Limits on who may connect: failed log-ins by source, and connections by user and in all. Plain counting over a
 * clock that is passed in; of bounded size whatever strangers do.
 */
import { isIPv6 } from 'node:net';
import type { Clock } from '@coequal/kernel';

const minuteMs = 60_000;

/** Sources that are remembered; beyond that the one whose last failure is longest ago is forgotten. */
const sourceLimit = 10_000;

/**
 * Failed log-ins of one source within a minute. It counts by address alone, never by user name, so nobody can lock
 * somebody else's account; of IPv6 by network of 64 bits, because one host has all addresses of its network.
 */
export class FailureLimiter {
  private readonly clock: Clock;
  private readonly perMinute: number;
  /** Times of the failures of the last minute, oldest first; the sources in the order of their last failure. */
  private readonly failures = new Map<string, number[]>();

  /** `perMinute`: failures after which a source is refused; 0: none is. */
  constructor(clock: Clock, perMinute: number) {
    this.clock = clock;
    this.perMinute = perMinute;
  }

  blocked(address: string): boolean {
    if (this.perMinute === 0) return false;
    return this.recent(sourceOf(address)).length >= this.perMinute;
  }

  note(address: string): void {
    if (this.perMinute === 0) return;
    const source = sourceOf(address);
    const times = this.recent(source);
    times.push(this.clock.monotonic());
    // More than the limit changes nothing: while it is blocked, a source cannot fail.
    if (times.length > this.perMinute) times.shift();
    this.failures.delete(source);
    this.failures.set(source, times);
    if (this.failures.size > sourceLimit) this.forgetOldest();
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.failures.size;
  }

  private recent(source: string): number[] {
    const times = this.failures.get(source);
    if (times === undefined) return [];
    const since = this.clock.monotonic() - minuteMs;
    while (times.length > 0 && (times[0] ?? 0) <= since) times.shift();
    if (times.length === 0) this.failures.delete(source);
    return times;
  }

  private forgetOldest(): void {
    for (const source of this.failures.keys()) {
      this.failures.delete(source);
      return;
    }
  }
}

/** The address itself, or its network of 64 bits. */
const sourceOf = (address: string): string => {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  // `::` stands for as many groups of zeros as are missing from eight.
  const missing = tail === undefined ? 0 : 8 - left.length - (tail === '' ? 0 : tail.split(':').length);
  const groups = [...left, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...(tail ?? '').split(':')];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
};

/** Connections by name. Every `admit` that said yes and every `rejoin` is followed by one `leave`. */
export class ConnectionCounter {
  private readonly counts = new Map<string, number>();
  private all = 0;

  /** `limit`: connections of this name at most; 0: as many as come. */
  admit(name: string, limit: number): boolean {
    if (limit > 0 && this.of(name) >= limit) return false;
    this.rejoin(name);
    return true;
  }

  /** Counts one that was admitted before, elsewhere. */
  rejoin(name: string): void {
    this.counts.set(name, this.of(name) + 1);
    this.all++;
  }

  leave(name: string): void {
    const count = this.of(name);
    if (count === 0) return;
    if (count === 1) this.counts.delete(name);
    else this.counts.set(name, count - 1);
    this.all--;
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  get total(): number {
    return this.all;
  }
}
