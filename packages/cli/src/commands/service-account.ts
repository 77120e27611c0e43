/**
 * `coequal service-account …`: accounts of programs that ask a platform. The token is written into a file or printed once, and kept
 * nowhere. The first account of a platform is made at its machine, while it does not run.
 */
import { type Grant, roleNames, serviceAccount, serviceAccountPage, serviceAccountToken } from '@coequal/contract';
import { addServiceAccountOffline, platformSettings, revokeServiceAccountOffline } from '@coequal/platform';
import { writeSecretFile } from '@coequal/trust';
import type { Command } from 'commander';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import { readEstate } from '../read-estate.ts';
import { formatTable } from '../table.ts';
import { oneOf, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & {
  readonly atMachine?: true;
  readonly name?: string;
  readonly json?: true;
};
type Adding = Flags & {
  readonly role: (typeof roleNames)[number];
  readonly service: readonly string[];
  readonly site: readonly string[];
  readonly days: number;
  readonly write?: string;
};

export const addServiceAccountCommands = (program: Command, world: World): void => {
  const group = program
    .command('service-account')
    .summary('accounts of programs that ask a platform')
    .description(
      'A service account looks, and with the role operator attends to incidents; nothing it may do touches a database. docs/access.md has the rest.',
    );
  addAdding(group, world);
  withPlatform(group.command('list'))
    .summary('which there are, those that ended included')
    .option('--json', 'print {accounts:[…]}')
    .addHelpText('after', '\nExample: coequal service-account list --token-file auditor.token')
    .action(async (flags: Flags) => {
      const { items } = await (await platformClient(world, flags)).get('/api/v1/service-accounts', serviceAccountPage);
      print(world, flags, { accounts: items }, listLines(items, world.clock.now()));
    });
  withMachine(withPlatform(group.command('revoke')))
    .summary('end one at once')
    .argument('<account>', 'its name')
    .option('--json', 'print {revoked}')
    .addHelpText('after', '\nExample: coequal service-account revoke grafana --reason "the token was mailed"')
    .action(async (account: string, flags: Flags) => {
      if (flags.atMachine === true)
        await revokeServiceAccountOffline(await settingsOf(world, flags), account, {
          clock: world.clock,
          user: world.user,
        });
      else
        await (await platformClient(world, flags)).send(
          ...([
            'DELETE',
            `/api/v1/service-accounts/${encodeURIComponent(account)}`,
            undefined,
            serviceAccount,
          ] as const),
        );
      print(world, flags, { revoked: account }, [`${account} is revoked.`]);
    });
};

const withMachine = (command: Command): Command =>
  command
    .option('--at-machine', 'on the platform that --config names, at its machine, while it does not run')
    .option('--name <name>', 'with --at-machine: the platform, where the estate has several')
    .option('--reason <words>', 'why; a running platform asks for it');

const addAdding = (group: Command, world: World): void => {
  const names = (name: string, before: readonly string[]): readonly string[] => [...before, name];
  withMachine(withPlatform(group.command('add')))
    .summary('make one; its token is told once')
    .argument('<account>', 'its name')
    .requiredOption('--role <role>', roleNames.join(', '), oneOf(roleNames))
    .option('--service <name>', 'only for this service; several times for several', names, [])
    .option('--site <name>', 'only for this site; several times for several', names, [])
    .option('--days <number>', 'how many days its token lives', wholeNumber(1, 366), 90)
    .option('--write <file>', 'write the token into this file, for its owner alone, and print it nowhere')
    .option('--json', 'print {account, token} or {account, file}')
    .addHelpText(
      'after',
      '\nExample: coequal service-account add grafana --role viewer --service bank --at-machine --config coequal.yaml --write grafana.token',
    )
    .action(async (account: string, flags: Adding) => {
      const token = await added(world, account, flags);
      if (flags.write === undefined) {
        print(world, flags, { account, token }, [token]);
        return;
      }
      const file = world.files.absolute(flags.write);
      await writeSecretFile(file, `${token}\n`);
      print(world, flags, { account, file }, [`The token of ${account} is in ${file}.`]);
    });
};

const added = async (world: World, name: string, flags: Adding): Promise<string> => {
  const some = (all: readonly string[]) => (all.length === 0 ? ('*' as const) : [...all]);
  const grants: Grant[] = [{ role: flags.role, services: some(flags.service), sites: some(flags.site) }];
  if (flags.atMachine === true) {
    const wanted = { name, grants, lifeMs: flags.days * 86_400_000 };
    return addServiceAccountOffline(await settingsOf(world, flags), wanted, { clock: world.clock, user: world.user });
  }
  const client = await platformClient(world, flags);
  const body = { name, grants, lifeDays: flags.days };
  return (await client.send('POST', '/api/v1/service-accounts', body, serviceAccountToken)).token;
};

const settingsOf = async (world: World, { config = 'coequal.yaml', name }: Flags) =>
  platformSettings(await readEstate(world, config), name);

const listLines = (all: readonly ReturnType<typeof serviceAccount.parse>[], nowMs: number): readonly string[] =>
  all.length === 0
    ? ['No service account.']
    : formatTable(
        [{ title: 'NAME' }, { title: 'ROLES' }, { title: 'STATE' }, { title: 'UNTIL (UTC)' }, { title: 'MADE BY' }],
        all.map(({ name, grants, revokedMs, expiresMs, createdBy }) => [
          name,
          grants.map(({ role }) => role).join(', '),
          revokedMs !== null ? 'revoked' : expiresMs <= nowMs ? 'expired' : 'in use',
          new Date(revokedMs ?? expiresMs).toISOString().slice(0, 16).replace('T', ' '),
          createdBy,
        ]),
      );

const print = (world: World, flags: Flags, object: object, lines: readonly string[]): void =>
  world.out(flags.json === true ? `${JSON.stringify(object)}\n` : `${lines.join('\n')}\n`);
