/** What is seen, and how soon, in signals that are written second by second; and what is not seen in healthy ones. */
import type { DatabaseDetail } from '@coequal/contract';
import { seededRandom } from '@coequal/kernel';
import { LiveWindow, usualWindow } from '@coequal/signals';
import { describe, expect, test } from 'vitest';
import { startMs, tell, tryPlaces } from '../testing.ts';
import { Readings } from './reading.ts';
import { Watcher } from './watcher.ts';

const sites = ['north', 'south', 'west'] as const;
const firstSecond = startMs / 1_000;

type World = {
  latency: number;
  load: number;
  running: number;
  up: (site: string) => number | undefined;
  primary: (site: string) => number;
  size: number;
  scanned: number;
  heard: (site: string) => boolean;
  detail: DatabaseDetail | undefined;
  available: number;
  skewMs: number;
};

const healthy = (): World => ({
  ...{ latency: 0.008, load: 100, running: 2, size: 3, scanned: 10, detail: undefined, available: 0.5, skewMs: 0 },
  up: () => 1,
  primary: () => 1,
  heard: () => true,
});

/** Runs the watcher over seconds of a world that `change` alters; answers the names of what fires in each second. */
const run = (seed = 1) => {
  const random = seededRandom(seed);
  const places = tryPlaces();
  const window = new LiveWindow({ ...usualWindow, seconds: 120 });
  const readings = new Readings(window, places);
  const watcher = new Watcher(places, window);
  const heard = new Map<string, number>();
  const totals = new Map<string, number>();
  const add = (key: string, by: number): number => {
    const next = (totals.get(key) ?? 0) + Math.max(0, by);
    totals.set(key, next);
    return next;
  };
  const noisy = (value: number, share = 0.2): number => value * (1 + share * (random.next() + random.next() - 1));
  let second = firstSecond;
  const step = (world: World): readonly string[] => {
    second += 1;
    for (const site of sites) {
      if (!world.heard(site)) continue;
      heard.set(`${site}-1`, second * 1_000);
      const place = { host: `${site}-1`, site };
      const queries = noisy(world.load);
      tell(window, second, { ...place, job: 'node', instance: `${site}-1` }, { node_time_seconds: second });
      tell(
        window,
        second,
        { ...place, job: 'node', instance: `${site}-1`, mountpoint: '/data' },
        {
          node_filesystem_size_bytes: 100,
          node_filesystem_avail_bytes: 100 * world.available,
          node_filesystem_readonly: 0,
        },
      );
      tell(
        window,
        second,
        { ...place, job: 'coequal_gateway', instance: `${site}-gate`, service: 'bank', user: 'app' },
        {
          coequal_gateway_info: 1,
          coequal_gateway_user_sessions: 10,
          coequal_gateway_user_request_seconds_count: add(`${site} count`, queries),
          coequal_gateway_user_request_seconds_sum: add(`${site} sum`, queries * noisy(world.latency)),
        },
      );
      tell(
        window,
        second,
        { ...place, job: 'coequal_gateway', instance: `${site}-gate`, user: 'app', result: 'committed' },
        { coequal_gateway_user_transactions_total: add(`${site} committed`, queries / 4) },
      );
      const up = world.up(site);
      if (up === undefined) continue;
      const own = { ...place, job: 'mysql', instance: `${site}-db-1`, service: 'bank' };
      tell(window, second, own, { mysql_up: up });
      if (up === 0) continue;
      tell(window, second, own, {
        mysql_global_status_threads_running: Math.round(noisy(world.running, 0.8)),
        mysql_global_status_questions: add(`${site} questions`, queries),
        mysql_global_status_wsrep_cluster_status: world.primary(site),
        mysql_global_status_wsrep_cluster_size: world.primary(site) === 1 ? world.size : 1,
        mysql_global_status_wsrep_ready: 1,
        mysql_global_status_wsrep_local_state: 4,
      });
      tell(
        window,
        second,
        { ...own, handler: 'read_rnd_next' },
        {
          mysql_global_status_handlers_total: add(`${site} scanned`, queries * noisy(world.scanned)),
        },
      );
    }
    const nowMs = second * 1_000 + 200;
    const findings = watcher.look({
      ...{ nowMs, sinceStartMs: nowMs - startMs, places, readings },
      heardMs: (host) => heard.get(host),
      skewMs: (host) => (host === 'north-1' ? world.skewMs : 0),
      detail: (instance) =>
        instance === 'north-db-1' && world.detail !== undefined ? { ...world.detail, atMs: nowMs } : undefined,
    });
    return findings.map(
      ({ name, place }) => `${name} ${place.instance ?? place.gateway ?? place.host ?? place.site ?? place.service}`,
    );
  };
  const many = (seconds: number, world: World): readonly (readonly string[])[] =>
    Array.from({ length: seconds }, () => step(world));
  return { step, many };
};

/** Seconds until it is told; Infinity: never. */
const soonest = (looks: readonly (readonly string[])[], what: string): number => {
  const index = looks.findIndex((names) => names.includes(what));
  return index < 0 ? Number.POSITIVE_INFINITY : index + 1;
};

describe('faults', () => {
  const cases: readonly (readonly [string, Partial<World>, string, number])[] = [
    ['an instance that does not answer', { up: (site) => (site === 'north' ? 0 : 1) }, 'InstanceDown north-db-1', 2],
    [
      'a collector that says nothing',
      { up: (site) => (site === 'north' ? undefined : 1) },
      'CollectorSilent north-db-1',
      6,
    ],
    ['an agent that is not heard', { heard: (site) => site !== 'south' }, 'AgentSilent south-1', 4],
    ['a whole site', { heard: (site) => site !== 'south' }, 'SiteSilent south', 4],
    [
      'an instance outside the group',
      { primary: (site) => (site === 'west' ? 0 : 1), size: 2 },
      'InstanceOutsideGroup west-db-1',
      2,
    ],
    ['a group that lost a member', { size: 2 }, 'GroupIncomplete bank', 2],
    ['slow requests', { latency: 0.08 }, 'RequestsSlow north-gate', 4],
    ['work that stands still', { load: 0 }, 'WorkStopped south-gate', 4],
    ['sessions that pile up', { running: 40 }, 'SessionsPileUp west-db-1', 4],
    ['an index that is gone', { scanned: 5_000 }, 'RowsScanned north-db-1', 4],
    ['load that jumps', { load: 500 }, 'LoadSpike north-gate', 4],
    ['a full disk', { available: 0.01 }, 'DiskFull north-1', 2],
    ['a clock that is wrong', { skewMs: 30_000 }, 'ClockWrong north-1', 4],
  ];
  test.each(cases)('%s', (_, change, what, within) => {
    const { many } = run();
    const before = many(150, healthy());
    expect(before.flat()).toEqual([]);
    const during = many(12, { ...healthy(), ...change });
    expect(soonest(during, what)).toBeLessThanOrEqual(within);
    const after = many(60, healthy());
    expect(after.at(-1)).toEqual([]);
  });

  test('two figures that are strange together, neither of them enough by itself, are a note', () => {
    const { many } = run();
    many(150, healthy());
    // Half of what fires: sessions at work from 8 on, rows scanned per query from 100 on.
    const looks = many(12, { ...healthy(), running: 5, scanned: 75 });
    expect(new Set(looks.flat())).toEqual(new Set(sites.map((site) => `IndicatorsDrift ${site}-db-1`)));
    expect(many(90, healthy()).at(-1)).toEqual([]);
  });

  test('an idle session that others wait for', () => {
    const { many } = run();
    many(5, healthy());
    const session = { id: 7, user: 'app', address: '10.0.0.9', command: 'Sleep', state: '', seconds: 3 };
    const detail: DatabaseDetail = {
      ...{ instance: 'north-db-1', atMs: 0, intervalMs: 1_000, waits: [{ waiting: 8, blocking: 7 }], statements: [] },
      sessions: [{ ...session, transactionSeconds: 3 }],
      blockers: [{ session: 7, blocked: 4, inRing: false }],
    };
    expect(many(1, { ...healthy(), detail }).flat()).toEqual(['IdleSessionBlocks north-db-1']);
    const busy = { ...detail, sessions: [{ ...session, command: 'Query', transactionSeconds: 3 }] };
    expect(many(4, { ...healthy(), detail: busy }).at(-1)).toEqual([]);
  });
});

test('two hours of healthy load that rises, falls and jitters raise nothing', { timeout: 300_000 }, () => {
  const { step } = run(2);
  const random = seededRandom(200);
  const seen = new Set<string>();
  for (let second = 0; second < 7_200; second += 1) {
    const tide = 1 + 0.7 * Math.sin((second / 1_800) * 2 * Math.PI) + 0.2 * Math.sin((second / 97) * 2 * Math.PI);
    // Queues make latency and sessions at work follow the load; now and then one second is bad.
    const spike = random.next() < 0.003 ? 4 : 1;
    const latency = 0.006 * (1 + 0.4 * tide) * spike;
    for (const name of step({ ...healthy(), load: 100 * tide, latency, running: 1.5 + 1.5 * tide })) seen.add(name);
  }
  expect([...seen]).toEqual([]);
});

test('a level that stays is the usual one after a while, and its end is no fault', { timeout: 120_000 }, () => {
  const { many } = run();
  many(150, healthy());
  const slow = many(1_000, { ...healthy(), latency: 0.08 });
  expect(soonest(slow, 'RequestsSlow north-gate')).toBeLessThanOrEqual(4);
  expect(slow.at(-1)).toEqual([]);
  expect(many(60, healthy()).flat()).toEqual([]);
});

test('after the start, what was never heard is not missed at once, and is in the end', () => {
  const { many } = run();
  const looks = many(60, { ...healthy(), heard: (site) => site !== 'west' });
  expect(soonest(looks, 'AgentSilent west-1')).toBeGreaterThan(25);
  expect(soonest(looks, 'AgentSilent west-1')).toBeLessThan(40);
});
