/**
 * What external services need beyond the shape of their keys: hosts that exist, signals that belong together, and an agent that asks their
 * exporters. Findings stand at `externals`; `parse.ts` puts them where the file has the service. Names are compared in `rules.ts`.
 */
import type { Estate } from './model.ts';
import type { FilePath, Finding } from './problem.ts';
import { hostNamed } from './queries.ts';
import type { Rule } from './rule.ts';

const places = (estate: Estate) =>
  estate.externals.flatMap((service, index) =>
    service.instances.map((instance, own) => ({
      instance,
      at: ['externals', index, 'instances', own] satisfies FilePath,
    })),
  );

const knownHosts: Rule = (estate) =>
  places(estate).flatMap(({ instance, at }) =>
    (['host', 'watchedFrom'] as const).flatMap((key): readonly Finding[] => {
      const host = instance[key];
      if (host === undefined || hostNamed(estate, host) !== undefined) return [];
      const hosts = estate.sites.flatMap((site) => site.hosts.map(({ name }) => `\`${name}\``)).slice(0, 20);
      return [
        {
          at: [...at, key],
          message: `There is no host \`${host}\``,
          advice: `The hosts of this estate are ${hosts.join(', ')}.`,
        },
      ];
    }),
  );

const latencyInTwo: Rule = (estate) =>
  estate.externals.flatMap(({ name, signals }, index): readonly Finding[] => {
    const { latency, latencySum, latencyCount } = signals;
    const at: FilePath = ['externals', index, 'signals'];
    if ((latencySum === undefined) !== (latencyCount === undefined))
      return [
        {
          at: [...at, latencySum === undefined ? 'latencyCount' : 'latencySum'],
          message: `Service \`${name}\` has only one half of its latency`,
          advice: 'Give `latencySum` and `latencyCount`, or neither.',
        },
      ];
    if (latency === undefined || latencySum === undefined) return [];
    return [
      {
        at: [...at, 'latency'],
        message: `Service \`${name}\` has its latency twice`,
        advice: 'Keep `latency`, or `latencySum` with `latencyCount`.',
      },
    ];
  });

const secretsTogether: Rule = (estate) =>
  places(estate).flatMap(({ instance: { name, scrape }, at }): readonly Finding[] => {
    const { user, passwordFile, tokenFile, certificate, key } = scrape;
    const place: FilePath = [...at, 'scrape'];
    if ((user === undefined) !== (passwordFile === undefined))
      return [
        {
          at: [...place, user === undefined ? 'passwordFile' : 'user'],
          message: `The scrape of \`${name}\` has a ${user === undefined ? 'password without its user' : 'user without a password'}`,
          advice: 'Give `user` and `passwordFile`, or neither.',
        },
      ];
    if (user !== undefined && tokenFile !== undefined)
      return [
        {
          at: [...place, 'tokenFile'],
          message: `The scrape of \`${name}\` has a password and a token`,
          advice: 'Keep one of them.',
        },
      ];
    if ((certificate === undefined) !== (key === undefined))
      return [
        {
          at: [...place, certificate === undefined ? 'key' : 'certificate'],
          message: `The scrape of \`${name}\` has a ${certificate === undefined ? 'key without a certificate' : 'certificate without its key'}`,
          advice: 'Give both, or neither.',
        },
      ];
    return [];
  });

/** The agents tell these of other things. */
const reservedJobs: readonly string[] = ['node', 'coequal_agent', 'coequal_gateway', 'mysql', 'postgres'];

const ownJob: Rule = (estate) =>
  estate.externals.flatMap(({ name, product }, index): readonly Finding[] =>
    reservedJobs.includes(product)
      ? [
          {
            at: ['externals', index, 'product'],
            message: `The product of \`${name}\` cannot be \`${product}\`: signals of that job are told by the agents themselves`,
            advice: 'Give it another name.',
          },
        ]
      : [],
  );

const watched: Rule = (estate) =>
  places(estate).flatMap(({ instance: { name, host, watchedFrom = host }, at }): readonly Finding[] =>
    estate.agents.some((agent) => agent.host === watchedFrom)
      ? []
      : [
          {
            at,
            message: `Nobody watches \`${name}\`: host \`${watchedFrom}\` has no agent`,
            advice: 'Add one to `agents`, or name a host that has one in `watchedFrom`.',
          },
        ],
  );

export const externalRules: readonly Rule[] = [knownHosts, latencyInTwo, secretsTogether, ownJob];
export const externalWarnings: readonly Rule[] = [watched];
