/** `coequal estate validate|show|schema`: the estate file, checked, shown, and described for editors. */
import {
  type Estate,
  type ExternalService,
  estateOrThrow,
  formatProblem,
  gatewayAddress,
  type Host,
  hostNamed,
  jsonSchemaText,
  monthlyCost,
  parseEstate,
  placedArbitrators,
  placedGateways,
  placedInstances,
  type Service,
  type ServiceGateway,
  votesOf,
} from '@coequal/estate';
import { formatBytes, formatDuration } from '@coequal/kernel';
import type { Command } from 'commander';
import { exitCodes, tellFailure } from '../failure.ts';
import { counted, formatAmount } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import { readEstate, readEstateText } from '../read-estate.ts';
import { formatTable } from '../table.ts';
import type { World } from '../world.ts';

type Flags = { readonly json?: true };

export const addEstateCommands = (program: Command, world: World, outcome: Outcome): void => {
  const estate = program
    .command('estate')
    .summary('check and show the estate file')
    .description(
      'The estate file (coequal.yaml) describes everything Coequal looks after: sites, hosts, services. docs/estate.md lists every key.',
    );
  estate
    .command('validate')
    .summary('check the file')
    .description(
      'Checks the file. Every mistake is told with its line, its column and what to do. Exit 0: valid; 2: not.',
    )
    .argument('[file]', 'the estate file', 'coequal.yaml')
    .option('--json', 'print {valid, path, name, warnings}; {valid, path, problems} when it is not valid')
    .addHelpText('after', '\nExample: coequal estate validate estates/three-centres.yaml')
    .action(async (file: string, { json }: Flags) => {
      outcome.code = await validate(world, file, json === true);
    });
  estate
    .command('show')
    .summary('show sites, hosts, cost, services and links')
    .description('Shows what the file describes, with cost per site and in all, addresses, votes and round trip times.')
    .argument('[file]', 'the estate file', 'coequal.yaml')
    .option(
      '--json',
      'print the estate as Coequal understands it: sizes in bytes, times in milliseconds, defaults filled in',
    )
    .addHelpText('after', '\nExample: coequal estate show estates/three-centres.yaml')
    .action(async (file: string, { json }: Flags) => {
      const found = await readEstate(world, file);
      world.out(json === true ? `${JSON.stringify(found)}\n` : `${estateLines(found).join('\n')}\n`);
    });
  estate
    .command('schema')
    .summary('print the JSON schema for editors')
    .description('Prints the JSON schema of the file. Editors check and complete with it; see docs/estate.md.')
    .option('--json', 'the same: the schema is JSON')
    .addHelpText('after', '\nExample: coequal estate schema > coequal.schema.json')
    .action(() => world.out(jsonSchemaText()));
};

const validate = async (world: World, file: string, json: boolean): Promise<number> => {
  const text = await readEstateText(world, file);
  const result = parseEstate(text);
  if (!result.ok) {
    if (json) world.out(`${JSON.stringify({ valid: false, path: file, problems: result.problems })}\n`);
    try {
      estateOrThrow(text, file);
    } catch (error) {
      return tellFailure(world, error, false);
    }
  } else {
    for (const warning of result.warnings) world.tell(`warning: ${formatProblem(file, warning)}\n`);
    if (json)
      world.out(
        `${JSON.stringify({ valid: true, path: file, name: result.estate.name, warnings: result.warnings })}\n`,
      );
    else world.out(`${file} is valid: ${summary(result.estate)}.\n`);
  }
  return exitCodes.good;
};

const hostsOf = (estate: Estate): readonly Host[] => estate.sites.flatMap(({ hosts }) => hosts);

const summary = (estate: Estate): string =>
  [
    counted(estate.sites.length, 'site'),
    counted(hostsOf(estate).length, 'host'),
    counted(estate.services.length + estate.externals.length, 'service'),
    counted(
      [...estate.services, ...estate.externals].reduce((sum, { instances }) => sum + instances.length, 0),
      'instance',
    ),
  ].join(', ');

/** `1,220.00 EUR`, several currencies with `+` between; `–` where nothing is told. */
const costText = (hosts: readonly Host[]): string => {
  const sums = [...monthlyCost(hosts)].map(([currency, sum]) => `${formatAmount(sum)} ${currency}`);
  return sums.length === 0 ? '–' : sums.join(' + ');
};

/** The whole estate for a person. */
export const estateLines = (estate: Estate): readonly string[] => [
  `Estate ${estate.name}: ${summary(estate)}`,
  '',
  ...sitesTable(estate),
  ...estate.services.flatMap((service) => ['', ...serviceLines(estate, service)]),
  ...estate.externals.flatMap((service) => ['', ...externalLines(estate, service)]),
  ...linkLines(estate),
  '',
  ...limitLines(estate),
];

const sitesTable = (estate: Estate): readonly string[] =>
  formatTable(
    [
      { title: 'SITE' },
      { title: 'HOST' },
      { title: 'ADDRESS' },
      { title: 'CPUS', right: true },
      { title: 'MEMORY', right: true },
      { title: 'A MONTH', right: true },
    ],
    [
      ...estate.sites.flatMap(({ name, hosts }) => [
        ...hosts.map((host, index) => [
          index === 0 ? name : '',
          host.name,
          host.address,
          host.cpus === undefined ? '–' : String(host.cpus),
          host.memoryBytes === undefined ? '–' : formatBytes(host.memoryBytes),
          costText([host]),
        ]),
        ...(hosts.length < 2 ? [] : [['', `all of ${name}`, '', '', '', costText(hosts)]]),
      ]),
      ['in all', '', '', '', '', costText(hostsOf(estate))],
    ],
  );

const externalLines = (estate: Estate, { name, product, instances }: ExternalService): readonly string[] => [
  `Service ${name}: ${product}, watched only`,
  ...formatTable(
    [{ title: 'INSTANCE' }, { title: 'SITE' }, { title: 'HOST' }, { title: 'WATCHED FROM' }, { title: 'EXPORTER' }],
    instances.map((instance) => [
      instance.name,
      hostNamed(estate, instance.host)?.site.name ?? '',
      instance.host,
      instance.watchedFrom ?? instance.host,
      instance.scrape.url,
    ]),
  ),
];

const serviceLines = (estate: Estate, service: Service): readonly string[] => {
  const votes = votesOf(service);
  return [
    `Service ${service.name}: ${service.engine}, ${service.architecture}, preset ${service.preset}, database ${service.database}, ` +
      `TLS ${service.tls ? 'on' : 'off'}, full copies by ${service.stateTransfer}, encryption at rest ${service.encryption === undefined ? 'off' : 'on'}`,
    `${votes} votes: serves while ${Math.floor(votes / 2) + 1} of them live and reach each other`,
    ...formatTable(
      [
        { title: 'MEMBER' },
        { title: 'SITE' },
        { title: 'HOST' },
        { title: 'CLIENTS' },
        { title: 'GROUP' },
        { title: 'DATA' },
      ],
      [
        ...placedInstances(estate, service).map(({ name, site, at, ports, dataFolder }) => [
          name,
          site.name,
          at.name,
          endpoint(at.address, ports.client),
          endpoint(at.address, ports.group),
          dataFolder,
        ]),
        ...placedArbitrators(estate, service).map(({ name, site, at, groupPort }) => [
          name,
          site.name,
          at.name,
          '–',
          endpoint(at.address, groupPort),
          'none: a vote only',
        ]),
        ...placedGateways(estate, service).map((gateway) => [
          gateway.name,
          gateway.site.name,
          gateway.at.name,
          endpoint(gatewayAddress(gateway), gateway.port),
          '–',
          'none: a gateway',
        ]),
      ],
    ),
    ...gatewayLines(service.gateway),
  ];
};

/** What gateways do beyond forwarding; their limits are in the JSON. */
const gatewayLines = (gateway: ServiceGateway | undefined): readonly string[] => {
  if (gateway === undefined) return [];
  const { profile, users, guards, largeWrites, schemaChanges } = gateway;
  const others = users.flatMap((one) => (one.profile === undefined ? [] : [`${one.user} ${one.profile}`]));
  return [
    `Gateways: ${[
      `consistency ${profile}${others.length === 0 ? '' : ` (${others.join(', ')})`}`,
      ...guards.map(({ name }) => `guard ${name}`),
      ...(largeWrites === undefined
        ? []
        : [`large writes ${largeWrites.rule} above ${formatBytes(largeWrites.aboveBytes)}`]),
      ...(schemaChanges === undefined
        ? []
        : [`blocking schema changes refused above ${formatBytes(schemaChanges.aboveBytes)}`]),
    ].join(', ')}`,
  ];
};

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

const linkLines = ({ links }: Estate): readonly string[] =>
  links.length === 0
    ? []
    : [
        '',
        ...formatTable(
          [{ title: 'LINK' }, { title: 'ROUND TRIP', right: true }],
          links.map(({ between, rttMs }) => [between.join(' – '), formatDuration(rttMs)]),
        ),
      ];

const limitLines = ({ limits }: Estate): readonly string[] => [
  `Each instance: ${counted(limits.connectionsPerInstance, 'connection')}, buffer pool ${formatBytes(limits.bufferPoolBytes)}, ` +
    `Galera cache ${formatBytes(limits.galeraCacheBytes)}, started with ${formatBytes(limits.freeDiskBytes)} of free disk or more`,
];
