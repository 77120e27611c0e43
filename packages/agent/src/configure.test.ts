/** What an agent works with: what runs on its host it finds by itself, and where it sends follows from the estate. */
import { readFileSync } from 'node:fs';
import { estateOrThrow } from '@coequal/estate';
import { expect, test } from 'vitest';
import { agentSettings } from './configure.ts';
import type { AgentSettings } from './settings.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');
const bare = file.replace(/^agents:\n(?:[ #].*\n|\n)*/m, '').replace(/^(platforms|stores):\n(?:[ #].*\n|\n)*/gm, '');
const settingsOf = (more: string, wanted?: string): AgentSettings =>
  agentSettings(estateOrThrow(`${bare}\n${more}\n`, 'e.yaml'), wanted);

test('instances and gateways of its host are found, with the labels that the estate gives', () => {
  const { databases, scrapes, name, site, listen } = settingsOf(
    'agents:\n  - { host: north-1, databaseAccount: { user: w, passwordFile: /w, authority: /a } }',
  );
  expect({ name, site, listen }).toEqual({
    name: 'north-1',
    site: 'north',
    listen: { host: '127.0.0.1', port: 9_361 },
  });
  expect(databases).toEqual([
    {
      engine: 'mariadb',
      place: { site: 'north', host: 'north-1', service: 'bank', instance: 'bank-north' },
      address: '10.0.1.11',
      port: 3_306,
      account: { user: 'w', passwordFile: '/w', authority: '/a' },
      serverName: 'bank-north',
      isHere: true,
    },
  ]);
  expect(scrapes).toEqual([
    {
      job: 'coequal_gateway',
      labels: { job: 'coequal_gateway', instance: 'gateway-north', host: 'north-1', site: 'north', service: 'bank' },
      url: 'http://127.0.0.1:13307/metrics',
      everyMs: 1_000,
      samples: 100_000,
    },
  ]);
});

test('things that are not in the estate keep the names that were given', () => {
  const { scrapes, databases, logs } = settingsOf(
    `agents:
  - host: south-1
    scrapes:
      - { job: oracle, url: "http://10.0.2.9:9161/metrics", service: ledger, instance: ledger-1, host: ledger-host }
      - { job: snmp, url: "http://10.0.2.8:9116/snmp?target=array", every: 1min }
    databases: [{ engine: postgres, instance: cards-1, service: cards, account: { user: w, passwordFile: /w } }]
    logs: [{ path: /var/log/mysql/error.log, instance: bank-south }, { path: /var/log/syslog }]`,
  );
  expect(scrapes.slice(1).map(({ labels, everyMs }) => ({ ...labels, everyMs }))).toEqual([
    { job: 'oracle', instance: 'ledger-1', host: 'ledger-host', site: 'south', service: 'ledger', everyMs: 10_000 },
    { job: 'snmp', instance: '10.0.2.8:9116', host: 'south-1', site: 'south', everyMs: 60_000 },
  ]);
  expect(databases.map(({ place, address, port }) => ({ ...place, at: `${address}:${port}` }))).toEqual([
    { site: 'south', host: 'south-1', service: 'cards', instance: 'cards-1', at: '127.0.0.1:5432' },
  ]);
  expect(logs.map(({ place }) => place)).toEqual([
    { site: 'south', host: 'south-1', service: 'bank', instance: 'bank-south' },
    { site: 'south', host: 'south-1' },
  ]);
});

const stores = `stores:
  - { name: metrics-coarse, class: coarse, host: north-1, port: 8430, folder: /m/coarse }
  - { name: metrics-north, host: north-1, port: 8428, folder: /m/north }
  - { name: metrics-west, host: west-1, port: 8428, folder: /m/west, tls: { authority: /ca, certificate: /c, key: /k } }
platforms:
  - { name: platform-north, host: north-1, port: 9620, agentTokenFile: /token }`;

test('it sends to the store of its site and the platform of its host, unless the file says otherwise', () => {
  const agents = (more = '') =>
    `${stores}\nagents:\n${['north', 'south', 'west'].map((site) => `  - { host: ${site}-1${more} }`).join('\n')}`;
  const to = (text: string, host: string) => {
    const { store, platforms } = settingsOf(text, host);
    return { store, platforms };
  };
  expect(to(agents(), 'north-1')).toEqual({
    store: { url: 'http://10.0.1.11:8428' },
    platforms: [{ url: 'http://127.0.0.1:9620', tokenFile: '/token' }],
  });
  expect(to(agents(), 'south-1')).toEqual({ store: { url: 'http://10.0.1.11:8428' }, platforms: [] });
  expect(to(agents(', sendTo: { certificate: /mine, key: /mykey }'), 'west-1').store).toEqual({
    url: 'https://10.0.3.11:8428',
    authority: '/ca',
    certificate: '/mine',
    key: '/mykey',
  });
  expect(
    to(agents(', sendTo: { store: "https://s.example/x", platforms: ["http://127.0.0.1:1"] }'), 'north-1'),
  ).toEqual({
    store: { url: 'https://s.example/x' },
    platforms: [{ url: 'http://127.0.0.1:1' }],
  });
});

test('clocks are compared with the agents that may be asked', () => {
  const { peers, time } = settingsOf(
    `agents:
  - { host: north-1, timePort: 9362 }
  - { host: south-1, timePort: 9362 }
  - { host: west-1 }`,
    'north-1',
  );
  expect(time).toEqual({ host: '10.0.1.11', port: 9_362 });
  expect(peers).toEqual([{ name: 'south-1', url: 'http://10.0.2.11:9362' }]);
});

test('an agent that is not there, and one that was not named, are told', () => {
  const two = 'agents:\n  - { host: north-1 }\n  - { host: south-1, name: other }';
  expect(() => settingsOf(two)).toThrow('has 2 agents, and none was named');
  expect(() => settingsOf(two, 'west-1')).toThrow('There is no agent west-1');
  expect(settingsOf(two, 'south-1').name).toBe('other');
});
