/** `coequal diagnose run --from … --to …` and `weigh`: against a store that speaks Prometheus' query API over HTTP, and files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

const estateFile = fileURLToPath(new URL('../../../../estates/three-centres.yaml', import.meta.url));
const fromMs = Date.parse('2026-03-01T14:00:00Z');
const seconds = 200;
const onset = 180;

type Told = {
  readonly name: string;
  readonly value: (row: number) => number;
  readonly labels?: Readonly<Record<string, string>>;
};

/** North loses its database: its collector says so, the group says so, and the gateways of all sites. */
const toldOf = (host: string): readonly Told[] => {
  const [site = ''] = host.split('-');
  const own = { job: 'mysql', instance: `bank-${site}`, host, site, service: 'bank' };
  const gateway = { job: 'coequal_gateway', instance: `gateway-${site}`, host, site, service: 'bank' };
  const gone = site === 'north';
  const counts = (value: number) => (row: number) =>
    gone && row >= onset ? Number.NaN : 1_000 + row * value + (row % 3);
  return [
    { name: 'node_load1', value: (row) => 0.5 + (row % 5) / 50, labels: { job: 'node', instance: host, host, site } },
    { name: 'mysql_up', value: (row) => (gone && row >= onset ? 0 : 1), labels: own },
    { name: 'mysql_global_status_questions', value: counts(200), labels: own },
    {
      name: 'mysql_global_status_wsrep_cluster_size',
      value: (row) => (gone && row >= onset ? Number.NaN : row >= onset ? 2 : 3),
      labels: own,
    },
    {
      name: 'mysql_global_status_wsrep_cluster_status',
      value: (row) => (gone && row >= onset ? Number.NaN : 1),
      labels: own,
    },
    ...['serving', 'gone'].map((state) => ({
      name: 'coequal_gateway_instance_state',
      value: (row: number) => (row >= onset === (state === 'gone') ? 1 : 0),
      labels: { ...gateway, exported_instance: 'bank-north', state },
    })),
  ];
};

const answerTo = (query: string): string => {
  const [, host = ''] = /host="([^"]+)"/.exec(query) ?? [];
  const result = toldOf(host).map(({ name, value, labels }) => ({
    metric: { __name__: name, ...labels },
    values: Array.from({ length: seconds + 1 }, (_, row) => [fromMs / 1_000 + row, String(value(row))]).filter(
      ([, text]) => text !== 'NaN',
    ),
  }));
  return JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } });
};

let folder = '';
let store: Server | undefined;
let url = '';
const queries: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-diagnose-stored-'));
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      if (request.url?.startsWith('/api/v1/changes')) {
        response.end(JSON.stringify({ items: [], next: null }));
        return;
      }
      const query = new URLSearchParams(body).get('query') ?? '';
      queries.push(query);
      response.end(answerTo(query));
    });
  });
  store = server;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((done) => (store === undefined ? done(undefined) : store.close(done)));
  await rm(folder, { recursive: true, force: true });
});

const stretch = ['--from', '2026-03-01T14:00:00Z', '--to', '2026-03-01T14:03:20Z'];
const run = (...args: readonly string[]) => runIn(['diagnose', 'run', '--config', estateFile, ...args]);

describe('a stretch of time in a store', () => {
  test('has its cause named, with evidence, like a live incident', async () => {
    const ran = await run(...stretch, '--store', url, '--json');
    expect(ran).toMatchObject({ code: 0, told: '' });
    const diagnosis = JSON.parse(ran.out);
    expect(diagnosis.causes[0]).toMatchObject({ cause: 'instance crashed', place: { instance: 'bank-north' } });
    expect(Math.abs(diagnosis.causes[0].sinceMs - fromMs - onset * 1_000)).toBeLessThanOrEqual(2_000);
    expect(queries).toContain('last_over_time({host="north-1",__name__!~".+_bucket|ALERTS.*|go_.+|process_.+"}[2s])');
  });

  test('is told to people in lines, with what a platform knows of changes', async () => {
    const ran = await run(...stretch, '--store', url, '--platform', url, '--at', '2026-03-01T14:03:02Z');
    expect(ran.out).toMatch(
      /^Since 14:0[23]:\d\d UTC .*because the database process ended without being told to \(bank-north\)/,
    );
    expect(ran.out).toMatch(/instance crashed at bank-north: \d+ %, runbook restart-instance/);
    expect(ran.out).toContain('  because mysql_up of bank-north is 0 (before 1)');
  });

  test.each([
    ['neither file nor time', [], /Name a file of cases, or a stretch of time/],
    ['a file and a time', ['cases.ndjson', '--from', '-10min'], /not both/],
    ['a time that is none', ['--from', 'yesterday'], /Give a time like/],
    [
      'a stretch that is too short',
      ['--from', '-10s', '--store', 'http://127.0.0.1:1'],
      /between one minute and one hour/,
    ],
    [
      'a stretch that ends before it begins',
      [...stretch.slice(0, 2), '--to', '2026-03-01T13:00:00Z'],
      /between one minute/,
    ],
    ['a moment outside of it', [...stretch, '--at', '2026-03-02T00:00:00Z'], /--at must lie/],
    ['an estate without a store', stretch, /has no store that can be asked/],
  ])('refuses %s in one line', async (_, args, message) => {
    const ran = await run(...args);
    expect(ran.code).toBe(2);
    expect(ran.out).toBe('');
    expect(ran.told.trimEnd().split('\n')).toHaveLength(1);
    expect(ran.told).toMatch(message);
  });

  test('says that a store does not answer, or answers nonsense', async () => {
    expect((await run(...stretch, '--store', 'http://127.0.0.1:1')).told).toMatch(/The store did not answer/);
    const nonsense = await run(...stretch, '--store', `${url}/api/v1/changes?`);
    expect(nonsense.told).toMatch(/The store did not answer: the answer is not one of Prometheus/);
  });
});

describe('weights', () => {
  const place = { site: 'north' };
  const witness = { witness: 'detail', weight: 0.9, text: '' };
  const cause = { cause: 'slow disk', place, confidence: 0.6, sinceMs: 0, evidence: [], witnesses: [witness] };
  const incident = {
    ...{ id: 'a', state: 'resolved', severity: 'warning', title: '', place, places: [], startedMs: 0, detectedMs: 0 },
    ...{ alerts: [], timeline: [], confirmedCause: 'slow disk' },
    diagnosis: { atMs: 0, window: null, sentence: '', causes: [cause], ruledOut: [], unknown: 0 },
  };

  test('are learned from confirmed incidents, and can be begun with', async () => {
    const [file, out] = [join(folder, 'confirmed.ndjson'), join(folder, 'weights.json')];
    await writeFile(
      file,
      `${JSON.stringify(incident)}\n\n${JSON.stringify({ ...incident, confirmedCause: undefined })}\n`,
    );
    const ran = await runIn(['diagnose', 'weigh', file, '--out', out]);
    expect(ran.out).toContain('is learned from 1 incident.');
    expect(JSON.parse(await readFile(out, 'utf8'))).toMatchObject({ format: 'coequal-weights/1', incidents: 1 });
    const again = await runIn(['diagnose', 'weigh', file, '--weights', out, '--out', out, '--json']);
    expect(JSON.parse(again.out).incidents).toBe(1);
    expect(JSON.parse(await readFile(out, 'utf8')).incidents).toBe(2);
  });

  test.each([
    ['no JSON', '{', /line 1: not JSON/],
    ['no incident', '{}', /line 1: it is neither an incident nor a fault of a drill/],
    ['nothing confirmed', '', /no incident has suspects and a known cause/],
  ])('are not learned from %s', async (_, text, message) => {
    const file = join(folder, 'broken.ndjson');
    await writeFile(file, text);
    const ran = await runIn(['diagnose', 'weigh', file, '--out', join(folder, 'x.json')]);
    expect(ran.code).toBe(2);
    expect(ran.told).toMatch(message);
  });
});
