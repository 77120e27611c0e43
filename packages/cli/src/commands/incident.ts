/** `coequal incident …`: looks at incidents of a platform, and does what people do with one. */
import { type IncidentSummary, incidentPage, incident as incidentSchema } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import { parseMatchers } from '@coequal/signals';
import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../failure.ts';
import { counted } from '../numbers.ts';
import { type PlatformFlags, platformClient } from '../platform-client.ts';
import type { Outcome } from '../program.ts';
import { formatTable } from '../table.ts';
import { oneOf, silenceMs, wholeNumber } from '../values.ts';
import { printable } from '../view/text.ts';
import type { World } from '../world.ts';
import { addPlan, addRun } from './incident-plan.ts';
import { ageText, incidentLines, incidentText } from './incident-text.ts';

type Flags = PlatformFlags & { readonly json?: true };
type Doing = Flags & { readonly by?: string; readonly text?: string };

export const withPlatform = (command: Command): Command =>
  command
    .option('--platform <url>', 'address of the platform, like http://127.0.0.1:9620')
    .option('--config <file>', 'the estate file that names the platform')
    .option('--lab <name>', 'the lab whose platform is meant when neither is given', 'lab')
    .option('--token-file <file>', 'file with the token that says who asks; COEQUAL_TOKEN_FILE unless given');

export const addIncidentCommands = (program: Command, world: World, outcome: Outcome): void => {
  const group = program
    .command('incident')
    .summary('look at incidents, and say what was seen, done and found')
    .description('Speaks to a platform over its API. Without --platform or --config it is the one of the lab.');
  addLooking(group, world, outcome);
  addPlan(withPlatform(group.command('plan')), world, outcome, newest);
  addRun(withPlatform(group.command('run')), world, outcome);
  addDoing(group, world);
  addSilences(group, world);
};

const addLooking = (group: Command, world: World, outcome: Outcome): void => {
  withPlatform(group.command('list'))
    .summary('incidents, the newest first; exit 1 when one is open')
    .option(
      '--state <state>',
      'only open, acknowledged or resolved ones',
      oneOf(['open', 'acknowledged', 'resolved'] as const),
    )
    .option('--service <name>', 'only of this service')
    .option('--site <name>', 'only of this site')
    .option('--instance <name>', 'only of this instance')
    .option('--limit <number>', 'at most so many', wholeNumber(1, 500), 50)
    .option('--json', 'print {incidents:[…]}')
    .addHelpText('after', '\nExample: coequal incident list --state open')
    .action(async (flags: Flags & ListFlags) => {
      outcome.code = await list(world, flags);
    });
  withPlatform(group.command('show'))
    .summary('one incident: what, why, and its story')
    .argument('[id]', 'its id; the newest one unless given')
    .option('--json', 'print the incident')
    .addHelpText('after', '\nExample: coequal incident show')
    .action(async (id: string | undefined, flags: Flags) => {
      const client = await platformClient(world, flags);
      const found = await client.get(
        `/api/v1/incidents/${encodeURIComponent(id ?? (await newest(client)))}`,
        incidentSchema,
      );
      print(world, flags, found, incidentText(found, world.clock.now()));
    });
  withPlatform(group.command('export'))
    .summary('write incidents whose cause was confirmed into a file, for `coequal diagnose weigh`')
    .requiredOption('--out <file>', 'the file to write, a JSON object a line')
    .option('--json', 'print {incidents}')
    .addHelpText('after', '\nExample: coequal incident export --out confirmed.ndjson')
    .action((flags: Flags & { readonly out: string }) => exportConfirmed(world, flags));
};

const exportPage = 500;
/** Of incidents that are kept: more than a platform has on disk. */
const mostPages = 1_000;

/** Whole incidents, one JSON object a line, as `coequal diagnose weigh` reads them. */
const exportConfirmed = async (world: World, flags: Flags & { readonly out: string }): Promise<void> => {
  const client = await platformClient(world, flags);
  const lines: string[] = [];
  let cursor: string | null = '';
  for (let page = 0; page < mostPages && cursor !== null; page += 1) {
    const query = new URLSearchParams({ limit: String(exportPage), ...(cursor === '' ? {} : { cursor }) });
    const { items, next }: z.output<typeof incidentPage> = await client.get(`/api/v1/incidents?${query}`, incidentPage);
    for (const { id, confirmedCause } of items)
      if (confirmedCause !== undefined)
        lines.push(JSON.stringify(await client.get(`/api/v1/incidents/${encodeURIComponent(id)}`, incidentSchema)));
    cursor = next;
  }
  const text = lines.map((line) => `${line}\n`).join('');
  await world.files.writeText(flags.out, text, 'Choose another place with --out.');
  print(world, flags, { incidents: lines.length }, [
    `${flags.out} has ${counted(lines.length, 'incident')} whose cause was confirmed.`,
  ]);
};

type ListFlags = {
  readonly state?: string;
  readonly service?: string;
  readonly site?: string;
  readonly instance?: string;
  readonly limit: number;
};

const list = async (world: World, flags: Flags & ListFlags): Promise<number> => {
  const client = await platformClient(world, flags);
  const query = new URLSearchParams({ limit: String(flags.limit) });
  for (const key of ['state', 'service', 'site', 'instance'] as const) {
    const value = flags[key];
    if (value !== undefined) query.set(key, value);
  }
  const { items } = await client.get(`/api/v1/incidents?${query}`, incidentPage);
  print(world, flags, { incidents: items }, incidentLines(items, world.clock.now()));
  return items.some(isOpen) ? exitCodes.no : exitCodes.good;
};

const isOpen = ({ state }: IncidentSummary): boolean => state !== 'resolved';

const newest = async (client: Awaited<ReturnType<typeof platformClient>>): Promise<string> => {
  const { items } = await client.get('/api/v1/incidents?limit=50', incidentPage);
  const found = items.find(isOpen) ?? items[0];
  if (found === undefined)
    throw fail('COMMAND_USAGE', { problem: 'There is no incident to show.', help: 'coequal incident list --help' });
  return found.id;
};

/** For whom a service account speaks: the name that the person works under. Of people the platform knows better. */
const byOf = (world: World, { by }: Doing): string =>
  by ?? world.environment['USER'] ?? world.environment['LOGNAME'] ?? 'somebody';

const addDoing = (group: Command, world: World): void => {
  const doing = (name: string, summary: string, argument: readonly [string, string] | undefined): Command => {
    const command = withPlatform(group.command(name))
      .summary(summary)
      .argument('<id>', 'id of the incident')
      .option('--by <name>', 'for whom a service account says it; the user of this session unless given')
      .option('--json', 'print the incident');
    if (argument !== undefined) command.argument(...argument);
    return command;
  };
  const send = async (flags: Doing, id: string, what: string, body: object): Promise<void> => {
    const client = await platformClient(world, flags);
    const path = `/api/v1/incidents/${encodeURIComponent(id)}/${what}`;
    const found = await client.send('POST', path, { by: byOf(world, flags), ...body }, incidentSchema);
    const last = found.timeline.at(-1);
    print(world, flags, found, [
      `${found.id} is ${found.state}. ${last === undefined ? '' : printable(last.text)}`.trim(),
    ]);
  };
  doing('ack', 'say that you have seen it, and take it', ['[text]', 'words for its story']).action(
    (id: string, text: string | undefined, flags: Doing) =>
      send(flags, id, 'acknowledge', text === undefined ? {} : { text }),
  );
  doing('assign', 'say who works on it', ['[name]', 'who; nobody unless given']).action(
    (id: string, name: string | undefined, flags: Doing) => send(flags, id, 'assign', { to: name ?? null }),
  );
  doing('comment', 'add words to its story', ['<text>', 'the words']).action((id: string, text: string, flags: Doing) =>
    send(flags, id, 'comment', { text }),
  );
  doing('confirm', 'say what the cause was, so that the platform learns', [
    '<cause>',
    'the cause, as the catalogue names it',
  ])
    .option('--text <words>', 'words for its story')
    .addHelpText('after', "\nExample: coequal incident confirm 20260314-140307-a1b2 'missing index'")
    .action((id: string, cause: string, flags: Doing) =>
      send(flags, id, 'confirm', { cause, ...(flags.text === undefined ? {} : { text: flags.text }) }),
    );
  doing('resolve', 'say that it is over', ['[text]', 'words for its story']).action(
    (id: string, text: string | undefined, flags: Doing) =>
      send(flags, id, 'resolve', text === undefined ? {} : { text }),
  );
};

const silence = z.object({
  id: z.string(),
  status: z.object({ state: z.string() }),
  startsAt: z.string(),
  endsAt: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
});

const addSilences = (group: Command, world: World): void => {
  withPlatform(group.command('silence'))
    .summary('call nobody for some alerts for a while')
    .description('What is silenced is still an incident, with its diagnosis; nobody is called.')
    .argument('<matchers>', 'which alerts: instance="north-db-1",alertname=~"Disk.*"')
    .requiredOption('--comment <words>', 'why')
    .option('--for <duration>', 'how long; above an hour with a fresh factor and a reason', silenceMs, 3_600_000)
    .option('--reason <words>', 'why it has to be longer than an hour')
    .option('--by <name>', 'for whom a service account says it; the user of this session unless given')
    .option('--json', 'print {silenceID}')
    .addHelpText('after', '\nExample: coequal incident silence \'instance="north-db-1"\' --for 1h --comment "new disk"')
    .action(async (matchers: string, flags: Doing & { readonly for: number; readonly comment: string }) => {
      const parsed = parseMatchers(matchers);
      if (!parsed.ok)
        throw fail('COMMAND_USAGE', { problem: `${parsed.what}.`, help: 'coequal incident silence --help' });
      const client = await platformClient(world, flags);
      const nowMs = world.clock.now();
      const body = {
        matchers: parsed.matchers.map(({ name, sign, value }) => ({
          name,
          value,
          isRegex: sign.endsWith('~'),
          isEqual: !sign.startsWith('!'),
        })),
        startsAt: new Date(nowMs).toISOString(),
        endsAt: new Date(nowMs + flags.for).toISOString(),
        createdBy: byOf(world, flags),
        comment: flags.comment,
      };
      const made = await client.send('POST', '/api/v2/silences', body, z.object({ silenceID: z.string() }));
      print(world, flags, made, [`Silence ${made.silenceID}: nobody is called for ${ageText(flags.for)}.`]);
    });
  withPlatform(group.command('silences'))
    .summary('which alerts call nobody now, until when, and why')
    .option('--json', 'print {silences:[…]}')
    .addHelpText('after', '\nExample: coequal incident silences')
    .action(async (flags: Flags) => {
      const all = await (await platformClient(world, flags)).get('/api/v2/silences', z.array(silence));
      print(world, flags, { silences: all }, silenceLines(all.filter(({ status }) => status.state !== 'expired')));
    });
  withPlatform(group.command('unsilence'))
    .summary('end a silence now')
    .argument('<id>', 'id of the silence')
    .option('--json', 'print the silence')
    .addHelpText('after', '\nExample: coequal incident unsilence 5f0c5d1e-…')
    .action(async (id: string, flags: Flags) => {
      const client = await platformClient(world, flags);
      const ended = await client.send('DELETE', `/api/v2/silence/${encodeURIComponent(id)}`, undefined, silence);
      print(world, flags, ended, [`Silence ${ended.id} is over.`]);
    });
};

const silenceLines = (all: readonly z.output<typeof silence>[]): readonly string[] =>
  all.length === 0
    ? ['No silence.']
    : formatTable(
        [
          { title: 'ID' },
          { title: 'STATE' },
          { title: 'UNTIL (UTC)' },
          { title: 'BY' },
          { title: 'WHICH' },
          { title: 'WHY' },
        ],
        all.map(({ id, status, endsAt, createdBy, comment, matchers }) => [
          id,
          status.state,
          endsAt.slice(0, 16).replace('T', ' '),
          printable(createdBy),
          printable(
            matchers
              .map(
                ({ name, value, isRegex, isEqual }) =>
                  `${name}${isEqual ? '=' : '!'}${isRegex ? '~' : isEqual ? '' : '='}${JSON.stringify(value)}`,
              )
              .join(','),
          ),
          printable(comment),
        ]),
      );

const print = (world: World, flags: Flags, object: object, lines: readonly string[]): void =>
  world.out(flags.json === true ? `${JSON.stringify(object)}\n` : `${lines.join('\n')}\n`);
