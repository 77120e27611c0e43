/** The keys of what an agent may do (`agents[].acts`), and of the line by which platforms tell it (`platforms[].line`). */
import { z } from 'zod';
import { address, duration, name, path, port, text } from './schema-values.ts';

const minute = 60_000;

const accountRule = {
  pattern: /^[^\s'"`\\]{1,128}$/,
  message: 'is not the name of an account',
  advice: 'Write the user alone, without a host, blanks or quotes; 128 characters at most.',
};
const userRule = {
  pattern: /^[a-z_][a-z0-9_-]{0,31}$/,
  message: 'is not a user of an operating system',
  advice: 'Write its name, such as `mysql`.',
};
const actionRule = {
  pattern: /^[a-z]+-[a-z]+$/,
  message: 'is not the name of an action',
  advice: 'docs/actions.md lists them: `instance-restart`, `query-kill`, …',
};

const pem = (what: string, example: string) => path(`PEM file of ${what}.`, example).optional();

export const acts = z
  .strictObject({
    platforms: z
      .array(
        z
          .strictObject({
            address: address.describe('Address of a platform’s line.'),
            port: port('Its port.'),
          })
          .describe('A platform.'),
      )
      .max(8)
      .default([])
      .describe('Platforms whose orders it takes; all of the estate that have a `line` unless given.'),
    allow: z
      .array(text('An action.', actionRule, 'query-kill'))
      .max(64)
      .optional()
      .describe('What it may do; everything unless given.'),
    heal: z
      .strictObject({
        restarts: z.int().min(1).max(20).default(3).describe('So many restarts …'),
        within: duration('… in this time, and no more.', { least: minute, most: 1_440 * minute }, '10min').prefault(
          '10min',
        ),
      })
      .optional()
      .describe('It starts an instance again that crashed, also without a platform. It never does unless given.'),
    account: z
      .strictObject({
        user: text('User of the account.', accountRule, 'coequal_admin'),
        passwordFile: path('File that holds its password.', '/etc/coequal/admin.password'),
      })
      .optional()
      .describe('The administrative account of the instances on this host, over their local sockets.'),
    user: text('User of the system as whom instances run.', userRule, 'mysql').default('mysql'),
    runFolder: path(
      'Folder with a folder for each instance: its option file, socket and logs.',
      '/var/lib/coequal/run',
    ).default('/var/lib/coequal/run'),
    authority: pem('the bank’s own authority of platforms', '/etc/coequal/tls/authority.pem'),
    certificate: pem('the agent’s certificate, where the bank issues it', '/etc/coequal/tls/agent.pem'),
    key: pem('its key', '/etc/coequal/tls/agent.key'),
    scripts: z
      .strictObject({
        manifest: path('The manifest; its signature is beside it, with `.sig`.', '/etc/coequal/scripts.json'),
        key: path('PEM file of the public key that the signature is checked with.', '/etc/coequal/scripts.pub'),
      })
      .optional()
      .describe('Scripts of the bank’s own that are actions.'),
  })
  .describe('What the agent may do on its host. It only watches unless given.');

export const line = z
  .strictObject({
    address: address.optional().describe('Where it listens; the address of the host unless given.'),
    port: port('Its port.').default(9_621),
    name: name('Name of its authority.', 'coequal').default('coequal'),
    authority: pem('the bank’s own authority of agents', '/etc/coequal/tls/authority.pem'),
    certificate: pem('the platform’s certificate for `line.platform.coequal`', '/etc/coequal/tls/platform.pem'),
    key: pem('its key', '/etc/coequal/tls/platform.key'),
  })
  .describe('Where agents that act dial in, by mutual TLS. There is none unless given.');
