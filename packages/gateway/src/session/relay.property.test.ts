/**
 * Sessions against a simulated group of instances that are lost, hang, wake up late and talk nonsense at any step, with clients that
 * pipeline and go away: the real relay, byte by byte, without a socket or a clock. What a client was told has to be true of
 * the database in the end, when everything that could still happen has happened.
 *
 * A failing run prints its plan, with the seed and the path for fast-check, and the last steps of what happened.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alonePlan, crowdPlan, type Plan } from './testing/plan.ts';
import { type Report, runPlan } from './testing/world.ts';

const shownSteps = 120;
const runs = 250;
const deadlineMs = 180_000;

/** What happened in all runs together: a property that met nothing has shown nothing. */
class Totals {
  readonly counts = new Map<string, number>();

  add({ counts, told, struck }: Report): void {
    for (const [name, count] of [...Object.entries(counts), ...Object.entries(told)]) this.#add(name, count);
    for (const fault of struck) this.#add(fault, 1);
  }

  #add(name: string, count: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  of(...names: readonly string[]): readonly number[] {
    return names.map((name) => this.counts.get(name) ?? 0);
  }
}

const run = async (plan: Plan, totals?: Totals): Promise<Report> => {
  const report = await runPlan(plan);
  totals?.add(report);
  if (report.findings.length > 0) throw new Error(`${report.findings.join('\n')}\n${lastOf(report)}`);
  return report;
};

const lastOf = ({ trace }: Report): string => `…\n${trace.slice(-shownSteps).join('\n')}`;

describe('a session on instances that fail', () => {
  it(
    'is told what a single server would have told it, where nobody else is on its rows',
    async () => {
      const totals = new Totals();
      await fc.assert(
        fc.asyncProperty(alonePlan, async (plan) => {
          const report = await run(plan, totals);
          const { conflicts, unknown } = report.told;
          // User variables that a COMMIT has taken down with its instance are the one thing that shows.
          if (report.counts.variablesLost === 0)
            expect([conflicts, unknown], `nothing had to be told\n${lastOf(report)}`).toEqual([0, 0]);
          expect(unknown).toBe(0);
        }),
        { numRuns: runs },
      );
      for (const count of totals.of(
        'replayed',
        'fenced',
        'acknowledged',
        'lose',
        'crash',
        'hang',
        'isolate',
        'garbage',
      ))
        expect(count).toBeGreaterThan(0);
    },
    deadlineMs,
  );

  it(
    'is told nothing that is not so, whatever fails and whoever else writes',
    async () => {
      const totals = new Totals();
      await fc.assert(
        fc.asyncProperty(crowdPlan, async (plan) => {
          await run(plan, totals);
        }),
        { numRuns: runs },
      );
      for (const count of totals.of(
        'replayed',
        'fenced',
        'acknowledged',
        'conflicts',
        'unknown',
        'killed',
        'too-large',
      ))
        expect(count).toBeGreaterThan(0);
    },
    deadlineMs,
  );

  it('goes the same way every time that its plan is run', async () => {
    await fc.assert(
      fc.asyncProperty(crowdPlan, async (plan) => {
        const first = await runPlan(plan);
        expect((await runPlan(plan)).trace).toEqual(first.trace);
      }),
      { numRuns: 20 },
    );
  });
});
