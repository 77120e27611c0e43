/** `coequal bench [NAME]`: measures on this machine, beside peers in the same run. */
import { fail } from '@coequal/kernel';
import type { BenchFigure, BenchName, BenchOptions } from '@coequal/lab';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { formatCount } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { formatTable } from '../table.ts';
import { oneOf, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';

const benches: Readonly<Record<BenchName, string>> = {
  startup: 'from the command to the first transaction; three instances from stopped to serving',
  stall: 'how long survivors wait when a database is killed, hangs or is cut off',
  stuns: 'which pauses of a machine cost its database the membership, preset by preset',
  throughput: 'transactions a second of three equal sites beside one plain instance',
  memory: 'what a lab without load keeps in memory',
  gateway:
    'what the gateway costs beside HAProxy and direct connections; parts: latency, throughput, plain, rules, idle, stream, restore',
  'gateway-pause': 'how long sysbench waits, and for what errors, when an instance dies; parts: default, tight',
  clients: 'unmodified clients in nine languages and tools through a gateway while instances die; parts: their names',
  'two-addresses': 'clients that know two gateways while one is killed; parts: the names of the recipes',
  agent:
    'what an agent costs that watches 1,000 signals a second: processor time and memory over a minute; parts: host, mariadb',
  outage:
    'an hour of 1,000 signals a second while the store is away: what is missing and what is doubled when it is back',
  signals:
    'processor time for taking in samples, reading a host and a database; parts: window, text, remote-write, host, mariadb',
  ingest: 'processor time of a platform that takes in what agents tell; parts: 10, 100, 1000 (hosts)',
  diagnosis: 'how often causes of published incidents are found, and what it costs; parts: dbsherlock, dbpa, cost',
};
const names: readonly BenchName[] = [
  'startup',
  'stall',
  'stuns',
  'throughput',
  'memory',
  'gateway',
  'gateway-pause',
  'clients',
  'two-addresses',
  'signals',
  'agent',
  'outage',
  'ingest',
  'diagnosis',
];
/** Benches of which parts can be chosen; the bench itself says which there are. */
const withParts: ReadonlySet<BenchName> = new Set([
  'gateway',
  'gateway-pause',
  'clients',
  'two-addresses',
  'signals',
  'agent',
  'ingest',
  'diagnosis',
]);

type Flags = { readonly runs?: number; readonly rtt?: string; readonly datasets?: string; readonly json?: true };

export const addBenchCommand = (program: Command, world: World, outcome: Outcome): void => {
  program
    .command('bench')
    .summary('measure on this machine, beside peers')
    .description(
      'Measures in labs of its own, each figure beside a peer in the same run, and ends what it started. Without a name: all of them, in this order.\n' +
        names.map((name) => `  ${name.padEnd(13)} ${benches[name]}`).join('\n'),
    )
    .argument('[name]', 'the bench', oneOf(names))
    .argument('[part...]', 'only these parts of it, where it has parts')
    .option('--runs <number>', 'repeat each measurement so many times', wholeNumber(1, 1_000))
    .option('--rtt <times>', 'round trip times between the sites: one figure (5ms), two-cities, or a matrix')
    .option(
      '--datasets <folder>',
      'labelled incidents for the bench diagnosis; ../shared/datasets beside the checkout unless given',
    )
    .option('--json', 'print one figure a line: {name, value, unit, spread, peer, peer_value, ratio}')
    .addHelpText('after', '\nExample: coequal bench stall --runs 20')
    .action(async (name: BenchName | undefined, parts: readonly string[], flags: Flags) => {
      if (name !== undefined && parts.length > 0 && !withParts.has(name))
        throw fail('COMMAND_USAGE', { problem: `The bench ${name} has no parts.`, help: 'coequal bench --help' });
      outcome.endsInOrder = true;
      outcome.code = await bench(world, name === undefined ? names : [name], parts, flags);
    });
};

const bench = async (
  world: World,
  chosen: readonly BenchName[],
  parts: readonly string[],
  flags: Flags,
): Promise<number> => {
  const { runs, rtt, datasets, json } = flags;
  const options: BenchOptions = {
    ...(runs === undefined ? {} : { runs }),
    ...(rtt === undefined ? {} : { rtt }),
    ...(datasets === undefined ? {} : { datasets: world.files.absolute(datasets) }),
    ...(parts.length === 0 ? {} : { parts }),
  };
  const figures: BenchFigure[] = [];
  const figure = (found: BenchFigure): void => {
    figures.push(found);
    if (json === true) world.out(`${JSON.stringify(found)}\n`);
  };
  const interrupted = (): void => world.tell('Interrupted; ending what was started …\n');
  world.interrupted.addEventListener('abort', interrupted, { once: true });
  try {
    const lab = await world.lab();
    await lab.runBench(chosen, options, { figure, progress: (text) => world.tell(`${text}\n`) }, world.interrupted);
  } catch (error) {
    throw world.interrupted.aborted ? fail('INTERRUPTED', {}, { cause: error }) : error;
  } finally {
    world.interrupted.removeEventListener('abort', interrupted);
    if (json !== true && figures.length > 0) world.out(`${benchLines(figures).join('\n')}\n`);
  }
  return exitCodes.good;
};

/** All figures, the pauses as a table of their own; last, what they must not be taken for. */
export const benchLines = (figures: readonly BenchFigure[]): readonly string[] => {
  const stuns = figures.filter(({ name }) => name.startsWith('stuns/'));
  const others = figures.filter((figure) => !stuns.includes(figure));
  return [
    ...(others.length === 0 ? [] : [...figureTable(others), '']),
    ...(stuns.length === 0 ? [] : [...stunTable(stuns), '']),
    ...new Set(figures.map(({ machine }) => `Machine: ${machine}.`)),
    'Medians; in brackets the smallest and the largest of all runs. Whatever else this machine was doing is in these figures.',
  ];
};

const figureTable = (figures: readonly BenchFigure[]): readonly string[] =>
  formatTable(
    [
      { title: 'FIGURE' },
      { title: 'VALUE', right: true },
      { title: 'SPREAD' },
      { title: 'BAR' },
      { title: 'PEER', right: true },
      { title: 'RATIO', right: true },
      { title: 'WHICH PEER, AND MORE' },
    ],
    figures.map((figure) => [
      figure.name,
      figure.value === null ? '–' : `${number(figure.value)} ${figure.unit}`,
      figure.spread === null
        ? ''
        : `[${number(figure.spread.smallest)}, ${number(figure.spread.largest)}] of ${figure.spread.runs}`,
      barWords(figure),
      figure.peer_value === null ? '–' : number(figure.peer_value),
      figure.ratio === null ? '–' : String(figure.ratio),
      [figure.peer, figure.note, ...detailWords(figure)].filter((text) => text !== null).join('; '),
    ]),
  );

const number = (value: number): string => (Math.abs(value) < 10 ? String(value) : formatCount(Math.round(value)));

const barWords = ({ value, spread, ratio, bar, worst_bar: worst, ratio_bar: least }: BenchFigure): string => {
  const limits = [
    ...(bar === null ? [] : [{ words: `≤ ${number(bar)}`, met: (value ?? 0) <= bar }]),
    ...(worst === null ? [] : [{ words: `worst ≤ ${number(worst)}`, met: (spread?.largest ?? value ?? 0) <= worst }]),
    ...(least === null ? [] : [{ words: `ratio ≥ ${least}`, met: (ratio ?? 0) >= least }]),
  ];
  if (value === null || limits.length === 0) return '';
  const met = limits.every((limit) => limit.met);
  return `${limits.map(({ words }) => words).join(', ')}: ${met ? 'met' : 'NOT MET'}`;
};

const detailWords = ({ detail }: BenchFigure): readonly string[] =>
  Object.entries(detail).map(([key, value]) => `${key.replaceAll('_', ' ')} ${value ?? '–'}`);

/** Presets down, pauses across; in each cell evictions of runs, and what clients waited. */
const stunTable = (figures: readonly BenchFigure[]): readonly string[] => {
  const pauses = [...new Set(figures.map(({ detail }) => Number(detail['pause_ms'])))].sort((a, b) => a - b);
  const presets = [...new Set(figures.map(({ name }) => name.split('/')[1] ?? ''))];
  return [
    'Evictions of runs, by length of the pause; in brackets the longest gap that clients saw (median). * beyond what the preset tolerates.',
    ...formatTable(
      [{ title: 'PRESET' }, ...pauses.map((ms) => ({ title: `${formatCount(ms)} ms` })), { title: 'PROMISE' }],
      presets.map((preset) => {
        const own = figures.filter(({ name }) => name.split('/')[1] === preset);
        const cells = pauses.map((ms) => stunCell(own.find(({ detail }) => detail['pause_ms'] === ms)));
        return [preset, ...cells, promiseWords(own)];
      }),
    ),
  ];
};

const stunCell = (figure: BenchFigure | undefined): string => {
  if (figure === undefined) return '';
  const { detail, value, bar } = figure;
  return `${value ?? '–'}/${detail['runs']} (${number(Number(detail['client_gap_median_ms']))} ms)${bar === null ? ' *' : ''}`;
};

const promiseWords = (figures: readonly BenchFigure[]): string => {
  const evictions = figures.filter(({ bar }) => bar !== null).reduce((sum, { value }) => sum + (value ?? 0), 0);
  const tolerated = figures[0]?.detail['tolerated_ms'];
  return `${evictions === 0 ? 'kept' : 'BROKEN'}: no eviction up to ${tolerated} ms`;
};
