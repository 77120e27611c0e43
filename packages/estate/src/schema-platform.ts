/**
 * The keys of platforms (`platforms[]`: the processes that watch the estate) and of stores (`stores[]`: where metrics are
 * kept). A store is either one that Coequal runs on a host of the estate, or a foreign one by its address.
 */
import { z } from 'zod';
import { line } from './schema-acts.ts';
import { identityKeys } from './schema-identity.ts';
import { duration, MiB, name, path, port, size, TiB, text } from './schema-values.ts';

const urlRule = {
  pattern: /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
  message: 'is not an address of a store or webhook',
  advice: 'Write `http://` or `https://`, a host and a port, without a password in it: `https://metrics.example:8427`.',
};

const hookRule = {
  pattern: /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/,
  message: 'is not an address of a webhook',
  advice: 'Write `http://` or `https://`, a host, and a path; secrets belong into `tokenFile`.',
};

const tokenFile = (what: string) => path(`File with ${what}, on one line.`, '/etc/coequal/token').optional();

const storeTls = z
  .strictObject({
    authority: path('Authority that the other side must be of.', '/etc/coequal/tls/authority.pem'),
    certificate: path('Certificate of this side.', '/etc/coequal/tls/store.pem').optional(),
    key: path('Its key.', '/etc/coequal/tls/store.key').optional(),
  })
  .describe('PEM files of mutual TLS on the port of the store.');

const day = 86_400_000;

export const store = z
  .strictObject({
    name: name('Name of the store, unique in the estate.', 'metrics-north'),
    class: z
      .enum(['fine', 'coarse'])
      .default('fine')
      .describe('`fine`: every sample, for weeks; `coarse`: what recording rules make of them, for a year.'),
    host: name('Host that runs it. Without this key it is a foreign store, and has a `url`.', 'north-1').optional(),
    port: port('Where agents and platforms reach it.').optional(),
    localPort: port('Where the store itself listens, on loopback; 10000 above `port` unless given.').optional(),
    folder: path('Folder of its data, its own alone.', '/var/lib/coequal/metrics').optional(),
    retention: duration(
      'How long samples are kept; 720h (fine) or 9480h (coarse) unless given.',
      { least: day, most: 3_650 * day },
      '720h',
    ).optional(),
    memory: size('Memory it may use.', { least: 32 * MiB, most: TiB }, '1GiB').optional(),
    freeDisk: size('Free space below which it takes nothing more.', { least: 0, most: 64 * TiB }, '1GiB').optional(),
    tls: storeTls.optional(),
    url: text(
      'A foreign store: any that speaks remote write and the query API of Prometheus.',
      urlRule,
      'https://metrics.example:8427',
    ).optional(),
    tokenFile: tokenFile('the bearer token of a foreign store'),
    user: text(
      'User of a foreign store with basic authentication.',
      { pattern: /^[^\s:]{1,128}$/, message: 'is not a user', advice: 'Write the name alone.' },
      'coequal',
    ).optional(),
    passwordFile: path('File with the password of that user.', '/etc/coequal/store.password').optional(),
  })
  .describe('Where metrics are kept.');

const webhook = z
  .strictObject({
    url: text(
      'Where to send, in the format of Alertmanager’s webhooks.',
      hookRule,
      'https://chat.example/hooks/coequal',
    ),
    tokenFile: tokenFile('a bearer token for it'),
    resolved: z.boolean().default(true).describe('Also say when it is over.'),
  })
  .describe('Who is told of alerts.');

export const platform = z
  .strictObject({
    name: name('Name of the platform, unique in the estate.', 'platform-north'),
    host: name('Host that runs it.', 'north-1'),
    address: text(
      'Address it listens on: one of loopback. Others reach it through a proxy with TLS, under its `url`.',
      {
        pattern: /^[0-9a-fA-F.:]{2,45}$/,
        message: 'is not an address',
        advice: 'Write an IP address of loopback, such as `127.0.0.1`.',
      },
      '127.0.0.1',
    ).default('127.0.0.1'),
    port: port('Its API.').default(9_620),
    stateFolder: path(
      'Folder of its database, its own alone; `/var/lib/coequal/platforms/NAME` unless given.',
      '/var/lib/coequal/platforms/platform-north',
    ).optional(),
    store: name('The store it asks; the fine one of its site, or the first, unless given.', 'metrics-north').optional(),
    coarseStore: name(
      'The store that recording rules write to; the first coarse one unless given.',
      'metrics-coarse',
    ).optional(),
    rules: z
      .array(path('A Prometheus rule file.', '/etc/coequal/rules/databases.yml'))
      .max(200)
      .default([])
      .describe('Rule files it evaluates.'),
    webhooks: z.array(webhook).max(50).default([]).describe('Who is told of alerts.'),
    knowledge: path(
      'Knowledge file that incidents are compared with, and that confirmed ones are added to.',
      '/var/lib/coequal/knowledge.json',
    ).optional(),
    line: line.optional(),
    weights: path(
      'File of `coequal diagnose weigh`: how much each witness of a diagnosis counts; the shipped weights unless given.',
      '/etc/coequal/weights.json',
    ).optional(),
    agentTokenFile: tokenFile('the token that agents and other senders show'),
    ...identityKeys,
    liveMinutes: z.int().min(2).max(120).default(15).describe('Minutes of every signal that stay in memory.'),
    liveSignals: z.int().min(1_000).max(2_000_000).default(400_000).describe('Signals that stay in memory at most.'),
    liveMemory: size('Memory for them at most.', { least: 64 * MiB, most: TiB }, '1GiB').prefault('1GiB'),
  })
  .describe('A process that watches the estate, and answers what is wrong and why.');
