/** `coequal store`: runs the stores of a host in the foreground. */
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import type { Outcome } from '../program.ts';
import type { World } from '../world.ts';

type Flags = { readonly config?: string; readonly name?: string; readonly check?: true; readonly json?: true };

export const addStoreCommand = (program: Command, world: World, outcome: Outcome): void => {
  program
    .command('store')
    .summary('keep the signals of an estate: run its stores on this host')
    .description(
      'Runs the stores that the estate places on a host: VictoriaMetrics, watched and started again when it dies, behind mutual TLS. ' +
        'SIGHUP reads certificates again, SIGTERM ends it in order. docs/signals.md has the rest.',
    )
    .option('--config <file>', 'the estate file')
    .option(
      '--name <name>',
      'name of a store, or of the host whose stores are run; may be left out where one host runs all',
    )
    .option('--check', 'check the configuration, and start nothing')
    .option('--json', 'with --check: print {valid, stores}')
    .addHelpText('after', '\nExample: coequal store --config coequal.yaml --name north-1')
    .action(async (flags: Flags) => {
      outcome.endsInOrder = true;
      if (flags.config === undefined)
        throw fail('COMMAND_USAGE', {
          problem: 'A store needs the estate file: --config FILE.',
          help: 'coequal store --help',
        });
      outcome.code = await world.runStore([
        '--config',
        flags.config,
        ...(flags.name === undefined ? [] : ['--name', flags.name]),
        ...(['check', 'json'] as const).flatMap((flag) => (flags[flag] === true ? [`--${flag}`] : [])),
      ]);
    });
};
