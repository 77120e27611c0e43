/** `coequal agent …`: runs an agent in the foreground, and tells the one on this machine of a change. */
import { type ChangeKind, changeKinds } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import type { Outcome } from '../program.ts';
import { readEstate } from '../read-estate.ts';
import { oneOf } from '../values.ts';
import type { World } from '../world.ts';
import { addActing } from './agent-acting.ts';

type RunFlags = { readonly config?: string; readonly host?: string; readonly check?: true; readonly json?: true };

type ChangeFlags = {
  readonly config: string;
  readonly agent?: string;
  readonly text?: string;
  readonly kind: ChangeKind;
  readonly site?: string;
  readonly host?: string;
  readonly service?: string;
  readonly instance?: string;
  readonly gateway?: string;
  readonly by?: string;
  readonly source?: string;
  readonly id?: string;
  readonly json?: true;
};

export const addAgentCommands = (program: Command, world: World, outcome: Outcome): void => {
  const agent = program
    .command('agent')
    .summary('run an agent, and tell the one that runs here of a change')
    .description(
      'Runs an agent in the foreground: the process on each host that watches it, its databases, gateways and logs, once a second. ' +
        'SIGTERM sends what can be sent in a moment and ends; the rest waits on disk. docs/agent.md has the rest.',
    )
    .enablePositionalOptions()
    .option('--config <file>', 'the estate file')
    .option('--host <name>', 'name of the host, or of its agent; the only one of the estate unless given')
    .option('--check', 'check the configuration, the files and the port, and start nothing')
    .option('--json', 'with --check: print {valid, name, host, port, watches, store, platforms}')
    .addHelpText('after', '\nExample: coequal agent --config coequal.yaml --host north-1')
    .action(async (flags: RunFlags) => {
      outcome.endsInOrder = true;
      outcome.code = await run(world, flags);
    });
  addChange(agent, world);
  addActing(agent, world, outcome);
};

const run = async (world: World, { config, host, check, json }: RunFlags): Promise<number> => {
  const help = 'coequal agent --help';
  if (config === undefined)
    throw fail('COMMAND_USAGE', { problem: 'An agent needs its estate file: --config FILE.', help });
  return world.runAgent([
    '--config',
    config,
    ...(host === undefined ? [] : ['--host', host]),
    ...(check === true ? ['--check'] : []),
    ...(json === true ? ['--json'] : []),
  ]);
};

const addChange = (agent: Command, world: World): void => {
  agent
    .command('change')
    .summary('tell that something was changed')
    .description(
      'Tells the agent on this machine that something was changed: a deployment, a backup or a job that begins. When something breaks soon after, ' +
        'this is what is looked at first. Write no secret and no value of a row into the text.',
    )
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--agent <name>', 'the agent to tell; the only one of the estate unless given')
    .option('--text <text>', 'what was changed, in words that complete "because of": "the deployment of bank-web 4.2"')
    .option('--kind <kind>', `what kind of change: ${changeKinds.join(', ')}`, oneOf(changeKinds), 'deployment')
    .option('--site <name>', 'where it was made')
    .option('--host <name>', 'where it was made; the host of the agent unless a place is given')
    .option('--service <name>', 'where it was made')
    .option('--instance <name>', 'where it was made')
    .option('--gateway <name>', 'where it was made')
    .option('--by <name>', 'who made it')
    .option('--source <name>', 'what tells it', 'command line')
    .option('--id <id>', 'told again with the same id it counts once')
    .option('--json', 'print {agent, url}')
    .addHelpText('after', '\nExample: coequal agent change --text "the deployment of bank-web 4.2" --service bank')
    .action(async (flags: ChangeFlags) => change(world, flags));
};

const change = async (world: World, flags: ChangeFlags): Promise<void> => {
  const { config, agent, text, kind, by, source, id, json } = flags;
  if (text === undefined || text.trim() === '')
    throw fail('COMMAND_USAGE', {
      problem: 'Say what was changed: --text TEXT.',
      help: 'coequal agent change --help',
    });
  const { agentSettings, sendChange } = await world.agent();
  const settings = agentSettings(await readEstate(world, config), agent);
  const place = placeOf(flags);
  const sent = await sendChange(
    {
      agent: settings,
      notice: {
        change: kind,
        text,
        ...(Object.keys(place).length === 0 ? {} : { place }),
        ...(by === undefined ? {} : { by }),
        ...(source === undefined ? {} : { source }),
        ...(id === undefined ? {} : { id }),
      },
    },
    world.clock,
  );
  if (json === true) world.out(`${JSON.stringify(sent)}\n`);
  else world.tell(`The agent ${sent.agent} was told.\n`);
};

const placeOf = ({ site, host, service, instance, gateway }: ChangeFlags) => ({
  ...(site === undefined ? {} : { site }),
  ...(host === undefined ? {} : { host }),
  ...(service === undefined ? {} : { service }),
  ...(instance === undefined ? {} : { instance }),
  ...(gateway === undefined ? {} : { gateway }),
});
