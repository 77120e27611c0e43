/**
 * The command tree. Each group of commands adds itself; here are the habits they share: usage errors are one line
 * with code 2, help goes to standard output, every command knows `--json`.
 */
import { fail } from '@coequal/kernel';
import { Command, type CommanderError } from 'commander';
import { addAccessCommands } from './commands/access.ts';
import { addAgentCommands } from './commands/agent.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addBenchCommand } from './commands/bench.ts';
import { addDiagnoseCommands } from './commands/diagnose.ts';
import { addDrillCommand } from './commands/drill.ts';
import { addEstateCommands } from './commands/estate.ts';
import { addEvidenceCommands } from './commands/evidence.ts';
import { addGatewayCommands } from './commands/gateway.ts';
import { addIncidentCommands } from './commands/incident.ts';
import { addKeyCommands } from './commands/key.ts';
import { addLabCommands } from './commands/lab.ts';
import { addLoginCommands } from './commands/login.ts';
import { addPersonCommands } from './commands/person.ts';
import { addPlatformCommand } from './commands/platform.ts';
import { addServiceAccountCommands } from './commands/service-account.ts';
import { addStoreCommand } from './commands/store.ts';
import { addTopCommand } from './commands/top.ts';
import { exitCodes, tellFailure } from './failure.ts';
import type { World } from './world.ts';

/**
 * Where a command leaves its exit code (commander's actions return nothing), and whether it ends in order by itself
 * when interrupted. Of all others an interruption is the end.
 */
export type Outcome = { code: number; endsInOrder: boolean };

/** Runs one command line (without `node` and the script's name) and returns the exit code. Never throws. */
export const run = async (argv: readonly string[], world: World): Promise<number> => {
  const outcome: Outcome = { code: exitCodes.good, endsInOrder: false };
  const program = makeProgram(world, outcome);
  try {
    if (argv.length === 0) program.outputHelp();
    else await Promise.race([program.parseAsync([...argv], { from: 'user' }), interruption(world, outcome)]);
    return outcome.code;
  } catch (error) {
    if (error instanceof Ending) return exitCodes.good;
    return tellFailure(world, error, argv.includes('--json'));
  }
};

/** Rejects when the user interrupts a command that does not see to it itself. */
const interruption = (world: World, outcome: Outcome): Promise<never> =>
  new Promise((_, reject) => {
    const interrupt = (): void => {
      if (!outcome.endsInOrder) reject(fail('INTERRUPTED', {}));
    };
    if (world.interrupted.aborted) interrupt();
    else world.interrupted.addEventListener('abort', interrupt, { once: true });
  });

/** Thrown where commander would end the process with success: help or version was shown. */
class Ending extends Error {}

const makeProgram = (world: World, outcome: Outcome): Command => {
  const program = new Command('coequal')
    .description('Every data centre equal: one database in several sites at once, all reading and writing.')
    .version(world.version, '--version', 'print the version')
    // `gateway` has flags of its own and commands below it with the same flags: each takes what stands behind it.
    .enablePositionalOptions()
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nStart here: coequal lab up\nExit codes: 0 good, 1 the answer is no, 2 it could not be done.',
    );
  addLabCommands(program, world, outcome);
  addDrillCommand(program, world, outcome);
  addEvidenceCommands(program, world, outcome);
  addDiagnoseCommands(program, world, outcome);
  addBenchCommand(program, world, outcome);
  addEstateCommands(program, world, outcome);
  addGatewayCommands(program, world, outcome);
  addPlatformCommand(program, world, outcome);
  addStoreCommand(program, world, outcome);
  addIncidentCommands(program, world, outcome);
  addTopCommand(program, world, outcome);
  addAgentCommands(program, world, outcome);
  addServiceAccountCommands(program, world);
  addAccessCommands(program, world);
  addKeyCommands(program, world, outcome);
  addAuditCommands(program, world, outcome);
  addLoginCommands(program, world, outcome);
  addPersonCommands(program, world);
  settle(program, world);
  return program;
};

/** Applies the shared habits to a command and everything below it. */
const settle = (command: Command, world: World): void => {
  command
    .exitOverride((error) => endOf(command, error))
    .configureOutput({ writeOut: world.out, writeErr: () => undefined })
    .configureHelp({ showGlobalOptions: false })
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError(true)
    .allowExcessArguments(false);
  for (const child of command.commands) settle(child, world);
};

const endOf = (command: Command, error: CommanderError): never => {
  if (error.exitCode === 0) throw new Ending();
  const help = `${pathOf(command)} --help`;
  if (error.code === 'commander.help') {
    const names = command.commands.map((child) => child.name()).join(', ');
    throw fail('COMMAND_USAGE', { problem: `\`${pathOf(command)}\` needs one of: ${names}.`, help });
  }
  throw fail('COMMAND_USAGE', { problem: usageProblem(error.message), help });
};

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

/** Commander's words as a sentence on one line. */
const usageProblem = (message: string): string => {
  const text = message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll(/\p{Cc}/gu, '?')
    .replace(/[.]? \(Did you mean (.*?)\?\)$/, '. Did you mean $1?');
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(sentence) ? sentence : `${sentence}.`;
};
