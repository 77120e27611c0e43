/**
 * What an estate must hold beyond the shape of its file: references that lead somewhere, one thing at one
 * address, votes that survive the loss of a site. An error makes the file invalid; a warning is said and obeyed.
 *
 * Each rule is a function from the estate to findings. Paths are those of the file, whose lists have the same
 * order as the model's.
 */
import type { Estate, Gateway, Instance, Service } from './model.ts';
import type { Agent } from './model-agents.ts';
import { nearest } from './nearest.ts';
import type { FilePath, Finding } from './problem.ts';
import { hostNamed, loopbackOf, metricsAddress, placedInstances, votesBySite, votesOf } from './queries.ts';
import { duplicates, isBelow, named, perService, type Rule } from './rule.ts';
import { agentRules, agentWarnings } from './rules-agents.ts';
import { externalRules, externalWarnings } from './rules-external.ts';
import { gatewayRules, gatewayWarnings } from './rules-gateway.ts';
import { platformRules } from './rules-platform.ts';

export const checkRules = (
  estate: Estate,
): { readonly errors: readonly Finding[]; readonly warnings: readonly Finding[] } => ({
  errors: errorRules.flatMap((rule) => rule(estate)),
  warnings: warningRules.flatMap((rule) => rule(estate)),
});

const uniqueNames: Rule = (estate) => [
  ...duplicates('site', named(estate.sites, ['sites'])),
  ...duplicates(
    'host',
    estate.sites.flatMap(({ hosts }, site) => named(hosts, ['sites', site, 'hosts'])),
  ),
  ...duplicates('service', [...named(estate.services, ['services']), ...named(estate.externals, ['externals'])]),
  ...duplicates('instance or arbitrator', [
    ...estate.services.flatMap(({ instances, arbitrators }, service) => [
      ...named(instances, ['services', service, 'instances']),
      ...named(arbitrators, ['services', service, 'arbitrators']),
    ]),
    ...estate.externals.flatMap(({ instances }, service) => named(instances, ['externals', service, 'instances'])),
  ]),
  ...duplicates('gateway', named(estate.gateways, ['gateways'])),
  ...duplicates('agent', named(estate.agents, ['agents'])),
];

const unknown = (kind: string, name: string, known: readonly string[], at: FilePath): readonly Finding[] => {
  if (known.includes(name)) return [];
  const meant = nearest(name, known);
  return [
    {
      at,
      message: `There is no ${kind} \`${name}\``,
      advice:
        meant === undefined
          ? `The ${kind}s of this estate are ${known.map((each) => `\`${each}\``).join(', ')}.`
          : `Did you mean \`${meant}\`?`,
    },
  ];
};

const knownReferences: Rule = (estate) => {
  const sites = estate.sites.map(({ name }) => name);
  const hosts = estate.sites.flatMap((site) => site.hosts.map(({ name }) => name));
  const services = estate.services.map(({ name }) => name);
  return [
    ...estate.links.flatMap(({ between }, link) =>
      between.flatMap((site, end) => unknown('site', site, sites, ['links', link, 'between', end])),
    ),
    ...residents(estate).flatMap(({ host, at }) => unknown('host', host, hosts, [...at, 'host'])),
    ...estate.gateways.flatMap((gateway, index) =>
      unknown('service', gateway.service, services, ['gateways', index, 'service']),
    ),
  ];
};

/** Everything that runs on a host, with the ports it listens on; on the address of its host unless named. */
type Resident = {
  readonly what: string;
  readonly host: string;
  readonly at: FilePath;
  readonly ports: readonly { readonly port: number; readonly at: FilePath; readonly address?: string }[];
};

const residents = (estate: Estate): readonly Resident[] => [
  ...estate.services.flatMap((service, index) => serviceResidents(service, ['services', index])),
  ...estate.gateways.map((gateway, index) => gatewayResident(estate, gateway, ['gateways', index])),
  ...estate.agents.map((agent, index) => agentResident(estate, agent, ['agents', index])),
];

const serviceResidents = (service: Service, place: FilePath): readonly Resident[] => [
  ...service.instances.map(({ name, host, ports }, index) => {
    const at: FilePath = [...place, 'instances', index];
    const listening = Object.entries(ports).map(([use, port]) => ({ port, at: [...at, 'ports', use] }));
    return { what: `instance \`${name}\``, host, at, ports: listening };
  }),
  ...service.arbitrators.map(({ name, host, groupPort }, index) => {
    const at: FilePath = [...place, 'arbitrators', index];
    return { what: `arbitrator \`${name}\``, host, at, ports: [{ port: groupPort, at: [...at, 'groupPort'] }] };
  }),
];

const gatewayResident = (estate: Estate, gateway: Gateway, at: FilePath): Resident => {
  const { name, host, address, port, metricsPort } = gateway;
  const place = hostNamed(estate, host);
  const metrics = place === undefined ? '127.0.0.1' : metricsAddress({ ...gateway, ...place });
  const ports = [
    { port, at: [...at, 'port'], ...(address === undefined ? {} : { address }) },
    // Every host has a loopback of its own.
    {
      port: metricsPort,
      at: [...at, 'metricsPort'],
      address: metrics === '127.0.0.1' ? `loopback of ${host}` : metrics,
    },
  ];
  return { what: `gateway \`${name}\``, host, at, ports };
};

const agentResident = (estate: Estate, { name, host, port, timePort }: Agent, at: FilePath): Resident => {
  const address = hostNamed(estate, host)?.at.address ?? '127.0.0.1';
  const control = loopbackOf(address);
  return {
    what: `agent \`${name}\``,
    host,
    at,
    ports: [
      { port, at: [...at, 'port'], address: control === '127.0.0.1' ? `loopback of ${host}` : control },
      ...(timePort === undefined ? [] : [{ port: timePort, at: [...at, 'timePort'] }]),
    ],
  };
};

const onePerAddress: Rule = (estate) => {
  const taken = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { what, host, ports } of residents(estate)) {
    const hostAddress = hostNamed(estate, host)?.at.address;
    if (hostAddress === undefined) continue;
    const told = new Set<string>();
    for (const { port, at, address = hostAddress } of ports) {
      const key = `${address} port ${port}`;
      const holder = taken.get(key);
      if (holder === undefined) taken.set(key, what);
      // One finding for each pair: two instances on one host usually share all four ports.
      else if (!told.has(holder)) findings.push(addressTaken(what, holder, key, at));
      if (holder !== undefined) told.add(holder);
    }
  }
  return findings;
};

const addressTaken = (what: string, holder: string, key: string, at: FilePath): Finding => ({
  at,
  message: what === holder ? `${capital(what)} uses ${key} twice` : `${capital(what)} and ${holder} are both at ${key}`,
  advice:
    what === holder ? 'Give each of its ports a number of its own.' : 'Give one of them another port or another host.',
});

const oneHostPerAddress: Rule = (estate) => {
  const taken = new Map<string, string>();
  return estate.sites.flatMap((site, siteIndex) =>
    site.hosts.flatMap((host, hostIndex): readonly Finding[] => {
      const holder = taken.get(host.address);
      if (holder === undefined) {
        taken.set(host.address, host.name);
        return [];
      }
      return [
        {
          at: ['sites', siteIndex, 'hosts', hostIndex, 'address'],
          message: `Hosts \`${host.name}\` and \`${holder}\` have the same address ${host.address}`,
          advice: 'Describe one machine once, or correct the address.',
        },
      ];
    }),
  );
};

const linkPairs: Rule = (estate) => {
  const seen = new Set<string>();
  return estate.links.flatMap(({ between }, index): readonly Finding[] => {
    const [a, b] = between;
    const at: FilePath = ['links', index, 'between'];
    if (a === b) return [{ at, message: `A link leads from \`${a}\` to itself`, advice: 'Name two different sites.' }];
    const key = [...between].sort().join(' ');
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [
      { at, message: `A second link is between \`${a}\` and \`${b}\``, advice: 'Keep one: a link counts both ways.' },
    ];
  });
};

const populatedSites: Rule = (estate) => {
  const used = new Set([
    ...estate.services.flatMap(({ instances, arbitrators }) => [...instances, ...arbitrators].map(({ host }) => host)),
    ...estate.externals.flatMap(({ instances }) => instances.map(({ host }) => host)),
  ]);
  const hosts = new Set(estate.sites.flatMap((site) => site.hosts.map(({ name }) => name)));
  // A misspelt host is told by another rule; that its site then looks empty is not a second mistake.
  if ([...used].some((host) => !hosts.has(host))) return [];
  return estate.sites
    .map((site, index) => ({ site, index }))
    .filter(({ site }) => !site.hosts.some(({ name }) => used.has(name)))
    .map(({ site, index }) => ({
      at: ['sites', index, 'name'],
      message: `Site \`${site.name}\` has no instance and no arbitrator`,
      advice: 'Place an instance on one of its hosts, an arbitrator (a witness), or remove the site.',
    }));
};

const votes = perService((_, service, place) => {
  const count = votesOf(service);
  const at: FilePath = [...place, 'instances'];
  const who = `Service \`${service.name}\``;
  if (service.instances.length < 2)
    return [
      {
        at,
        message: `${who} has ${service.instances.length === 0 ? 'no instance' : 'one instance'}, so losing it is losing the service`,
        advice: 'Place instances in at least two sites, better three.',
      },
    ];
  if (count < 3)
    return [
      {
        at,
        message: `${who} has 2 votes: when either site is lost, the other has no majority and stops`,
        advice: 'Add an instance in a third site, or an arbitrator (`arbitrators:`) in one.',
      },
    ];
  if (count % 2 === 1) return [];
  const surplus = service.arbitrators.length > 0 && service.instances.length % 2 === 1;
  return [
    {
      at: surplus ? [...place, 'arbitrators'] : at,
      message: `${who} has ${count} votes, an even number: cut in two halves, neither has a majority`,
      advice: surplus
        ? 'Remove an arbitrator: its instances alone have an odd number of votes.'
        : 'Add an instance, or an arbitrator (`arbitrators:`) in a site of its own.',
    },
  ];
});

/** The sites that hold half of the votes or more, so that losing one of them stops the service. */
const heavySites = (estate: Estate, service: Service): readonly { readonly site: string; readonly votes: number }[] =>
  [...votesBySite(estate, service)]
    .filter(([, held]) => held * 2 >= votesOf(service))
    .map(([site, held]) => ({ site, votes: held }));

const witnessPlace = perService((estate, service, place) =>
  heavySites(estate, service).flatMap(({ site, votes: held }) =>
    service.arbitrators.flatMap((arbitrator, index): readonly Finding[] =>
      hostNamed(estate, arbitrator.host)?.site.name === site &&
      placedInstances(estate, service).some((instance) => instance.site.name === site)
        ? [
            {
              at: [...place, 'arbitrators', index, 'host'],
              message: `Arbitrator \`${arbitrator.name}\` helps give site \`${site}\` ${held} of ${votesOf(service)} votes: losing that site stops the service`,
              advice: 'Place the arbitrator in a site that holds none of its instances.',
            },
          ]
        : [],
    ),
  ),
);

const oneSiteDecides = perService((estate, service, place) =>
  heavySites(estate, service).map(({ site, votes: held }) => ({
    at: [...place, 'instances'],
    message: `Site \`${site}\` holds ${held} of the ${votesOf(service)} votes of \`${service.name}\`: losing that site stops the service`,
    advice: 'Spread the instances so that no site holds half of the votes.',
  })),
);

const oneVotePerHost = perService((_, service, place) => {
  const seen = new Map<string, string>();
  const voters = [
    ...service.instances.map(({ name, host }, index) => ({ name, host, at: ['instances', index] })),
    ...service.arbitrators.map(({ name, host }, index) => ({ name, host, at: ['arbitrators', index] })),
  ];
  return voters.flatMap(({ name, host, at }): readonly Finding[] => {
    const other = seen.get(host);
    if (other === undefined) {
      seen.set(host, name);
      return [];
    }
    return [
      {
        at: [...place, ...at, 'host'],
        message: `\`${name}\` and \`${other}\` of service \`${service.name}\` are both on host \`${host}\`: losing it takes two votes`,
        advice: 'Place them on different hosts.',
      },
    ];
  });
});

const engineArchitecture = perService((_, service, place) =>
  service.architecture === 'multi-active'
    ? []
    : [
        {
          at: [...place, 'architecture'],
          message: `Engine \`${service.engine}\` is not \`${service.architecture}\``,
          advice: 'With `galera` every instance reads and writes: write `multi-active`, or leave the key out.',
        },
      ],
);

/** Schemas that the engine or Coequal keep for themselves. */
const reservedDatabases = ['mysql', 'information_schema', 'performance_schema', 'sys', 'coequal'];

const databaseNames = perService((_, service, place) =>
  reservedDatabases.includes(service.database.toLowerCase())
    ? [
        {
          at: [...place, 'database'],
          message: `The schema \`${service.database}\` belongs to the engine or to Coequal`,
          advice: 'Choose another name for the schema that applications use.',
        },
      ]
    : [],
);

const cacheInSafePlace = perService((_, service, place) => {
  const { encryption } = service;
  if (encryption === undefined) return [];
  return service.instances.flatMap((instance, index): readonly Finding[] => {
    const cache = instance.cacheFolder ?? instance.dataFolder;
    if (encryption.safePaths.some((safe) => isBelow(cache, safe))) return [];
    return [
      {
        at: [...place, 'instances', index, instance.cacheFolder === undefined ? 'dataFolder' : 'cacheFolder'],
        message: `\`${instance.name}\` is encrypted, but its Galera cache (${cache}) is written in the clear outside \`encryption.safePaths\``,
        advice: 'Give it a `cacheFolder` on an encrypted volume or in memory, and name that place in `safePaths`.',
      },
    ];
  });
});

const keyBesideData = perService((estate, service, place) => {
  const { encryption } = service;
  if (encryption === undefined) return [];
  const folder = estate.services
    .flatMap(({ instances }) => instances)
    .find(({ dataFolder }) => isBelow(encryption.keyFile, dataFolder));
  if (folder === undefined) return [];
  return [
    {
      at: [...place, 'encryption', 'keyFile'],
      message: `The key lies in the data folder of \`${folder.name}\`: whoever takes the data takes the key`,
      advice: 'Keep the key file elsewhere.',
    },
  ];
});

type Folder = { readonly instance: Instance; readonly folder: string; readonly at: FilePath };

/** Folders of one host, each instance's own: two servers in one folder destroy each other's files. */
const ownFolders: Rule = (estate) => {
  const folders = estate.services.flatMap(({ instances }, service) =>
    instances.flatMap((instance, index): readonly Folder[] => {
      const at: FilePath = ['services', service, 'instances', index];
      const { dataFolder, cacheFolder } = instance;
      return [
        { instance, folder: dataFolder, at: [...at, 'dataFolder'] },
        ...(cacheFolder === undefined ? [] : [{ instance, folder: cacheFolder, at: [...at, 'cacheFolder'] }]),
      ];
    }),
  );
  return folders.flatMap((folder, index): readonly Finding[] => {
    const other = folders.slice(0, index).find((before) => clash(before, folder));
    if (other === undefined) return [];
    return [
      {
        at: folder.at,
        message: `\`${folder.instance.name}\` and \`${other.instance.name}\` share the folder ${folder.folder} on host \`${folder.instance.host}\``,
        advice: 'Give each instance folders of its own, none inside another’s.',
      },
    ];
  });
};

const clash = (a: Folder, b: Folder): boolean =>
  a.instance !== b.instance &&
  a.instance.host === b.instance.host &&
  (isBelow(a.folder, b.folder) || isBelow(b.folder, a.folder));

const memorySuffices: Rule = (estate) => {
  const { bufferPoolBytes } = estate.limits;
  return estate.sites.flatMap((site, siteIndex) =>
    site.hosts.flatMap((host, hostIndex): readonly Finding[] => {
      const count = estate.services
        .flatMap(({ instances }) => instances)
        .filter((each) => each.host === host.name).length;
      if (host.memoryBytes === undefined || count * bufferPoolBytes <= host.memoryBytes) return [];
      return [
        {
          at: ['sites', siteIndex, 'hosts', hostIndex, 'memory'],
          message: `Host \`${host.name}\` has less memory than the buffer pools of its ${count === 1 ? 'instance' : `${count} instances`}`,
          advice: 'Lower `limits.bufferPool` (half of the memory is usual), or correct `memory`.',
        },
      ];
    }),
  );
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const errorRules: readonly Rule[] = [
  uniqueNames,
  knownReferences,
  oneHostPerAddress,
  onePerAddress,
  linkPairs,
  populatedSites,
  votes,
  witnessPlace,
  oneVotePerHost,
  engineArchitecture,
  databaseNames,
  cacheInSafePlace,
  keyBesideData,
  ownFolders,
  memorySuffices,
  ...gatewayRules,
  ...agentRules,
  ...externalRules,
  ...platformRules,
];

const warningRules: readonly Rule[] = [oneSiteDecides, ...gatewayWarnings, ...agentWarnings, ...externalWarnings];
