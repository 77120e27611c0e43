import { readFileSync } from 'node:fs';
import { estateOrThrow } from '@coequal/estate';
import { expect, test } from 'vitest';
import { ownStores } from './own.ts';

const three = readFileSync(new URL('../../../../estates/three-centres.yaml', import.meta.url), 'utf8');
/** Its west is on loopback. */
const estateWith = (stores: string) =>
  estateOrThrow(`${three.replaceAll('10.0.3.11', '127.0.0.5')}\nstores:\n${stores}`, 'coequal.yaml');
const files = 'tls: { authority: /etc/a.crt, certificate: /etc/s.crt, key: /etc/s.key }';
const fine = `  - { name: fine, host: north-1, port: 8427, folder: /var/fine, ${files} }\n`;
const coarse = `  - { name: coarse, class: coarse, host: north-1, port: 8429, folder: /var/coarse, memory: 64MiB, freeDisk: 2GiB, ${files} }\n`;

test('a store of the estate becomes one behind a front, with what is usual filled in', () => {
  const certificates = { certificateFile: '/etc/s.crt', keyFile: '/etc/s.key', authorityFile: '/etc/a.crt' };
  expect(ownStores(estateWith(fine + coarse), undefined)).toEqual([
    {
      ...{ name: 'fine', folder: '/var/fine', address: '127.0.0.1', port: 18_427, retentionDays: 30 },
      ...{ memoryBytes: 512 * 2 ** 20, leaveFreeBytes: 2 ** 30 },
      front: { address: '10.0.1.11', port: 8_427, ...certificates },
    },
    {
      ...{ name: 'coarse', folder: '/var/coarse', address: '127.0.0.1', port: 18_429, retentionDays: 395 },
      ...{ memoryBytes: 64 * 2 ** 20, leaveFreeBytes: 2 ** 31 },
      front: { address: '10.0.1.11', port: 8_429, ...certificates },
    },
  ]);
});

test('one is chosen by its name or its host', () => {
  const loop = '  - { name: own, host: west-1, port: 8427, folder: /var/own }\n';
  const estate = estateWith(fine + coarse + loop);
  const named = (wanted: string) => ownStores(estate, wanted).map(({ name }) => name);
  expect([named('coarse'), named('north-1'), named('west-1')]).toEqual([['coarse'], ['fine', 'coarse'], ['own']]);
  // On loopback nobody else is there: no front is needed.
  expect(ownStores(estate, 'own')).toMatchObject([{ address: '127.0.0.5', port: 8_427 }]);
  expect(ownStores(estate, 'own')[0]?.front).toBeUndefined();
});

test.each([
  [fine, 'other', 'STORE_UNKNOWN', 'There is no store or host of stores other'],
  ['  - { name: far, url: "https://metrics.example:8427" }\n', undefined, 'STORE_UNKNOWN', 'none'],
  [`${fine}  - { name: own, host: west-1, port: 8427, folder: /var/own }\n`, undefined, 'STORE_NOT_NAMED', 'fine, own'],
  ['  - { name: open, host: north-1, port: 8427, folder: /var/open }\n', 'open', 'STORE_WITHOUT_TLS', '10.0.1.11'],
])('%j and %s: %s', (stores, wanted, code, words) => {
  const attempt = () => ownStores(estateWith(stores), wanted);
  expect(attempt).toThrow(expect.objectContaining({ code }));
  try {
    attempt();
  } catch (error) {
    if (error instanceof Error && 'advice' in error) expect(`${error.message} ${error.advice}`).toContain(words);
  }
});
