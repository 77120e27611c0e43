/** `coequal audit …`: re-checks the record of what was done, offline, and hands it to an auditor. */
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CoequalError, fail, reasonOf } from '@coequal/kernel';
import {
  type AuditVerdict,
  type ChainVerdict,
  csvHead,
  csvLine,
  htmlFoot,
  htmlHead,
  htmlLine,
  recordsOf,
  verifyAudit,
} from '@coequal/trust';
import { type Command, InvalidArgumentError } from 'commander';
import { exitCodes } from '../failure.ts';
import { formatCount } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { readEstate } from '../read-estate.ts';
import { durationMs, oneOf } from '../values.ts';
import type { World } from '../world.ts';

/** Keys and certificates in PEM are a few kilobytes. */
const maximumKeyBytes = 65_536;

type CheckFlags = {
  readonly key?: readonly string[];
  readonly anchor?: string;
  readonly tsa?: string;
  readonly stampedWithin?: number;
  readonly config: string;
};
type Flags = CheckFlags & { readonly json?: true };

export const addAuditCommands = (program: Command, world: World, outcome: Outcome): void => {
  const audit = program
    .command('audit')
    .summary('the record of what was done')
    .description(
      'Processes record what people and programs ask of them in hash chains with signed checkpoints. docs/audit.md says what is recorded, and what ' +
        'a chain shows against whom.',
    );
  withChecks(audit.command('verify'))
    .summary('re-check chains, and name the first bad record')
    .description(
      'Checks records, signatures, what chains hold about each other, anchors and time stamps, offline. Exit 0: everything holds; 1: something was changed, ' +
        'removed, put in, moved, cut or written anew. Somebody with root and the key can only be caught by what is kept elsewhere: give --anchor, ' +
        'chains of other hosts, or --tsa.',
    )
    .option('--json', 'print {valid, records, problems, chains:[{chain, records, problem, …}]}')
    .addHelpText(
      'after',
      '\nExample: coequal audit verify /var/lib/coequal --anchor /mnt/worm/coequal-audit --key north.pub',
    )
    .action(async (path: string | undefined, flags: Flags) => {
      outcome.code = await verify(world, path, flags);
    });
  withChecks(audit.command('export'))
    .summary('write the records out for an auditor')
    .description(
      'Writes all records as NDJSON (the lines as they are), CSV for a spreadsheet, or a page that can be read and printed, with what checking them gave. ' +
        'Exit 1: it was written, and something does not hold.',
    )
    .requiredOption('--out <file>', 'where to write')
    .option('--format <format>', 'ndjson, csv or html', oneOf(['ndjson', 'csv', 'html']), 'ndjson')
    .option('--from <time>', 'records from this time on, like 2026-11-01 or 2026-11-01T08:00Z', timeOf)
    .option('--to <time>', 'records before this time', timeOf)
    .option('--json', 'print {file, records, valid}')
    .addHelpText(
      'after',
      '\nExample: coequal audit export /var/lib/coequal --format html --out audit.html --from 2026-11-01',
    )
    .action(async (path: string | undefined, flags: ExportFlags) => {
      outcome.code = await write(world, path, flags);
    });
};

const withChecks = (command: Command): Command =>
  command
    .argument('[path]', 'a file or folder of records; those of the gateways in the estate file unless given')
    .option('--key <file>', 'public or private key (PEM) that must have signed; may be given several times', collect)
    .option('--anchor <folder>', "the anchors; the estate's, when the records are found by it")
    .option('--tsa <file>', 'authority of the time stamps (PEM): checks them')
    .option('--stamped-within <duration>', 'with --tsa: how long a record may have waited for a time stamp', durationMs)
    .option('--config <file>', 'the estate file', 'coequal.yaml');

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const timeOf = (text: string): number => {
  const plain =
    /^\d{4}-\d\d-\d\d$/.test(text) || /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const at = plain ? Date.parse(text) : Number.NaN;
  if (!Number.isFinite(at))
    throw new InvalidArgumentError('Give a day (2026-11-01, UTC), or a time with its offset (2026-11-01T08:00Z).');
  return at;
};

type Place = { readonly paths: readonly string[]; readonly anchorFolder: string | undefined };

/** What is given, or what the estate says of this host's gateways. */
const placeOf = async (world: World, path: string | undefined, flags: CheckFlags): Promise<Place> => {
  const anchorFolder = flags.anchor === undefined ? undefined : world.files.absolute(flags.anchor);
  if (path !== undefined) return { paths: [world.files.absolute(path)], anchorFolder };
  const estate = await readEstate(world, flags.config);
  const here = await world.present(estate.gateways.map(({ stateFolder }) => join(stateFolder, 'audit')));
  if (here.length === 0)
    throw fail('COMMAND_USAGE', {
      problem: `No gateway of ${flags.config} has an audit on this machine; name its file or folder.`,
      help: 'coequal audit verify --help',
    });
  return { paths: here, anchorFolder: anchorFolder ?? estate.audit?.anchorFolder };
};

const check = async (world: World, place: Place, flags: CheckFlags): Promise<AuditVerdict> => {
  if (flags.stampedWithin !== undefined && flags.tsa === undefined)
    throw fail('COMMAND_USAGE', { problem: '--stamped-within needs --tsa.', help: 'coequal audit verify --help' });
  const read = (file: string, what: string): Promise<string> =>
    world.files.readText(file, maximumKeyBytes, `Name the file of ${what}.`);
  const keys: string[] = [];
  for (const file of flags.key ?? []) keys.push(await read(file, 'the key that signs the chain'));
  return verifyAudit(place.paths, {
    keys,
    anchorFolder: place.anchorFolder,
    stampAuthority: flags.tsa === undefined ? undefined : await read(flags.tsa, 'the authority of the time stamps'),
    stampedWithinMs: flags.stampedWithin,
  });
};

const verify = async (world: World, path: string | undefined, flags: Flags): Promise<number> => {
  const startedMs = world.clock.monotonic();
  const place = await placeOf(world, path, flags);
  const verdict = await check(world, place, flags);
  const seconds = (world.clock.monotonic() - startedMs) / 1_000;
  if (flags.json === true) world.out(`${JSON.stringify({ ...verdict, seconds })}\n`);
  else world.out(`${verdictLines(verdict, place).join('\n')}\n`);
  return verdict.valid ? exitCodes.good : exitCodes.no;
};

const verdictLines = (verdict: AuditVerdict, { anchorFolder }: Place): readonly string[] => [
  `${verdict.valid ? 'VALID' : 'NOT VALID'}  ${formatCount(verdict.records)} records in ${verdict.chains.length === 1 ? '1 chain' : `${verdict.chains.length} chains`}`,
  ...verdict.problems.map((text) => `- ${text}`),
  ...verdict.chains.flatMap((chain) => chainLines(chain, anchorFolder !== undefined)),
];

const chainLines = (chain: ChainVerdict, anchored: boolean): readonly string[] => {
  const { problem, records, signedTo, heldTo, stampedTo } = chain;
  const where =
    problem === null || problem.file === ''
      ? ''
      : `${problem.file}${problem.line === 0 ? ', at its end' : `:${problem.line}`}: `;
  const covered = [
    `signed to record ${signedTo}`,
    heldTo === 0 ? 'held by nobody else' : `held by others to record ${heldTo}`,
    ...(stampedTo === 0 ? [] : [`time-stamped to record ${stampedTo}`]),
  ];
  return [
    `${chain.chain}: ${formatCount(records)} records, ${covered.join(', ')}`,
    `  signed by ${chain.fingerprint || 'nobody'} (${chain.pinned ? 'compared with the key you named' : 'not pinned: compare this fingerprint, or give the key with --key'})`,
    ...(problem === null ? [] : [`  FIRST BAD RECORD  ${where}${problem.text}`]),
    ...(chain.unfinished
      ? ['  Its last line has no end: it was being written when the file was read, or the machine stopped.']
      : []),
    ...(problem === null && heldTo < records && !anchored
      ? [`  Nothing outside shows what somebody with root and the key did after record ${heldTo}: give --anchor.`]
      : []),
  ];
};

type ExportFlags = Flags & {
  readonly out: string;
  readonly format: 'ndjson' | 'csv' | 'html';
  readonly from?: number;
  readonly to?: number;
};

const write = async (world: World, path: string | undefined, flags: ExportFlags): Promise<number> => {
  const place = await placeOf(world, path, flags);
  const verdict = await check(world, place, flags);
  const file = world.files.absolute(flags.out);
  let records = 0;
  await writeWhole(file, async function* () {
    if (flags.format === 'csv') yield csvHead;
    if (flags.format === 'html') yield htmlHead(titleOf(world), verdictLines(verdict, place));
    for (const from of place.paths)
      for await (const found of recordsOf(from)) {
        const wanted = found.filter(({ record }) => isWithin(Date.parse(record.at), flags));
        records += wanted.length;
        yield wanted.map(({ record, line }) => formatOf(flags.format, record, line)).join('');
      }
    if (flags.format === 'html') yield htmlFoot;
  });
  if (flags.json === true) world.out(`${JSON.stringify({ file, records, valid: verdict.valid })}\n`);
  else world.out(`${formatCount(records)} records in ${flags.out}.\n${verdictLines(verdict, place).join('\n')}\n`);
  return verdict.valid ? exitCodes.good : exitCodes.no;
};

const titleOf = (world: World): string => `Audit, exported ${new Date(world.clock.now()).toISOString()}`;

const isWithin = (atMs: number, { from, to }: Pick<ExportFlags, 'from' | 'to'>): boolean =>
  (from === undefined || atMs >= from) && (to === undefined || atMs < to);

const formatOf = (format: ExportFlags['format'], record: Parameters<typeof csvLine>[0], line: string): string => {
  switch (format) {
    case 'ndjson':
      return `${line}\n`;
    case 'csv':
      return csvLine(record);
    case 'html':
      return htmlLine(record);
  }
};

/** Records name people: the file is for its owner alone, and appears whole or not at all. */
const writeWhole = async (path: string, content: () => AsyncGenerator<string>): Promise<void> => {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await pipeline(content, createWriteStream(unfinished, { flags: 'wx', mode: 0o600 }));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (error instanceof CoequalError) throw error;
    const advice = 'Name a file in a folder that you may write to, with --out.';
    throw fail('FOLDER_UNWRITABLE', { path: dirname(path), reason: reasonOf(error), advice }, { cause: error });
  }
};
