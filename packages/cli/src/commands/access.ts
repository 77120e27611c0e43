/** `coequal access review`: who can do what now, and who could have done what on a given day; for whoever has to sign that it is right. */
import { type AccessReview, accessReview } from '@coequal/contract';
import type { Command } from 'commander';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import { formatTable } from '../table.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';
import { withPlatform } from './incident.ts';

type Flags = PlatformFlags & {
  readonly on?: string;
  readonly zone: string;
  readonly csv?: true;
  readonly json?: true;
};

export const addAccessCommands = (program: Command, world: World): void => {
  const group = program
    .command('access')
    .summary('who may do what')
    .description('Needs the role auditor or security-admin. docs/access.md has roles, classes and actions.');
  withPlatform(group.command('review'))
    .summary('every grant that holds now, or held on a day, with what it lets its holder do')
    .option('--on <day>', 'a day like 2026-03-01; now unless given')
    .option('--zone <zone>', 'whose day it is, like Asia/Shanghai', 'UTC')
    .option('--csv', 'print a table for spreadsheets')
    .option('--json', 'print {fromMs, toMs, items:[…]}')
    .addHelpText(
      'after',
      '\nExample: coequal access review --on 2026-03-01 --csv --token-file auditor.token > review.csv',
    )
    .action(async (flags: Flags) => {
      const client = await platformClient(world, flags);
      const query = new URLSearchParams({ zone: flags.zone, ...(flags.on === undefined ? {} : { on: flags.on }) });
      if (flags.csv === true) {
        world.out(await client.text(`/api/v1/access-review.csv?${query}`));
        return;
      }
      const found = await client.get(`/api/v1/access-review?${query}`, accessReview);
      world.out(flags.json === true ? `${JSON.stringify(found)}\n` : `${linesOf(found).join('\n')}\n`);
    });
};

const linesOf = ({ items }: AccessReview): readonly string[] =>
  items.length === 0
    ? ['Nobody.']
    : formatTable(
        [
          { title: 'WHO' },
          { title: 'ROLE' },
          { title: 'SERVICES' },
          { title: 'SITES' },
          { title: 'FROM (UTC)' },
          { title: 'TO (UTC)' },
          { title: 'GIVEN BY' },
        ],
        items.map(({ subject, role, services, sites, fromMs, toMs, givenBy }) => [
          printable(`${subject.kind} ${subject.name}`),
          role,
          scopeText(services),
          scopeText(sites),
          timeText(fromMs),
          toMs === null ? '' : timeText(toMs),
          printable(givenBy),
        ]),
      );

const scopeText = (scope: '*' | readonly string[]): string => (scope === '*' ? 'all' : printable(scope.join(', ')));
const timeText = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
