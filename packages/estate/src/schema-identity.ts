/** The keys of platforms that are about people: the public name, proxies before it, and the keys that seal what people come in with. */
import { z } from 'zod';
import { duration, name, path, text } from './schema-values.ts';

const network = z
  .string()
  .superRefine((value, context) => {
    if (![z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()].some((kind) => kind.safeParse(value).success))
      context.addIssue({
        code: 'custom',
        message: `\`${value.slice(0, 60)}\` is neither an address nor a network`,
        params: { advice: 'Write an IP address, or a network like `10.0.9.0/24`.' },
      });
  })
  .meta({ description: 'An IP address, or a network.', examples: ['127.0.0.1', '10.0.9.0/24'] });

const line = (description: string, example: string, longest = 300) =>
  text(
    description,
    {
      pattern: new RegExp(`^[^\\x00-\\x1f\\x7f]{1,${longest}}$`),
      message: 'is not one line of text',
      advice: `Write it on one line, with ${longest} characters at most.`,
    },
    example,
  );

const only = (what: string, example: string) =>
  z
    .array(name(`Name of a ${what}.`, example))
    .min(1)
    .max(1_000)
    .optional()
    .describe(`Only for these ${what}s.`);

const groupRole = z
  .strictObject({
    group: line('Name of the group: its `cn`, or its text in the claim.', 'dba'),
    role: z
      .enum(['viewer', 'operator', 'approver', 'security-admin', 'auditor'])
      .describe('What its members are; docs/access.md says what that means.'),
    services: only('service', 'bank'),
    sites: only('site', 'north'),
  })
  .describe('What members of a group may do.');

const groupRoles = z
  .array(groupRole)
  .min(1)
  .max(500)
  .describe('What members of groups may do. Whoever is in none of them does not come in.');

const pollEvery = duration(
  'How often the directory is asked about everybody who came from it.',
  { least: 1_000, most: 240_000 },
  '1min',
).prefault('1min');

const attribute = (description: string, usual: string) =>
  text(
    description,
    { pattern: /^[A-Za-z][A-Za-z0-9-]{0,60}$/, message: 'is not an attribute', advice: 'Write its name, like `uid`.' },
    usual,
  ).default(usual);

const ldap = z
  .strictObject({
    url: text(
      'Address of the server.',
      {
        pattern: /^(ldaps:\/\/[^\s/?#@]+|ldap:\/\/(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost)(:\d{1,5})?)$/,
        message: 'is not an address that passwords may be sent to',
        advice: 'Write `ldaps://` and a host; `ldap://` is for the machine itself only.',
      },
      'ldaps://directory.bank.example',
    ),
    authority: path(
      'PEM of the authority that its certificate must be of.',
      '/etc/coequal/ldap-authority.pem',
    ).optional(),
    account: line('Account that searches.', 'cn=coequal,ou=services,dc=bank,dc=example'),
    passwordFile: path('File with its password, on one line.', '/etc/coequal/ldap.password'),
    peopleBase: line('Below which people are.', 'ou=people,dc=bank,dc=example'),
    peopleFilter: line('Which of them count.', '(objectClass=person)', 1_000).default('(objectClass=person)'),
    nameAttribute: attribute('What people type.', 'uid'),
    displayAttribute: attribute('How others see them.', 'cn'),
    idAttribute: attribute('What stays when the name changes.', 'entryUUID'),
    groupBase: line('Below which groups are.', 'ou=groups,dc=bank,dc=example'),
    memberAttribute: attribute('In which a group names its members.', 'member'),
    roles: groupRoles,
    pollEvery,
  })
  .describe('People of a directory over LDAP.');

const claim = (description: string, usual: string) => line(description, usual, 100).default(usual);

const oidc = z
  .strictObject({
    issuer: text(
      'The provider.',
      {
        pattern: /^(https:\/\/[^\s?#@]+|http:\/\/(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost)(:\d{1,5})?(\/[^\s?#@]*)?)$/,
        message: 'is not an address of a provider',
        advice: 'Write `https://` and the issuer as the provider names it; `http://` is for the machine itself only.',
      },
      'https://login.bank.example',
    ),
    clientId: line('As what the platform is known there.', 'coequal'),
    clientSecretFile: path('File with its secret, on one line.', '/etc/coequal/oidc.secret'),
    scope: line('What is asked for; a refresh token is needed.', 'openid profile offline_access').default(
      'openid profile offline_access',
    ),
    nameClaim: claim('Claim with the name.', 'preferred_username'),
    displayClaim: claim('Claim with how others see them.', 'name'),
    groupsClaim: claim('Claim with the groups, a list of texts.', 'groups'),
    roles: groupRoles,
    pollEvery,
  })
  .describe('People of a provider of OpenID Connect. Its way back is `URL/identity/arrive`.');

export const identityKeys = {
  ldap: ldap.optional(),
  oidc: oidc.optional(),
  url: text(
    'What browsers call the platform. Passkeys belong to the host in it; `http://localhost` and the port unless given.',
    {
      pattern: /^(https:\/\/(?![\d.]+(:|$))[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?|http:\/\/localhost(:\d{1,5})?)$/,
      message: 'is not a name under which browsers could reach a platform',
      advice: 'Write `https://` and a host name in lower case, without a path; passkeys do not work with IP addresses.',
    },
    'https://coequal.bank.example',
  ).optional(),
  trustedProxies: z
    .array(network)
    .max(64)
    .default([])
    .describe('Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` count. Those of anybody else do not.'),
  keyRing: path(
    'Key ring that seals passkeys, seeds and recovery codes; one in the state folder unless given.',
    '/etc/coequal/bank.ring',
  ).optional(),
};
