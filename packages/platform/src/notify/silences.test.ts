/** Silences and who is told, over the API of an Alertmanager and over restarts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLog, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openBarePlatform } from '../adapters/bare.ts';
import { type Server, startServer } from '../http/adapters/server.ts';
import { allRoutes } from '../http/routes.ts';
import { platformSettings } from '../settings.ts';
import { bearerOf, everywhere, tryAudit, tryEstate } from '../testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-silences-'));
const open = () =>
  openBarePlatform({
    settings: platformSettings(tryEstate(), undefined),
    ...{ folder, clock: systemClock, random: seededRandom(3), log: silentLog },
  });
let platform = open();
let server: Server;
let url = '';
const person = bearerOf(platform.accounts, 'ops', everywhere('operator'));
const listen = async (): Promise<void> => {
  const { heart, accounts, once } = platform;
  server = await startServer({
    ...{
      core: heart.core,
      routes: allRoutes({ version: '1', accounts, takeBackup: platform.takeBackup }),
      address: '127.0.0.1',
      port: 0,
      agentToken: undefined,
    },
    ...{ accounts, once, audit: tryAudit() },
  });
  url = `http://127.0.0.1:${server.port}`;
};
beforeAll(listen);
afterAll(async () => {
  await server.close();
  platform.close();
  rmSync(folder, { recursive: true });
});

const send = async (method: string, path: string, body?: unknown): Promise<unknown> => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...person, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return answer.json();
};
const states = async (): Promise<unknown> =>
  z
    .array(z.object({ labels: z.record(z.string(), z.string()), status: z.object({ state: z.string() }) }))
    .parse(await send('GET', '/api/v2/alerts'))
    .map(({ labels, status }) => [labels['alertname'], status.state]);

const matcher = { name: 'instance', value: 'north-.*', isRegex: true, isEqual: true };
const wanted = (more: object = {}) => ({
  ...{ matchers: [matcher], createdBy: 'ann', comment: 'new disk' },
  ...{
    startsAt: new Date(systemClock.now()).toISOString(),
    endsAt: new Date(systemClock.now() + 3_600_000).toISOString(),
  },
  ...more,
});

test('what is silenced is an incident all the same, holds over a restart, and ends when it is told to', async () => {
  const { silenceID } = z.object({ silenceID: z.string() }).parse(await send('POST', '/api/v2/silences', wanted()));
  await send('POST', '/api/v2/alerts', [
    { labels: { alertname: 'Slow', severity: 'critical', instance: 'north-db-1' } },
    { labels: { alertname: 'Broken', severity: 'critical', instance: 'south-db-1' } },
  ]);
  platform.heart.beat();
  expect(platform.heart.core.keeper.open).toHaveLength(1);
  const silenced = expect.arrayContaining([
    ['Slow', 'suppressed'],
    ['Broken', 'active'],
  ]);
  expect(await states()).toEqual(silenced);
  await server.close();
  platform.close();
  platform = open();
  await listen();
  platform.heart.beat();
  expect(await states()).toEqual(silenced);
  expect(await send('DELETE', `/api/v2/silence/${silenceID}`)).toMatchObject({ status: { state: 'expired' } });
  expect(await states()).toEqual(expect.arrayContaining([['Slow', 'active']]));
});

test('a silence that is none is refused in words', async () => {
  expect(await send('POST', '/api/v2/silences', wanted({ comment: ' ' }))).toMatchObject({
    status: 400,
    detail: 'a silence says why.',
  });
  expect(await send('POST', '/api/v2/silences', wanted({ matchers: [] }))).toMatchObject({ code: 'REQUEST_INVALID' });
  expect(await send('POST', '/api/v2/silences', wanted({ id: 'none' }))).toMatchObject({ code: 'THING_UNKNOWN' });
  expect(await send('GET', '/api/v2/silence/none')).toMatchObject({ code: 'THING_UNKNOWN', status: 404 });
});
