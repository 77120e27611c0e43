/** The lab's estate: whatever it is made from, gateways can read it, and everything has an address of its own. */
import { estateOrThrow, formatEstate } from '@coequal/estate';
import { expect, test } from 'vitest';
import { gatewayPlan } from './doors.ts';
import { estateOfSites, layOut, withLargeWrites } from './estate.ts';
import { plainAddress, siteAddress } from './network/addresses.ts';

const folder = '/var/lib/coequal/labs/x';

const laidOut = (mode: 'full' | 'plain', sites: number, perSite: number) => {
  let port = 40_000;
  const fresh = (): number => {
    port += 1;
    return port;
  };
  const plan = gatewayPlan(mode, perSite);
  return layOut(estateOfSites('x', sites, 'tight'), folder, {
    memoryFolder: '/dev/shm/x',
    address: (site, host) => (mode === 'full' ? siteAddress(site + 1, host + 1) : plainAddress(site + 1, host + 1)),
    ports: async () =>
      mode === 'full'
        ? { client: 3_306, group: 4_567, incremental: 4_568, transfer: 4_444 }
        : { client: fresh(), group: fresh(), incremental: fresh(), transfer: fresh() },
    rttMs: () => 5,
    gateways: mode === 'full' ? plan : { ...plan, port: async () => fresh(), metricsPort: async () => fresh() },
  });
};

test.each([
  ['full', 3],
  ['full', 2],
  ['plain', 3],
] as const)('in %s mode, of %d sites, is one that gateways can read', async (mode, sites) => {
  const estate = await laidOut(mode, sites, 2);
  expect(estateOrThrow(formatEstate(estate), 'lab')).toEqual(estate);
  expect(estate.gateways).toHaveLength(2 * sites);
  expect(new Set(estate.gateways.map(({ address }) => address)).size).toBe(2 * sites);
  expect(estate.services[0]?.gateway?.account.passwordFile).toBe(`${folder}/gateway.password`);
  expect(estate.services[0]?.gateway?.limits.silenceMs).toBe(450);
});

test('has no trace of gateways where none are wanted', async () => {
  const estate = await laidOut('full', 3, 0);
  expect(estate.gateways).toEqual([]);
  expect(estate.services[0]).not.toHaveProperty('gateway');
});

test('can be told what to do about large writes, and told again', async () => {
  const estate = await laidOut('full', 3, 1);
  const rule = { aboveBytes: 2 ** 20, rule: 'chunk' } as const;
  const changed = withLargeWrites(estate, rule);
  expect(changed.services[0]?.gateway?.largeWrites).toEqual(rule);
  expect(withLargeWrites(changed, undefined)).toEqual(estate);
});
