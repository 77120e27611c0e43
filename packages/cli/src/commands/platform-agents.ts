/** `coequal platform invite|agents|revoke-agent`: agents that act, on the machine of the platform. */
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';

type Flags = { readonly config: string; readonly name?: string; readonly json?: true };
type AgentFlags = Flags & { readonly agent?: string };
type InviteFlags = AgentFlags & { readonly out?: string };

const configFlag = ['--config <file>', 'the estate file', 'coequal.yaml'] as const;
const nameFlag = ['--name <name>', 'name of the platform; the only one of the estate unless given'] as const;

export const addAgentsOfPlatform = (platform: Command, world: World): void => {
  platform
    .command('invite')
    .summary('let an agent that acts enrol')
    .description(
      'Writes an invitation for an agent: a secret that counts once and for an hour, the address of the line, and the authority. Run it on the machine of the ' +
        'platform, as its user. An agent that was enrolled before needs two, made by two people under their own accounts.',
    )
    .option(...configFlag)
    .option(...nameFlag)
    .option('--agent <name>', 'the agent')
    .option('--out <file>', 'where to write it; NAME.invitation.json unless given')
    .option('--json', 'print {agent, file, until}')
    .addHelpText('after', '\nExample: coequal platform invite --config coequal.yaml --agent north-1')
    .action((flags: InviteFlags) => invite(world, flags));
  platform
    .command('agents')
    .summary('list agents that were enrolled')
    .option(...configFlag)
    .option(...nameFlag)
    .option('--json', 'print a list of {agent, enrolledMs, revoked}')
    .addHelpText('after', '\nExample: coequal platform agents --config coequal.yaml')
    .action((flags: Flags) => list(world, flags));
  platform
    .command('revoke-agent')
    .summary('let the certificates of an agent count no more')
    .description('The line of the agent ends within a second or two. Enrolling it again takes two invitations.')
    .option(...configFlag)
    .option(...nameFlag)
    .option('--agent <name>', 'the agent')
    .option('--json', 'print {agent, revoked}')
    .addHelpText('after', '\nExample: coequal platform revoke-agent --config coequal.yaml --agent north-1')
    .action((flags: AgentFlags) => revoke(world, flags));
};

const settingsOf = async (world: World, { config, name }: Flags) => {
  const { platformSettings } = await world.platform();
  return platformSettings(await readEstate(world, config), name);
};

const named = ({ agent }: AgentFlags, command: string): string => {
  if (agent !== undefined) return agent;
  throw fail('COMMAND_USAGE', { problem: 'Name the agent: --agent NAME.', help: `coequal platform ${command} --help` });
};

const invite = async (world: World, flags: InviteFlags): Promise<void> => {
  const agent = named(flags, 'invite');
  const { inviteAgent } = await world.platform();
  const { clock, user } = world;
  const invitation = await inviteAgent({ settings: await settingsOf(world, flags), agent, by: user, clock });
  const file = world.files.absolute(flags.out ?? `${agent}.invitation.json`);
  const { writeSecretFile } = await import('@coequal/trust');
  await writeSecretFile(file, `${JSON.stringify(invitation)}\n`);
  const until = new Date(invitation.untilMs).toISOString();
  if (flags.json === true) world.out(`${JSON.stringify({ agent, file, until })}\n`);
  else world.tell(`${file} lets ${agent} enrol once, until ${until}. It is a secret: remove it when that is done.\n`);
};

const list = async (world: World, flags: Flags): Promise<void> => {
  const { enrolledAgents } = await world.platform();
  const agents = await enrolledAgents(await settingsOf(world, flags), world.clock);
  if (flags.json === true) world.out(`${JSON.stringify(agents)}\n`);
  else if (agents.length === 0) world.tell('No agent was enrolled here.\n');
  else
    for (const { agent, enrolledMs, revoked } of agents)
      world.out(`${agent}  enrolled ${new Date(enrolledMs).toISOString()}${revoked ? ', revoked' : ''}\n`);
};

const revoke = async (world: World, flags: AgentFlags): Promise<void> => {
  const agent = named(flags, 'revoke-agent');
  const { revokeAgent } = await world.platform();
  await revokeAgent({ settings: await settingsOf(world, flags), agent, clock: world.clock });
  if (flags.json === true) world.out(`${JSON.stringify({ agent, revoked: true })}\n`);
  else world.tell(`${agent} is revoked.\n`);
};
