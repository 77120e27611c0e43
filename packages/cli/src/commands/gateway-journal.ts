/** `coequal gateway journal`: what this gateway has acknowledged, for reconciling after a disaster. Reads files; nothing has to run. */
import type { JournalEntry } from '@coequal/gateway';
import { fail } from '@coequal/kernel';
import type { Command } from 'commander';
import { formatCount } from '../numbers.ts';
import { formatTable } from '../table.ts';
import { durationMs, wholeNumber } from '../values.ts';
import type { World } from '../world.ts';
import { type PlaceFlags, placeOf } from './gateway-place.ts';

type JournalFlags = PlaceFlags & {
  readonly session?: string;
  readonly since?: number;
  readonly after?: string;
  readonly last: number;
  readonly json?: true;
};

export const addJournalCommand = (gateway: Command, world: World): void => {
  gateway
    .command('journal')
    .summary('what was acknowledged, for reconciling after a disaster')
    .description(
      'Reads the acknowledgement journal of a gateway, which lies outside the database: for each transaction its session, its number, its outcome ' +
        'as the client was told, and the time. A session stands as the first 32 hexadecimal digits of the SHA-256 of its id.',
    )
    .option('--config <file>', 'the estate file', 'coequal.yaml')
    .option('--name <name>', 'name of the gateway; the only one that runs here unless given')
    .option('--state <folder>', 'the state folder of the gateway, instead of the estate file')
    .option('--session <id>', 'only this session: its id (`SELECT coequal.session()`), or its key in the journal')
    .option('--since <duration>', 'only the latest, like 10min', durationMs)
    .option(
      '--after <gtid>',
      'only what comes after this position of the engine: what a database that stands there has lost',
    )
    .option('--last <number>', 'show so many entries', wholeNumber(0, 1_000_000), 20)
    .option('--json', 'print all entries, one object a line: {at, key, epoch, sequence, outcome, gtid}')
    .addHelpText('after', '\nExample: coequal gateway journal --after 0-1-48211 --json > lost.ndjson')
    .action((flags: JournalFlags) => journal(world, flags));
};

const journal = async (world: World, flags: JournalFlags): Promise<void> => {
  const { name, control } = await placeOf(world, flags);
  const wanted = await filterOf(world, flags);
  const counts = new Map<string, number>();
  const last: JournalEntry[] = [];
  let first: JournalEntry | undefined;
  for await (const entry of control.journal()) {
    world.interrupted.throwIfAborted();
    if (!wanted(entry)) continue;
    if (flags.json === true) {
      world.out(`${JSON.stringify(entry)}\n`);
      continue;
    }
    first ??= entry;
    counts.set(entry.outcome, (counts.get(entry.outcome) ?? 0) + 1);
    last.push(entry);
    if (last.length > Math.max(1, flags.last)) last.shift();
  }
  if (flags.json !== true) world.out(`${summaryLines(name, first, last, counts, flags.last).join('\n')}\n`);
};

type Filter = (entry: JournalEntry) => boolean;

const filterOf = async (world: World, { session, since, after }: JournalFlags): Promise<Filter> => {
  const isAfter = after === undefined ? () => true : afterPosition(after);
  const key = session === undefined ? undefined : await keyOf(world, session);
  const from = since === undefined ? Number.NEGATIVE_INFINITY : world.clock.now() - since;
  return (entry) => entry.at >= from && (key === undefined || entry.key === key) && isAfter(entry);
};

/**
 * A position is one GTID or several with commas, as `SELECT @@gtid_current_pos` answers: domain, server and number. What
 * was acknowledged without a GTID may be after any position, so it is kept.
 */
const afterPosition = (text: string): Filter => {
  const reached = new Map(
    text.split(',').map((gtid) => {
      const parsed = parseGtid(gtid.trim());
      if (parsed !== undefined) return [parsed.domain, parsed.number] as const;
      throw fail('COMMAND_USAGE', {
        problem: `A position is a GTID like 0-1-48211, or several with commas, not ${text}.`,
        help: 'coequal gateway journal --help',
      });
    }),
  );
  return ({ outcome, gtid }) => {
    const parsed = parseGtid(gtid);
    return outcome === 'committed' && (parsed === undefined || parsed.number > (reached.get(parsed.domain) ?? 0n));
  };
};

const parseGtid = (text: string): { readonly domain: string; readonly number: bigint } | undefined => {
  const match = /^(\d{1,10})-\d{1,10}-(\d{1,20})$/.exec(text);
  return match === null ? undefined : { domain: match[1] ?? '', number: BigInt(match[2] ?? 0) };
};

/** A session's id has 24 bytes; its key is half of a hash. */
const keyOf = async (world: World, text: string): Promise<string> => {
  const hex = text.toLowerCase();
  if (/^[0-9a-f]{32}$/.test(hex)) return hex;
  // The key that applications get for one transaction begins with the session's id.
  if (/^([0-9a-f]{2}){24,}$/.test(hex)) {
    const { journalKey } = await world.gateway();
    return journalKey(Buffer.from(hex.slice(0, 48), 'hex'));
  }
  throw fail('COMMAND_USAGE', {
    problem: 'A session is 48 hexadecimal digits or more (its id), or 32 (its key in the journal).',
    help: 'coequal gateway journal --help',
  });
};

const summaryLines = (
  name: string,
  first: JournalEntry | undefined,
  last: readonly JournalEntry[],
  counts: ReadonlyMap<string, number>,
  shown: number,
): readonly string[] => {
  const newest = last.at(-1);
  if (first === undefined || newest === undefined) return [`The journal of ${name} holds no such entry.`];
  const sums = [...counts].map(([outcome, count]) => `${formatCount(count)} ${outcome}`).join(', ');
  const head = `The journal of ${name}: ${sums}, from ${timeOf(first.at)} to ${timeOf(newest.at)}`;
  if (shown === 0) return [head];
  return [
    head,
    ...formatTable(
      [
        { title: 'TIME' },
        { title: 'SESSION' },
        { title: 'EPOCH', right: true },
        { title: 'NUMBER', right: true },
        { title: 'OUTCOME' },
        { title: 'GTID' },
      ],
      last.map(({ at, key, epoch, sequence, outcome, gtid }) => [
        timeOf(at),
        key,
        String(epoch),
        formatCount(sequence),
        outcome,
        gtid || '–',
      ]),
    ),
  ];
};

const timeOf = (at: number): string => new Date(at).toISOString();
