/**
 * `coequal gateway credential …`: passwords in the sealed store of a gateway, for accounts whose log-in cannot be passed on to
 * instances (ed25519 and the like). Passwords are read from the keyboard without being shown, or from standard input;
 * never from an argument, and they are never printed.
 */
import type { AuditPlan } from '@coequal/estate';
import { fail } from '@coequal/kernel';
import { changeSealedStore, type KeyPorts, readSealedStore, type SealedStorePaths } from '@coequal/trust';
import type { Command } from 'commander';
import { readEstate } from '../read-estate.ts';
import type { World } from '../world.ts';
import { recorded } from './record.ts';

type Flags = { readonly config: string; readonly name?: string; readonly json?: true };

export const addCredentialCommands = (gateway: Command, world: World): void => {
  const credential = gateway
    .command('credential')
    .summary('passwords of accounts that cannot be passed on')
    .description(
      'The gateway logs in to instances as its clients. With mysql_native_password it needs nothing for that; of accounts with other methods it ' +
        'needs the password, from the sealed store that the estate names under `gateway.credentials`.',
    );
  const add = (name: string, summary: string, description: string): Command =>
    credential
      .command(name)
      .summary(summary)
      .description(description)
      .option('--config <file>', 'the estate file', 'coequal.yaml')
      .option('--name <name>', 'a gateway of the service that is meant; needed with several services');
  add(
    'set',
    'keep the password of an account',
    'Asks for the password without showing it, or reads it from standard input. Running gateways take it up with their next restart.',
  )
    .argument('<user>', 'the account: a user, or user@host where hosts have different passwords')
    .option('--json', 'print {user, kept}')
    .addHelpText('after', '\nExample: coequal gateway credential set payments')
    .action(async (user: string, flags: Flags) => {
      const { paths, audit } = await storeOf(world, flags);
      const password = await world.files.secret(`Password of ${user} (it is not shown): `, world.interrupted);
      if (password === '')
        throw fail('COMMAND_USAGE', {
          problem: 'An empty password is not kept.',
          help: 'coequal gateway credential set --help',
        });
      const what = { path: paths.file, action: 'gateway.credential.set', target: `account ${user}`, audit };
      await recorded(world, what, () =>
        changeSealedStore(paths, (secrets) => new Map(secrets).set(user, password), portsOf(world)),
      );
      say(world, flags, { user, kept: true }, `The password of ${user} is kept in ${paths.file}. ${restartWords}`);
    });
  add('remove', 'forget the password of an account', 'Removes a password from the store.')
    .argument('<user>', 'the account, as it was named when its password was set')
    .option('--json', 'print {user, kept}')
    .addHelpText('after', '\nExample: coequal gateway credential remove payments')
    .action((user: string, flags: Flags) => remove(world, user, flags));
  add('list', 'which accounts have one', 'Lists the accounts whose passwords are kept; the passwords are not shown.')
    .option('--json', 'print {users:[…]}')
    .addHelpText('after', '\nExample: coequal gateway credential list')
    .action(async (flags: Flags) => {
      const { secrets } = await readSealedStore((await storeOf(world, flags)).paths, portsOf(world));
      const users = [...secrets.keys()].sort();
      say(world, flags, { users }, users.length === 0 ? 'No password is kept.' : users.join('\n'));
    });
};

const portsOf = ({ clock, environment }: World): KeyPorts => ({ clock, environment });

const restartWords = 'Running gateways take it up with `coequal gateway restart`.';

const remove = async (world: World, user: string, flags: Flags): Promise<void> => {
  const { paths, audit } = await storeOf(world, flags);
  const { secrets: before } = await readSealedStore(paths, portsOf(world));
  if (!before.has(user)) {
    const known = [...before.keys()].sort().join(', ') || 'none';
    throw fail('COMMAND_USAGE', {
      problem: `No password of ${user} is kept; there are: ${known}.`,
      help: 'coequal gateway credential remove --help',
    });
  }
  const what = { path: paths.file, action: 'gateway.credential.remove', target: `account ${user}`, audit };
  await recorded(world, what, () =>
    changeSealedStore(paths, (secrets) => new Map([...secrets].filter(([name]) => name !== user)), portsOf(world)),
  );
  say(world, flags, { user, kept: false }, `The password of ${user} is removed. ${restartWords}`);
};

type Store = { readonly paths: SealedStorePaths; readonly audit: AuditPlan | undefined };

const storeOf = async (world: World, { config, name }: Flags): Promise<Store> => {
  const estate = await readEstate(world, config);
  const { gatewaySettings } = await world.gateway();
  // Gateways of one service share its store, so with one service it does not matter which is meant.
  const services = estate.services.filter(({ gateway }) => gateway !== undefined);
  const usual = services.length === 1 ? estate.gateways[0]?.name : undefined;
  const { credentials, service } = gatewaySettings(estate, name ?? usual);
  if (credentials !== undefined) return { paths: credentials, audit: estate.audit };
  throw fail('COMMAND_USAGE', {
    problem: `The estate names no sealed store: service ${service} has no \`gateway.credentials\` (file and keyFile).`,
    help: 'coequal gateway credential --help',
  });
};

const say = (world: World, { json }: Flags, object: object, text: string): void =>
  world.out(json === true ? `${JSON.stringify(object)}\n` : `${text}\n`);
