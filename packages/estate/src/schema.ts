/**
 * The shape of `coequal.yaml`, key by key, with the words that editors show. One schema gives the checks, the
 * types and the JSON schema. What spans several keys (references, votes, addresses) is in `rules.ts`.
 */
import { formatBytes, formatDuration, parseBytes, parseDuration } from '@coequal/kernel';
import { z } from 'zod';

type TextRule = { readonly pattern: RegExp; readonly message: string; readonly advice: string };

/** Text that must match a pattern, with a message a person can act on. */
const text = (description: string, rule: TextRule, example: string) =>
  z
    .string()
    .superRefine((value, context) => {
      if (!rule.pattern.test(value))
        context.addIssue({
          code: 'custom',
          message: `\`${shortened(value)}\` ${rule.message}`,
          params: { advice: rule.advice },
        });
    })
    .meta({ description, pattern: rule.pattern.source, examples: [example] });

/** Names go into file names, certificates and metric labels, hence the narrow alphabet; 32 is the engine's limit. */
const nameRule: TextRule = {
  pattern: /^[a-z][a-z0-9-]{0,31}$/,
  message: 'is not a name',
  advice: 'Names begin with a lower-case letter and go on with lower-case letters, digits and `-`, 32 at most.',
};
const name = (description: string, example: string) => text(description, nameRule, example);

/** Paths go into option files and transfer scripts, so they may not hold what these take for their own. */
const pathRule: TextRule = {
  pattern: /^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\s;:,=#"'`\\$*?<>|&!(){}[\]]*$/,
  message: 'is not an absolute path that every program here can use',
  advice: 'Begin with `/`, without `.` or `..` parts, blanks, quotes or any of `; : , = # $ * ? < > | & ! ( )`.',
};
const path = (description: string, example: string) => text(description, pathRule, example);

const databaseRule: TextRule = {
  pattern: /^(?![0-9]+$)[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/,
  message: 'is not a database name',
  advice: 'Use letters, digits, `_` and `-`, 64 at most and not only digits.',
};

const addressRule = (value: string): boolean =>
  z.ipv4().safeParse(value).success ||
  z.ipv6().safeParse(value).success ||
  /^(?!.*\.[0-9]+$)(?![0-9.]+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/.test(
    value,
  );

const address = z
  .string()
  .max(253)
  .superRefine((value, context) => {
    if (!addressRule(value) || value === '0.0.0.0' || /^[0:]+$/.test(value))
      context.addIssue({
        code: 'custom',
        message: `\`${shortened(value)}\` is not an address that other hosts can reach`,
        params: { advice: 'Give an IPv4 address, an IPv6 address (without brackets) or a host name, without a port.' },
      });
  })
  .meta({
    description: 'Address by which the other hosts reach this one: IPv4, IPv6 without brackets, or a host name.',
    examples: ['10.0.1.11', 'db1.north.example.com'],
  });

type Range = { readonly least: number; readonly most: number };

const quantity =
  (
    parse: (written: string) => number | undefined,
    format: (value: number) => string,
    round: (value: number) => number,
    units: readonly string[],
    what: string,
  ) =>
  (description: string, range: Range, example: string) =>
    z
      .string()
      // Said before the transformation: the JSON schema describes what people write, not what it becomes.
      .meta({ description, pattern: `^\\d+(\\.\\d+)?\\s*(${units.join('|')})$`, examples: [example] })
      .transform((written, context) => {
        const parsed = parse(written);
        const value = parsed === undefined ? undefined : round(parsed);
        if (value === undefined)
          context.addIssue({
            code: 'custom',
            message: `\`${shortened(written)}\` is not a ${what}`,
            params: {
              advice: `Write a number and one of ${units.map((unit) => `\`${unit}\``).join(', ')}, like \`${example}\`.`,
            },
          });
        else if (value < range.least || value > range.most)
          context.addIssue({
            code: 'custom',
            message: `\`${shortened(written)}\` is out of range`,
            params: { advice: `Write between ${format(range.least)} and ${format(range.most)}.` },
          });
        else return value;
        return z.NEVER;
      });

/** Kept to a thousandth of a millisecond: finer figures are noise, and have no plain decimal text. */
const duration = quantity(
  parseDuration,
  formatDuration,
  (ms) => Math.round(ms * 1_000) / 1_000,
  ['ms', 's', 'min', 'h'],
  'duration',
);
const size = quantity(parseBytes, formatBytes, Math.round, ['B', 'kB', 'MB', 'GB', 'KiB', 'MiB', 'GiB'], 'size');
const port = (description: string) => z.int().min(1).max(65_535).describe(description);

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const TiB = 2 ** 40;

const cost = z
  .strictObject({
    monthly: z.number().min(0).max(1e9).describe('What the host costs in a month, in units of the currency.'),
    currency: text(
      'Currency of the figure: three capital letters (ISO 4217).',
      {
        pattern: /^[A-Z]{3}$/,
        message: 'is not a currency',
        advice: 'Write three capital letters, like `EUR` or `CNY`.',
      },
      'EUR',
    ),
  })
  .describe('What the host costs; sums per site and in all are shown by `coequal estate show`.');

const host = z
  .strictObject({
    name: name('Name of the host, unique in the estate.', 'north-1'),
    address,
    cost: cost.optional(),
    cpus: z
      .number()
      .min(0.05)
      .max(4_096)
      .optional()
      .describe('Processors the host may use, fractions allowed. The lab makes it a quota.'),
    memory: size(
      'Memory the host may use. The lab makes it a quota.',
      { least: 64 * MiB, most: 64 * TiB },
      '32GiB',
    ).optional(),
  })
  .describe('A machine in this site.');

const site = z
  .strictObject({
    name: name('Name of the site, unique in the estate.', 'north'),
    hosts: z.array(host).min(1).max(1_000).describe('The machines of this site.'),
  })
  .describe('A data centre: what fails together. All sites are peers.');

const link = z
  .strictObject({
    between: z
      .tuple([name('Name of a site.', 'north'), name('Name of another site.', 'south')])
      .describe('The two sites, in any order.'),
    rtt: duration('Round trip time between them, as measured.', { least: 0, most: 10_000 }, '5ms'),
  })
  .describe('What lies between two sites.');

const ports = z
  .strictObject({
    client: port('SQL clients.').default(3306),
    group: port('The group channel.').default(4567),
    incremental: port('Incremental state transfer.').default(4568),
    transfer: port('Full state transfer.').default(4444),
  })
  .describe('TCP ports on the address of its host.');

const instance = z
  .strictObject({
    name: name('Name of the instance, unique in the estate.', 'bank-north'),
    host: name('Name of the host it runs on.', 'north-1'),
    dataFolder: path('Folder of its data, its own alone.', '/var/lib/coequal/bank-north'),
    cacheFolder: path(
      'Folder of the Galera cache; the data folder unless given. The free build writes it in the clear.',
      '/mnt/encrypted/bank-north',
    ).optional(),
    ports: ports.prefault({}),
  })
  .describe('One database process.');

const arbitrator = z
  .strictObject({
    name: name('Name of the arbitrator, unique among instances and arbitrators.', 'witness'),
    host: name('Name of the host it runs on.', 'west-1'),
    groupPort: port('The group channel.').default(4567),
  })
  .describe('A vote without data (garbd), for two sites and a witness.');

const encryption = z
  .strictObject({
    keyFile: path(
      'The key file (file_key_management), at this path on every host of the service.',
      '/etc/coequal/bank.keys',
    ),
    safePaths: z
      .array(path('A folder on an encrypted volume, or in memory.', '/dev/shm'))
      .min(1)
      .max(20)
      .describe('Folders where data may lie in the clear. The Galera cache of every instance must be below one.'),
  })
  .describe('Encryption at rest of tables, redo log and binary log. Off unless given.');

const service = z
  .strictObject({
    name: name('Name of the service, unique in the estate. Also the name of the Galera cluster.', 'bank'),
    engine: z.enum(['galera']).default('galera').describe('The database engine.'),
    architecture: z
      .enum(['multi-active', 'primary-standby', 'cold-standby'])
      .default('multi-active')
      .describe('How the service is replicated. Engine `galera` is `multi-active`: every instance reads and writes.'),
    preset: z
      .enum(['default', 'tight', 'stock', 'virtual-machines'])
      .default('default')
      .describe(
        'Engine settings: `default` notices a loss in about half a second; `tight` sooner, with less patience; `stock` is what the ' +
          'engine ships; `virtual-machines` bears hosts that stand still for a second or two.',
      ),
    database: text('The schema that applications use.', databaseRule, 'bank'),
    tls: z
      .boolean()
      .default(true)
      .describe('TLS on the group channel, for state transfers and for clients. On unless the file says otherwise.'),
    stateTransfer: z
      .enum(['rsync', 'mariabackup'])
      .default('rsync')
      .describe(
        'How a full copy reaches a joining instance. `rsync` is fast and blocks the donor; `mariabackup` does not block.',
      ),
    encryption: encryption.optional(),
    instances: z.array(instance).max(64).describe('Its instances, with data and a vote each.'),
    arbitrators: z.array(arbitrator).max(8).default([]).describe('Votes without data.'),
  })
  .describe('A logical database that applications use, made of instances.');

const gateway = z
  .strictObject({
    name: name('Name of the gateway, unique in the estate.', 'gateway-north'),
    host: name('Name of the host it runs on.', 'north-1'),
    service: name('Name of the service that it leads to.', 'bank'),
    port: port('Where applications connect, on the address of its host.'),
  })
  .describe('A process that applications connect to.');

const limits = z
  .strictObject({
    connectionsPerInstance: z.int().min(10).max(100_000).default(500).describe('Connections one instance accepts.'),
    bufferPool: size("Memory for one instance's buffer pool.", { least: 5 * MiB, most: 16 * TiB }, '1GiB').prefault(
      '1GiB',
    ),
    freeDisk: size('Free space below which an instance is not started.', { least: 0, most: 64 * TiB }, '2GiB').prefault(
      '2GiB',
    ),
    galeraCache: size(
      'Size of the Galera cache: how much an instance may miss and still rejoin by incremental transfer.',
      { least: 128 * KiB, most: 16 * TiB },
      '512MiB',
    ).prefault('512MiB'),
  })
  .describe('Limits for every instance of the estate.');

export const estateFile = z
  .strictObject({
    version: z.literal(1).describe('Version of this format: 1.'),
    name: name('Name of the estate.', 'example-bank'),
    sites: z.array(site).min(1).max(64).describe('The data centres.'),
    links: z.array(link).max(2_016).default([]).describe('Round trip times between sites, where they are known.'),
    services: z.array(service).min(1).max(64).describe('The databases.'),
    gateways: z.array(gateway).max(1_000).default([]).describe('The gateways.'),
    limits: limits.prefault({}),
  })
  .meta({
    title: 'Coequal estate',
    description: 'Everything Coequal looks after, in one file: coequal.yaml. Reference: docs/estate.md.',
  });

export type EstateFile = z.output<typeof estateFile>;

/** The longest stretch of someone's text that a message repeats. */
const shortened = (value: string): string => (value.length <= 60 ? value : `${value.slice(0, 57)}…`);
