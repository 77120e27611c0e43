/** `coequal diagnose correlate SIGNAL`: what moved like one signal in a stretch of time, asked of a platform. */
import { type CorrelateAnswer, correlateAnswer } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { parseMatchers } from '@coequal/signals';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { formatTable } from '../table.ts';
import { instant, wholeNumber } from '../values.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & {
  readonly from: number;
  readonly to?: number;
  readonly among?: string;
  readonly lag: number;
  readonly answers: number;
  readonly json?: true;
};

export const addCorrelateCommand = (group: Command, world: World, outcome: Outcome): void => {
  withPlatform(group.command('correlate'))
    .summary('what moved like one signal in a stretch of time, with lag and sign')
    .description('Asks a platform, which looks into its live window, or into its store for what was before that.')
    .argument('<signal>', 'its name, with as many labels as it takes to mean one: mysql_up{instance="north-db-1"}')
    .requiredOption('--from <time>', 'from this time, like 2026-03-01T14:00Z or -10min', instant(world.clock))
    .option('--to <time>', 'to this time; now unless given', instant(world.clock))
    .option('--among <labels>', 'only signals with these labels: site=north,job=mysql')
    .option('--lag <seconds>', 'how far the others may go before it or follow it', wholeNumber(0, 300), 30)
    .option('--answers <number>', 'how many of the likest', wholeNumber(1, 100), 20)
    .option('--json', 'print {source, whole, searched, correlated:[…]}')
    .addHelpText(
      'after',
      '\nExample: coequal diagnose correlate \'mysql_global_status_threads_running{instance="north-db-1"}\' --from -1h',
    )
    .action(async (signal: string, flags: Flags) => {
      outcome.code = await correlate(world, signal, flags);
    });
};

const usage = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal diagnose correlate --help' });

const correlate = async (world: World, signal: string, flags: Flags): Promise<number> => {
  const [, name = '', labels = ''] = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{.*\})?\s*$/s.exec(signal) ?? [];
  if (name === '') throw usage(`${signal.slice(0, 200)} is no signal: give a name, with labels in braces.`);
  const { from: fromMs, to: toMs = world.clock.now() } = flags;
  if (!(toMs > fromMs)) throw usage('--to must be later than --from.');
  const client = await platformClient(world, flags);
  const request = {
    ...{ name, labels: labelsOf(labels), fromMs, toMs, among: labelsOf(flags.among ?? '') },
    ...{ mostLagSeconds: flags.lag, answers: flags.answers },
  };
  const found = await client.send('POST', '/api/v1/signals/correlate', request, correlateAnswer);
  world.out(flags.json === true ? `${JSON.stringify(found)}\n` : `${textOf(found).join('\n')}\n`);
  return exitCodes.good;
};

const labelsOf = (text: string): Readonly<Record<string, string>> => {
  if (text.trim() === '') return {};
  const parsed = parseMatchers(text);
  if (!parsed.ok) throw usage(`${parsed.what}.`);
  if (parsed.matchers.some(({ sign }) => sign !== '=')) throw usage('Labels are given as name="value".');
  return Object.fromEntries(parsed.matchers.map(({ name, value }) => [name, value]));
};

const textOf = ({ source, whole, searched, correlated }: CorrelateAnswer): readonly string[] => [
  ...(correlated.length === 0
    ? ['Nothing moved like it.']
    : formatTable(
        [{ title: 'LIKE', right: true }, { title: 'FOLLOWS BY', right: true }, { title: 'SIGNAL' }],
        correlated.map(({ name, labels, correlation, lagSeconds }) => [
          correlation.toFixed(2),
          `${lagSeconds} s`,
          printable(`${name}{${Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)}}`),
        ]),
      )),
  `Searched: ${searched} signals of the ${source === 'live' ? 'live window' : 'store'}${whole ? '' : ', and then the time was over'}.`,
];
