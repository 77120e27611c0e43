import { assert } from '@coequal/kernel';
import { describe, expect, test } from 'vitest';
import { type HeadroomResource, headroom, headroomAlert, headroomQueries } from './headroom.ts';
import { estate } from './scenarios/scene.ts';

const service = estate.services[0];
assert(service !== undefined, 'the example has a service');

/** Three hosts of 16 processors, 500 connections an instance. */
const roomy: readonly (readonly [HeadroomResource, number])[] = [
  ['cpu', 20],
  ['io', 0.9],
  ['connections', 700],
  ['flow control', 0.01],
];
const ask = (peaks: readonly (readonly [HeadroomResource, number])[]) =>
  headroom({ estate, service, peaks: new Map(peaks) });

describe('headroom', () => {
  test('is there while the remaining sites can carry the peak, with numbers', () => {
    const answers = ask(roomy);
    expect(answers.map(({ without, carries }) => [without, carries])).toEqual([
      ['north', 'yes'],
      ['south', 'yes'],
      ['west', 'yes'],
    ]);
    expect(answers[0]?.limiting).toBe('cpu');
    expect(answers[0]?.text).toBe(
      'Without north the peak of bank could be carried: the peak needed 20 processors of cpu, and the other sites have 25.6.',
    );
    expect(answers.map((answer) => headroomAlert(answer, 1))).toEqual([undefined, undefined, undefined]);
  });

  test.each<readonly [HeadroomResource, number]>([
    ['cpu', 26],
    ['io', 1.7],
    ['connections', 901],
    ['flow control', 0.08],
  ])('is missing for want of %s, which is an alert', (resource, peak) => {
    const answers = ask([...roomy.filter(([name]) => name !== resource), [resource, peak]]);
    expect(answers.every(({ carries, limiting }) => carries === 'no' && limiting === resource)).toBe(true);
    const alert = answers[1] && headroomAlert(answers[1], 5);
    expect(alert).toMatchObject({ name: 'HeadroomMissing', startedMs: 5, place: { site: 'south', service: 'bank' } });
    expect(alert?.summary).toContain('could not be carried');
  });

  test('is unknown while a peak is unknown or no number, and known to be missing all the same', () => {
    expect(ask(roomy.slice(1)).map(({ carries }) => carries)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(ask([['cpu', Number.NaN]])[0]).toMatchObject({ carries: 'unknown', limiting: undefined });
    expect(ask([['connections', 5_000]])[0]?.carries).toBe('no');
  });

  test('is missing where one site is all there is', () => {
    const alone = { ...service, instances: service.instances.slice(0, 1) };
    const [answer] = headroom({ estate, service: alone, peaks: new Map(roomy) });
    expect(answer).toMatchObject({ carries: 'no', text: 'Without north nothing is left of bank.' });
  });

  test('asks for peaks of the hosts and the service only, with names quoted', () => {
    const queries = headroomQueries(estate, { ...service, name: 'a"b' });
    expect(queries.map(({ resource }) => resource)).toEqual(['cpu', 'io', 'connections', 'flow control']);
    expect(queries[0]?.promql).toContain('host=~"north-1|south-1|west-1"');
    const renamed = {
      ...estate,
      sites: estate.sites.map((site) => ({
        ...site,
        hosts: site.hosts.map((host) => ({ ...host, name: `${host.name}.bank` })),
      })),
    };
    const moved = { ...service, instances: service.instances.map((one) => ({ ...one, host: `${one.host}.bank` })) };
    expect(headroomQueries(renamed, moved)[0]?.promql).toContain(String.raw`host=~"north-1\\.bank|`);
    expect(queries[2]?.promql).toBe(
      'max_over_time((sum(mysql_global_status_threads_connected{service="a\\"b"}))[7d:1m])',
    );
  });
});
