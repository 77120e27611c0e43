/** Healing by itself: within its limits, and never against somebody's will. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideHealing, type HealingView } from './healing.ts';

const limits = { restarts: 3, withinMs: 600_000 };
const view = (change: Partial<HealingView>): HealingView => ({
  ...{ state: 'gone', hasProcess: false, held: false, busy: false, attempts: [], downSinceMs: 0, nowMs: 10_000 },
  ...change,
});

describe('healing', () => {
  it('starts what crashed, once that is certain', () => {
    expect(decideHealing(view({}), limits)).toEqual({ kind: 'restart', attempt: 1 });
    expect(decideHealing(view({ nowMs: 1_000 }), limits).kind).toBe('wait');
  });

  it('leaves alone what runs, was stopped in order, is held, or is in somebody’s hands', () => {
    for (const state of ['serving', 'silent', 'isolated', 'stopped', 'starting', 'joining', 'foreign'] as const)
      expect(decideHealing(view({ state }), limits).kind).toBe('nothing');
    expect(decideHealing(view({ hasProcess: true }), limits).kind).toBe('nothing');
    expect(decideHealing(view({ held: true }), limits).kind).toBe('wait');
    expect(decideHealing(view({ busy: true }), limits).kind).toBe('wait');
  });

  it('never starts more often than allowed in any stretch of time, and with pauses that double', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 50, maxLength: 400 }), (steps) => {
        const attempts: number[] = [];
        let nowMs = 0;
        for (const step of steps) {
          nowMs += step;
          const decision = decideHealing(view({ nowMs, attempts, downSinceMs: 0 }), limits);
          if (decision.kind === 'restart') attempts.push(nowMs);
        }
        for (const at of attempts)
          expect(attempts.filter((one) => one >= at && one - at < limits.withinMs).length).toBeLessThanOrEqual(3);
        for (const [index, at] of attempts.entries())
          if (index > 0) expect(at - (attempts[index - 1] ?? 0)).toBeGreaterThanOrEqual(5_000);
      }),
    );
  });

  it('gives up with its reason, and begins again when the time has passed', () => {
    const attempts = [1_000, 20_000, 60_000];
    expect(decideHealing(view({ attempts, nowMs: 300_000 }), limits)).toMatchObject({
      kind: 'give-up',
      reason: expect.stringContaining('3 times in 10 minutes'),
    });
    expect(decideHealing(view({ attempts, nowMs: 700_000 }), limits).kind).toBe('restart');
  });
});
