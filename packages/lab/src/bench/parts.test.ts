import { expect, test } from 'vitest';
import { withoutGalera } from './servers.ts';
import { lengthsFor } from './stuns.ts';
import { rateBetween } from './throughput.ts';
import { counting, named } from './tools.ts';

test('a plain instance keeps every setting but those of Galera', () => {
  const configuration = '[mariadbd]\nsync_binlog=1\nwsrep_on=ON\nwsrep_provider_options="evs.x=1"\nssl_ca=/a\n[sst]\n';
  expect(withoutGalera(configuration)).toBe('[mariadbd]\nsync_binlog=1\nssl_ca=/a\n[sst]\n');
});

test('the pause that a preset says it tolerates is among those tried, once', () => {
  expect(lengthsFor(400)).toEqual([300, 400, 600, 1_000, 2_000]);
  expect(lengthsFor(2_000)).toEqual([300, 600, 1_000, 2_000]);
});

test('a rate is the sum of the sites, each over its own time', () => {
  const at = (at: number, acknowledged: number, conflicts = 0) => ({ at, acknowledged, conflicts });
  const before = new Map([
    ['a', at(1_000, 10)],
    ['b', at(1_100, 0)],
  ]);
  const after = new Map([
    ['a', at(3_000, 210)],
    ['b', at(2_100, 50, 50)],
    ['late', at(2_000, 999)],
  ]);
  expect(rateBetween(before, after)).toEqual({ perSecond: 150, conflictShare: 50 / 300 });
  expect(rateBetween(after, after)).toEqual({ perSecond: 0, conflictShare: 0 });
});

test('figures at an unusual distance have it in their name', () => {
  expect(named('stall/kill/default', {})).toBe('stall/kill/default');
  expect(named('stall/kill/default', { rtt: 'two-cities' })).toBe('stall/kill/default/two-cities');
  expect(counting(3)).toEqual([1, 2, 3]);
});
