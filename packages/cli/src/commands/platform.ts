/** `coequal platform`: runs a platform in the foreground; below it what is done to its database. */
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import type { Outcome } from '../program.ts';
import type { World } from '../world.ts';
import { addAgentsOfPlatform } from './platform-agents.ts';
import { addPlatformStoreCommands } from './platform-store.ts';

type Flags = { readonly config?: string; readonly name?: string; readonly check?: true; readonly json?: true };

export const addPlatformCommand = (program: Command, world: World, outcome: Outcome): void => {
  const platform = program
    .command('platform')
    .summary('watch an estate: incidents, and why they happened')
    .description(
      'Runs a platform in the foreground: takes in what agents and others tell, makes incidents, diagnoses them, and answers over HTTP on ' +
        'loopback. SIGTERM ends it in order. docs/platform.md has the rest.',
    )
    .enablePositionalOptions()
    .option('--config <file>', 'the estate file')
    .option('--name <name>', 'name of the platform; the only one of the estate unless given')
    .option('--check', 'check the configuration and the files, and start nothing')
    .option('--json', 'with --check: print {valid, settings}')
    .addHelpText('after', '\nExample: coequal platform --config coequal.yaml')
    .action(async (flags: Flags) => {
      outcome.endsInOrder = true;
      if (flags.config === undefined)
        throw fail('COMMAND_USAGE', {
          problem: 'A platform needs the estate file: --config FILE.',
          help: 'coequal platform --help',
        });
      outcome.code = await world.runPlatform([
        '--config',
        flags.config,
        ...(flags.name === undefined ? [] : ['--name', flags.name]),
        ...(['check', 'json'] as const).flatMap((flag) => (flags[flag] === true ? [`--${flag}`] : [])),
      ]);
    });
  addAgentsOfPlatform(platform, world);
  addPlatformStoreCommands(platform, world);
};
