/** Gateways in the estate file: defaults, and for every way of being wrong the place and the words a person gets. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatEstate } from './format.ts';
import { estateOrThrow, parseEstate } from './parse.ts';
import { formatProblem, type Problem } from './problem.ts';
import { gatewayAddress, metricsAddress, placedGateways } from './queries.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');

const problemsOf = (text: string): readonly Problem[] => {
  const result = parseEstate(text);
  return result.ok ? result.warnings : result.problems;
};
const messagesOf = (text: string): readonly string[] =>
  problemsOf(text).map((problem) => formatProblem('coequal.yaml', problem));

const changed = (text: string, from: string, to: string): string => {
  expect(text).toContain(from);
  return text.replace(from, to);
};
const placeOf = (text: string, passage: string): { line: number; column: number } => {
  const before = text.slice(0, text.indexOf(passage)).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
};
/** The example with a line more in the gateway section of its service. */
const withLimits = (limits: string): string =>
  changed(file, '      profile: real-time', `      limits: ${limits}\n      profile: real-time`);

describe('what the file leaves out', () => {
  test('a service with an account alone gets every other value', () => {
    const bare = file.replace(/^ {6}profile: [\s\S]*?(?=^# Where)/m, '\n');
    expect(estateOrThrow(bare, 'e.yaml').services[0]?.gateway).toEqual({
      account: { user: 'coequal_gateway', passwordFile: '/etc/coequal/gateway.password' },
      profile: 'real-time',
      users: [],
      guards: [],
      limits: {
        connections: 5_000,
        connectionsPerUser: 4_000,
        transactionBytes: 64 * 2 ** 20,
        replayBytes: 2 ** 30,
        idleMs: 0,
        statementMs: 0,
        slowClientMs: 60_000,
        handshakeMs: 10_000,
        recoveryMs: 30_000,
        silenceMs: 700,
        failuresPerMinute: 30,
      },
    });
  });

  test.each([
    ['default', 700],
    ['tight', 450],
    ['virtual-machines', 3_500],
    ['stock', 7_000],
  ])('with preset %s an instance may be silent for %i ms', (preset, silenceMs) => {
    const text = changed(file, 'preset: default', `preset: ${preset}`);
    expect(estateOrThrow(text, 'e.yaml').services[0]?.gateway?.limits.silenceMs).toBe(silenceMs);
    expect(messagesOf(text)).toEqual([]);
  });

  test('a gateway gets its folder, its metrics port and one worker', () => {
    const estate = estateOrThrow(file, 'e.yaml');
    expect(estate.gateways[1]).toEqual({
      name: 'gateway-south',
      host: 'south-1',
      service: 'bank',
      port: 3_307,
      metricsPort: 13_307,
      workers: 1,
      stateFolder: '/var/lib/coequal/gateways/gateway-south',
      certificates: {
        authority: '/etc/coequal/tls/authority.pem',
        certificate: '/etc/coequal/tls/gateway.pem',
        key: '/etc/coequal/tls/gateway.key',
      },
      proxyFrom: [],
      proxyToInstances: true,
    });
  });

  test('where 10000 above is no port, the metrics port is 10000 below', () => {
    const text = changed(file, 'service: bank\n    port: 3307', 'service: bank\n    port: 60000');
    expect(estateOrThrow(text, 'e.yaml').gateways[0]?.metricsPort).toBe(50_000);
  });

  test('a user never has more connections than the gateway', () => {
    const { gateway } = estateOrThrow(withLimits('{ connections: 100 }'), 'e.yaml').services[0] ?? {};
    expect(gateway?.limits).toMatchObject({ connections: 100, connectionsPerUser: 100 });
  });

  test('addresses: of its own, or that of its host; metrics on loopback', () => {
    const text = changed(file, 'host: south-1, service', 'host: south-1, address: 127.77.2.101, service');
    const estate = estateOrThrow(text, 'e.yaml');
    const [service] = estate.services;
    if (service === undefined) throw new Error('no service');
    const gateways = placedGateways(estate, service);
    expect(gateways.map(gatewayAddress)).toEqual(['10.0.1.11', '127.77.2.101', '10.0.3.11']);
    expect(gateways.map(metricsAddress)).toEqual(['127.0.0.1', '127.77.2.101', '127.0.0.1']);
    expect(estateOrThrow(formatEstate(estate), 'e.yaml')).toEqual(estate);
  });
});

describe('one mistake in the example gets one problem, at its place, with what to do', () => {
  const south = '- { name: gateway-south, host: south-1, service: bank, port: 3307, ';
  type Case = [what: string, from: string, to: string, point: string, words: RegExp];
  const cases: readonly Case[] = [
    ['an unknown profile', 'profile: local', 'profile: locale', 'locale', /mean `local`/],
    [
      'an account without a file',
      ', passwordFile: /etc/coequal/gateway.password',
      '',
      '{ user: coequal_gateway }',
      /passwordFile` is missing/,
    ],
    ['a user with a host', 'user: reports', `user: "reports'@'%"`, `"reports'@'%"`, /without a host/],
    ['a user without a name', 'user: reports', 'user: ""', '""', /not the name of an account/],
    ['a quoted table', '[accounts]', '["`accounts`"]', '"`accounts`"', /not the name of a table/],
    ['a guard on no table', '[accounts]', '[]', '[] }', /is empty/],
    ['an unknown rule', 'rule: chunk', 'rule: chop', 'chop', /It can be `refuse`, `fragment`, `chunk`/],
    ['a size without a unit', 'above: 1GiB', 'above: 1', '1 } # a change', /like `1GiB`/],
    ['a user told twice', 'users:\n', 'users:\n        - { user: reports }\n', 'reports, profile', /second rule/],
    [
      'a guard told twice',
      'guards:\n',
      'guards:\n        - { name: overdraft }\n',
      'overdraft, tables',
      /second guard is named `overdraft`/,
    ],
    ['a gateway told twice', 'gateway-south', 'gateway-north', 'gateway-north, host', /second gateway is named/],
    ['an unknown service', 'host: south-1, service: bank', 'host: south-1, service: bonk', 'bonk', /mean `bank`/],
    ['an unknown host', 'gateway-south, host: south-1', 'gateway-south, host: south-2', 'south-2', /mean `south-1`/],
    [
      'the port of an instance',
      `${south}`,
      `${south.replace('3307', '3306')}`,
      '3306, cert',
      /Gateway `gateway-south` and instance `bank-south` are both at 10\.0\.2\.11 port 3306/,
    ],
    [
      'metrics on one port for two',
      south,
      `- { name: second, host: north-1, service: bank, port: 3308, metricsPort: 13307, certificates: *certificates }\n  ${south}`,
      '13307',
      /Gateway `second` and gateway `gateway-north` are both at loopback of north-1 port 13307/,
    ],
    [
      'the address of another host',
      south,
      `${south}address: 10.0.3.11, port: 3307, `.replace('port: 3307, address', 'address'),
      '10.0.3.11, port: 3307',
      /Gateway `gateway-south` is on host `south-1`, and 10\.0\.3\.11 is the address of host `west-1`/,
    ],
    [
      'a host name as own address',
      south,
      `${south}address: gw.example.com, `,
      'gw.example.com',
      /IPv4 or IPv6 address/,
    ],
    ['a network that is none', south, `${south}proxyFrom: [10.0.0.0/99], `, '10.0.0.0/99', /is not a network/],
    [
      'a folder of an instance',
      south,
      `${south}stateFolder: /var/lib/coequal/bank-south/gateway, `,
      '/var/lib/coequal/bank-south/gateway',
      /`gateway-south` and `bank-south` share the folder/,
    ],
    [
      'no authority for instances over TLS',
      `${south}certificates: *certificates }`,
      `${south.slice(0, -2)} }`,
      '{ name: gateway-south',
      /has no `certificates`, and the instances of `bank` are reached over TLS/,
    ],
    [
      'a certificate without its key',
      `${south}certificates: *certificates }`,
      `${south}certificates: { authority: /a, certificate: /c } }`,
      '/c }',
      /has a certificate without its key/,
    ],
    ['too many workers', south, `${south}workers: 65, `, '65', /Write 1 to 64/],
  ];
  test.each(cases)('%s', (_, from, to, point, words) => {
    const text = changed(file, from, to);
    const problems = problemsOf(text);
    expect(messagesOf(text)).toContainEqual(expect.stringMatching(words));
    expect(problems[0]).toMatchObject(placeOf(text, point));
  });

  test('gateways to a service that does not say how they log in', () => {
    const text = file.replace(/^ {4}# What every gateway[\s\S]*?(?=^# Where)/m, '\n');
    expect(messagesOf(text)).toHaveLength(3);
    expect(messagesOf(text)[0]).toMatch(/`gateway-north` leads to service `bank`, which does not say.*`account`/);
  });
});

describe('limits', () => {
  test.each([
    ['{ transaction: 2GiB }', /One transaction may keep 2 GiB, and all of them together 1 GiB/],
    ['{ recovery: 2s, silence: 2s }', /gives up after 2\.0 s, before its instance counts as silent \(2\.0 s\)/],
    ['{ silence: 0s }', /between 100 ms and 1 min/],
    ['{ connections: 0 }', /Write 1 to 1000000/],
    ['{ conections: 5 }', /mean `connections`/],
  ])('%s is refused', (limits, words) => {
    expect(messagesOf(withLimits(limits))).toEqual([expect.stringMatching(words)]);
  });

  test('silence below the suspicion of the group is a warning', () => {
    const result = parseEstate(withLimits('{ silence: 400ms }'));
    expect(result).toMatchObject({
      ok: true,
      warnings: [{ message: expect.stringMatching(/after 400 ms of silence, before the group suspects it \(500 ms/) }],
    });
  });
});
