/**
 * The keys of gateways: what a service asks of all its gateways (`services[].gateway`), and where each one stands
 * (`gateways[]`). Defaults that depend on other keys (silence by preset, the metrics port) are filled in by `parse.ts`.
 */
import { z } from 'zod';
import { duration, KiB, MiB, name, path, port, size, TiB, text } from './schema-values.ts';

/** Names of database accounts go into SQL texts that people run; 128 is the server's limit. */
const userRule = {
  pattern: /^[^\s'"`\\]{1,128}$/,
  message: 'is not the name of an account',
  advice: 'Write the user alone, without a host, blanks or quotes; 128 characters at most.',
};

const tableRule = {
  pattern: /^[^\s.`'"\\/]{1,64}(\.[^\s.`'"\\/]{1,64})?$/,
  message: 'is not the name of a table',
  advice: 'Write `table`, or `schema.table` for one outside the schema of the service, without quotes.',
};

const network = z
  .string()
  .superRefine((value, context) => {
    if (![z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()].some((kind) => kind.safeParse(value).success))
      context.addIssue({
        code: 'custom',
        message: `\`${value.slice(0, 60)}\` is not a network`,
        params: { advice: 'Write an address (`10.0.1.5`), or a network with its length (`10.0.1.0/24`).' },
      });
  })
  .meta({ description: 'An address, or a network with its length.', examples: ['10.0.9.0/24'] });

/** No host name: connections are made *from* it, which takes the address itself. */
const ownAddress = z
  .string()
  .superRefine((value, context) => {
    if (![z.ipv4(), z.ipv6()].some((kind) => kind.safeParse(value).success) || /^[0.:]+$/.test(value))
      context.addIssue({
        code: 'custom',
        message: `\`${value.slice(0, 60)}\` is not an address that a gateway can have`,
        params: { advice: 'Give an IPv4 or IPv6 address (without brackets) of the host, without a port.' },
      });
  })
  .meta({
    description: 'An IP address of its own on the host: it listens there, and connects to instances from there.',
    examples: ['10.0.1.101'],
  });

const profile = z.enum(['real-time', 'session', 'local']);

const account = z
  .strictObject({
    user: text('User of the account, which must be able to log in from every gateway.', userRule, 'coequal_gateway'),
    passwordFile: path(
      'File that holds its password, at this path on every host with a gateway.',
      '/etc/coequal/gateway.password',
    ),
  })
  .describe(
    'The database account with which gateways watch instances, record outcomes and read accounts. `coequal gateway` says which grants it lacks.',
  );

const user = z
  .strictObject({
    user: text('User of the accounts that this is about, whatever their host.', userRule, 'reports'),
    profile: profile.optional().describe('Consistency for this user; that of the service unless given.'),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Connections of this user through one gateway; `connectionsPerUser` unless given.'),
  })
  .describe('What differs for one user.');

const guard = z
  .strictObject({
    name: name('Name of the guard, unique in the service.', 'overdraft'),
    tables: z
      .array(text('A table, or schema.table.', tableRule, 'accounts'))
      .min(1)
      .max(100)
      .optional()
      .describe(
        'Transactions that write one of these tables take the guard. Without this key only statements with the comment `/* coequal: guard NAME */` do.',
      ),
  })
  .describe('Transactions that take the same guard serialise: write skew between them is impossible.');

const largeWrites = z
  .strictObject({
    above: size('What a transaction may write before the rule applies.', { least: 64 * KiB, most: TiB }, '64MiB'),
    rule: z
      .enum(['refuse', 'fragment', 'chunk'])
      .describe(
        '`refuse`: an error that says why; `fragment`: replicated in pieces while it runs (streaming replication); `chunk`: one ' +
          'UPDATE or DELETE outside a transaction becomes many small transactions.',
      ),
  })
  .describe('What happens to writes that would make all sites wait. Nothing is done about them unless given.');

const schemaChanges = z
  .strictObject({
    above: size('Size of the table, with its indexes.', { least: 0, most: 64 * TiB }, '1GiB'),
  })
  .describe(
    'Schema changes that would block every site are refused on tables above this size, unless the session says that it means it.',
  );

const credentials = z
  .strictObject({
    file: path('The sealed store, at this path on every host with a gateway.', '/etc/coequal/credentials.sealed'),
    keyFile: path('The key that opens it; a file of mode 0600.', '/etc/coequal/credentials.key'),
  })
  .describe(
    'Sealed passwords of accounts whose own log-in does not let the gateway log in at another instance (ed25519 and others).',
  );

const second = 1_000;
const hour = 3_600_000;
const day = 24 * hour;

const limits = z
  .strictObject({
    connections: z.int().min(1).max(1_000_000).default(5_000).describe('Client connections of one gateway.'),
    connectionsPerUser: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(4_000)
      .describe('Client connections of one user through one gateway.'),
    transaction: size(
      'What one transaction may keep for its replay; beyond it the transaction is not replayable.',
      { least: 64 * KiB, most: 16 * 1_024 * MiB },
      '64MiB',
    ).prefault('64MiB'),
    replay: size('What all transactions of one gateway may keep together.', { least: MiB, most: TiB }, '1GiB').prefault(
      '1GiB',
    ),
    idle: duration(
      'A session without a request for so long is ended; `0s`: never.',
      { least: 0, most: 365 * day },
      '8h',
    ).prefault('0s'),
    statement: duration(
      'A statement that takes longer is ended; `0s`: never.',
      { least: 0, most: 7 * day },
      '30s',
    ).prefault('0s'),
    slowClient: duration(
      'A client that has not taken its answer for so long is ended.',
      { least: second, most: day },
      '60s',
    ).prefault('60s'),
    handshake: duration(
      'Logging in, from connecting to the first answer.',
      { least: second, most: 10 * 60 * second },
      '10s',
    ).prefault('10s'),
    recovery: duration(
      'How long a session may look for an instance that serves before its client gets an error.',
      { least: second, most: hour },
      '30s',
    ).prefault('30s'),
    silence: duration(
      'An instance that has not answered for so long loses its sessions. By preset unless given: 700 ms; `tight` 450 ms; ' +
        '`virtual-machines` 3.5 s; `stock` 7 s.',
      { least: 100, most: 60 * second },
      '700ms',
    ).optional(),
    failuresPerMinute: z
      .int()
      .min(1)
      .max(100_000)
      .default(30)
      .describe('Failed log-ins of one address within a minute before further ones are refused.'),
  })
  .describe('Limits of each gateway.');

/** `services[].gateway` */
export const serviceGateway = z
  .strictObject({
    account,
    profile: profile
      .default('real-time')
      .describe(
        'Consistency: `real-time` sees everything acknowledged anywhere before; `session` sees its own writes, without a ' +
          'cluster-wide wait; `local` is fast and may be stale.',
      ),
    users: z.array(user).max(1_000).default([]).describe('Users with rules of their own.'),
    guards: z.array(guard).max(100).default([]).describe('Declared guards.'),
    largeWrites: largeWrites.optional(),
    schemaChanges: schemaChanges.optional(),
    credentials: credentials.optional(),
    limits: limits.prefault({}),
  })
  .describe('What all gateways of this service do. Needed when it has gateways.');

const certificates = z
  .strictObject({
    authority: path('Authority that the certificates of instances come from.', '/etc/coequal/tls/authority.pem'),
    certificate: path('Certificate shown to clients.', '/etc/coequal/tls/gateway.pem').optional(),
    key: path('Its key; a file that only the gateway may read.', '/etc/coequal/tls/gateway.key').optional(),
  })
  .describe('PEM files. Without `certificate` and `key` clients get no TLS.');

/** `gateways[]` */
export const gateway = z
  .strictObject({
    name: name('Name of the gateway, unique in the estate.', 'gateway-north'),
    host: name('Name of the host it runs on.', 'north-1'),
    service: name('Name of the service that it leads to.', 'bank'),
    port: port('Where applications connect.'),
    address: ownAddress.optional(),
    metricsPort: port(
      'Metrics and health page, on loopback; 10000 above `port` unless given (below it where that is no port).',
    ).optional(),
    workers: z.int().min(1).max(64).default(1).describe('Processes that share the port.'),
    stateFolder: path(
      'Folder of its control socket and acknowledgement journal, its own alone; `/var/lib/coequal/gateways/NAME` unless given.',
      '/var/lib/coequal/gateways/gateway-north',
    ).optional(),
    certificates: certificates.optional(),
    proxyFrom: z
      .array(network)
      .max(100)
      .default([])
      .describe('Networks whose connections begin with a PROXY header (a load balancer in front).'),
    proxyToInstances: z
      .boolean()
      .default(true)
      .describe(
        'Tell instances the client’s address in a PROXY header. They must list the gateway in `proxy_protocol_networks`.',
      ),
  })
  .describe('A process that applications connect to.');
