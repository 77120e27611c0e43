/** Writing an estate and reading it again gives the same estate, whatever it holds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatEstate } from './format.ts';
import type { AuditPlan, Estate, Gateway, Host, Instance, Service, ServiceGateway } from './model.ts';
import type { Agent } from './model-agents.ts';
import type { ExternalService } from './model-external.ts';
import type { MetricStore, Platform } from './model-platform.ts';
import { parseEstate } from './parse.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
const optional = <T extends object>(part: fc.Arbitrary<T>): fc.Arbitrary<T | object> => fc.oneof(fc.constant({}), part);
const folder = fc.stringMatching(/^\/[A-Za-z0-9_.-]{1,8}[a-z]$/).filter((path) => !/^\/\.\.?$/.test(path));
const milliseconds = fc.integer({ min: 0, max: 10_000_000 }).map((micro) => micro / 1_000);

const hostOf = (index: number): fc.Arbitrary<Host> =>
  fc
    .tuple(
      optional(
        fc.record({
          cost: fc.record({ monthly: fc.integer({ min: 0, max: 1e6 }), currency: fc.constantFrom('EUR', 'CNY') }),
        }),
      ),
      optional(fc.record({ cpus: fc.integer({ min: 1, max: 400 }).map((tenths) => tenths / 10) })),
      optional(fc.record({ memoryBytes: fc.integer({ min: 2 ** 40, max: 2 ** 45 }) })),
    )
    .map((parts) =>
      Object.assign(
        { name: `host-${index}`, address: index % 2 === 0 ? `10.0.${index}.1` : `fd00::${index}` },
        ...parts,
      ),
    );

const instanceOf = (service: string, index: number): fc.Arbitrary<Instance> =>
  fc
    .tuple(folder, optional(fc.record({ cacheFolder: folder })), fc.integer({ min: 1, max: 50_000 }))
    .map(([data, cache, port]) => ({
      name: `${service}-${index}`,
      host: `host-${index}`,
      dataFolder: `/data${data}`,
      ...cache,
      ports: { client: port, group: port + 1, incremental: port + 2, transfer: port + 3 },
    }));

const service = (sites: number, witness: boolean): fc.Arbitrary<Service> =>
  fc
    .record({
      preset: fc.constantFrom('default', 'tight', 'stock', 'virtual-machines'),
      database: fc.stringMatching(/^[a-z][A-Za-z0-9_-]{0,12}x$/),
      tls: fc.boolean(),
      stateTransfer: fc.constantFrom('rsync', 'mariabackup'),
      encryption: optional(
        fc.record({
          encryption: fc.record({ keyFile: folder.map((path) => `/keys${path}`), safePaths: fc.constant(['/']) }),
        }),
      ),
      gateway: serviceGateway,
      instances: fc.tuple(
        ...Array.from({ length: witness ? sites - 1 : sites }, (_, index) => instanceOf('bank', index)),
      ),
    })
    .map(({ encryption, preset, stateTransfer, ...rest }) => ({
      name: 'bank',
      engine: 'galera' as const,
      architecture: 'multi-active' as const,
      ...rest,
      preset: preset as Service['preset'],
      stateTransfer: stateTransfer as Service['stateTransfer'],
      ...encryption,
      arbitrators: witness ? [{ name: 'witness', host: `host-${sites - 1}`, groupPort: 4567 }] : [],
    }));

const user = fc.stringMatching(/^[A-Za-z0-9_@.-]{1,20}$/);
const bytes = fc.integer({ min: 2 ** 16, max: 2 ** 30 });

const serviceGateway: fc.Arbitrary<ServiceGateway> = fc
  .record({
    account: fc.record({ user, passwordFile: folder }),
    profile: fc.constantFrom('real-time' as const, 'session' as const, 'local' as const),
    users: fc.uniqueArray(
      fc
        .tuple(user, optional(fc.record({ profile: fc.constant('local' as const) })), fc.integer({ min: 1, max: 1e6 }))
        .map(([name, part, connections]) => ({ user: name, ...part, connections })),
      { selector: (one) => one.user, maxLength: 4 },
    ),
    guards: fc.constantFrom([], [{ name: 'a' }, { name: 'b', tables: ['t', 's.u'] }]),
    more: optional(
      fc.record({
        largeWrites: fc.record({ aboveBytes: bytes, rule: fc.constantFrom('refuse', 'fragment', 'chunk') }),
        schemaChanges: fc.record({ aboveBytes: fc.integer({ min: 0, max: 2 ** 45 }) }),
        credentials: fc.record({ file: folder, keyFile: folder }),
      }),
    ),
    limits: fc.record({
      connections: fc.integer({ min: 5_000, max: 1e6 }),
      connectionsPerUser: fc.integer({ min: 1, max: 5_000 }),
      transactionBytes: bytes,
      replayBytes: fc.integer({ min: 2 ** 30, max: 2 ** 40 }),
      idleMs: milliseconds,
      statementMs: milliseconds,
      slowClientMs: fc.integer({ min: 1_000, max: 86_400_000 }),
      handshakeMs: fc.integer({ min: 1_000, max: 600_000 }),
      recoveryMs: fc.integer({ min: 60_001, max: 3_600_000 }),
      silenceMs: fc.integer({ min: 5_500, max: 60_000 }),
      failuresPerMinute: fc.integer({ min: 1, max: 100_000 }),
    }),
  })
  .map(({ more, ...rest }) => ({ ...rest, ...more }));

const gateway: fc.Arbitrary<Gateway> = fc
  .tuple(
    fc.integer({ min: 60_000, max: 65_535 }),
    fc.integer({ min: 1, max: 64 }),
    folder.map((path) => `/state${path}`),
    optional(fc.record({ address: fc.constantFrom('10.9.9.9', 'fd00::9:9', '127.9.9.9') })),
    optional(fc.record({ certificate: folder, key: folder })),
    fc.uniqueArray(fc.constantFrom('10.0.0.0/8', 'fd00::/8', '192.0.2.7')),
    fc.boolean(),
  )
  .map(([port, workers, stateFolder, address, shown, proxyFrom, proxyToInstances]) => ({
    name: 'gate',
    host: 'host-0',
    service: 'bank',
    port,
    ...address,
    metricsPort: port - 5_000,
    workers,
    stateFolder,
    certificates: { authority: '/authority.pem', ...shown },
    proxyFrom,
    proxyToInstances,
  }));

const agent: fc.Arbitrary<Agent> = fc
  .tuple(
    fc.integer({ min: 20_000, max: 30_000 }),
    folder.map((path) => `/agent${path}`),
    fc.boolean(),
    optional(fc.record({ timePort: fc.constant(9_362), cgroup: folder, devices: fc.constant(['vda', 'nvme0n1']) })),
    optional(
      fc.record({
        mounts: fc.array(folder),
        interfaces: fc.constant(['eth0']),
        webhook: fc.record({ tokenFile: folder }),
      }),
    ),
    optional(
      fc.record({
        sendTo: fc.record({ store: fc.constant('http://10.0.0.1:8428'), platforms: fc.constant(['https://p:1/x']) }),
      }),
    ),
    fc.integer({ min: 1_000, max: 3_600_000 }),
  )
  .map(([port, stateFolder, wholeMachine, place, parts, sendTo, everyMs]) => ({
    name: 'agent',
    host: 'host-0',
    port,
    stateFolder,
    wholeMachine,
    ...place,
    ...parts,
    databaseAccount: { user: 'watch', passwordFile: '/watch', authority: '/authority' },
    databases: [
      {
        engine: 'postgres',
        instance: 'ledger',
        address: 'db.example',
        port: 5_432,
        account: { user: 'w', passwordFile: '/w' },
      },
    ],
    logs: [{ path: '/var/log/error.log', format: 'mariadb', instance: 'bank' }],
    scrapes: [
      {
        job: 'snmp',
        url: 'http://[::1]:9116/snmp?target=a',
        everyMs,
        samples: 5,
        service: 'x',
      },
    ],
    ...sendTo,
  }));

const platform: fc.Arbitrary<Platform> = fc
  .tuple(
    folder.map((path) => `/platform${path}`),
    optional(fc.record({ store: fc.constant('metrics'), coarseStore: fc.constant('far') })),
    optional(
      fc.record({
        knowledge: folder,
        weights: folder,
        agentTokenFile: folder,
        url: fc.constant('https://a.example'),
        keyRing: folder,
      }),
    ),
    fc.array(folder, { maxLength: 3 }),
    fc.boolean(),
    fc.integer({ min: 2, max: 120 }),
    fc.integer({ min: 2 ** 26, max: 2 ** 39 }),
  )
  .map(([stateFolder, stores, files, rules, resolved, liveMinutes, liveMemoryBytes]) => ({
    ...{ name: 'watch', host: 'host-0', address: '127.0.0.1', port: 9_620, stateFolder, ...stores, ...files, rules },
    webhooks: [{ url: 'https://chat.example/a?b=c', resolved }],
    trustedProxies: ['10.0.9.0/24'],
    ldap: {
      ...{
        url: 'ldaps://a.example',
        account: 'cn=a,dc=b',
        passwordFile: stateFolder,
        peopleBase: 'dc=b',
        groupBase: 'dc=c',
      },
      ...{
        peopleFilter: '(a=*)',
        nameAttribute: 'uid',
        displayAttribute: 'cn',
        idAttribute: 'id',
        memberAttribute: 'm',
      },
      ...{ roles: [{ group: 'ops', role: 'operator', services: ['bank'], sites: '*' }], pollMs: 61_000 },
    },
    ...{ liveMinutes, liveSignals: 20_000, liveMemoryBytes },
  }));

const stores: fc.Arbitrary<MetricStore[]> = fc
  .tuple(
    folder.map((path) => `/metrics${path}`),
    fc.integer({ min: 86_400_000, max: 2 ** 36 }),
    optional(fc.record({ memoryBytes: fc.integer({ min: 2 ** 25, max: 2 ** 39 }), freeDiskBytes: bytes })),
    optional(fc.record({ user: fc.constant('reader'), passwordFile: folder })),
    folder,
  )
  .map(([data, retentionMs, sizes, account, key]) => [
    {
      ...{ kind: 'own', name: 'metrics', class: 'fine', host: 'host-1', port: 8_428, localPort: 18_428 },
      ...{ folder: data, retentionMs, ...sizes, tls: { authority: key, certificate: key, key } },
    },
    { kind: 'foreign', name: 'far', class: 'coarse', url: 'https://metrics.example:8427/select', ...account },
  ]);

const audit: fc.Arbitrary<AuditPlan> = fc.record(
  {
    anchorFolder: folder,
    timeStamps: fc.record({ url: fc.constant('https://tsa.example/stamp'), authority: folder }),
    syslog: fc.record({
      host: fc.constant('siem.example'),
      port: fc.constant(6_514),
      authority: folder,
      certificate: folder,
      key: folder,
    }),
    checkpointMs: fc.integer({ min: 1_000, max: 3_600_000 }),
  },
  { requiredKeys: ['checkpointMs'] },
);

const external: fc.Arbitrary<ExternalService> = fc
  .tuple(
    optional(fc.record({ watchedFrom: fc.constant('host-0') })),
    optional(fc.record({ user: fc.constant('reader'), passwordFile: folder })),
    optional(fc.record({ authority: folder, certificate: folder, key: folder })),
    optional(fc.record({ up: fc.constant({ name: 'redis_up', where: [] }) })),
    fc.integer({ min: 1_000, max: 60_000 }),
  )
  .map(([from, account, files, up, everyMs]) => ({
    name: 'cache',
    engine: 'external',
    product: 'redis',
    signals: {
      ...up,
      work: { name: 'keys', where: [['db', 'db0'] as const, ['kind', 'a, b'] as const] },
      latencySum: { name: 's_sum', where: [] },
      latencyCount: { name: 's_count', where: [] },
    },
    instances: [
      {
        name: 'cache-0',
        host: 'host-0',
        ...from,
        scrape: { url: 'http://127.0.0.1:9121/m?a=b', everyMs, samples: 7, ...account, ...files },
      },
    ],
  }));

const estate: fc.Arbitrary<Estate> = fc.tuple(fc.constantFrom(3, 5), fc.boolean()).chain(([sites, witness]) =>
  fc
    .record({
      version: fc.constant(1 as const),
      name,
      sites: fc
        .tuple(...Array.from({ length: sites }, (_, index) => hostOf(index)))
        .map((hosts) => hosts.map((host, index) => ({ name: `site-${index}`, hosts: [host] }))),
      links: milliseconds.map((rttMs) => [{ between: ['site-0', 'site-1'] as const, rttMs }]),
      services: service(sites, witness && sites === 3).map((only) => [only]),
      externals: fc.array(external, { maxLength: 1 }),
      gateways: fc.array(gateway, { maxLength: 1 }),
      agents: fc.array(agent, { maxLength: 1 }),
      platforms: fc.array(platform, { maxLength: 1 }),
      stores,
      audit,
      limits: fc.record({
        connectionsPerInstance: fc.integer({ min: 10, max: 100_000 }),
        bufferPoolBytes: fc.integer({ min: 5 * 2 ** 20, max: 2 ** 40 }),
        freeDiskBytes: fc.integer({ min: 0, max: 2 ** 45 }),
        galeraCacheBytes: fc.integer({ min: 128 * 2 ** 10, max: 2 ** 43 }),
      }),
    })
    // Without an agent nobody watches them, which is a warning.
    .map((made) => (made.agents.length > 0 ? made : { ...made, externals: [] })),
);

test('an estate that is written and read again is the same estate', () => {
  fc.assert(
    fc.property(estate, (written) => {
      expect(parseEstate(formatEstate(written))).toEqual({ ok: true, estate: written, warnings: [] });
    }),
  );
});

test('a comment is written as one, whatever it holds', () => {
  fc.assert(
    fc.property(estate, fc.string({ unit: 'grapheme' }), (written, comment) => {
      expect(parseEstate(formatEstate(written, comment))).toMatchObject({ ok: true });
    }),
  );
});
