/**
 * `bench clients`: the kill test with unmodified clients in several languages, each through a gateway and directly at
 * an instance at the same time. Two figures a client: the longest pause that it saw, and everything that went wrong:
 * errors other than 1213, transactions lost, doubled or torn. A client that cannot be run here says why.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { fail } from '@coequal/kernel';
import { type ForeignClientName, foreignClients, prepareForeign, type Ready } from '../clients/foreign.ts';
import { type KillResult, killFaults, killTest } from '../clients/kill-test.ts';
import { placesOf } from '../places.ts';
import { figureOf, tenth } from './figures.ts';
import { gatewaysAt } from './gateway-places.ts';
import { type BenchLab, untilWhole, withLab } from './lab.ts';
import { type Bench, type BenchOptions, type BenchTools, counting, defaultRtt, named } from './tools.ts';

const pauseBarMs = 1_000;

const isClient = (name: string): name is ForeignClientName => Object.hasOwn(foreignClients, name);

const allClients: readonly ForeignClientName[] = Object.keys(foreignClients).filter(isClient);

const chosen = ({ parts = [] }: BenchOptions): readonly ForeignClientName[] => {
  const unknown = parts.find((part) => !isClient(part));
  if (unknown !== undefined)
    throw fail('COMMAND_USAGE', {
      problem: `There is no client ${unknown}; there are ${allClients.join(', ')}.`,
      help: 'coequal bench --help',
    });
  return parts.length === 0 ? allClients : allClients.filter((name) => parts.includes(name));
};

export const benchClients: Bench = async (options, tools) => {
  const clients = chosen(options);
  await withLab(tools, { rtt: options.rtt ?? defaultRtt }, async (lab) => {
    const folder = await mkdtemp(`${lab.definition.folder}/clients-`);
    try {
      for (const [index, name] of clients.entries()) await benchClient(lab, name, index, folder, options, tools);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
};

const benchClient = async (
  lab: BenchLab,
  name: ForeignClientName,
  index: number,
  folder: string,
  options: BenchOptions,
  tools: BenchTools,
): Promise<void> => {
  const { clock, progress, signal } = tools;
  const own = await mkdtemp(`${folder}/${name}-`);
  const cacheFolder = placesOf(process.env, process.getuid?.() ?? -1).cache;
  const ready = await prepareForeign(name, own, { cacheFolder, environment: process.env, clock, progress, signal });
  if ('skipped' in ready) {
    tools.figure(
      figureOf({
        name: named(`clients/${name}/wrong`, options),
        unit: 'failures',
        values: [],
        note: `skipped: ${ready.skipped}`,
      }),
    );
    return;
  }
  const results: (readonly [KillResult, KillResult])[] = [];
  for (const run of counting(options.runs ?? 1)) {
    const found = await oneRun(lab, ready, index, run, `${own}/${run}`, tools);
    results.push(found);
    progress(`clients: ${name}, run ${run}: through the gateway ${words(found[0])}; directly ${words(found[1])}`);
  }
  for (const figure of figuresOf(lab, name, ready, results, options)) tools.figure(figure);
};

const oneRun = async (
  lab: BenchLab,
  ready: Ready,
  index: number,
  run: number,
  folder: string,
  tools: BenchTools,
): Promise<readonly [KillResult, KillResult]> => {
  // Another site each time, so that none is spared.
  const site = lab.sites[(index + run) % lab.sites.length] ?? '';
  const [gateway] = gatewaysAt(lab, site);
  if (gateway === undefined) throw new Error(`Bug: the site ${site} has no gateway`);
  const first = 2 * (1_000 * index + run);
  await untilWhole(lab, tools);
  return await killTest(lab, { ready, site, gateway, folder, runs: [first, first + 1] }, tools);
};

const wrong = ({ errors, lost, doubled, torn, cut }: KillResult): number =>
  errors + lost + doubled + torn + Number(cut && errors === 0);

const words = (result: KillResult): string =>
  `${result.acknowledged} transactions, ${result.errors} errors${result.errorCodes === null ? '' : ` (${result.errorCodes})`}, ` +
  `${result.lost} lost, ${result.doubled} doubled, longest pause ${Math.round(result.longestPauseMs)} ms` +
  `${result.firstError === null ? '' : `; first: ${result.firstError}`}${result.cut ? `; ended by itself: ${result.complaint}` : ''}`;

const figuresOf = (
  lab: BenchLab,
  name: ForeignClientName,
  ready: Ready,
  results: readonly (readonly [KillResult, KillResult])[],
  options: BenchOptions,
) => {
  const through = results.map(([found]) => found);
  const directly = results.map(([, found]) => found);
  const peer = 'the same program directly at the instance, same faults';
  const faults = killFaults(lab).join(', ');
  return [
    figureOf({
      name: named(`clients/${name}/pause`, options),
      unit: 'ms',
      values: through.map(({ longestPauseMs }) => longestPauseMs),
      peer: { name: peer, values: directly.map(({ longestPauseMs }) => longestPauseMs) },
      ...(options.rtt === undefined || options.rtt === defaultRtt ? { worstBar: pauseBarMs } : {}),
      detail: { library: ready.version, faults },
    }),
    figureOf({
      name: named(`clients/${name}/wrong`, options),
      unit: 'failures',
      values: through.map(wrong),
      peer: { name: peer, values: directly.map(wrong) },
      bar: 0,
      worstBar: 0,
      detail: { ...details(through, ''), ...details(directly, 'direct_') },
    }),
  ];
};

const details = (results: readonly KillResult[], prefix: string): Readonly<Record<string, number | string | null>> => {
  const sum = (pick: (result: KillResult) => number): number =>
    tenth(results.reduce((total, one) => total + pick(one), 0));
  return {
    [`${prefix}transactions`]: sum(({ acknowledged }) => acknowledged),
    [`${prefix}errors`]: sum(({ errors }) => errors),
    [`${prefix}error_codes`]:
      results
        .map(({ errorCodes }) => errorCodes)
        .filter((codes) => codes !== null)
        .join('; ') || null,
    [`${prefix}conflicts`]: sum(({ conflicts }) => conflicts),
    [`${prefix}in_doubt`]: sum(({ inDoubt }) => inDoubt),
    [`${prefix}lost`]: sum(({ lost }) => lost),
    [`${prefix}doubled`]: sum(({ doubled }) => doubled),
    [`${prefix}torn`]: sum(({ torn }) => torn),
  };
};
