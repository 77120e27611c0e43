/** `coequal gateway …`: runs a gateway in the foreground, and operates one that runs on this machine. */
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { exitCodes } from '../failure.ts';
import type { Outcome } from '../program.ts';
import { durationMs, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';
import { addCredentialCommands } from './gateway-credentials.ts';
import { addJournalCommand } from './gateway-journal.ts';
import { type PlaceFlags, placeOf, placesOf } from './gateway-place.ts';
import { drainedText, servesNow, sessionLines, statusLines } from './gateway-text.ts';

type RunFlags = {
  readonly config?: string;
  readonly name?: string;
  readonly observe?: true;
  readonly check?: true;
  readonly wait?: true;
  readonly drainWithin?: string;
  readonly json?: true;
};

type Flags = PlaceFlags & { readonly json?: true };

export const addGatewayCommands = (program: Command, world: World, outcome: Outcome): void => {
  const gateway = program
    .command('gateway')
    .summary('run a gateway, and operate one that runs here')
    .description(
      'Runs a gateway in the foreground: the process that applications connect to instead of an instance. SIGTERM lets sessions end ' +
        'between transactions and ends; SIGHUP takes up the code and configuration now on disk without closing the port. docs/gateway.md has the rest.',
    )
    .enablePositionalOptions()
    .option('--config <file>', 'the estate file')
    .option('--name <name>', 'name of the gateway; the only one of the estate unless given')
    .option('--observe', 'forward without changing anything, and count what could have been hidden')
    .option('--check', 'check the configuration, the files, the ports and the instances, and start nothing')
    .option('--wait', 'wait for an instance instead of refusing to start without one')
    .option(
      '--drain-within <duration>',
      'how long sessions may take to come to a boundary at the end or a restart (30s)',
    )
    .option('--json', 'with --check: print {valid, settings, warnings, reached}')
    .addHelpText('after', '\nExample: coequal gateway --config coequal.yaml --name gateway-north')
    .action(async (flags: RunFlags) => {
      outcome.endsInOrder = true;
      outcome.code = await run(world, flags);
    });
  addStatus(gateway, world, outcome);
  addDrain(gateway, world);
  addRestartAndKill(gateway, world);
  addJournalCommand(gateway, world);
  addCredentialCommands(gateway, world);
};

const run = async (world: World, flags: RunFlags): Promise<number> => {
  const help = 'coequal gateway --help';
  if (flags.config === undefined)
    throw fail('COMMAND_USAGE', { problem: 'A gateway needs its estate file: --config FILE.', help });
  return world.runGateway([
    '--config',
    flags.config,
    ...(flags.name === undefined ? [] : ['--name', flags.name]),
    ...(flags.drainWithin === undefined ? [] : ['--drain-within', flags.drainWithin]),
    ...(['observe', 'check', 'wait', 'json'] as const).flatMap((flag) => (flags[flag] === true ? [`--${flag}`] : [])),
  ]);
};

/** Which gateway is meant; the same flags in every command. */
export const withPlace = (command: Command): Command =>
  command
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--name <name>', 'name of the gateway; the only one that runs here unless given')
    .option('--state <folder>', 'the state folder of the gateway, instead of the estate file');

const addStatus = (gateway: Command, world: World, outcome: Outcome): void => {
  withPlace(gateway.command('status'))
    .summary('what it does now, and what clients noticed')
    .description(
      'Shows the gateways that run on this machine: instances, workers, sessions, and what was hidden from clients and what was not. ' +
        'Exit 0: every one of them serves; 1: one does not; 2: none runs.',
    )
    .option('--json', 'print {name, state, instances, workers, totals, …}; {gateways:[…]} when there are several')
    .addHelpText('after', '\nExample: coequal gateway status --name gateway-north')
    .action(async (flags: Flags) => {
      outcome.code = await status(world, flags);
    });
  withPlace(gateway.command('sessions'))
    .summary('who is connected, the longest transaction first')
    .description(
      'Lists sessions, the longest open transaction first. Statements are not shown; the database knows them.',
    )
    .option('--user <user>', 'only sessions of this account')
    .option('--instance <instance>', 'only sessions on this instance')
    .option('--limit <number>', 'at most so many lines', wholeNumber(1, 100_000), 50)
    .option('--json', 'print {sessions:[{id, user, client, instance, state, …}]}, all of them')
    .addHelpText('after', '\nExample: coequal gateway sessions --user payments')
    .action((flags: SessionFlags) => sessions(world, flags));
};

const status = async (world: World, flags: Flags): Promise<number> => {
  const places = await placesOf(world, flags);
  const found = await Promise.all(places.map(({ control }) => control.status()));
  if (flags.json === true) world.out(`${JSON.stringify(found.length === 1 ? found[0] : { gateways: found })}\n`);
  else world.out(`${found.map((each) => statusLines(each).join('\n')).join('\n\n')}\n`);
  return found.every(servesNow) ? exitCodes.good : exitCodes.no;
};

type SessionFlags = Flags & { readonly user?: string; readonly instance?: string; readonly limit: number };

const sessions = async (world: World, flags: SessionFlags): Promise<void> => {
  const { control } = await placeOf(world, flags);
  const found = (await control.sessions()).filter(
    ({ user, instance }) =>
      (flags.user === undefined || user === flags.user) &&
      (flags.instance === undefined || instance === flags.instance),
  );
  if (flags.json === true) world.out(`${JSON.stringify({ sessions: found })}\n`);
  else world.out(`${sessionLines(found, flags.limit).join('\n')}\n`);
};

type DrainFlags = Flags & { readonly off?: true; readonly within?: number };

const within = 'what is still in a transaction then is cut (30s unless given)';

const addDrain = (gateway: Command, world: World): void => {
  withPlace(gateway.command('drain'))
    .summary('empty the gateway or an instance before work on it')
    .description(
      'With an instance: its sessions move to other instances between transactions, and no new ones go there. Without: the gateway closes its ' +
        'port, so that clients turn to another gateway, and lets sessions end between transactions; the process stays. --off undoes it.',
    )
    .argument('[instance]', 'the instance to empty; the gateway itself unless given')
    .option('--off', 'take connections, or send sessions there, again')
    .option('--within <duration>', within, durationMs)
    .option('--json', 'print {name, drained, on, handedOver, closed, cut}')
    .addHelpText('after', '\nExample: coequal gateway drain bank-north')
    .action((instance: string | undefined, flags: DrainFlags) => drain(world, instance, flags));
};

const drain = async (world: World, instance: string | undefined, flags: DrainFlags): Promise<void> => {
  const { name, control } = await placeOf(world, flags);
  const on = flags.off !== true;
  if (instance !== undefined) {
    await control.drainInstance(instance, on);
    const text = on
      ? `${instance} gets no new sessions of ${name}; those it has leave between transactions.`
      : `${instance} gets sessions of ${name} again.`;
    tell(world, flags, { name, drained: instance, on }, text);
    return;
  }
  if (!on) {
    await control.resume();
    tell(world, flags, { name, drained: name, on }, `${name} takes connections again.`);
    return;
  }
  const result = await control.drain(flags.within);
  tell(
    world,
    flags,
    { name, drained: name, on, ...result },
    `${name} is drained and its port closed: ${drainedText(result)}`,
  );
};

const addRestartAndKill = (gateway: Command, world: World): void => {
  withPlace(gateway.command('restart'))
    .summary('take up new code and configuration, without closing the port')
    .description(
      'Starts new workers from what is on disk now, then lets the old ones go: sessions on plain TCP are handed over between transactions, those with ' +
        'TLS are closed there. If the new ones cannot start, nothing changes.',
    )
    .option('--within <duration>', within, durationMs)
    .option('--json', 'print {name, handedOver, closed, cut}')
    .addHelpText('after', '\nExample: coequal gateway restart --within 2min')
    .action(async (flags: Flags & { readonly within?: number }) => {
      const { name, control } = await placeOf(world, flags);
      const result = await control.restart(flags.within);
      tell(world, flags, { name, ...result }, `${name} runs on new workers: ${drainedText(result)}`);
    });
  withPlace(gateway.command('kill'))
    .summary('end a session, or its statement')
    .description(
      'Ends a session by the number that `coequal gateway sessions` shows, which is the one its client was shown.',
    )
    .argument('<id>', 'number of the session', wholeNumber(1, 0xffff_ffff))
    .option('--query', 'end what it is doing, and leave it its connection')
    .option('--json', 'print {name, id, ended}')
    .addHelpText('after', '\nExample: coequal gateway kill 2147483649')
    .action(async (id: number, flags: Flags & { readonly query?: true }) => {
      const { name, control } = await placeOf(world, flags);
      const what = flags.query === true ? 'query' : 'connection';
      await control.kill(id, what);
      tell(world, flags, { name, id, ended: what }, `Ended the ${what} of session ${id}.`);
    });
};

const tell = (world: World, flags: Flags, object: object, text: string): void =>
  world.out(flags.json === true ? `${JSON.stringify(object)}\n` : `${text}\n`);
