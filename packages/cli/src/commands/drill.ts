/** `coequal drill NAME`: rehearses a disaster and says first whether anything was lost. */
import { fail, formatDuration } from '@coequal/kernel';
import type { LabDrillOptions } from '@coequal/lab';
import {
  type CustomersReport,
  type DrillReport,
  drills,
  isRequestedDrill,
  type PauseReport,
  type RequestedDrill,
  requestedDrills,
  type Spread,
  shortestSeconds,
  summariseRuns,
} from '@coequal/proof';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { counted, formatCount, formatMoney } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { readEstate } from '../read-estate.ts';
import { formatTable } from '../table.ts';
import { labName, oneOf, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';
import { type DiagnoseFlags, drillDiagnose } from './drill-diagnose.ts';

type Flags = {
  readonly lab?: string;
  readonly estate?: string;
  readonly architecture?: string;
  readonly engine?: string;
  readonly rtt?: string;
  readonly preset?: 'default' | 'tight' | 'stock' | 'virtual-machines';
  readonly direct?: true;
  readonly style?: 'careful' | 'legacy' | 'mixed';
  readonly connections?: number;
  readonly rate?: number;
  readonly faults?: number;
  readonly commits?: number;
  readonly rows?: number;
  readonly rule?: 'none' | 'refuse' | 'fragment' | 'chunk';
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
    .option('--direct', 'clients connect to the instances themselves, instead of through their site’s gateways')
    .option(
      '--style <style>',
      'careful: transactions, tried again; legacy: single statements, never tried again; mixed',
      oneOf(['careful', 'legacy', 'mixed']),
    )
    .option('--connections <number>', 'clients of each site', wholeNumber(1, 1_000))
    .option('--rate <number>', 'transactions a second of each site', wholeNumber(1, 100_000))
    .option('--faults <number>', 'commit-kill, single-faults: so many faults', wholeNumber(1, 10_000))
    .option(
      '--commits <number>',
      'commit-kill: until so many COMMITs were in flight at faults',
      wholeNumber(1, 1_000_000),
    )
    .option(
      '--rows <number>',
      'batch: rows that one statement changes; 1,000,000 unless given',
      wholeNumber(1, 10_000_000),
    )
    .option(
      '--rule <rule>',
      'batch: what gateways do about it; one after the other unless given',
      oneOf(['none', 'refuse', 'fragment', 'chunk']),
    )
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
    .option('--runs <number>', 'repeat so many times and report each', wholeNumber(0, 1_000))
    .option('--hold <seconds>', 'diagnose: how long each fault stays (25)', wholeNumber(5, 600))
    .option('--quiet <seconds>', 'diagnose: how long all is quiet before each fault (20)', wholeNumber(1, 86_400))
    .option('--kinds <list>', 'diagnose: only these faults, with commas between')
    .option('--pairs <number>', 'diagnose: so many times two faults at once, after the others', wholeNumber(0, 1_000))
    .option('--healthy <seconds>', 'diagnose: how long nothing is broken in the end', wholeNumber(0, 86_400))
    .option('--json', 'print the report; of several runs, {runs:[…]}')
    .addHelpText('after', '\nExample: coequal drill instance-kill --seconds 30 --out evidence/instance-kill')
    .action(async (name: string, flags: Flags & DiagnoseFlags) => {
      outcome.endsInOrder = true;
      outcome.code = name === 'diagnose' ? await drillDiagnose(world, flags) : await drill(world, name, flags);
    });
};

const diagnoseDrill = {
  name: 'diagnose',
  what: 'One fault after the other in a lab that is watched; how often, and how soon, the platform names the right cause.',
};

const drillWords = (): string =>
  [...requestedDrills, diagnoseDrill].map(({ name, what }) => `  ${name.padEnd(19)} ${what}`).join('\n');

const drill = async (world: World, name: string, flags: Flags): Promise<number> => {
  const options = await checkedOptions(world, name, flags);
  const lab = await world.lab();
  const progress = (step: string, detail?: string): void =>
    world.tell(`${step}${detail === undefined ? '' : ` (${detail})`}\n`);
  const running = lab.runLabDrill(options, progress, world.interrupted);
  const reports = await Promise.race([running, graceAfterInterruption(world)]);
  const single = flags.runs === undefined && reports.length < 2;
  if (flags.json === true) world.out(`${JSON.stringify(single ? reports[0] : summariseRuns(reports))}\n`);
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
  if (!isRequestedDrill(name))
    throw refuse(`There is no drill \`${name}\`; there are ${requestedDrills.map((each) => each.name).join(', ')}.`);
  if (flags.direct === true && requestedDrills.some((each) => each.name === name && each.gateways === true))
    throw refuse(`--direct does not go with \`${name}\`, which is about gateways.`);
  for (const { flag, names } of ofSomeDrills)
    if (flags[flag] !== undefined && !names.includes(name))
      throw refuse(`--${flag} goes with ${names.join(' and ')} only.`);
  if (flags.runs === 0) throw refuse('--runs 0 goes with `diagnose` only, which can watch without breaking anything.');
  if (flags.lab !== undefined)
    for (const flag of ['estate', 'rtt', 'preset'] as const)
      if (flags[flag] !== undefined)
        throw refuse(`--lab and --${flag} exclude each other: the lab that runs has its own.`);
  if (flags.estate !== undefined) await readEstate(world, flags.estate);
  const { lab, rtt, preset } = flags;
  // A comparison is of several drills, each with its own length.
  const seconds = flags.seconds ?? drills.find((each) => each.name === name)?.seconds;
  return {
    name,
    seed: flags.seed ?? world.random.below(2 ** 31),
    ...(seconds === undefined ? {} : { seconds }),
    ...loadFlags(flags),
    runs: flags.runs ?? 1,
    out: world.files.absolute(flags.out),
    direct: flags.direct === true,
    ...(lab === undefined ? {} : { lab }),
    ...(flags.estate === undefined ? {} : { estatePath: world.files.absolute(flags.estate) }),
    ...(rtt === undefined ? {} : { rtt }),
    ...(preset === undefined ? {} : { preset }),
  };
};

/** Flags that mean nothing to other drills. */
const ofSomeDrills: readonly {
  readonly flag: 'faults' | 'commits' | 'rows' | 'rule';
  readonly names: readonly RequestedDrill[];
}[] = [
  { flag: 'faults', names: ['commit-kill', 'single-faults'] },
  { flag: 'commits', names: ['commit-kill'] },
  { flag: 'rows', names: ['batch'] },
  { flag: 'rule', names: ['batch'] },
];

/** The flags that the lab takes as they are. */
const loadFlags = ({ style, connections, rate, faults, commits, rows, rule }: Flags) => ({
  ...(style === undefined ? {} : { style }),
  ...(connections === undefined ? {} : { connections }),
  ...(rate === undefined ? {} : { ratePerSecond: rate }),
  ...(faults === undefined ? {} : { faults }),
  ...(commits === undefined ? {} : { commits }),
  ...(rows === undefined ? {} : { rows }),
  ...(rule === undefined ? {} : { rule }),
});

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
      { title: 'CLIENTS' },
      { title: '' },
      { title: 'LONGEST PAUSE', right: true },
      { title: 'LONGEST WAIT', right: true },
      { title: 'ERRORS', right: true },
      { title: 'CONFLICTS', right: true },
      { title: 'RECONNECTS', right: true },
    ],
    report.sites.flatMap((site) => [
      customersRow(site.name, report.via === 'gateway' ? 'gateways' : 'direct', site.faulted, site),
      ...(site.direct === null ? [] : [customersRow('', 'direct', false, site.direct)]),
    ]),
  ),
  ...gatewayLines(report),
  `Detected after ${durationOr(report.detectMs)}, evicted after ${durationOr(report.evictMs)}, back ${durationOr(report.rejoinMs)} after healing` +
    `${report.recoveryMs === null ? '' : `, all serving again after ${formatDuration(report.recoveryMs)}`}. Seed ${report.seed}, preset ${report.preset}.`,
  ...(report.evidence === null ? [] : [`Evidence: ${report.evidence}`]),
];

const customersRow = (
  site: string,
  way: string,
  faulted: boolean,
  { longestPauseMs, longestWaitMs, errors, conflicts, reconnects }: CustomersReport,
): readonly string[] => [
  site,
  way,
  faulted ? 'broken' : '',
  durationOr(longestPauseMs, 'clients died'),
  durationOr(longestWaitMs),
  formatCount(errors),
  formatCount(conflicts),
  formatCount(reconnects),
];

/** What the gateways did so that nobody noticed, and what was in flight meanwhile. */
const gatewayLines = ({ gateway, commits, pauses, batch, faults }: DrillReport): readonly string[] => [
  ...(gateway === null
    ? []
    : [
        `Gateways: ${counted(gateway.losses, 'session')} lost their instance, ${counted(gateway.replays, 'replay')} unnoticed (${formatCount(gateway.replaysTold)} told), ` +
          `${counted(gateway.outcomes, 'outcome')} decided (${formatCount(gateway.outcomesUndecided)} not), ${counted(gateway.hidden, 'conflict')} hidden (${formatCount(gateway.conflictsTold)} told), ` +
          `${formatCount(gateway.notReplayable)} not replayable`,
      ]),
  ...(commits.inFlight === 0
    ? []
    : [
        `COMMITs in flight at ${counted(commits.faults, 'fault')}: ${formatCount(commits.inFlight)}, ${formatCount(commits.onVictims)} of them where it broke; ` +
          `${formatCount(commits.acknowledged)} acknowledged, ${formatCount(commits.refused)} refused, ${formatCount(commits.inDoubt)} in doubt, ${formatCount(commits.decided)} of those settled`,
      ]),
  ...(faults.length < 2 || pauses.gateway === null ? [] : [pauseLine('through gateways', pauses.gateway)]),
  ...(faults.length < 2 || pauses.direct === null ? [] : [pauseLine('directly', pauses.direct)]),
  ...(batch === null || batch.reason === null ? [] : [`The large write was told: ${batch.reason}`]),
];

const pauseLine = (way: string, { faults, medianMs, largestMs, medianWaitMs, largestWaitMs }: PauseReport): string =>
  `Longest pause after each of ${counted(faults, 'fault')}, ${way}: median ${formatDuration(medianMs)}, largest ${formatDuration(largestMs)}; ` +
  `longest wait of one client: median ${formatDuration(medianWaitMs)}, largest ${formatDuration(largestWaitMs)}`;

const durationOr = (ms: number | null, otherwise = '–'): string => (ms === null ? otherwise : formatDuration(ms));

const runsLines = (reports: readonly DrillReport[]): readonly string[] => {
  const { spread, pauses, errors } = summariseRuns(reports);
  const failed = reports.filter((report) => !isGood(report)).length;
  const spreadLine = (what: string, figures: Spread | null): readonly string[] =>
    figures === null
      ? []
      : [
          `${what}: median ${formatDuration(figures.median)}, from ${formatDuration(figures.smallest)} to ${formatDuration(figures.largest)}`,
        ];
  return [
    `${counted(reports.length, 'run')}: ${failed === 0 ? 'all passed' : `${failed} NOT PASSED`}, ${counted(errors, 'error')} at clients`,
    ...spreadLine('Longest pause of a surviving site', spread.longestPauseMs),
    ...spreadLine('Longest pause after a fault, through gateways', pauses.gateway),
    ...spreadLine('Longest wait of one client, through gateways', pauses.gatewayWaits),
    ...spreadLine('Longest pause after a fault, directly', pauses.direct),
  ];
};
