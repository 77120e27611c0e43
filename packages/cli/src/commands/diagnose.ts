/** `coequal diagnose`: learns causes from labelled cases, and ranks causes for cases; `correlate` asks a platform. */
import type { Diagnosis, Knowledge, LabelledCase, ProfileWitness } from '@coequal/diagnosis';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import { counted } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { instant, oneOf } from '../values.ts';
import type { World } from '../world.ts';
import { addConfirmedCommands } from './diagnose-confirmed.ts';
import { addCorrelateCommand } from './diagnose-correlate.ts';
import { runStored, type StoredFlags } from './diagnose-stored.ts';

/** A day of 1,000 signals a second is beyond what this command is for; the bound keeps memory bounded. */
const maximumCasesBytes = 256 * 2 ** 20;
const maximumKnowledgeBytes = 128 * 2 ** 20;

type LearnFlags = {
  readonly out: string;
  readonly knowledge?: string;
  readonly indicator?: string;
  readonly json?: true;
};
type RunFlags = {
  readonly knowledge?: string;
  readonly windows: 'given' | 'found';
  readonly indicator?: string;
  readonly json?: true;
};

export const addDiagnoseCommands = (program: Command, world: World, outcome: Outcome): void => {
  const group = program
    .command('diagnose')
    .summary('learn causes from labelled cases; rank causes; find what moved alike')
    .description(
      'Works on cases as JSON, one a line, plain or compressed with gzip: first {"columns":[…]}, then {"id","causes","rows","abnormal"?,"inject"?} for each case.',
    );
  addCorrelateCommand(group, world, outcome);
  group
    .command('learn')
    .summary('learn causes from labelled cases into a knowledge file')
    .argument('<file>', 'labelled cases')
    .requiredOption('--out <knowledge>', 'the knowledge file to write')
    .option('--knowledge <file>', 'add to what this file knows; cases with a known id correct it')
    .option('--indicator <name>', 'the signal that is the service-level indicator; found by its name unless given')
    .option('--json', 'print {incidents, causes}')
    .addHelpText('after', '\nExample: coequal diagnose learn confirmed.ndjson --out knowledge.json')
    .action(async (file: string, flags: LearnFlags) => {
      outcome.code = await learn(world, file, flags);
    });
  addConfirmedCommands(group, world, outcome);
  group
    .command('run')
    .summary('rank causes for cases, or for a stretch of time in a store')
    .argument('[file]', 'cases; what their labels say of causes is not looked at')
    .option('--knowledge <file>', 'a file that `coequal diagnose learn` wrote; cases need one')
    .option(
      '--windows <which>',
      'given: the abnormal rows are those the file names; found: find them',
      oneOf(['given', 'found'] as const),
      'found',
    )
    .option('--indicator <name>', 'the signal that is the service-level indicator; found by its name unless given')
    .option(
      '--from <time>',
      'instead of a file: from this time in a store, like 2026-03-01T14:00Z or -10min',
      instant(world.clock),
    )
    .option('--to <time>', 'to this time, while the incident still went on; now unless given', instant(world.clock))
    .option('--at <time>', 'when it was noticed; all of the stretch is searched unless given', instant(world.clock))
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--store <url>', 'the store to ask; that of the estate file unless given')
    .option('--platform <url>', 'a platform, for what was changed')
    .option('--token-file <file>', 'file with the token that the platform asks for; COEQUAL_TOKEN_FILE unless given')
    .option('--weights <file>', 'a file that `coequal diagnose weigh` wrote')
    .option('--json', 'print one line a case: {id, window, causes, unknown}; of a store, the diagnosis')
    .addHelpText(
      'after',
      '\nExamples: coequal diagnose run cases.ndjson.gz --knowledge knowledge.json --json\n          coequal diagnose run --from -10min --store http://127.0.0.1:8428',
    )
    .action(async (file: string | undefined, flags: RunFlags & StoredFlags) => {
      if (file === undefined) outcome.code = await runStored(world, flags);
      else if (flags.from !== undefined)
        throw fail('COMMAND_USAGE', {
          problem: 'Give a file of cases or --from, not both.',
          help: 'coequal diagnose run --help',
        });
      else outcome.code = await runCases(world, file, flags);
    });
};

type DiagnosisModule = typeof import('@coequal/diagnosis');

const readCases = async (world: World, code: DiagnosisModule, file: string): Promise<readonly LabelledCase[]> =>
  code.parseCases(
    await world.files.readData(file, maximumCasesBytes, 'Name a file of cases, one JSON object a line.'),
    file,
  );

const readKnowledge = async (world: World, code: DiagnosisModule, file: string): Promise<Knowledge> =>
  code.parseKnowledge(
    await world.files.readData(file, maximumKnowledgeBytes, 'Write one with `coequal diagnose learn`.'),
    file,
  );

const learn = async (world: World, file: string, flags: LearnFlags): Promise<number> => {
  const code = await world.diagnosis();
  const before =
    flags.knowledge === undefined ? code.emptyKnowledge : await readKnowledge(world, code, flags.knowledge);
  const cases = await readCases(world, code, file);
  const learned = cases.flatMap((one) => code.incidentsOf(one, indicatorOf(flags)));
  const knowledge = code.confirmIncidents(before, learned);
  await world.files.writeText(flags.out, code.formatKnowledge(knowledge), 'Choose another place with --out.');
  const causes = [...new Set(knowledge.incidents.flatMap((incident) => incident.causes))].sort();
  if (flags.json === true) world.out(`${JSON.stringify({ incidents: knowledge.incidents.length, causes })}\n`);
  else
    world.out(
      `${flags.out} knows ${counted(knowledge.incidents.length, 'profile')} of ${counted(causes.length, 'cause')}.\n`,
    );
  return exitCodes.good;
};

const indicatorOf = ({ indicator }: { readonly indicator?: string }) => (indicator === undefined ? {} : { indicator });

const runCases = async (world: World, file: string, flags: RunFlags): Promise<number> => {
  const code = await world.diagnosis();
  if (flags.knowledge === undefined)
    throw fail('COMMAND_USAGE', {
      problem: 'Cases are compared with what is known: name it with --knowledge FILE.',
      help: 'coequal diagnose run --help',
    });
  const witness: ProfileWitness = code.learnProfiles(await readKnowledge(world, code, flags.knowledge));
  for (const one of await readCases(world, code, file)) {
    const given = flags.windows === 'given' ? { stretch: one.abnormal ?? ('whole' as const) } : {};
    const diagnosis = code.diagnose(one.window, witness, { ...indicatorOf(flags), ...given });
    world.out(
      flags.json === true ? `${JSON.stringify(lineOf(one.id, diagnosis))}\n` : `${textOf(one.id, diagnosis)}\n`,
    );
  }
  return exitCodes.good;
};

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;

const lineOf = (id: string, { window, causes, unknown, ruledOut }: Diagnosis) => ({
  id,
  window: window === null ? null : [window.start, window.end],
  causes: causes.map(({ cause, confidence, evidence }) => ({ cause, confidence: rounded(confidence), evidence })),
  unknown: rounded(unknown),
  ruledOut,
});

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const textOf = (id: string, { window, causes, unknown, ruledOut }: Diagnosis): string => {
  const first = causes[0];
  if (window === null || first === undefined) return `${id}: nothing is wrong`;
  const others = causes.slice(1, 3).filter(({ confidence }) => confidence >= 0.05);
  return [
    `${id}: rows ${window.start} to ${window.end - 1}: ${first.cause} (${percent(first.confidence)}); unlike anything known: ${percent(unknown)}`,
    ...first.evidence.map((text) => `  because ${text}`),
    ...others.map(({ cause, confidence }) => `  perhaps also ${cause} (${percent(confidence)})`),
    ...ruledOut.map((text) => `  not ${text}`),
  ].join('\n');
};
