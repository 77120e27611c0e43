/**
 * The keys of agents (`agents[]`): one on each host that is watched. What an agent watches by itself (its host, the instances and
 * gateways there) needs no key; these say how it logs in, what else it watches, and where it sends. Defaults that depend on
 * other keys are filled in by `to-agents.ts`.
 */
import { z } from 'zod';
import { acts } from './schema-acts.ts';
import { address, databaseRule, duration, name, path, port, text } from './schema-values.ts';

export const userRule = {
  pattern: /^[^\s'"`\\]{1,128}$/,
  message: 'is not the name of an account',
  advice: 'Write the user alone, without a host, blanks or quotes; 128 characters at most.',
};
export const jobRule = {
  pattern: /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/,
  message: 'is not the name of a job',
  advice: 'Begin with a letter, and go on with letters, digits, `_`, `.` and `-`, 64 at most.',
};
/** Also names of things that are not in the estate: arrays, switches, databases that others run. */
const labelRule = {
  pattern: /^[^\s"'`\\]{1,128}$/,
  message: 'is not a name for a label',
  advice: 'Write it without blanks and quotes, 128 characters at most.',
};
const deviceRule = {
  pattern: /^[A-Za-z0-9_.:!-]{1,64}$/,
  message: 'is not the name of a device',
  advice: 'Write it as the kernel does, without /dev/: `vda`, `nvme0n1`, `eth0`.',
};
const groupRule = {
  pattern: /^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\s"'`\\]*$/,
  message: 'is not a control group',
  advice: 'Write its path below the root of the control groups, like `/system.slice/mariadb.service`.',
};
const urlRule = {
  pattern: /^https?:\/\/(?![^/]*@)[^\s/?#"'\\]+(\/[^\s?#"'\\]*)?$/,
  message: 'is not an address of a service',
  advice: 'Write `http://` or `https://`, a host with its port, and a path where one is needed; no user, no `?`.',
};
export const scrapeUrlRule = {
  pattern: /^https?:\/\/(?![^/]*@)[^\s/?#"'\\]+(\/[^\s#"'\\]*)?$/,
  message: 'is not an address that can be scraped',
  advice: 'Write `http://` or `https://`, a host with its port, and the path of its metrics; no user in it.',
};

const second = 1_000;

export const certificateFiles = {
  authority: path(
    'PEM file of the authority that the other side’s certificate comes from.',
    '/etc/coequal/tls/authority.pem',
  ).optional(),
  certificate: path('PEM file of the certificate that is shown.', '/etc/coequal/tls/agent.pem').optional(),
  key: path('Its key; a file that only the agent may read.', '/etc/coequal/tls/agent.key').optional(),
};

const account = z
  .strictObject({
    user: text('User of the account.', userRule, 'coequal_agent'),
    passwordFile: path('File that holds its password.', '/etc/coequal/agent.password'),
    authority: path(
      'PEM file of the authority of the instances; without it there is no TLS.',
      '/etc/coequal/tls/authority.pem',
    ).optional(),
  })
  .describe('The account with which the agent watches the instances on its host. Without it they are not watched.');

const log = z
  .strictObject({
    path: path('The file. Its successor is followed when it is rotated.', '/var/log/mysql/error.log'),
    format: z
      .enum(['auto', 'mariadb', 'postgres', 'json', 'plain'])
      .default('auto')
      .describe('How its lines are written; `auto` looks at each line. Gateways write `json`.'),
    instance: text('Instance that writes it.', labelRule, 'bank-north').optional(),
    gateway: text('Gateway that writes it.', labelRule, 'gateway-north').optional(),
  })
  .describe('A log file that is followed.');

const scrape = z
  .strictObject({
    job: text('Value of the label `job`.', jobRule, 'snmp'),
    url: text('Where the exporter shows its metrics.', scrapeUrlRule, 'http://127.0.0.1:9116/metrics'),
    every: duration('How often.', { least: second, most: 3_600 * second }, '10s').prefault('10s'),
    site: text('Site that the metrics are about; that of the agent unless given.', labelRule, 'north').optional(),
    host: text('Host that the metrics are about; that of the agent unless given.', labelRule, 'north-array').optional(),
    service: text('Service that the metrics are about.', labelRule, 'ledger').optional(),
    instance: text(
      'Instance that the metrics are about; host and port of `url` unless given.',
      labelRule,
      'ledger-1',
    ).optional(),
    samples: z
      .int()
      .min(1)
      .max(200_000)
      .default(20_000)
      .describe('With more samples than this a scrape counts as failed.'),
    user: text('User for basic authentication.', userRule, 'scraper').optional(),
    passwordFile: path('File with the password of `user`.', '/etc/coequal/scraper.password').optional(),
    tokenFile: path('File with a bearer token.', '/etc/coequal/scraper.token').optional(),
    ...certificateFiles,
  })
  .describe('An exporter in the format of Prometheus or OpenMetrics: of hardware, or of a database that others run.');

const database = z
  .strictObject({
    engine: z.enum(['mariadb', 'mysql', 'postgres']).describe('What it is.'),
    instance: text('Name of the instance, for the label `instance`.', labelRule, 'ledger-1'),
    service: text('Service that it belongs to.', labelRule, 'ledger').optional(),
    host: text('Host that it runs on; that of the agent unless given.', labelRule, 'ledger-host').optional(),
    site: text('Site that it is in; that of the agent unless given.', labelRule, 'north').optional(),
    address: address.optional().describe('Where it listens; 127.0.0.1 unless given.'),
    port: port('Its port; 3306, or 5432 of PostgreSQL, unless given.').optional(),
    database: text(
      'The database to log in to; `postgres` of PostgreSQL unless given.',
      databaseRule,
      'postgres',
    ).optional(),
    account: account.describe('The account with which it is watched.'),
  })
  .describe('A database that is watched only: nobody here starts or heals it.');

const sendTo = z
  .strictObject({
    store: text(
      'Where samples are stored: any store with remote write, without the path.',
      urlRule,
      'http://127.0.0.1:8428',
    ).optional(),
    platforms: z
      .array(text('A platform.', urlRule, 'http://127.0.0.1:9370'))
      .max(8)
      .default([])
      .describe('Platforms that get samples and events at once.'),
    tokenFile: path('File with the bearer token that platforms ask for.', '/etc/coequal/platform.token').optional(),
    ...certificateFiles,
  })
  .describe('Where the agent sends, instead of the stores and platforms of the estate.');

/** `agents[]` */
export const agent = z
  .strictObject({
    name: name('Name of the agent, unique among agents; that of its host unless given.', 'north-1').optional(),
    host: name('Name of the host that it watches.', 'north-1'),
    port: port('Metrics, health and control, on loopback; 9361 unless given.').optional(),
    timePort: port(
      'Where agents of other hosts may ask for the time, on the address of the host. Nobody may unless given.',
    ).optional(),
    stateFolder: path(
      'Folder of what waits to be sent and of places in logs, its own alone; `/var/lib/coequal/agents/NAME` unless given.',
      '/var/lib/coequal/agents/north-1',
    ).optional(),
    wholeMachine: z
      .boolean()
      .default(true)
      .describe('`false`: the host is a control group of its machine, so figures of the whole machine are left out.'),
    cgroup: text(
      'Control group that is the host; the one the agent runs in unless given.',
      groupRule,
      '/bank.slice',
    ).optional(),
    devices: z
      .array(text('A block device.', deviceRule, 'nvme0n1'))
      .max(1_000)
      .optional()
      .describe('Block devices of the host; all but partitions, loops and RAM disks unless given.'),
    mounts: z
      .array(path('A mount point.', '/var/lib/mysql'))
      .max(500)
      .optional()
      .describe('File systems of the host; all unless given.'),
    interfaces: z
      .array(text('A network interface.', deviceRule, 'eth0'))
      .max(1_000)
      .optional()
      .describe('Network interfaces of the host; all unless given.'),
    databaseAccount: account.optional(),
    databases: z.array(database).max(64).default([]).describe('Databases that are only watched.'),
    logs: z.array(log).max(100).default([]).describe('Log files that are followed.'),
    scrapes: z.array(scrape).max(200).default([]).describe('Exporters that are scraped.'),
    webhook: z
      .strictObject({
        tokenFile: path(
          'File with the token that whoever tells of a change must show; one in the state folder unless given.',
          '/etc/coequal/changes.token',
        ),
      })
      .optional()
      .describe('Where deployments, backups and jobs are told: `POST /api/v1/changes`.'),
    sendTo: sendTo.optional(),
    acts: acts.optional(),
  })
  .describe('The process that watches a host and what runs there.');
