/**
 * The shape of `coequal.yaml`, key by key, with the words that editors show. One schema gives the checks, the
 * types and the JSON schema. What spans several keys (references, votes, addresses) is in `rules.ts`.
 */
import { z } from 'zod';
import { agent } from './schema-agents.ts';
import { audit } from './schema-audit.ts';
import { externalService } from './schema-external.ts';
import { gateway, serviceGateway } from './schema-gateway.ts';
import { platform, store } from './schema-platform.ts';
import { address, databaseRule, duration, KiB, MiB, name, path, port, size, TiB, text } from './schema-values.ts';

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
    engine: z.enum(['galera']).optional().describe('The database engine: `galera`, the default, or `external`.'),
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
    gateway: serviceGateway.optional(),
  })
  .describe('A logical database that applications use, made of instances.');

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
    services: z
      .array(
        z
          .discriminatedUnion('engine', [service, externalService])
          .describe('A logical database that applications use.'),
      )
      .min(1)
      .max(64)
      .describe('The databases.'),
    gateways: z.array(gateway).max(1_000).default([]).describe('The gateways.'),
    agents: z.array(agent).max(1_000).default([]).describe('The agents, one on each host that is watched.'),
    platforms: z.array(platform).max(64).default([]).describe('The processes that watch the estate.'),
    stores: z.array(store).max(128).default([]).describe('Where metrics are kept.'),
    audit: audit.optional(),
    limits: limits.prefault({}),
  })
  .meta({
    title: 'Coequal estate',
    description: 'Everything Coequal looks after, in one file: coequal.yaml. Reference: docs/estate.md.',
  });

/** A service that Coequal runs. */
export type FileService = z.output<typeof service>;

export type EstateFile = z.output<typeof estateFile>;
