import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drills } from './catalog.ts';
import { type Schedule, scheduleOf } from './schedule.ts';

const sites = ['north', 'south', 'east'];
const names = drills.map((drill) => drill.name);
const options = fc.record({
  seed: fc.integer(),
  seconds: fc.integer({ min: 10, max: 300 }),
  sites: fc.constant(sites),
});

/** The sites that are broken after each step, and the steps at which a wait is in place. */
const brokenAfter = (schedule: Schedule): readonly ReadonlySet<string>[] => {
  const broken = new Set<string>();
  return schedule.steps.map((step) => {
    if (step.kind === 'inject') for (const fault of step.faults) broken.add(fault.site);
    if (step.kind === 'heal') for (const site of step.sites) broken.delete(site);
    return new Set(broken);
  });
};

describe('schedules', () => {
  test.each(names)('%s is the same for the same seed', (name) => {
    fc.assert(
      fc.property(options, (given) => {
        expect(scheduleOf(name, given)).toEqual(scheduleOf(name, given));
      }),
    );
  });

  test.each(names)('%s heals what it breaks, and waits for it', (name) => {
    fc.assert(
      fc.property(options, (given) => {
        const schedule = scheduleOf(name, given);
        expect(brokenAfter(schedule).at(-1)).toEqual(new Set());
        for (const [index, step] of schedule.steps.entries()) {
          if (step.kind !== 'heal') continue;
          expect(
            schedule.steps
              .slice(index)
              .some(
                (later) => later.kind === 'await-serving' && step.sites.every((site) => later.sites.includes(site)),
              ),
          ).toBe(true);
        }
      }),
    );
  });

  test.each(names)('%s fits its length, and its steps are in order of time', (name) => {
    fc.assert(
      fc.property(options, (given) => {
        const { steps, seconds } = scheduleOf(name, given);
        const times = steps.map((step) => step.atMs).filter((atMs) => atMs > 0);
        expect(times).toEqual([...times].sort((a, b) => a - b));
        expect(times.every((atMs) => atMs < seconds * 1_000)).toBe(true);
        expect(times[0]).toBeGreaterThanOrEqual(1_000);
      }),
    );
  });

  test.each(names.filter((name) => name !== 'city-loss'))(
    '%s never breaks a second site while one is broken',
    (name) => {
      fc.assert(
        fc.property(options, (given) => {
          for (const broken of brokenAfter(scheduleOf(name, given))) expect(broken.size).toBeLessThanOrEqual(1);
        }),
      );
    },
  );

  test('city-loss takes all sites but one, and lets a person decide about that one', () => {
    fc.assert(
      fc.property(options, (given) => {
        const { steps } = scheduleOf('city-loss', given);
        const lost = steps.flatMap((step) => (step.kind === 'inject' ? step.faults.map((fault) => fault.site) : []));
        const decided = steps.flatMap((step) => (step.kind === 'force-primary' ? [step.site] : []));
        expect([...lost, ...decided].sort()).toEqual([...sites].sort());
        expect(steps.map((step) => step.kind).slice(0, 4)).toEqual([
          'inject',
          'await-stopped',
          'force-primary',
          'await-serving',
        ]);
      }),
    );
  });

  test('rolling-restart stops every site once', () => {
    const { steps } = scheduleOf('rolling-restart', { seed: 3, seconds: 30, sites });
    const stopped = steps.flatMap((step) => (step.kind === 'inject' ? step.faults.map((fault) => fault.site) : []));
    expect(stopped.sort()).toEqual([...sites].sort());
  });

  test('mixed breaks every kind and every site over some seeds', () => {
    const steps = Array.from(
      { length: 50 },
      (_, seed) => scheduleOf('mixed', { seed, seconds: 30, sites }).steps,
    ).flat();
    const faults = steps.flatMap((step) => (step.kind === 'inject' ? step.faults : []));
    expect(new Set(faults.map((fault) => fault.kind))).toEqual(new Set(['kill', 'hang', 'partition', 'stop']));
    expect(new Set(faults.map((fault) => fault.site))).toEqual(new Set(sites));
    expect(faults.some((fault) => fault.whole === true)).toBe(true);
    expect(steps.some((step) => step.kind === 'full-outage')).toBe(true);
  });
});
