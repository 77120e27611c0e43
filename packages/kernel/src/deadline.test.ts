/** Waiting: ends at the first answer, at the deadline with what was seen last, or with the signal. Time is a value here. */
import { describe, expect, it } from 'vitest';
import { until, within } from './deadline.ts';
import type { Clock } from './ports.ts';

/** A clock that jumps: a sleep ends at once and moves the time. */
const jumpingClock = (): Clock => {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      now += ms;
    },
  };
};

describe('until', () => {
  it('answers what the probe answers first, asking as often as said', async () => {
    const clock = jumpingClock();
    let asked = 0;
    const answer = await until(clock, { what: 'it', deadlineMs: 1_000, everyMs: 10 }, () => {
      asked += 1;
      return asked === 5 ? 'here' : undefined;
    });
    expect(answer).toBe('here');
    expect(clock.monotonic()).toBe(40);
  });

  it('says at the deadline what it waited for and what it saw last', async () => {
    const waiting = until(
      jumpingClock(),
      { what: 'the moon', deadlineMs: 500, last: () => 'It is behind a cloud.' },
      () => false,
    );
    await expect(waiting).rejects.toMatchObject({
      code: 'DEADLINE_PASSED',
      message: expect.stringMatching(/the moon.*0\.5 s.*cloud/),
    });
  });

  it('lets an error of the probe through, and stops when aborted', async () => {
    const broken = until(jumpingClock(), { what: 'it', deadlineMs: 500 }, () => Promise.reject(new Error('broken')));
    await expect(broken).rejects.toThrow('broken');
    const aborted = until(
      jumpingClock(),
      { what: 'it', deadlineMs: 500, signal: AbortSignal.abort(new Error('enough')) },
      () => false,
    );
    await expect(aborted).rejects.toThrow('enough');
  });
});

describe('within', () => {
  it('answers what comes in time and refuses what does not', async () => {
    const patient: Clock = { ...jumpingClock(), sleep: () => new Promise(() => {}) };
    await expect(within(patient, { what: 'it', deadlineMs: 10 }, Promise.resolve(7))).resolves.toBe(7);
    await expect(within(jumpingClock(), { what: 'it', deadlineMs: 10 }, new Promise(() => {}))).rejects.toMatchObject({
      code: 'DEADLINE_PASSED',
    });
  });
});
