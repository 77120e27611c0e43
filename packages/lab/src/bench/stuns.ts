/**
 * `bench stuns`: an instance is paused as a live migration or a snapshot of its machine would pause it, under
 * load, with every preset. Counted are the pauses that cost it its membership, as another member saw it, and the
 * longest gap that the clients of all sites saw.
 */
import { presets } from '@coequal/engines';
import type { PresetName } from '@coequal/estate';
import { figureOf } from './figures.ts';
import { type BenchLab, openBank, underLoad, untilWhole, withLab, withWitness } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

const pausesMs = [300, 600, 1_000, 2_000];
const presetOrder: readonly PresetName[] = ['tight', 'default', 'virtual-machines', 'stock'];
const load = { connections: 4, ratePerSecond: 100 };
const defaultRuns = 3;
const ackDeadlineMs = 60_000;

type Stun = { readonly evicted: boolean; readonly gapMs: number };

export const benchStuns: Bench = async (options, tools) => {
  for (const preset of presetOrder) await stunsOf(preset, options, tools);
};

/** The usual lengths, and the length that the preset says it tolerates. */
export const lengthsFor = (toleratedMs: number): readonly number[] =>
  [...new Set([...pausesMs, toleratedMs])].sort((a, b) => a - b);

const stunsOf = (preset: PresetName, options: BenchOptions, tools: BenchTools): Promise<void> =>
  withLab(tools, { preset, rtt: options.rtt ?? defaultRtt }, async (lab) => {
    const { toleratedPauseMs } = presets[preset];
    const runs = options.runs ?? defaultRuns;
    await openBank(lab.reached[0]);
    let brokenPromises = 0;
    for (const pauseMs of lengthsFor(toleratedPauseMs)) {
      const stuns: Stun[] = [];
      for (const run of counting(runs)) {
        const stun = await stunOnce(lab, lab.sites[run % lab.sites.length] ?? '', pauseMs, tools);
        tools.progress(
          `stuns: preset ${preset}, ${pauseMs} ms, run ${run} of ${runs}: ${stun.evicted ? 'evicted' : 'kept'}`,
        );
        stuns.push(stun);
      }
      const evictions = stuns.filter(({ evicted }) => evicted).length;
      if (pauseMs <= toleratedPauseMs) brokenPromises += evictions;
      tools.figure(stunFigure(preset, pauseMs, stuns, evictions, options));
    }
    tools.progress(
      `stuns: preset ${preset} tolerates ${toleratedPauseMs} ms; evicted by pauses up to that: ${brokenPromises === 0 ? 'never' : `${brokenPromises} times`}`,
    );
  });

const stunFigure = (
  preset: PresetName,
  pauseMs: number,
  stuns: readonly Stun[],
  evictions: number,
  options: BenchOptions,
) => {
  const { toleratedPauseMs } = presets[preset];
  const gap = figureOf({ name: '', unit: 'ms', values: stuns.map(({ gapMs }) => gapMs) });
  return {
    ...figureOf({ name: named(`stuns/${preset}/${pauseMs}ms`, options), unit: 'evictions', values: [] }),
    value: evictions,
    bar: pauseMs <= toleratedPauseMs ? 0 : null,
    detail: {
      runs: stuns.length,
      pause_ms: pauseMs,
      tolerated_ms: toleratedPauseMs,
      client_gap_median_ms: gap.value,
      client_gap_worst_ms: gap.spread?.largest ?? null,
    },
  };
};

const stunOnce = async (lab: BenchLab, victim: string, pauseMs: number, tools: BenchTools): Promise<Stun> => {
  const others = lab.sites.filter((site) => site !== victim);
  const witness = lab.reached.find(({ site }) => site === others[0]);
  let evicted = false;
  await untilWhole(lab, tools);
  const last = await underLoad(lab, load, tools, ({ advance }) =>
    withWitness(witness, async (ask) => {
      await advance(lab.sites, load.ratePerSecond, ackDeadlineMs);
      const before = await ask();
      await lab.handle.fault({ kind: 'hang', site: victim });
      await tools.clock.sleep(pauseMs, tools.signal);
      await lab.handle.heal(victim);
      await advance(lab.sites, load.ratePerSecond, ackDeadlineMs);
      await untilWhole(lab, tools);
      evicted = (await ask()).changes !== before.changes;
    }),
  );
  return { evicted, gapMs: Math.max(...lab.sites.map((site) => last.get(site)?.longestPauseMs ?? 0)) };
};
