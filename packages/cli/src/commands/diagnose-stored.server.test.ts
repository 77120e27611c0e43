/** A stretch of time in a real VictoriaMetrics: its silence is seen as silence, and the questions of headroom have answers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { correlateRequest } from '@coequal/contract';
import { type HeadroomResource, headroom, headroomQueries } from '@coequal/diagnosis';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { estateOrThrow } from '@coequal/estate';
import { assert, systemClock, until } from '@coequal/kernel';
import { correlateStored } from '@coequal/platform';
import { encodeRemoteWrite, type Sample, StoreClient } from '@coequal/signals';
import { expect, test } from 'vitest';
import { runIn } from '../testing.ts';

const estateFile = fileURLToPath(new URL('../../../../estates/three-centres.yaml', import.meta.url));
const rows = 180;
const onset = 165;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert(address !== null && typeof address === 'object', 'a listening server has a port');
  return address.port;
};

/** South's database is killed: its figures end, its collector says so, and the group is smaller. */
const samplesOf = (startMs: number): readonly Sample[] =>
  ['north', 'south', 'west'].flatMap((site) => {
    const host = `${site}-1`;
    const labels = (job: string, instance: string, service?: string): readonly (readonly [string, string])[] => [
      ['host', host],
      ['instance', instance],
      ['job', job],
      ...(service === undefined ? [] : [['service', service] as const]),
      ['site', site],
    ];
    return Array.from({ length: rows }, (_, row): readonly Sample[] => {
      const timeMs = startMs + row * 1_000;
      const gone = site === 'south' && row >= onset;
      const mysql = labels('mysql', `bank-${site}`, 'bank');
      const at = (name: string, value: number, own: Sample['labels']): Sample => ({ name, labels: own, value, timeMs });
      return [
        at('container_cpu_usage_seconds_total', row * 4, labels('node', host)),
        at('node_load1', 1, labels('node', host)),
        at('mysql_up', gone ? 0 : 1, mysql),
        ...(gone
          ? []
          : [
              at('mysql_global_status_questions', row * 300, mysql),
              at('mysql_global_status_threads_connected', 100, mysql),
              at('mysql_global_status_wsrep_cluster_size', row >= onset ? 2 : 3, mysql),
              at('mysql_global_status_wsrep_cluster_status', 1, mysql),
            ]),
      ];
    }).flat();
  });

test('has its cause named, its signals compared, and shows what the remaining sites could carry', async () => {
  const found = await findCompanion('victoria-metrics', {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0),
    environment: process.env,
    clock: systemClock,
    progress: (): void => undefined,
  });
  const folder = await mkdtemp(join(tmpdir(), 'coequal-stored-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const client = new StoreClient({ url, deadlineMs: 10_000, answerBytes: 50_000_000 });
  const store: ChildProcess = spawn(
    found.files[0],
    [
      ...[`-storageDataPath=${folder}/data`, `-httpListenAddr=127.0.0.1:${port}`, '-memory.allowedBytes=100MB'],
      ...['-search.latencyOffset=0s', '-dedup.minScrapeInterval=1ms'],
    ],
    { env: { ...process.env, ...found.environment }, cwd: folder, stdio: 'ignore' },
  );
  try {
    const toMs = Math.floor(systemClock.now() / 1_000) * 1_000 - 2_000;
    const fromMs = toMs - (rows - 1) * 1_000;
    const body = encodeRemoteWrite([...samplesOf(fromMs)]);
    await until(systemClock, { what: 'The store', deadlineMs: 30_000, everyMs: 100 }, async () => {
      const { outcome } = await client.write(body);
      return outcome === 'taken';
    });
    await until(systemClock, { what: 'The samples', deadlineMs: 30_000, everyMs: 200 }, async () => {
      const answer = await client.instant('count(mysql_up)', toMs);
      return answer.ok && answer.series[0]?.values[0] === 3;
    });
    const args = ['diagnose', 'run', '--config', estateFile, '--store', url, '--json'];
    const stretch = ['--from', new Date(fromMs).toISOString(), '--to', new Date(toMs).toISOString()];
    const ran = await runIn([...args, ...stretch]);
    expect(ran).toMatchObject({ code: 0, told: '' });
    const { causes } = JSON.parse(ran.out);
    expect(causes[0]).toMatchObject({ cause: 'instance crashed', place: { instance: 'bank-south' } });
    expect(Math.abs(causes[0].sinceMs - fromMs - onset * 1_000)).toBeLessThanOrEqual(3_000);

    const answer = await correlateStored(
      { store: client, estate: estateOrThrow(await readFile(estateFile, 'utf8'), estateFile), clock: systemClock },
      correlateRequest.parse({
        ...{ name: 'mysql_global_status_wsrep_cluster_size', labels: { instance: 'bank-west' }, fromMs, toMs },
      }),
    );
    // In the same second the other survivor counted a member less too.
    expect(answer).toMatchObject({ source: 'store', whole: true });
    const other = answer.correlated.find(({ labels }) => labels['instance'] === 'bank-north');
    expect(other).toMatchObject({ name: 'mysql_global_status_wsrep_cluster_size', lagSeconds: 0 });
    expect(other?.correlation).toBeCloseTo(1, 5);

    const estate = estateOrThrow(await readFile(estateFile, 'utf8'), estateFile);
    const service = estate.services[0];
    assert(service !== undefined, 'the example has a service');
    const peaks = new Map<HeadroomResource, number>();
    for (const { resource, promql } of headroomQueries(estate, service, '10m')) {
      const answer = await client.instant(promql, toMs);
      assert(answer.ok, `the store takes the question of ${resource}`);
      const value = answer.series[0]?.values[0];
      if (value !== undefined) peaks.set(resource, value);
    }
    // Three hosts at four processors each, and a hundred connections of each instance.
    expect(peaks.get('cpu')).toBeCloseTo(12, 0);
    expect(peaks.get('connections')).toBe(300);
    expect(headroom({ estate, service, peaks })[0]).toMatchObject({ without: 'north', carries: 'unknown' });
  } finally {
    client.close();
    store.kill();
    if (store.exitCode === null && store.signalCode === null) await once(store, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
});
