/** A value that is planted in everything that is told is searched for in everything that is answered, streamed, sent and recorded. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mostOf, unclassifiedOf } from '@coequal/contract';
import { seededRandom, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Identify } from '../access/audience.ts';
import { openBarePlatform } from '../adapters/bare.ts';
import { toldAlerts } from '../notify/told.ts';
import { quietRuns } from '../plans/testing.ts';
import { platformSettings } from '../settings.ts';
import { everywhere, tryAudit, tryEstate } from '../testing.ts';
import { type Server, startServer } from './adapters/server.ts';
import { allRoutes } from './routes.ts';

const planted = 'Planted-Geheim-77';
const logged: string[] = [];
const folder = mkdtempSync(join(tmpdir(), 'coequal-masking-'));
const platform = openBarePlatform({
  settings: platformSettings(tryEstate(), undefined),
  ...{ folder, clock: systemClock, random: seededRandom(2) },
  log: (...line) => void logged.push(JSON.stringify(line)),
});
const { heart, accounts, once, takeBackup } = platform;
const audit = tryAudit();
const routes = allRoutes({ version: '1', accounts, takeBackup, runs: quietRuns() });
const identify: Identify = () => ({
  ...{ kind: 'person', id: 'ann', name: 'ann', grants: [everywhere('operator')] },
  session: {
    ...{ id: 's', device: { id: 'd', bound: true }, factor: 'passkey', factorAt: systemClock.now(), lockedSince: null },
  },
});

let server: Server;
let url = '';
beforeAll(async () => {
  server = await startServer({
    ...{ core: heart.core, routes, accounts, once, audit, identify, agentToken: undefined },
    ...{ address: '127.0.0.1', port: 0 },
  });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
  platform.close();
  rmSync(folder, { recursive: true });
});

const post = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, {
    ...{
      method: 'POST',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

test('a value that stands in a statement, a log line or an alert is shown to nobody who did not ask for it by name', async () => {
  const text = `Duplicate entry '${planted}' for key`;
  const stream = await fetch(`${url}/api/v1/events`);
  const nowMs = systemClock.now();
  const session = {
    ...{ id: 1, user: 'app', address: '10.0.0.1', command: 'Query', state: 'executing', seconds: 1 },
    statement: `SELECT "${planted}"`,
  };
  const detail = {
    ...{ instance: 'north-db-1', atMs: nowMs, intervalMs: 1_000, sessions: [session], waits: [], blockers: [] },
    statements: [],
  };
  const events = [
    { kind: 'log', id: 'log-1', atMs: nowMs, place: {}, severity: 'error', log: 'error.log', template: text, count: 1 },
  ];
  const report = { agent: 'north-1', host: 'north-1', site: 'north', atMs: nowMs, details: [detail], events };
  const alerts = [{ labels: { alertname: 'Broken', instance: 'north-db-1' }, annotations: { summary: text } }];
  const change = { id: 'c-1', change: 'ddl', text: `ALTER TABLE t ADD c INT DEFAULT '${planted}'`, place: {} };
  for (const [path, body] of [
    ['agent', report],
    ['changes', change],
  ] as const)
    expect((await post(`/api/v1/${path}`, body)).ok).toBe(true);
  expect((await post('/api/v2/alerts', alerts)).ok).toBe(true);
  heart.beat();
  const [incident] = heart.core.keeper.open;
  const id = incident?.id ?? '';
  expect(JSON.stringify(incident)).toContain(planted);

  const answers: string[] = [];
  for (const { method, path } of routes) {
    const at = path.replace(':id', id).replace(':name', 'north-db-1');
    if (method === 'GET' && path !== '/api/v1/events') answers.push(await (await fetch(`${url}${at}`)).text());
  }
  expect(answers.some((answer) => answer.includes("'?'") && answer.includes(id))).toBe(true);
  let streamed = '';
  for await (const chunk of stream.body ?? []) {
    streamed += Buffer.from(chunk).toString();
    if (['event: incident', '"kind":"change"', '"kind":"log"'].every((part) => streamed.includes(part))) break;
  }
  const sent = JSON.stringify(toldAlerts(heart.core.keeper.open, url));
  const refused = await (await post(`/api/v1/incidents/${id}/reveal`)).text();
  for (const sink of [...answers, streamed, sent, refused, ...logged, JSON.stringify(audit.entries)])
    expect(sink).not.toContain(planted);

  const why = { 'coequal-reason': 'whose entry is it' };
  for (const path of [`incidents/${id}`, 'changes/c-1'])
    expect(await (await post(`/api/v1/${path}/reveal`, undefined, why)).text()).toContain(planted);
  const revealed = audit.entries.filter(({ action }) => action === 'literal.reveal');
  expect(revealed.map(({ target, result, reason }) => [target, result, reason])).toEqual([
    [`POST /api/v1/incidents/${id}/reveal`, 'refused', 'reason-missing'],
    [`POST /api/v1/incidents/${id}/reveal`, 'asked', undefined],
    [`POST /api/v1/incidents/${id}/reveal`, 'done', undefined],
    ['POST /api/v1/changes/c-1/reveal', 'asked', undefined],
    ['POST /api/v1/changes/c-1/reveal', 'done', undefined],
  ]);
  expect(revealed[1]).toMatchObject({ actor: 'person:ann', details: { words: 'whose entry is it' } });
});

test('every field of every answer says what it may hold, and no route answers more than it declares', () => {
  const order = ['public', 'sensitive', 'secret'];
  for (const { method, path, output, classification } of routes) {
    const schema = output.schema ?? z.undefined();
    if (output.schema === undefined) continue;
    expect([`${method} ${path}`, unclassifiedOf(schema)]).toEqual([`${method} ${path}`, []]);
    expect(order.indexOf(mostOf(schema)), `${method} ${path}`).toBeLessThanOrEqual(order.indexOf(classification));
  }
});
