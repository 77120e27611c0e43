/** `coequal person …`: who there is, who comes in, and who does not any more. For a security-admin who came in with `coequal login`. */
import { enrolmentLink, type PersonView, personPage, reEnrolment, roleNames } from '@coequal/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import { formatTable } from '../table.ts';
import { oneOf } from '../values.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & { readonly json?: true };
type Adding = Flags & {
  readonly role: readonly (typeof roleNames)[number][];
  readonly service: readonly string[];
  readonly site: readonly string[];
  readonly display?: string;
};

const people = '/api/v1/identity/people';
const under = (name: string, what: string): string => `${people}/${encodeURIComponent(name)}/${what}`;

export const addPersonCommands = (program: Command, world: World): void => {
  const group = program
    .command('person')
    .summary('who may come in, and as what')
    .description('For a security-admin: run `coequal login` first. docs/identity.md has the rest.');
  addAdding(group, world);
  withPlatform(group.command('list'))
    .summary('people, their roles, and how they come in')
    .option('--json', 'print {people:[…]}')
    .addHelpText('after', '\nExample: coequal person list')
    .action(async (flags: Flags) => {
      const { items } = await (await platformClient(world, flags, 'person')).get(people, personPage);
      print(world, flags, { people: items }, listLines(items));
    });
  changing(group, 'revoke')
    .summary('end all that a person has: sessions, devices, passkeys, roles')
    .addHelpText('after', '\nExample: coequal person revoke bob --reason "left the bank"')
    .action(async (name: string, flags: Flags) => {
      const client = await platformClient(world, flags, 'person');
      await client.send('POST', under(name, 'revoke'), undefined, z.undefined());
      print(world, flags, { revoked: name }, [`${printable(name)} is revoked.`]);
    });
  changing(group, 'enrol')
    .summary('a new way in, for who never came; with --anew, half of one for who has lost everything')
    .option('--anew', 'for somebody who was in: another security-admin has the other half')
    .addHelpText('after', '\nExample: coequal person enrol bob --reason "the link was lost"')
    .action(async (name: string, flags: Flags & { readonly anew?: true }) => {
      const client = await platformClient(world, flags, 'person');
      if (flags.anew !== true) {
        const link = await client.send('POST', under(name, 'enrol'), undefined, enrolmentLink);
        print(world, flags, link, linkLines(link));
        return;
      }
      const asked = await client.send('POST', under(name, 're-enrol'), undefined, reEnrolment);
      print(world, flags, asked, [
        `The first half of the code of ${printable(name)} is ${printable(asked.half)}. Tell it to nobody else.`,
        `Another security-admin opens /identity/agree and enters ${printable(asked.id)}: that shows the other half.`,
      ]);
    });
};

const changing = (group: Command, name: string): Command =>
  withPlatform(group.command(name))
    .argument('<person>', 'their name')
    .requiredOption('--reason <words>', 'why: it goes into the record')
    .option('--json', 'print what the platform answers');

const addAdding = (group: Command, world: World): void => {
  const names = (name: string, before: readonly string[]): readonly string[] => [...before, name];
  const role = oneOf(roleNames);
  changing(group, 'add')
    .summary('let somebody in: prints a link that is good once')
    .requiredOption(
      '--role <role>',
      `${roleNames.join(', ')}; several times for several`,
      (text: string, before: Adding['role'] | undefined) => [...(before ?? []), role(text)],
    )
    .option('--service <name>', 'only for this service; several times for several', names, [])
    .option('--site <name>', 'only for this site; several times for several', names, [])
    .option('--display <words>', 'how others see them; the name unless given')
    .addHelpText(
      'after',
      '\nExample: coequal person add bob --role operator --role approver --reason "joined the team"',
    )
    .action(async (name: string, flags: Adding) => {
      const some = (all: readonly string[]) => (all.length === 0 ? ('*' as const) : [...all]);
      const [services, sites] = [some(flags.service), some(flags.site)];
      const client = await platformClient(world, flags, 'person');
      const link = await client.send(
        ...(['POST', people] as const),
        {
          ...{ name, grants: flags.role.map((one) => ({ role: one, services, sites })) },
          ...(flags.display === undefined ? {} : { display: flags.display }),
        },
        enrolmentLink,
      );
      print(world, flags, link, linkLines(link));
    });
};

const linkLines = ({ name, url }: z.infer<typeof enrolmentLink>): readonly string[] => [
  `Give ${printable(name)} this link by a way that others do not read; it is good once, for three days:`,
  printable(url),
];

const listLines = (all: readonly PersonView[]): readonly string[] =>
  all.length === 0
    ? ['Nobody is enrolled.']
    : formatTable(
        [
          { title: 'NAME' },
          { title: 'ROLES' },
          { title: 'STATE' },
          { title: 'PASSKEYS' },
          { title: 'DEVICES' },
          { title: 'SESSIONS' },
        ],
        all.map(({ name, grants, passkeys, devices, sessions, revokedMs }) => [
          printable(name),
          grants.map(({ role }) => role).join(', '),
          revokedMs !== null ? 'revoked' : passkeys === 0 ? 'invited' : 'in',
          ...[passkeys, devices.length, sessions].map(String),
        ]),
      );

const print = (world: World, flags: Flags, object: object, lines: readonly string[]): void =>
  world.out(flags.json === true ? `${JSON.stringify(object)}\n` : `${lines.join('\n')}\n`);
