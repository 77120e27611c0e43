/**
 * `bench stall`: how long the clients of the surviving sites wait when one site's database is killed, hangs or is cut
 * off. The figure is the longest gap between acknowledged writes from the load's start until the survivors work
 * again; what the healing costs them is told beside it. The peer has Galera's own timers.
 */
import type { PresetName } from '@coequal/estate';
import { until } from '@coequal/kernel';
import type { ClientReport } from '@coequal/proof';
import { type Figure, figureOf, type Peer } from './figures.ts';
import { type BenchLab, openBank, underLoad, untilWhole, withLab, withWitness } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

const kinds = ['kill', 'hang', 'partition'] as const;
type Kind = (typeof kinds)[number];

/** Enough that a gap is seen to a few milliseconds, and far from what two cores can do. */
const load = { connections: 4, ratePerSecond: 100 };
const defaultRuns = 5;
/** The peer takes six seconds a run and hardly spreads. */
const peerRuns = 5;
/** At 5 ms between all sites; other distances are printed beside, without a promise. */
const bars: Partial<Record<PresetName, { readonly bar: number; readonly worstBar?: number }>> = {
  default: { bar: 650, worstBar: 900 },
  tight: { bar: 450 },
};
const ackDeadlineMs = 60_000;
const ownPresets = ['default', 'tight'] as const;

type Run = { readonly gapMs: number; readonly healedGapMs: number; readonly errors: readonly string[] };
type Runs = ReadonlyMap<Kind, readonly Run[]>;

export const benchStall: Bench = async (options, tools) => {
  const runs = options.runs ?? defaultRuns;
  const stock = await stalls('stock', Math.min(runs, peerRuns), options, tools);
  for (const preset of ownPresets) {
    const seen = await stalls(preset, runs, options, tools);
    for (const kind of kinds) {
      const peer = { name: 'preset stock', values: gaps(stock.get(kind) ?? []) };
      tools.figure(stallFigure(kind, preset, options, seen.get(kind) ?? [], peer));
    }
  }
};

const gaps = (runs: readonly Run[]): readonly number[] => runs.map(({ gapMs }) => gapMs);

const stallFigure = (
  kind: Kind,
  preset: PresetName,
  options: BenchOptions,
  runs: readonly Run[],
  peer: Peer,
): Figure => {
  const { rtt = defaultRtt } = options;
  return figureOf({
    name: named(`stall/${kind}/${preset}`, options),
    unit: 'ms',
    values: gaps(runs),
    peer,
    ...(rtt === defaultRtt ? bars[preset] : {}),
    ...(runs.length > 0 ? {} : { note: 'not possible in the plain mode of the lab' }),
    detail: {
      rtt,
      survivor_errors: runs.reduce((sum, { errors }) => sum + errors.length, 0),
      survivor_error_codes: [...new Set(runs.flatMap(({ errors }) => errors))].sort().join(' ') || null,
      worst_with_healing_ms: runs.length === 0 ? null : Math.max(...runs.map(({ healedGapMs }) => healedGapMs)),
    },
  });
};

/** One lab a preset: the faults in turn, another site each time, and all whole again in between. */
const stalls = (preset: PresetName, runs: number, options: BenchOptions, tools: BenchTools): Promise<Runs> =>
  withLab(tools, { preset, rtt: options.rtt ?? defaultRtt }, async (lab) => {
    await openBank(lab.reached[0]);
    const seen = new Map<Kind, Run[]>();
    for (const run of counting(runs)) {
      for (const [index, kind] of kinds.entries()) {
        if (kind === 'partition' && lab.definition.mode === 'plain') continue;
        const victim = lab.sites[(run + index) % lab.sites.length] ?? '';
        const result = await stallOnce(lab, kind, victim, tools);
        tools.progress(
          `stall: preset ${preset}, ${kind} of ${victim}, run ${run} of ${runs}: ${Math.round(result.gapMs)} ms`,
        );
        seen.set(kind, [...(seen.get(kind) ?? []), result]);
      }
    }
    return seen;
  });

const stallOnce = async (lab: BenchLab, kind: Kind, victim: string, tools: BenchTools): Promise<Run> => {
  const { clock, signal } = tools;
  const survivors = lab.sites.filter((site) => site !== victim);
  const witness = lab.reached.find(({ site }) => site === survivors[0]);
  let gapMs = 0;
  await untilWhole(lab, tools);
  const last = await underLoad(lab, load, tools, ({ advance, reports }) =>
    withWitness(witness, async (ask) => {
      await advance(lab.sites, load.ratePerSecond, ackDeadlineMs);
      await lab.handle.fault({ kind, site: victim });
      await until(
        clock,
        { what: `${victim} given up`, deadlineMs: ackDeadlineMs, everyMs: 50, signal },
        async () => (await ask()).members < lab.sites.length,
      );
      await advance(survivors, load.ratePerSecond / 2, ackDeadlineMs);
      gapMs = longest(survivors, reports());
      await lab.handle.heal(victim);
      await advance(survivors, load.ratePerSecond / 2, ackDeadlineMs);
    }),
  );
  return { gapMs, healedGapMs: longest(survivors, last), errors: errorsOf(survivors, last) };
};

const longest = (sites: readonly string[], reports: ReadonlyMap<string, ClientReport>): number =>
  Math.max(...sites.map((site) => reports.get(site)?.longestPauseMs ?? 0));

/** A code for every error, as often as it was seen. */
const errorsOf = (sites: readonly string[], reports: ReadonlyMap<string, ClientReport>): readonly string[] =>
  sites
    .flatMap((site) => Object.entries(reports.get(site)?.errors ?? {}))
    .flatMap(([code, count]) => Array.from({ length: count }, () => code));
