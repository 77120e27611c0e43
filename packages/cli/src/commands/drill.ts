/** `coequal drill NAME`: rehearses a disaster and says first whether anything was lost. */
import { fail, formatDuration } from '@coequal/kernel';
import type { LabDrillOptions } from '@coequal/lab';
import { type DrillReport, drills, isDrillName, shortestSeconds, summariseRuns } from '@coequal/proof';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { counted, formatCount, formatMoney } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { readEstate } from '../read-estate.ts';
import { formatTable } from '../table.ts';
import { labName, oneOf, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';

type Flags = {
  readonly lab?: string;
  readonly estate?: string;
  readonly architecture?: string;
  readonly engine?: string;
  readonly rtt?: string;
  readonly preset?: 'default' | 'tight' | 'stock' | 'virtual-machines';
  readonly direct?: true;
  readonly seed?: number;
  readonly seconds?: number;
  readonly runs?: number;
  readonly out: string;
  readonly json?: true;
};

export const addDrillCommand = (program: Command, world: World, outcome: Outcome): void => {
  program
    .command('drill')
    .summary('rehearse a disaster and account for every transaction')
    .description(
      'Rehearses a disaster under load in a lab of its own, then holds every acknowledged transaction against every instance and writes an ' +
        `evidence pack. Exit 1 when anything was lost, doubled or diverged, or the balance is not exact. Drills:\n${drillWords()}`,
    )
    .argument('<name>', 'the drill')
    .requiredOption(
      '--out <folder>',
      'where the evidence pack goes: report.html, report.json, history.ndjson, signature',
    )
    .option('--lab <name>', 'in this lab, which runs already, instead of one of its own', labName)
    .option('--estate <file>', 'in a lab made from this estate file')
    .option('--architecture <architecture>', 'how the service is replicated', oneOf(['multi-active']))
    .option('--engine <engine>', 'the database engine', oneOf(['galera']))
    .option('--rtt <times>', 'round trip times: one figure (5ms), two-cities, or a matrix')
    .option(
      '--preset <preset>',
      'engine settings: default, tight, stock, virtual-machines',
      oneOf(['default', 'tight', 'stock', 'virtual-machines']),
    )
    .option('--direct', 'clients connect to the instances themselves')
    .option(
      '--seed <number>',
      'the seed of everything random; a new one unless given, and always reported',
      wholeNumber(0, 2 ** 32 - 1),
    )
    .option(
      '--seconds <seconds>',
      "how long the load runs; the drill's own length unless given",
      wholeNumber(shortestSeconds, 86_400),
    )
    .option('--runs <number>', 'repeat so many times and report each', wholeNumber(1, 1_000))
    .option('--json', 'print the report; with --runs, {runs:[…]}')
    .addHelpText('after', '\nExample: coequal drill instance-kill --seconds 30 --out evidence/instance-kill')
    .action(async (name: string, flags: Flags) => {
      outcome.endsInOrder = true;
      outcome.code = await drill(world, name, flags);
    });
};

const drillWords = (): string => drills.map(({ name, what }) => `  ${name.padEnd(19)} ${what}`).join('\n');

const drill = async (world: World, name: string, flags: Flags): Promise<number> => {
  const options = await checkedOptions(world, name, flags);
  const lab = await world.lab();
  const progress = (step: string, detail?: string): void =>
    world.tell(`${step}${detail === undefined ? '' : ` (${detail})`}\n`);
  const running = lab.runLabDrill(options, progress, world.interrupted);
  const reports = await Promise.race([running, graceAfterInterruption(world)]);
  if (flags.json === true) world.out(`${JSON.stringify(flags.runs === undefined ? reports[0] : { runs: reports })}\n`);
  else world.out(`${drillLines(reports).join('\n')}\n`);
  return reports.length > 0 && reports.every(isGood) ? exitCodes.good : exitCodes.no;
};

/** What a drill may take to heal and end in order once it is interrupted. */
const graceMs = 10_000;

/** Rejects when an interrupted drill does not end: a lab of its own ends with this process. */
const graceAfterInterruption = (world: World): Promise<never> =>
  new Promise((_, reject) => {
    const wait = (): void => {
      world.tell('Interrupted; ending the drill …\n');
      world.clock.sleep(graceMs).then(() => reject(fail('INTERRUPTED', {})), reject);
    };
    if (world.interrupted.aborted) wait();
    else world.interrupted.addEventListener('abort', wait, { once: true });
  });

const checkedOptions = async (world: World, name: string, flags: Flags): Promise<LabDrillOptions> => {
  const refuse = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal drill --help' });
  if (!isDrillName(name))
    throw refuse(`There is no drill \`${name}\`; there are ${drills.map((each) => each.name).join(', ')}.`);
  if (flags.lab !== undefined)
    for (const flag of ['estate', 'rtt', 'preset'] as const)
      if (flags[flag] !== undefined)
        throw refuse(`--lab and --${flag} exclude each other: the lab that runs has its own.`);
  if (flags.estate !== undefined) await readEstate(world, flags.estate);
  const { lab, rtt, preset } = flags;
  return {
    name,
    seed: flags.seed ?? world.random.below(2 ** 31),
    seconds: flags.seconds ?? drills.find((each) => each.name === name)?.seconds ?? shortestSeconds,
    runs: flags.runs ?? 1,
    out: world.files.absolute(flags.out),
    direct: flags.direct === true,
    ...(lab === undefined ? {} : { lab }),
    ...(flags.estate === undefined ? {} : { estatePath: world.files.absolute(flags.estate) }),
    ...(rtt === undefined ? {} : { rtt }),
    ...(preset === undefined ? {} : { preset }),
  };
};

const isGood = (report: DrillReport): boolean =>
  report.passed && report.lost + report.doubled + report.diverged === 0 && report.balanceExact;

/** First the answer, then what customers felt, then where the proof lies. */
export const drillLines = (reports: readonly DrillReport[]): readonly string[] => [
  ...reports.flatMap((report, index) => [
    ...(index === 0 ? [] : ['']),
    ...(reports.length === 1 ? [] : [`Run ${index + 1} of ${reports.length}`]),
    ...reportLines(report),
  ]),
  ...(reports.length < 2 ? [] : ['', ...runsLines(reports)]),
];

const reportLines = (report: DrillReport): readonly string[] => [
  `${isGood(report) ? 'PASSED' : 'NOT PASSED'}  ${report.name}: ${report.verdict}`,
  `${counted(report.acknowledged, 'transaction')} acknowledged: ${formatCount(report.lost)} lost, ${formatCount(report.doubled)} doubled, ` +
    `${formatCount(report.diverged)} diverged rows, balance ${report.balanceExact ? 'exact' : 'NOT EXACT'}; ` +
    `${formatCount(report.inDoubt)} in doubt, ${formatCount(report.decided)} of them decided; RPO ${formatCount(report.rpo.transactions)} transactions, ${formatMoney(report.rpo.amount)}`,
  ...report.problems.map((problem) => `Problem: ${problem}`),
  ...report.checks.filter(({ passed }) => !passed).map(({ text, detail }) => `Check not passed: ${text}: ${detail}`),
  ...formatTable(
    [
      { title: 'SITE' },
      { title: '' },
      { title: 'LONGEST PAUSE', right: true },
      { title: 'ERRORS', right: true },
      { title: 'RECONNECTS', right: true },
    ],
    report.sites.map(({ name, faulted, longestPauseMs, errors, reconnects }) => [
      name,
      faulted ? 'broken' : '',
      durationOr(longestPauseMs, 'clients died'),
      formatCount(errors),
      formatCount(reconnects),
    ]),
  ),
  `Detected after ${durationOr(report.detectMs)}, evicted after ${durationOr(report.evictMs)}, back ${durationOr(report.rejoinMs)} after healing` +
    `${report.recoveryMs === null ? '' : `, all serving again after ${formatDuration(report.recoveryMs)}`}. Seed ${report.seed}, preset ${report.preset}.`,
  ...(report.evidence === null ? [] : [`Evidence: ${report.evidence}`]),
];

const durationOr = (ms: number | null, otherwise = '–'): string => (ms === null ? otherwise : formatDuration(ms));

const runsLines = (reports: readonly DrillReport[]): readonly string[] => {
  const { longestPauseMs } = summariseRuns(reports).spread;
  const failed = reports.filter((report) => !isGood(report)).length;
  return [
    `${counted(reports.length, 'run')}: ${failed === 0 ? 'all passed' : `${failed} NOT PASSED`}`,
    ...(longestPauseMs === null
      ? []
      : [
          `Longest pause of a surviving site: median ${formatDuration(longestPauseMs.median)}, from ${formatDuration(longestPauseMs.smallest)} to ${formatDuration(longestPauseMs.largest)}`,
        ]),
  ];
};
