/** The API over a real socket: what is told comes back, what is wrong is refused in words, and nothing undeclared starts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { incident, incidentPage, overview, problem, rangeAnswer } from '@coequal/contract';
import { seededRandom, silentLog, systemClock } from '@coequal/kernel';
import { encodeRemoteWrite } from '@coequal/signals';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openBarePlatform } from '../adapters/bare.ts';
import { platformSettings } from '../settings.ts';
import { bearerOf, everywhere, tryAudit, tryEstate } from '../testing.ts';
import { type Server, startServer } from './adapters/server.ts';
import { checkRoutes, jsonRoute, noBody, nothing, type Route } from './route.ts';
import { allRoutes } from './routes.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-api-'));
const platform = openBarePlatform({
  settings: platformSettings(tryEstate(), undefined),
  ...{ folder, clock: systemClock, random: seededRandom(1), log: silentLog },
});
const { heart, accounts, once, takeBackup } = platform;
const person = bearerOf(accounts, 'ops', everywhere('operator'));
let server: Server;
let url = '';

beforeAll(async () => {
  server = await startServer({
    core: heart.core,
    routes: allRoutes({ version: '1', accounts, takeBackup }),
    ...{ accounts, once, audit: tryAudit() },
    address: '127.0.0.1',
    port: 0,
    agentToken: 'secret-token',
  });
  url = `http://127.0.0.1:${server.port}`;
});

afterAll(async () => {
  await server.close();
  platform.close();
  rmSync(folder, { recursive: true });
});

const agent = { authorization: 'Bearer secret-token' };
const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...person, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const get = async <T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> =>
  schema.parse(await (await fetch(`${url}${path}`, { headers: person })).json());
const refusal = async (answer: Promise<Response>) => {
  const response = await answer;
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const told = problem.parse(await response.json());
  expect(told.status).toBe(response.status);
  return told;
};

const alert = (instance: string, more: Record<string, string> = {}) => ({
  labels: { alertname: 'Broken', severity: 'critical', instance, ...more },
  annotations: { summary: `${instance} is broken` },
});

describe('incidents', () => {
  test('an alert that is posted becomes an incident; people see, word and resolve it', async () => {
    expect((await post('/api/v2/alerts', [alert('north-db-1')], agent)).status).toBe(200);
    heart.beat();
    const { items } = await get('/api/v1/incidents?state=open', incidentPage);
    expect(items.map(({ title, place }) => [title, place.instance])).toEqual([['north-db-1 is broken', 'north-db-1']]);
    const id = items[0]?.id ?? '';
    await post(`/api/v1/incidents/${id}/acknowledge`, { by: 'ann' });
    await post(`/api/v1/incidents/${id}/assign`, { by: 'ann', to: 'bob' });
    await post(`/api/v1/incidents/${id}/comment`, { by: 'bob', text: 'I look at it.' });
    await post(`/api/v1/incidents/${id}/confirm`, { by: 'bob', cause: 'instance crashed' });
    const seen = await get(`/api/v1/incidents/${id}`, incident);
    expect(seen).toMatchObject({ state: 'acknowledged', assignee: 'bob', confirmedCause: 'instance crashed' });
    expect(seen.timeline.map(({ what }) => what)).toEqual([
      'opened',
      'acknowledged',
      'assigned',
      'comment',
      'confirmed',
    ]);
    expect((await post(`/api/v1/incidents/${id}/resolve`, { by: 'bob' })).status).toBe(200);
    heart.beat();
    expect((await get('/api/v1/incidents?state=open', incidentPage)).items).toEqual([]);
    expect(await refusal(post(`/api/v1/incidents/${id}/acknowledge`, { by: 'ann' }))).toMatchObject({
      code: 'INCIDENT_IS_RESOLVED',
      status: 409,
    });
  });

  test('lists come in pages and are filtered by place', async () => {
    const alerts = ['a-1', 'b-1', 'c-1'].map((name) => ({
      ...{ ...alert(name, { service: name }), status: 'firing', startsAt: new Date(0).toISOString() },
      endsAt: '0001-01-01T00:00:00Z',
    }));
    const shared = { groupLabels: {}, commonLabels: {}, commonAnnotations: {}, externalURL: 'http://other.example' };
    const message = { version: '4', groupKey: '{}', status: 'firing', receiver: 'coequal', ...shared, alerts };
    await post('/api/v1/alertmanager', message, agent);
    heart.beat();
    const first = await get('/api/v1/incidents?state=open&limit=2', incidentPage);
    expect(first.items).toHaveLength(2);
    const second = await get(
      `/api/v1/incidents?state=open&limit=2&cursor=${encodeURIComponent(first.next ?? '')}`,
      incidentPage,
    );
    expect(new Set([...first.items, ...second.items].map(({ place }) => place.service))).toEqual(
      new Set(['a-1', 'b-1', 'c-1']),
    );
    expect(second.next).toBeNull();
    expect((await get('/api/v1/incidents?service=b-1', incidentPage)).items).toHaveLength(1);
    const over = {
      ...message,
      alerts: alerts.map((one) => ({ ...one, status: 'resolved', endsAt: new Date().toISOString() })),
    };
    await post('/api/v1/alertmanager', over, agent);
  });
});

describe('signals', () => {
  test('what is written is searched, drawn and correlated', async () => {
    const nowMs = Date.now();
    const samples = Array.from({ length: 60 }, (_, index) => {
      const timeMs = nowMs - (59 - index) * 1_000;
      const wave = Math.sin(index / 5);
      const one = (name: string, value: number) => ({
        name,
        labels: [['instance', 'north-db-1']] as const,
        value,
        timeMs,
      });
      return [one('wave', wave), one('mirror', -wave + 3), one('total', index * 2), one('noise', (index * 7_919) % 13)];
    }).flat();
    const body = new Uint8Array(encodeRemoteWrite(samples));
    const written = await fetch(`${url}/api/v1/write`, {
      method: 'POST',
      body,
      headers: { ...agent, 'content-type': 'application/x-protobuf' },
    });
    expect(written.status).toBe(204);
    const found = await get(
      '/api/v1/signals?name=irro&where=instance=north-db-1',
      z.object({ items: z.array(z.object({ name: z.string() })) }),
    );
    expect(found.items.map(({ name }) => name)).toEqual(['mirror']);
    const drawn = await get(
      `/api/v1/signals/range?name=total&rate=yes&fromMs=${nowMs - 9_000}&toMs=${nowMs}`,
      rangeAnswer,
    );
    expect(drawn.series[0]?.values.filter((value) => value !== 2)).toEqual([]);
    const correlated = await post('/api/v1/signals/correlate', {
      ...{ name: 'wave', labels: { instance: 'north-db-1' }, fromMs: nowMs - 55_000, toMs: nowMs },
    });
    const { correlated: ranked } = z
      .object({ correlated: z.array(z.object({ name: z.string(), correlation: z.number(), lagSeconds: z.number() })) })
      .parse(await correlated.json());
    expect(ranked[0]).toMatchObject({ name: 'mirror', lagSeconds: 0 });
    expect(ranked[0]?.correlation).toBeLessThan(-0.99);
  });

  test('OTLP comes in as JSON and compressed, and a bomb does not', async () => {
    const metric = { name: 'queue', gauge: { dataPoints: [{ timeUnixNano: String(Date.now() * 1e6), asDouble: 4 }] } };
    const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
    const send = (bytes: Uint8Array) =>
      fetch(`${url}/v1/metrics`, {
        method: 'POST',
        body: new Uint8Array(bytes),
        headers: { ...agent, 'content-type': 'application/json', 'content-encoding': 'gzip' },
      });
    expect((await send(gzipSync(body))).status).toBe(200);
    expect((await get('/api/v1/signals?name=queue', z.object({ items: z.array(z.unknown()) }))).items).toHaveLength(1);
    expect(await refusal(send(gzipSync(new Uint8Array(64 * 2 ** 20))))).toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

test('a change that is told is listed once, with its whole place', async () => {
  const told = {
    id: 'deploy-7',
    change: 'deployment',
    text: 'the deployment of app 7',
    place: { instance: 'south-db-1' },
  };
  expect((await post('/api/v1/changes', told, agent)).status).toBe(201);
  expect((await post('/api/v1/changes', told, agent)).status).toBe(201);
  const { items } = await get(
    '/api/v1/changes?change=deployment',
    z.object({ items: z.array(z.object({ id: z.string(), place: z.object({ site: z.string() }) })) }),
  );
  expect(items).toEqual([{ id: 'deploy-7', place: { site: 'south' } }]);
});

test('an agent is heard, and its details are told', async () => {
  const detail = {
    instance: 'north-db-1',
    atMs: Date.now(),
    intervalMs: 1_000,
    sessions: [],
    waits: [],
    blockers: [],
    statements: [],
  };
  const report = { agent: 'north-1', host: 'north-1', site: 'north', atMs: Date.now(), details: [detail], events: [] };
  expect((await post('/api/v1/agent', report, agent)).status).toBe(200);
  const seen = await get('/api/v1/overview', overview);
  expect(seen.hosts.find(({ name }) => name === 'north-1')?.state).toBe('heard');
  const answer = await get('/api/v1/instances/north-db-1/details', z.object({ details: z.array(z.unknown()) }));
  expect(answer.details).toHaveLength(1);
});

describe('what is refused', () => {
  const cases: readonly (readonly [string, () => Promise<Response>, string])[] = [
    ['no token', () => post('/api/v2/alerts', [], { authorization: '' }), 'REQUEST_UNAUTHORISED'],
    [
      'another token',
      () => post('/api/v2/alerts', [], { authorization: 'Bearer secret-tokem' }),
      'REQUEST_UNAUTHORISED',
    ],
    ['no JSON', () => post('/api/v2/alerts', '{', agent), 'REQUEST_INVALID'],
    [
      'bytes that are no UTF-8',
      () =>
        fetch(`${url}/api/v2/alerts`, {
          method: 'POST',
          body: new Uint8Array([0xff]),
          headers: { ...agent, 'content-type': 'application/json' },
        }),
      'REQUEST_INVALID',
    ],
    ['another shape', () => post('/api/v1/changes', { change: 'party', text: '' }, agent), 'REQUEST_INVALID'],
    ['remote write that is none', () => post('/api/v1/write', 'hello', agent), 'REQUEST_INVALID'],
    ['an unknown path', () => fetch(`${url}/api/v1/secrets`, { headers: person }), 'ROUTE_UNKNOWN'],
    ['an unknown incident', () => fetch(`${url}/api/v1/incidents/none`, { headers: person }), 'INCIDENT_UNKNOWN'],
    ['an unknown instance', () => fetch(`${url}/api/v1/instances/none/details`, { headers: person }), 'THING_UNKNOWN'],
    [
      'a page that is too long',
      () => fetch(`${url}/api/v1/incidents?limit=100000`, { headers: person }),
      'REQUEST_INVALID',
    ],
    [
      'a range that is too long',
      () => fetch(`${url}/api/v1/signals/range?name=wave&fromMs=0&toMs=1000000000`, { headers: person }),
      'REQUEST_INVALID',
    ],
    [
      'a body that is too large',
      () => post('/api/v1/incidents/none/comment', 'x'.repeat(300_000)),
      'REQUEST_TOO_LARGE',
    ],
    [
      'a page of another origin',
      () => fetch(`${url}/api/v1/overview`, { headers: { ...person, origin: 'https://evil.example' } }),
      'REQUEST_INVALID',
    ],
  ];
  test.each(cases)('%s', async (_, ask, code) => {
    expect((await refusal(ask())).code).toBe(code);
  });

  test('a name of somebody else that leads to loopback', async () => {
    const status = await new Promise<number>((resolve, reject) => {
      const asking = request(
        {
          host: '127.0.0.1',
          port: server.port,
          path: '/api/v1/overview',
          headers: { ...person, host: 'rebound.example' },
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      asking.once('error', reject);
      asking.end();
    });
    expect(status).toBe(400);
  });

  test('too much of one kind', async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => fetch(`${url}/api/v1/signals?name=wave`, { headers: person })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
  });
});

test('events stream, and a reader that comes back gets what it missed', async () => {
  const read = async (headers: Record<string, string>, wanted: number): Promise<readonly string[]> => {
    const ended = new AbortController();
    const answer = await fetch(`${url}/api/v1/events`, { headers: { ...person, ...headers }, signal: ended.signal });
    const ids: string[] = [];
    let text = '';
    const decoder = new TextDecoder();
    const reader = answer.body?.getReader();
    while (reader !== undefined && ids.length < wanted) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
      ids.splice(0, ids.length, ...[...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id ?? ''));
    }
    ended.abort();
    return ids;
  };
  const tell = (name: string) => post('/api/v1/changes', { id: name, change: 'job', text: name }, agent);
  const first = read({}, 1);
  for (let index = 0; heart.core.stream.readers === 0 && index < 1_000; index += 1) await systemClock.sleep(5);
  await tell('job-1');
  const [seen = ''] = await first;
  await tell('job-2');
  await tell('job-3');
  const missed = await read({ 'last-event-id': seen }, 2);
  expect(missed).toHaveLength(2);
  expect(missed.includes(seen)).toBe(false);
  expect(await read({ 'last-event-id': 'of-another-start' }, 1)).toEqual([missed.at(-1)]);
});

describe('the table of routes', () => {
  test('each one declares who may, what it holds and its limits, and the document tells of all', async () => {
    const routes = allRoutes({ version: '1', accounts, takeBackup });
    const { paths, openapi } = await get(
      '/api/openapi.json',
      z.object({ openapi: z.string(), paths: z.record(z.string(), z.record(z.string(), z.unknown())) }),
    );
    expect(openapi).toBe('3.1.0');
    const told = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(told.toSorted()).toEqual(
      routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`).toSorted(),
    );
  });

  test('one that leaves something out does not start, nor one that is there twice', () => {
    const whole = jsonRoute({
      ...{ method: 'GET', path: '/x', summary: 'X.', classification: 'public' },
      access: { action: 'estate.read', at: 'some' },
      limits: { bodyBytes: 0, rate: 'read' },
      ...{ params: nothing, query: nothing, body: noBody, output: nothing, handle: () => ({}) },
    });
    checkRoutes([whole]);
    expect(() => checkRoutes([whole, whole])).toThrow(/declared once/);
    for (const key of Object.keys(whole)) {
      const broken = { ...whole, [key]: undefined } as unknown as Route;
      expect(() => checkRoutes([broken]), key).toThrow(/declares its/);
    }
  });
});
