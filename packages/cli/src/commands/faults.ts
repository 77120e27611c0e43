/** `coequal lab fault`: from the words of a command line to a fault, with every impossible combination refused. */
import { fail, parseDuration } from '@coequal/kernel';
import { type Fault, type FaultKind, loadFaultKinds, loadFaults } from '@coequal/proof';

type Amount = {
  readonly parse: (text: string) => number | undefined;
  readonly least: number;
  readonly most: number;
  /** What to write, for messages. */
  readonly words: string;
};

type KindEntry = {
  readonly kind: FaultKind;
  /** What it does, for `--help`. */
  readonly words: string;
  readonly whole: boolean;
  readonly amount?: Amount;
};

const figure = (text: string, unit: string): number | undefined => {
  const match = /^(-?\d+(?:\.\d+)?)\s*([a-z%]*)$/.exec(text.trim());
  return match === null || (match[2] !== '' && match[2] !== unit) ? undefined : Number(match[1]);
};

const milliseconds = (text: string): number | undefined => figure(text, 'ms') ?? parseDuration(text);

const seconds = (text: string): number | undefined => {
  const plain = figure(text, 's');
  if (plain !== undefined) return plain;
  const back = text.startsWith('-');
  const ms = parseDuration(back ? text.slice(1) : text);
  return ms === undefined ? undefined : (back ? -ms : ms) / 1_000;
};

const countOf = ({ words, usual, least, most }: NonNullable<(typeof loadFaults)['cpu']['amount']>): Amount => ({
  parse: (text) => (/^\d+$/.test(text.trim()) ? Number(text) : undefined),
  least,
  most,
  words: `a number of ${words} from ${least} to ${most}, like ${usual}`,
});

export const faultKinds: readonly KindEntry[] = [
  { kind: 'kill', words: 'kill the database without warning; it stays down until healed', whole: true },
  { kind: 'hang', words: 'freeze the database: it holds its connections and never answers', whole: true },
  { kind: 'stop', words: 'shut the database down in order', whole: true },
  { kind: 'partition', words: 'drop the packets between the database and all others', whole: true },
  {
    kind: 'latency',
    words: 'lengthen the round trip by --amount, in ms',
    whole: true,
    amount: {
      parse: milliseconds,
      least: 1,
      most: 10_000,
      words: 'added round trip in ms, from 1 to 10000, like 50ms',
    },
  },
  {
    kind: 'loss',
    words: 'lose --amount percent of the packets',
    whole: true,
    amount: {
      parse: (text) => figure(text, '%'),
      least: 0.1,
      most: 100,
      words: 'percent of packets, from 0.1 to 100, like 5%',
    },
  },
  { kind: 'slow-disk', words: 'make the disk of the database slow', whole: false },
  { kind: 'full-disk', words: 'fill the disk of the database', whole: false },
  {
    kind: 'clock',
    words: 'set the clock of the database off by --amount, in seconds (may be negative)',
    whole: false,
    amount: {
      parse: seconds,
      least: -315_360_000,
      most: 315_360_000,
      words: 'seconds that the clock goes ahead, negative for behind, at most ten years, like 3600 or -60s',
    },
  },
  { kind: 'gateway-kill', words: 'kill one gateway of the site (--gateway); it stays down until healed', whole: false },
  { kind: 'gateway-hang', words: 'freeze one gateway: it holds its connections and never answers', whole: false },
  { kind: 'gateway-stop', words: 'stop one gateway in order', whole: false },
  { kind: 'gateway-restart', words: 'have one gateway take up new code and settings in order', whole: false },
  ...loadFaultKinds.map((kind) => {
    const { text, amount, needsBranches } = loadFaults[kind];
    const words = `${text}${needsBranches ? ' (in a lab with --branches)' : ''}`;
    return { kind, words, whole: false, ...(amount === undefined ? {} : { amount: countOf(amount) }) };
  }),
];

export type FaultFlags = {
  readonly whole?: true;
  readonly for?: number;
  readonly oneWay?: true;
  readonly between?: readonly [string, string];
  readonly amount?: string;
  readonly gateway?: number;
};

const refuse = (problem: string) => fail('COMMAND_USAGE', { problem, help: 'coequal lab fault --help' });

/** @throws COMMAND_USAGE for an unknown kind and for flags that do not go together */
export const faultOf = (kindText: string, siteText: string | undefined, flags: FaultFlags): Fault => {
  const entry = faultKinds.find(({ kind }) => kind === kindText);
  if (entry === undefined)
    throw refuse(`There is no fault \`${kindText}\`; there are ${faultKinds.map(({ kind }) => kind).join(', ')}.`);
  const { kind } = entry;
  if (flags.oneWay === true && kind !== 'partition') throw refuse('--one-way goes with the fault `partition` only.');
  if (flags.between !== undefined && kind !== 'partition')
    throw refuse('--between goes with the fault `partition` only.');
  if (flags.whole === true && !entry.whole)
    throw refuse(
      `--whole does not go with \`${kind}\`: ${isGatewayKind(kind) ? 'it is about one gateway' : 'it is about one database'}.`,
    );
  if (flags.gateway !== undefined && !isGatewayKind(kind))
    throw refuse('--gateway goes with gateway-kill, gateway-hang and gateway-stop only.');
  const site = siteText ?? flags.between?.[0];
  if (site === undefined) throw refuse('No site is named: write `coequal lab fault KIND SITE`.');
  if (flags.between !== undefined && !flags.between.includes(site))
    throw refuse(`--between ${flags.between.join(',')} does not include the site ${site}.`);
  const amount = amountOf(entry, flags.amount);
  return {
    kind,
    site,
    ...(flags.whole === true ? { whole: true } : {}),
    ...(flags.for === undefined ? {} : { forMs: flags.for }),
    ...(flags.oneWay === true ? { oneWay: true } : {}),
    ...(flags.between === undefined ? {} : { between: flags.between }),
    ...(amount === undefined ? {} : { amount }),
    ...(flags.gateway === undefined ? {} : { gateway: flags.gateway }),
  };
};

const isGatewayKind = (kind: FaultKind): boolean => kind.startsWith('gateway-');

const amountOf = ({ kind, amount }: KindEntry, text: string | undefined): number | undefined => {
  if (amount === undefined) {
    if (text !== undefined) throw refuse(`--amount does not go with \`${kind}\`.`);
    return undefined;
  }
  // Without an amount the lab makes its usual one: 50 ms, 5 %, 300 s.
  if (text === undefined) return undefined;
  const value = amount.parse(text);
  if (value === undefined || value < amount.least || value > amount.most)
    throw refuse(`--amount ${text} is not an amount of \`${kind}\`: give ${amount.words}.`);
  return value;
};
