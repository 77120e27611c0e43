/** `coequal agent act|enrol|sign-scripts`: the half of an agent that acts. */
import { type Invitation, invitation } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import type { Outcome } from '../program.ts';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';

type ActFlags = { readonly config?: string; readonly host?: string; readonly check?: true; readonly json?: true };
type EnrolFlags = {
  readonly config: string;
  readonly host?: string;
  readonly invitation?: string;
  readonly second?: string;
  readonly json?: true;
};
type SignFlags = { readonly manifest?: string; readonly key?: string; readonly json?: true };

const invitationBytes = 2 ** 18;

export const addActing = (agent: Command, world: World, outcome: Outcome): void => {
  agent
    .command('act')
    .summary('carry out what platforms order, and start what crashed')
    .description(
      'Runs the half of an agent that acts, in the foreground: it dials out to the platforms of the estate, carries out the actions that ' +
        '`acts` allows, each once, and starts instances that crashed where `heal` is given. SIGTERM lets what is in progress end. docs/actions.md has the rest.',
    )
    .option('--config <file>', 'the estate file')
    .option('--host <name>', 'name of the host, or of its agent; the only one of the estate unless given')
    .option('--check', 'check the configuration and the enrolment, and start nothing')
    .option('--json', 'with --check: print {valid, name, host, instances, gateways, platforms, actions, heals}')
    .addHelpText('after', '\nExample: coequal agent act --config coequal.yaml --host north-1')
    .action(async (flags: ActFlags) => {
      outcome.endsInOrder = true;
      outcome.code = await act(world, flags);
    });
  agent
    .command('enrol')
    .summary('get the certificate of an agent that acts')
    .description(
      'Makes a key on this host and has a platform issue a certificate for it. The invitation comes from `coequal platform invite`, counts once ' +
        'and for an hour; hand it over like a password. An agent that was enrolled before needs two, of two people.',
    )
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--host <name>', 'name of the host, or of its agent; the only one of the estate unless given')
    .option('--invitation <file>', 'the invitation')
    .option('--second <file>', 'a second one, of another person')
    .option('--json', 'print {agent, platform}')
    .addHelpText(
      'after',
      '\nExample: coequal agent enrol --config coequal.yaml --host north-1 --invitation north-1.json',
    )
    .action((flags: EnrolFlags) => enrol(world, flags));
  agent
    .command('sign-scripts')
    .summary('sign a manifest of scripts that agents may run')
    .description(
      'Writes the signature of a manifest beside it (FILE.sig). Agents run the scripts of a manifest only with a signature of the key that ' +
        '`acts.scripts.key` names. Keep the private key off hosts that run agents.',
    )
    .option('--manifest <file>', 'the manifest, JSON')
    .option('--key <file>', 'Ed25519 private key, PEM, readable by its owner alone')
    .option('--json', 'print {manifest, scripts}')
    .addHelpText('after', '\nExample: coequal agent sign-scripts --manifest scripts.json --key scripts.key')
    .action((flags: SignFlags) => signScripts(world, flags));
};

const act = async (world: World, { config, host, check, json }: ActFlags): Promise<number> => {
  if (config === undefined)
    throw fail('COMMAND_USAGE', {
      problem: 'An agent needs its estate file: --config FILE.',
      help: 'coequal agent act --help',
    });
  return world.runAct([
    '--config',
    config,
    ...(host === undefined ? [] : ['--host', host]),
    ...(check === true ? ['--check'] : []),
    ...(json === true ? ['--json'] : []),
  ]);
};

const enrol = async (world: World, flags: EnrolFlags): Promise<void> => {
  if (flags.invitation === undefined)
    throw fail('COMMAND_USAGE', {
      problem: 'Name the invitation: --invitation FILE.',
      help: 'coequal agent enrol --help',
    });
  const agent = await world.agent();
  const { name, stateFolder } = agent.actSettings(await readEstate(world, flags.config), flags.host);
  const platform = await agent.enrol({
    invitation: await readInvitation(world, flags.invitation),
    second: flags.second === undefined ? undefined : await readInvitation(world, flags.second),
    agent: name,
    stateFolder,
    clock: world.clock,
  });
  if (flags.json === true) world.out(`${JSON.stringify({ agent: name, platform })}\n`);
  else world.tell(`${name} is enrolled with the platform at ${platform}.\n`);
};

const readInvitation = async (world: World, path: string): Promise<Invitation> => {
  const text = await world.files.readText(path, invitationBytes, 'Name the file that `coequal platform invite` wrote.');
  const reason = 'it is no invitation';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail('FILE_UNREADABLE', { path, reason }, { cause: error });
  }
  const parsed = invitation.safeParse(json);
  if (!parsed.success) throw fail('FILE_UNREADABLE', { path, reason });
  return parsed.data;
};

const signScripts = async (world: World, { manifest, key, json }: SignFlags): Promise<void> => {
  if (manifest === undefined || key === undefined)
    throw fail('COMMAND_USAGE', {
      problem: 'Name the manifest and the key: --manifest FILE --key FILE.',
      help: 'coequal agent sign-scripts --help',
    });
  const agent = await world.agent();
  const path = world.files.absolute(manifest);
  const scripts = await agent.signManifest(path, world.files.absolute(key));
  if (json === true) world.out(`${JSON.stringify({ manifest: path, scripts })}\n`);
  else world.tell(`Signed ${path}: ${scripts.join(', ') || 'no scripts'}.\n`);
};
