/** What a gateway of the example estate works with. */
import { readFileSync } from 'node:fs';
import { type Estate, estateOrThrow } from '@coequal/estate';
import { expect, test } from 'vitest';
import { gatewaySettings, unknownRttMs } from './configure.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');
const estate = estateOrThrow(file, 'three-centres.yaml');

test('a gateway knows its place, its instances by distance and the rules of its service', () => {
  expect(gatewaySettings(estate, 'gateway-west')).toEqual({
    name: 'gateway-west',
    site: 'west',
    service: 'bank',
    preset: 'default',
    database: 'bank',
    listen: { host: '10.0.3.11', port: 3_307 },
    metrics: { host: '127.0.0.1', port: 13_307 },
    stateFolder: '/var/lib/coequal/gateways/gateway-west',
    workers: 1,
    tls: {
      authority: '/etc/coequal/tls/authority.pem',
      certificate: '/etc/coequal/tls/gateway.pem',
      key: '/etc/coequal/tls/gateway.key',
    },
    proxyToInstances: true,
    proxyFrom: [],
    account: { user: 'coequal_gateway', passwordFile: '/etc/coequal/gateway.password' },
    profile: 'real-time',
    users: [{ user: 'reports', profile: 'local', connections: 50 }],
    guards: [{ name: 'overdraft', tables: ['accounts'] }],
    largeWrites: { aboveBytes: 64 * 2 ** 20, rule: 'chunk' },
    schemaChangeBytes: 2 ** 30,
    observe: false,
    instances: [
      { name: 'bank-west', site: 'west', host: '10.0.3.11', port: 3_306, rttMs: 0 },
      { name: 'bank-north', site: 'north', host: '10.0.1.11', port: 3_306, rttMs: 5 },
      { name: 'bank-south', site: 'south', host: '10.0.2.11', port: 3_306, rttMs: 5 },
    ],
    instanceTls: true,
    limits: estate.services[0]?.gateway?.limits,
  });
});

test('its settings survive JSON, in which they reach the workers', () => {
  const settings = gatewaySettings({ ...estate, links: [] }, 'gateway-north', { observe: true });
  expect(JSON.parse(JSON.stringify(settings))).toEqual(settings);
  expect(settings.observe).toBe(true);
});

test('instances at unknown distances come last, in the order of the file', () => {
  const north = estate.links.filter(({ between }) => !between.includes('south'));
  const { instances } = gatewaySettings({ ...estate, links: north }, 'gateway-north');
  expect(instances.map(({ name, rttMs }) => [name, rttMs])).toEqual([
    ['bank-north', 0],
    ['bank-west', 5],
    ['bank-south', unknownRttMs],
  ]);
});

test('connections leave from an address of its own, otherwise from where the system chooses', () => {
  const own: Estate = {
    ...estate,
    gateways: estate.gateways.map((gateway) => ({ ...gateway, address: '10.0.9.1' })),
  };
  expect(gatewaySettings(own, 'gateway-north')).toMatchObject({
    listen: { host: '10.0.9.1' },
    localAddress: '10.0.9.1',
  });
  expect(gatewaySettings(estate, 'gateway-north')).not.toHaveProperty('localAddress');
});

test('an unknown name is refused with those that there are', () => {
  expect(() => gatewaySettings(estate, 'gateway-east')).toThrow(
    expect.objectContaining({
      code: 'GATEWAY_UNKNOWN',
      advice: expect.stringContaining('gateway-north, gateway-south, gateway-west'),
    }),
  );
});

test('without a name the only gateway is meant; among several one must be named', () => {
  const [first] = estate.gateways;
  const only = { ...estate, gateways: first === undefined ? [] : [first] };
  expect(gatewaySettings(only, undefined).name).toBe('gateway-north');
  for (const gateways of [estate.gateways, []])
    expect(() => gatewaySettings({ ...estate, gateways }, undefined)).toThrow(
      expect.objectContaining({ code: 'GATEWAY_NOT_NAMED' }),
    );
});
