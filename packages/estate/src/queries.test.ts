/** Questions about the two example estates. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from './nearest.ts';
import { estateOrThrow } from './parse.ts';
import {
  hostNamed,
  monthlyCost,
  placedArbitrators,
  placedGateways,
  placedInstances,
  rttBetween,
  serviceNamed,
  siteNamed,
  votesBySite,
  votesOf,
} from './queries.ts';

const load = (name: string) =>
  estateOrThrow(readFileSync(new URL(`../../../estates/${name}.yaml`, import.meta.url), 'utf8'), name);
const three = load('three-centres');
const two = load('two-sites-and-witness');
const [bank] = two.services;

test('things are found by their names, or not at all', () => {
  expect(siteNamed(three, 'west')?.hosts[0]?.name).toBe('west-1');
  expect(hostNamed(three, 'south-1')).toMatchObject({ site: { name: 'south' }, at: { address: '10.0.2.11' } });
  expect(serviceNamed(three, 'bank')).toBe(three.services[0]);
  expect([siteNamed(three, 'x'), hostNamed(three, 'x'), serviceNamed(three, 'x')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('instances and arbitrators know their host and site', () => {
  expect(bank).toBeDefined();
  if (bank === undefined) return;
  expect(placedInstances(two, bank).map(({ name, site }) => `${name}@${site.name}`)).toEqual([
    'bank-harbour@harbour',
    'bank-station@station',
  ]);
  expect(placedArbitrators(two, bank)).toMatchObject([
    { name: 'witness', at: { name: 'office-1' }, site: { name: 'office' } },
  ]);
  expect(placedGateways(two, bank)).toEqual([]);
  expect(votesOf(bank)).toBe(3);
  expect([...votesBySite(two, bank)]).toEqual([
    ['harbour', 1],
    ['station', 1],
    ['office', 1],
  ]);
});

test('a round trip time counts both ways, is nothing at home and unknown when nobody measured', () => {
  expect(rttBetween(two, 'harbour', 'station')).toBe(1.2);
  expect(rttBetween(two, 'station', 'harbour')).toBe(1.2);
  expect(rttBetween(two, 'office', 'office')).toBe(0);
  expect(rttBetween(two, 'office', 'moon')).toBeUndefined();
});

test('cost is summed by currency, and hosts without one are left out', () => {
  const hosts = [
    { name: 'a', address: 'a', cost: { monthly: 10, currency: 'EUR' } },
    { name: 'b', address: 'b', cost: { monthly: 5.5, currency: 'EUR' } },
    { name: 'c', address: 'c', cost: { monthly: 7, currency: 'CNY' } },
    { name: 'd', address: 'd' },
  ];
  expect([...monthlyCost(hosts)]).toEqual([
    ['EUR', 15.5],
    ['CNY', 7],
  ]);
});

test('the nearest word is the one a typing mistake away, and far words have none', () => {
  const known = ['cacheFolder', 'dataFolder', 'host', 'name', 'ports'];
  expect(nearest('cachefolder', known)).toBe('cacheFolder');
  expect(nearest('data_folder', known)).toBe('dataFolder');
  expect(nearest('hsot', known)).toBe('host');
  expect(nearest('zzzz', known)).toBeUndefined();
});

test('the edit distance is a distance', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
    }),
  );
});
