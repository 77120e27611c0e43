/** One fault, one incident: what joins, what stays apart, what ends and what comes back. */
import type { Incident } from '@coequal/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../limits.ts';
import { countIds, findingOf, firingOf, startMs, tryPlaces } from '../testing.ts';
import type { Finding } from '../watch/finding.ts';
import { stepGroups } from './groups.ts';

const places = tryPlaces();
const at = {
  north: { site: 'north', host: 'north-1', service: 'bank', instance: 'north-db-1' },
  south: { site: 'south', host: 'south-1', service: 'bank', instance: 'south-db-1' },
  gate: { site: 'west', host: 'west-1', service: 'bank', gateway: 'west-gate' },
  northHost: { site: 'north', host: 'north-1' },
};

/** Walks through looks; answers open ones and everything that was resolved. */
const walk = () => {
  const newId = countIds();
  let open: readonly Incident[] = [];
  const resolved: Incident[] = [];
  return {
    look: (seconds: number, ...findings: readonly Finding[]) => {
      const nowMs = startMs + seconds * 1_000;
      const step = stepGroups(open, findings, { places, nowMs, newId, recent: resolved });
      open = step.open;
      resolved.push(...step.changed.filter(({ state }) => state === 'resolved'));
      return { open, changed: step.changed, overflow: step.overflow };
    },
    resolved,
    resolve: (id: string) => {
      const found = open.find((one) => one.id === id);
      open = open.filter((one) => one.id !== id);
      if (found !== undefined) resolved.push({ ...found, state: 'resolved', resolvedMs: startMs });
    },
  };
};

describe('joining', () => {
  test('a storm all over one service is one incident, called by what says the most', () => {
    const { look } = walk();
    look(0, findingOf('GatewayLostInstance', at.gate, { severity: 'warning' }));
    const { open } = look(
      1,
      findingOf('GatewayLostInstance', at.gate, { severity: 'warning' }),
      findingOf('InstanceDown', at.north, { summary: 'north-db-1 does not answer' }),
      findingOf('RequestsSlow', at.gate, { severity: 'warning' }),
      findingOf('ProcessorWaits', at.northHost, { severity: 'warning' }),
    );
    expect(open).toHaveLength(1);
    expect(open[0]?.title).toBe('north-db-1 does not answer, and 3 more');
    expect(open[0]?.severity).toBe('critical');
    expect(open[0]?.places).toHaveLength(3);
  });

  test('what only informs neither keeps an incident open nor opens it again', () => {
    const { look, resolved } = walk();
    const note = findingOf('HostUnlikeItself', at.northHost, { severity: 'info' });
    const down = findingOf('InstanceDown', at.north);
    look(0, down);
    expect(look(1, down, note).open[0]?.alerts).toHaveLength(2);
    look(2, note);
    const quietS = limits.incidents.quietMs / 1_000;
    expect(look(2 + quietS, note).open).toEqual([]);
    expect(resolved[0]?.alerts.every(({ endedMs }) => endedMs !== undefined)).toBe(true);
    expect(look(3 + quietS, note).open).toEqual([]);
    expect(look(4 + quietS, note, down).open[0]).toMatchObject({ id: resolved[0]?.id, state: 'open' });
  });

  test('what only informs opens nothing, and joins what is there', () => {
    const { look } = walk();
    const note = findingOf('TransactionLarge', at.south, { severity: 'info' });
    expect(look(0, note).open).toEqual([]);
    const { open } = look(1, note, findingOf('FlowControl', at.north));
    expect(open.map(firingOf)).toEqual([['FlowControl', 'TransactionLarge']]);
  });

  test('things of other services stay apart, unless they share a host', () => {
    const { look } = walk();
    const foreign = (host?: string) =>
      findingOf('Slow', { service: 'mail', instance: 'mail-1', ...(host === undefined ? {} : { host }) });
    expect(look(0, findingOf('InstanceDown', at.north), foreign()).open).toHaveLength(2);
    const other = walk();
    expect(other.look(0, findingOf('InstanceDown', at.north), foreign('north-1')).open).toHaveLength(1);
  });

  test('an alert elsewhere long after the last one is another incident; at the same thing it is not', () => {
    const { look } = walk();
    const down = findingOf('InstanceDown', at.north);
    look(0, down);
    const late = limits.incidents.joinMs / 1_000 + 1;
    const far = findingOf('InstanceDown', at.south, { startedMs: startMs + late * 1_000 });
    const near = findingOf('RowLockWaits', at.north, { startedMs: startMs + late * 1_000 });
    expect(look(late, down, near).open).toHaveLength(1);
    expect(walk().look(0, down).open).toHaveLength(1);
    const apart = walk();
    apart.look(0, down);
    expect(apart.look(late, down, far).open).toHaveLength(2);
  });
});

describe('ending', () => {
  test('when everything has been clear for a while it is over, and what comes in between goes on with it', () => {
    const { look, resolved } = walk();
    const down = findingOf('InstanceDown', at.north);
    const slow = findingOf('RequestsSlow', at.gate);
    look(0, down);
    look(5);
    expect(look(10, slow).open.map(firingOf)).toEqual([['RequestsSlow']]);
    look(11);
    expect(look(20).open).toHaveLength(1);
    expect(look(26).open).toEqual([]);
    expect(resolved.map(({ alerts, timeline }) => [alerts.length, timeline.at(-1)?.what])).toEqual([[2, 'resolved']]);
  });

  test('what comes back soon opens the same incident again; later it is a new one', () => {
    const { look, resolved } = walk();
    const down = findingOf('InstanceDown', at.north);
    look(0, down);
    look(1);
    look(17);
    expect(resolved).toHaveLength(1);
    const { open } = look(40, down);
    expect(open.map(({ id, state, resolvedMs }) => [id, state, resolvedMs])).toEqual([
      ['incident-1', 'open', undefined],
    ]);
    look(41);
    look(60);
    expect(look(200, down).open.map(({ id }) => id)).toEqual(['incident-2']);
  });

  test('what a person resolved stays resolved while the same alert goes on', () => {
    const { look, resolve } = walk();
    const down = findingOf('InstanceDown', at.north);
    look(0, down);
    resolve('incident-1');
    expect(look(2, down).open).toEqual([]);
    expect(look(100, down).open).toEqual([]);
  });

  test('a clock that jumps back keeps nothing open for ever', () => {
    const { look, resolved } = walk();
    look(1_000, findingOf('InstanceDown', at.north));
    look(1_001);
    look(0);
    expect(resolved).toHaveLength(1);
  });
});

test('alerts beyond what an incident may hold are counted', () => {
  const { look } = walk();
  const many = Array.from({ length: limits.incidents.alerts + 7 }, (_, index) => findingOf(`Alert${index}`, at.north));
  const { open, overflow } = look(0, ...many);
  expect([open.length, open[0]?.alerts.length, overflow]).toEqual([1, limits.incidents.alerts, 7]);
});

test('whatever fires when: each alert is in one open incident at most, and all that fires is somewhere', () => {
  const all = [
    findingOf('InstanceDown', at.north),
    findingOf('InstanceDown', at.south),
    findingOf('RequestsSlow', at.gate, { severity: 'warning' }),
    findingOf('DiskFull', at.northHost),
    findingOf('Slow', { service: 'mail', instance: 'mail-1' }),
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.subarray(all)), { maxLength: 30 }), (looks) => {
      const { look } = walk();
      let seconds = 0;
      for (const [pause, findings] of looks) {
        seconds += pause;
        const { open } = look(seconds, ...findings);
        const firing = open.flatMap((incident) =>
          incident.alerts
            .filter(({ endedMs }) => endedMs === undefined)
            .map(({ name, labels }) => name + JSON.stringify(labels)),
        );
        expect(firing.toSorted()).toEqual(findings.map(({ name, labels }) => name + JSON.stringify(labels)).toSorted());
        for (const { timeline, startedMs, detectedMs } of open) {
          expect(timeline.map(({ atMs }) => atMs)).toEqual(timeline.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
          expect(startedMs).toBeLessThanOrEqual(detectedMs);
        }
      }
    }),
  );
});
