/** Platforms and stores in the estate file: what is filled in, and for every way of being wrong the place and the words. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { estateOrThrow, parseEstate } from './parse.ts';
import { formatProblem } from './problem.ts';

const file = readFileSync(new URL('../../../estates/three-centres.yaml', import.meta.url), 'utf8');
const host = estateOrThrow(file, 'e.yaml').sites[0]?.hosts[0]?.name ?? '';

const section = (key: string, entries: readonly string[]): string =>
  entries.length === 0 ? '' : `${key}:\n${entries.map((one) => `  - {${one}}\n`).join('')}`;
const withSections = (platforms: readonly string[], stores: readonly string[]): string =>
  `${file}\n${section('platforms', platforms)}${section('stores', stores)}`;

const messagesOf = (text: string): readonly string[] => {
  const result = parseEstate(text);
  return (result.ok ? result.warnings : result.problems).map((problem) => formatProblem('coequal.yaml', problem));
};

const platform = `name: watch, host: ${host}`;
const store = `name: metrics, host: ${host}, port: 8428, folder: /var/lib/metrics`;

test('what the file leaves out is filled in', () => {
  const estate = estateOrThrow(
    withSections([platform], [store, 'name: far, class: coarse, url: "https://m.example"']),
    'e',
  );
  expect(estate.platforms).toEqual([
    {
      ...{ name: 'watch', host, address: '127.0.0.1', port: 9_620, stateFolder: '/var/lib/coequal/platforms/watch' },
      ...{
        rules: [],
        webhooks: [],
        trustedProxies: [],
        liveMinutes: 15,
        liveSignals: 400_000,
        liveMemoryBytes: 2 ** 30,
      },
    },
  ]);
  expect(estate.stores).toEqual([
    {
      ...{ kind: 'own', name: 'metrics', class: 'fine', host, port: 8_428, localPort: 18_428 },
      ...{ folder: '/var/lib/metrics', retentionMs: 30 * 86_400_000 },
    },
    { kind: 'foreign', name: 'far', class: 'coarse', url: 'https://m.example' },
  ]);
});

describe('what is refused', () => {
  test.each([
    ['an address that others can reach', [`${platform}, address: 10.0.0.1`], [], /without TLS to everybody/],
    ['a public name and no proxy', [`${platform}, url: "https://a.example"`], [], /no proxy that could answer/],
    ['an IP address for passkeys', [`${platform}, url: "https://10.0.0.1"`], [], /is not a name under which browsers/],
    ['a plain name', [`${platform}, url: "http://a.example"`], [], /is not a name under which browsers/],
    ['a proxy that is no address', [`${platform}, trustedProxies: [proxy-1]`], [], /neither an address nor a network/],
    ['a host that is not there', ['name: watch, host: nowhere'], [], /There is no host `nowhere`/],
    ['a store that is not there', [`${platform}, store: far`], [store], /There is no store `far`.*`metrics`/],
    ['a second platform of a name', [platform, `${platform}, port: 9621, stateFolder: /b`], [], /A second platform/],
    ['a port that is taken', [platform, `name: b, host: ${host}`], [], /Port 9620 on 127.0.0.1/],
    ['a store that is own and foreign', [], [`${store}, url: "http://m.example"`], /and a `url` of a foreign one/],
    ['a store without a folder', [], [`name: metrics, host: ${host}, port: 8428`], /lacks `folder`/],
    ['a store without a key', [], [`${store}, tls: {authority: /a.pem}`], /no certificate to show/],
    ['a password without a user', [], ['name: far, url: "http://m", passwordFile: /p'], /a password without a user/],
    ['a password in an address', [], ['name: far, url: "http://a:b@m"'], /not an address of a store/],
    ['a folder that is shared', [`${platform}, stateFolder: /var/lib/metrics/x`], [store], /share the folder/],
    ['an unknown key', [`${platform}, adress: 127.0.0.1`], [], /Did you mean `address`/],
  ])('%s', (_, platforms, stores, message) => {
    const [first, ...others] = messagesOf(withSections(platforms, stores));
    expect(first).toMatch(message);
    expect(first).toMatch(/^coequal\.yaml:\d+:\d+: /);
    expect(others).toEqual([]);
  });
});
