/** Failed log-ins by source, and connections by name, over a clock that the test moves. */

import { systemClock } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectionCounter, FailureLimiter } from './limits.ts';

const clockFrom = (start: number) => {
  const state = { at: start };
  return { state, clock: { ...systemClock, monotonic: () => state.at } };
};

describe('a source that fails', () => {
  test('is refused from the limit on, and let in again a minute after its failures', () => {
    const { state, clock } = clockFrom(0);
    const limiter = new FailureLimiter(clock, 3);
    for (const at of [0, 10_000, 20_000]) {
      expect(limiter.blocked('10.0.0.1')).toBe(false);
      state.at = at;
      limiter.note('10.0.0.1');
    }
    expect(limiter.blocked('10.0.0.1')).toBe(true);
    expect(limiter.blocked('10.0.0.2')).toBe(false);
    state.at = 59_999;
    expect(limiter.blocked('10.0.0.1')).toBe(true);
    state.at = 60_000;
    expect(limiter.blocked('10.0.0.1')).toBe(false);
    state.at = 80_000;
    expect(limiter.blocked('10.0.0.1')).toBe(false);
    expect(limiter.size).toBe(0);
  });

  test('is its whole network in IPv6', () => {
    const limiter = new FailureLimiter(clockFrom(0).clock, 1);
    limiter.note('2001:db8::1');
    expect(limiter.blocked('2001:0DB8:0:0:ffff::9')).toBe(true);
    expect(limiter.blocked('2001:db8:0:1::1')).toBe(false);
    limiter.note('::1');
    expect(limiter.blocked('::2')).toBe(true);
    limiter.note('fe80::1%eth0');
    expect(limiter.blocked('fe80::2')).toBe(true);
  });

  test('is never refused when the limit is 0', () => {
    const limiter = new FailureLimiter(clockFrom(0).clock, 0);
    for (let count = 0; count < 100; count++) limiter.note('10.0.0.1');
    expect(limiter.blocked('10.0.0.1')).toBe(false);
    expect(limiter.size).toBe(0);
  });

  test('takes bounded memory however many there are, and those who failed last are kept', () => {
    const limiter = new FailureLimiter(clockFrom(0).clock, 1);
    for (let index = 0; index < 30_000; index++) limiter.note(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
    expect(limiter.size).toBe(10_000);
    expect(limiter.blocked('10.0.117.47')).toBe(true);
    expect(limiter.blocked('10.0.0.0')).toBe(false);
  });

  test('is counted as by a plain list of times', () => {
    const step = fc.record({ wait: fc.integer({ min: 0, max: 40_000 }), address: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const { state, clock } = clockFrom(0);
        const limiter = new FailureLimiter(clock, limit);
        const noted: { at: number; address: string }[] = [];
        for (const { wait, address } of steps) {
          state.at += wait;
          const recent = noted.filter((one) => one.address === address && one.at > state.at - 60_000);
          expect(limiter.blocked(address)).toBe(recent.length >= limit);
          if (limiter.blocked(address)) continue;
          limiter.note(address);
          noted.push({ at: state.at, address });
        }
      }),
    );
  });
});

describe('connections', () => {
  test('are admitted up to the limit of their name', () => {
    const counter = new ConnectionCounter();
    expect([1, 2, 3].map(() => counter.admit('a', 2))).toEqual([true, true, false]);
    expect(counter.admit('b', 0)).toBe(true);
    counter.leave('a');
    expect(counter.admit('a', 2)).toBe(true);
    counter.rejoin('a');
    expect([counter.of('a'), counter.of('b'), counter.of('c'), counter.total]).toEqual([3, 1, 0, 4]);
  });

  test('that were never admitted cannot leave', () => {
    const counter = new ConnectionCounter();
    counter.leave('a');
    expect([counter.of('a'), counter.total]).toEqual([0, 0]);
  });

  test('add up, whatever comes and goes', () => {
    const move = fc.record({ name: fc.constantFrom('a', 'b', 'c'), what: fc.constantFrom('admit', 'rejoin', 'leave') });
    fc.assert(
      fc.property(fc.array(move), (moves) => {
        const counter = new ConnectionCounter();
        for (const { name, what } of moves) {
          if (what === 'admit') counter.admit(name, 3);
          else counter[what](name);
          expect(counter.total).toBe(counter.of('a') + counter.of('b') + counter.of('c'));
        }
      }),
    );
  });
});
