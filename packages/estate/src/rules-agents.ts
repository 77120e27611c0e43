/**
 * What agents need beyond the shape of their keys: one to a host, folders of their own, files that belong together, and
 * logs and databases that are named once. Ports are compared with everybody else's in `rules.ts`.
 */
import type { Estate } from './model.ts';
import type { Agent, ClientCertificates } from './model-agents.ts';
import type { FilePath, Finding } from './problem.ts';
import { isBelow, type Rule } from './rule.ts';

const perAgent =
  (check: (estate: Estate, agent: Agent, at: FilePath) => readonly Finding[]): Rule =>
  (estate) =>
    estate.agents.flatMap((agent, index) => check(estate, agent, ['agents', index]));

const oneToAHost: Rule = (estate) =>
  estate.agents.flatMap(({ name, host }, index): readonly Finding[] => {
    const other = estate.agents.slice(0, index).find((before) => before.host === host);
    if (other === undefined) return [];
    return [
      {
        at: ['agents', index, 'host'],
        message: `Agents \`${name}\` and \`${other.name}\` both watch host \`${host}\``,
        advice: 'Keep one: an agent watches everything on its host.',
      },
    ];
  });

const ownStateFolder: Rule = (estate) =>
  estate.agents.flatMap(({ name, host, stateFolder }, index): readonly Finding[] => {
    const others = [
      ...estate.gateways.map((other) => ({ name: other.name, host: other.host, folder: other.stateFolder })),
      ...estate.services.flatMap(({ instances }) =>
        instances.map((other) => ({ name: other.name, host: other.host, folder: other.dataFolder })),
      ),
    ];
    const clash = others.find(
      (other) => other.host === host && (isBelow(stateFolder, other.folder) || isBelow(other.folder, stateFolder)),
    );
    if (clash === undefined) return [];
    return [
      {
        at: ['agents', index, 'stateFolder'],
        message: `Agent \`${name}\` and \`${clash.name}\` share the folder ${stateFolder} on host \`${host}\``,
        advice: 'Give each of them a folder of its own, none inside another’s.',
      },
    ];
  });

const wholePair = (who: string, files: ClientCertificates, at: FilePath): readonly Finding[] => {
  if ((files.certificate === undefined) === (files.key === undefined)) return [];
  return [
    {
      at: [...at, files.certificate === undefined ? 'key' : 'certificate'],
      message: `${who} has a ${files.certificate === undefined ? 'key without a certificate' : 'certificate without its key'}`,
      advice: 'Give both, or neither.',
    },
  ];
};

const filesBelongTogether = perAgent((_, agent, at) => [
  ...(agent.sendTo === undefined
    ? []
    : wholePair(`\`sendTo\` of agent \`${agent.name}\``, agent.sendTo, [...at, 'sendTo'])),
  ...agent.scrapes.flatMap((scrape, index): readonly Finding[] => {
    const place: FilePath = [...at, 'scrapes', index];
    const who = `Scrape \`${scrape.job}\``;
    const { user, passwordFile, tokenFile } = scrape;
    const lone = (user === undefined) !== (passwordFile === undefined);
    return [
      ...wholePair(who, scrape, place),
      ...(lone
        ? [
            {
              at: [...place, user === undefined ? 'passwordFile' : 'user'],
              message: `${who} has a ${user === undefined ? 'password without its user' : 'user without a password'}`,
              advice: 'Give `user` and `passwordFile`, or neither.',
            },
          ]
        : []),
      ...(tokenFile !== undefined && user !== undefined
        ? [
            {
              at: [...place, 'tokenFile'],
              message: `${who} has a token and a user`,
              advice: 'Keep one of them: a request carries one kind of authorisation.',
            },
          ]
        : []),
    ];
  }),
]);

/** Whose authority it is decides who enrols: ours with all files made by us, or the bank's with all files the bank's. */
const oneAuthority = perAgent((_, { name, acts }, at) => {
  const { authority, certificate, key } = acts ?? {};
  const given = [authority, certificate, key].filter((file) => file !== undefined).length;
  if (given === 0 || given === 3) return [];
  return [
    {
      at: [...at, 'acts'],
      message: `\`acts\` of agent \`${name}\` has some of \`authority\`, \`certificate\` and \`key\``,
      advice: 'Give all three where the bank issues certificates, or none where the agent enrols.',
    },
  ];
});

/** Two series of one name and labels would overwrite each other. */
const toldOnce = perAgent((_, { scrapes, logs, databases }, at) => [
  ...repeated(scrapes.map(({ job, instance, url }) => `${job} of ${instance ?? new URL(url).host}`)).map(
    ({ index, text }) => ({
      at: [...at, 'scrapes', index],
      message: `The scrape of job ${text} is there a second time`,
      advice: 'Give one of them another `job`, or an `instance` of its own.',
    }),
  ),
  ...repeated(logs.map(({ path }) => path)).map(({ index, text }) => ({
    at: [...at, 'logs', index, 'path'],
    message: `The log ${text} is followed a second time`,
    advice: 'Name each file once.',
  })),
  ...repeated(databases.map(({ instance }) => instance)).map(({ index, text }) => ({
    at: [...at, 'databases', index, 'instance'],
    message: `The database \`${text}\` is there a second time`,
    advice: 'Give each a name of its own.',
  })),
]);

const repeated = (texts: readonly string[]): readonly { readonly index: number; readonly text: string }[] =>
  texts.flatMap((text, index) => (texts.indexOf(text) < index ? [{ index, text }] : []));

const watchedElsewhere = perAgent((estate, { databases }, at) =>
  databases.flatMap(({ instance }, index): readonly Finding[] =>
    estate.services.some(({ instances }) => instances.some(({ name }) => name === instance))
      ? [
          {
            at: [...at, 'databases', index, 'instance'],
            message: `\`${instance}\` is an instance of the estate already`,
            advice: 'The agent of its host watches it by itself, with `databaseAccount`: remove it here.',
          },
        ]
      : [],
  ),
);

const unwatchedInstances: Rule = (estate) =>
  estate.agents.flatMap(({ name, host, databaseAccount }, index): readonly Finding[] => {
    const own = estate.services.flatMap(({ instances }) => instances).filter((instance) => instance.host === host);
    if (databaseAccount !== undefined || own.length === 0) return [];
    return [
      {
        at: ['agents', index],
        message: `Agent \`${name}\` has no \`databaseAccount\`, so ${own.map((each) => `\`${each.name}\``).join(', ')} will not be watched`,
        advice: 'Give it one (`user` and `passwordFile`); docs/agent.md lists the grants.',
      },
    ];
  });

export const agentRules: readonly Rule[] = [
  oneToAHost,
  ownStateFolder,
  filesBelongTogether,
  toldOnce,
  watchedElsewhere,
  oneAuthority,
];

export const agentWarnings: readonly Rule[] = [unwatchedInstances];
