/**
 * Every route by everybody: each role, nobody, sessions that are locked, stolen or ended, tricks with paths and headers, bodies that are too
 * large.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problem } from '@coequal/contract';
import { Counters, fail, seededRandom, silentLog, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Action, actions } from '../access/actions.ts';
import type { Identify } from '../access/audience.ts';
import { type Grant, roles, type Subject } from '../access/subject.ts';
import { openBarePlatform } from '../adapters/bare.ts';
import { quietRuns } from '../plans/testing.ts';
import { platformSettings } from '../settings.ts';
import { bearerOf, everywhere, findingOf, tryAudit, tryEstate } from '../testing.ts';
import { type Server, startServer } from './adapters/server.ts';
import type { Route } from './route.ts';
import { allRoutes } from './routes.ts';

let ticks = 0;
const folder = mkdtempSync(join(tmpdir(), 'coequal-matrix-'));
const platform = openBarePlatform({
  settings: platformSettings(tryEstate(), undefined),
  // Rates are another test's matter: here every request is looked at.
  ...{
    folder,
    clock: { ...systemClock, monotonic: () => (ticks += 1_000_000) },
    random: seededRandom(1),
    log: silentLog,
  },
});
const { heart, accounts, once, takeBackup } = platform;
const audit = tryAudit();
const routes = allRoutes({ version: '1', accounts, takeBackup, runs: quietRuns() });
const guarded = routes.filter(({ access }) => typeof access !== 'string');

/** Sessions as identity will give them: a header names one here. */
const sessions = new Map<string, { subject: Subject; alive: boolean }>();
const identify: Identify = ({ headers }) => {
  const found = sessions.get(String(headers['x-session']));
  return found?.alive === true ? found.subject : fail('ACCESS_UNKNOWN', {});
};
const session = (id: string, grants: readonly Grant[], more: Partial<NonNullable<Subject['session']>> = {}) => {
  const own = {
    id,
    device: { id: 'd', bound: true },
    factor: 'passkey',
    factorAt: systemClock.now(),
    lockedSince: null,
  } as const;
  sessions.set(id, { alive: true, subject: { kind: 'person', id, name: id, grants, session: { ...own, ...more } } });
  return { 'x-session': id };
};

let server: Server;
let url = '';
beforeAll(async () => {
  server = await startServer({
    ...{ core: heart.core, routes, accounts, once, audit, identify, agentToken: 'agents' },
    ...{ address: '127.0.0.1', port: 0 },
  });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
  platform.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => void audit.entries.splice(0));

const pathOf = ({ path }: Route): string => path.replace(':id', 'none').replace(':name', 'north-db-1');
const why = { 'coequal-reason': encodeURIComponent('it has to be – now') };
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Response> =>
  fetch(`${url}${path}`, {
    ...{ method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers } },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(20_000),
  });
/** The status, and the code of a problem. A stream is let go. */
const told = async (answer: Promise<Response>): Promise<readonly [number, string]> => {
  const response = await answer;
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/problem+json')) {
    const { status, code } = problem.parse(await response.json());
    expect(status).toBe(response.status);
    return [status, code];
  }
  await response.body?.cancel();
  return [response.status, ''];
};
const bodyOf = ({ input }: Route): string | undefined => (input.body.kind === 'none' ? undefined : '{}');
const actionOf = ({ access }: Route): Action => {
  if (typeof access === 'string') throw new Error('this route asks for nobody');
  return access.action;
};

describe('every route', () => {
  test.each(roles)('lets %s in exactly where the table of actions says', async (role) => {
    const headers = { ...session(role, [everywhere(role)]), ...why };
    for (const route of guarded) {
      const [status, code] = await told(ask(route.method, pathOf(route), headers, bodyOf(route)));
      const allowed = (actions[actionOf(route)].roles as readonly string[]).includes(role);
      const name = `${role}: ${route.method} ${route.path} ${status} ${code}`;
      expect(status === 403, name).toBe(!allowed);
      if (!allowed) expect(code, name).toBe('ACCESS_DENIED');
      expect(status, name).not.toBe(401);
      expect(status, name).toBeLessThan(500);
    }
  });

  test('lets a service account do C0 of its roles, and nothing else', async () => {
    for (const role of roles) {
      const headers = { ...bearerOf(accounts, `all-${role}`, everywhere(role)), ...why };
      for (const route of guarded) {
        const [status] = await told(ask(route.method, pathOf(route), headers, bodyOf(route)));
        const rule = actions[actionOf(route)];
        const allowed = rule.services && rule.class === 'C0' && (rule.roles as readonly string[]).includes(role);
        expect(status === 403, `${role}: ${route.method} ${route.path} ${status}`).toBe(!allowed);
      }
    }
  });

  const ended = bearerOf(accounts, 'ended', everywhere('operator'));
  accounts.revoke('ended', 'test');
  const good = bearerOf(accounts, 'good', everywhere('operator'));
  const wrong: readonly (readonly [string, Record<string, string>])[] = [
    ['nobody', {}],
    ['a session that is not there', { 'x-session': 'stolen' }],
    ['a token that was revoked', { ...ended }],
    ['a token with another last letter', { authorization: `${good.authorization.slice(0, -1)}~` }],
    ['a token as another scheme', { authorization: good.authorization.replace('Bearer', 'Basic') }],
    ['two tokens in one header', { authorization: `${good.authorization}, ${good.authorization}` }],
    ['the token of agents', { authorization: 'Bearer agents' }],
    ['a token in another header', { 'x-authorization': good.authorization, 'proxy-authorization': good.authorization }],
    ['a token as a cookie', { cookie: `coequal=${good.authorization.slice(7)}` }],
    [
      'somebody who says that he is let in',
      { 'x-forwarded-user': 'root', 'x-remote-user': 'root', 'x-original-url': '/healthz' },
    ],
  ];
  test.each(wrong)('is closed to %s, with nothing said of what is there', async (_, headers) => {
    for (const route of guarded)
      expect(await told(ask(route.method, pathOf(route), headers, bodyOf(route)))).toEqual([401, 'ACCESS_UNKNOWN']);
  });

  test('is closed to a session that is locked, and to one with roles that nobody holds together', async () => {
    const locked = session('locked', [everywhere('operator')], { lockedSince: 1 });
    const both = session('both', [everywhere('security-admin'), everywhere('operator')]);
    for (const route of guarded) {
      const { roles: may } = actions[actionOf(route)];
      if ((may as readonly string[]).includes('operator'))
        expect(await told(ask(route.method, pathOf(route), locked, bodyOf(route)))).toEqual([403, 'ACCESS_STEP_UP']);
      expect(await told(ask(route.method, pathOf(route), both, bodyOf(route)))).toEqual([403, 'ACCESS_DENIED']);
    }
  });

  test('refuses a page of another origin and another name, whoever asks', async () => {
    for (const { method, path } of routes) {
      const foreign = await told(ask(method, path, { ...good, origin: 'https://evil.example' }));
      expect([path, ...foreign]).toEqual([path, 400, 'REQUEST_INVALID']);
      expect((await told(ask(method, path, { ...good, origin: 'null' })))[0]).toBe(400);
    }
  });

  test('refuses a body that is too large before anybody reads it, and after it is known who asks', async () => {
    for (const route of guarded.filter(({ input }) => input.body.kind !== 'none')) {
      const large = 'x'.repeat(route.limits.bodyBytes + 1);
      expect((await told(ask(route.method, pathOf(route), {}, large)))[0]).toBe(401);
      const role = actions[actionOf(route)].roles[0] ?? 'viewer';
      const headers = { ...session('large', [everywhere(role)]), ...why };
      expect(await told(ask(route.method, pathOf(route), headers, large))).toEqual([413, 'REQUEST_TOO_LARGE']);
    }
  });
});

describe('what is gravely meant', () => {
  const admin = (more: Partial<NonNullable<Subject['session']>> = {}) =>
    session('kim', [everywhere('security-admin')], more);
  const wanted = JSON.stringify({ name: 'grafana', grants: [{ role: 'viewer' }] });

  test('needs a factor that was shown just now, and a reason', async () => {
    const make = (headers: Record<string, string>) => told(ask('POST', '/api/v1/service-accounts', headers, wanted));
    expect(await make({ ...admin({ factorAt: systemClock.now() - 300_001 }), ...why })).toEqual([
      403,
      'ACCESS_STEP_UP',
    ]);
    expect(await make({ ...admin({ factor: 'recovery' }), ...why })).toEqual([403, 'ACCESS_STEP_UP']);
    expect(await make(admin())).toEqual([403, 'ACCESS_DENIED']);
    expect(await make({ ...admin(), 'coequal-reason': '%' })).toEqual([400, 'REQUEST_INVALID']);
    expect(await make({ ...admin(), ...why, 'idempotency-key': 'k' })).toEqual([400, 'REQUEST_INVALID']);
    expect(await make({ ...admin(), ...why })).toEqual([201, '']);
    expect(await make({ ...admin(), ...why })).toEqual([409, 'SERVICE_ACCOUNT_EXISTS']);
    const conflicting = JSON.stringify({ name: 'both', grants: [{ role: 'auditor' }, { role: 'operator' }] });
    const refused = ask('POST', '/api/v1/service-accounts', { ...admin(), ...why }, conflicting);
    expect(await told(refused)).toEqual([400, 'GRANTS_REFUSED']);
  });

  test('is recorded before it is done and with its end, with who, what and why; and no token is', async () => {
    const made = await ask(
      'POST',
      '/api/v1/service-accounts',
      { ...admin(), ...why },
      wanted.replace('grafana', 'zabbix'),
    );
    const { token } = (await made.json()) as { token: string };
    await ask('DELETE', '/api/v1/service-accounts/zabbix', { ...admin(), ...why });
    expect((await told(ask('GET', '/api/v1/overview', { authorization: `Bearer ${token}` })))[0]).toBe(401);
    const shown = audit.entries.map(({ actor, action, result, reason }) => [actor, action, result, reason ?? '']);
    expect(shown).toEqual([
      ['person:kim', 'service-account.add', 'asked', ''],
      ['person:kim', 'service-account.add', 'done', ''],
      ['person:kim', 'service-account.revoke', 'asked', ''],
      ['person:kim', 'service-account.revoke', 'done', ''],
      ['address:127.0.0.1', 'estate.read', 'refused', 'ACCESS_UNKNOWN'],
    ]);
    expect(audit.entries[0]?.details).toMatchObject({ words: 'it has to be – now', subject: 'kim' });
    expect(JSON.stringify(audit.entries)).not.toContain(token);
  });

  test('that was refused in the end is recorded so', async () => {
    const ann = session('ann', [everywhere('operator')]);
    await ask('POST', '/api/v1/incidents/none/comment', ann, JSON.stringify({ text: 'hm' }));
    await ask('POST', '/api/v1/incidents/none/comment', ann, 'x'.repeat(300_000));
    expect(audit.entries.map(({ result, reason }) => [result, reason])).toEqual([
      ['asked', undefined],
      ['refused', 'INCIDENT_UNKNOWN'],
      ['asked', undefined],
      ['refused', 'REQUEST_TOO_LARGE'],
    ]);
  });

  test('is not done when it cannot be recorded', async () => {
    const write = audit.write;
    audit.write = () => Promise.reject(new Error('the disk is full'));
    const before = accounts.list().length;
    const body = wanted.replace('grafana', 'unrecorded');
    expect((await told(ask('POST', '/api/v1/service-accounts', { ...admin(), ...why }, body)))[0]).toBe(500);
    audit.write = write;
    expect(accounts.list()).toHaveLength(before);
  });

  test('a silence above an hour is graver than one below', async () => {
    const silence = (minutes: number, more: object = {}) =>
      JSON.stringify({
        ...{ matchers: [{ name: 'instance', value: 'north-db-1', isRegex: false }], createdBy: 'x', comment: 'c' },
        startsAt: new Date(systemClock.now()).toISOString(),
        endsAt: new Date(systemClock.now() + minutes * 60_000).toISOString(),
        ...more,
      });
    const lab = bearerOf(accounts, 'silencer', everywhere('operator'));
    const put = (headers: Record<string, string>, body: string) => told(ask('POST', '/api/v2/silences', headers, body));
    expect((await put(lab, silence(60)))[0]).toBe(200);
    expect(await put(lab, silence(61))).toEqual([403, 'ACCESS_DENIED']);
    const ann = session('ann', [everywhere('operator')]);
    expect(await put(ann, silence(61))).toEqual([403, 'ACCESS_DENIED']);
    expect((await put({ ...ann, ...why }, silence(61)))[0]).toBe(200);
    const north = session('north', [{ role: 'operator', services: '*', sites: ['north'] }]);
    expect((await put(north, silence(10)))[0]).toBe(200);
    const wide = { matchers: [{ name: 'instance', value: 'north.*', isRegex: true }] };
    expect(await put(north, silence(10, wide))).toEqual([403, 'ACCESS_DENIED']);
  });
});

describe('places', () => {
  test('lists, summaries and streams show what a grant reaches, and single things are refused', async () => {
    const finding = (instance: string, site: string) =>
      findingOf(`Broken-${site}`, { instance, site, service: 'bank', host: `${site}-1` });
    heart.core.keeper.step([finding('north-db-1', 'north')], systemClock.now() - 600_000);
    const north = session('north', [{ role: 'viewer', services: '*', sites: ['north'] }]);
    const south = session('south', [{ role: 'viewer', services: '*', sites: ['south'] }]);
    const card = session('card', [{ role: 'viewer', services: ['card'], sites: '*' }]);
    const read = async (path: string, headers: Record<string, string>) =>
      (await ask('GET', path, headers)).json() as Promise<never>;
    const names = async (headers: Record<string, string>) => {
      const seen: Record<string, { name: string }[]> = await read('/api/v1/overview', headers);
      return ['sites', 'hosts', 'services', 'instances', 'gateways'].map((kind) =>
        seen[kind]?.map(({ name }) => name).join(),
      );
    };
    expect(await names(north)).toEqual(['north', 'north-1', 'bank', 'north-db-1', 'north-gate']);
    expect(await names(card)).toEqual(['', '', '', '', '']);
    const { items } = (await read('/api/v1/incidents', north)) as { items: { id: string }[] };
    expect(items).toHaveLength(1);
    expect(await read('/api/v1/incidents', card)).toMatchObject({ items: [] });
    const path = `/api/v1/incidents/${items[0]?.id}`;
    expect((await told(ask('GET', path, north)))[0]).toBe(200);
    expect(await told(ask('GET', path, card))).toEqual([403, 'ACCESS_DENIED']);
    expect(await told(ask('GET', '/api/v1/incidents/none', card))).toEqual([403, 'ACCESS_DENIED']);
    expect((await told(ask('GET', '/api/v1/instances/north-db-1/details', south)))[0]).toBe(403);
    expect((await told(ask('GET', '/api/v1/signals/range?query=up&fromMs=0&toMs=1000', north)))[0]).toBe(403);
  });

  test('a stream ends when its reader’s session does', async () => {
    const headers = session('reader', [everywhere('viewer')]);
    const answer = await ask('GET', '/api/v1/events', headers);
    const own = sessions.get('reader');
    if (own !== undefined) own.alive = false;
    let text = '';
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
    expect(text).toBe('retry: 1000\n\n');
  });

  test('a stream ends when its reader may see something else, and when he is locked', async () => {
    const narrower = { grants: [{ role: 'viewer', services: [], sites: '*' }] } as const;
    const locked = (subject: Subject): Subject =>
      subject.session === null ? subject : { ...subject, session: { ...subject.session, lockedSince: 1 } };
    for (const change of [(subject: Subject): Subject => ({ ...subject, ...narrower }), locked]) {
      const answer = await ask('GET', '/api/v1/events', session('reader', [everywhere('viewer')]));
      const own = sessions.get('reader');
      if (own !== undefined) own.subject = change(own.subject);
      let text = '';
      for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
      expect(text).toBe('retry: 1000\n\n');
    }
  });
});

describe('once', () => {
  test('what comes again with its key is answered again and not done again', async () => {
    const [{ id = '' } = {}] = heart.core.keeper.open;
    const headers = { ...session('ann', [everywhere('operator')]), 'idempotency-key': 'k-1' };
    const say = (text: string, more: Record<string, string> = {}) =>
      ask('POST', `/api/v1/incidents/${id}/comment`, { ...headers, ...more }, JSON.stringify({ text }));
    const comments = () => heart.core.keeper.get(id)?.timeline.filter(({ what }) => what === 'comment').length;
    const [first, second] = [await say('one'), await say('one')];
    expect([first.headers.get('idempotency-replayed'), second.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect(await second.text()).toBe(await first.text());
    expect(comments()).toBe(1);
    expect(await told(say('two'))).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(await told(say('', { 'idempotency-key': 'k-2' }))).toEqual([400, 'REQUEST_INVALID']);
    expect((await told(say('two', { 'idempotency-key': 'k-2' })))[0]).toBe(200);
    expect(comments()).toBe(2);
    const bob = session('bob', [everywhere('operator')]);
    expect((await told(say('one', bob)))[0]).toBe(200);
    expect(comments()).toBe(3);
    once.begin('ann', `POST /api/v1/incidents/${id}/comment`, 'k-3', '0'.repeat(64), systemClock.now());
    expect((await told(say('one', { 'idempotency-key': 'k-3' })))[0]).toBe(422);
    for (const bad of ['', ' ', 'x'.repeat(201)])
      expect((await told(say('one', { 'idempotency-key': bad || '\t' })))[0]).toBe(400);
  });
});

describe('paths and headers', () => {
  /** As it stands, without what a client would make of it. */
  const raw = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> =>
    new Promise((resolve, reject) => {
      const asking = httpRequest({ host: '127.0.0.1', port: server.port, path, method, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asking.once('error', reject);
      asking.end();
    });
  const tricks = [
    ...['//api/v1/overview', '/api/v1//overview', '/api/v1/overview/', '/API/v1/overview', '/api/v1/overview;x=1'],
    ...['/healthz/../api/v1/overview', '/healthz/%2e%2e/api/v1/overview', '/api/v1/%6fverview', '/api/v1/overview%00'],
    ...[
      '/api/v1/overview%2f',
      '/metrics?/../api/v1/overview',
      '/api/v1/incidents/..%2f..%2foverview',
      '/./api/v1/overview',
    ],
    ...[
      '/api/v1/incidents/%',
      '/api/v1/incidents/%ff',
      `/api/v1/incidents/${'a'.repeat(400)}`,
      '/api/v1/incidents/%E2%80%AE',
    ],
  ];
  test.each(tricks)('%s shows nobody anything that he may not see', async (path) => {
    expect([400, 401, 404, 414, ...(path.startsWith('/metrics') ? [200] : [])]).toContain(await raw(path));
  });

  test('no method and no header makes another request of one', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PATCH', 'PUT', 'PROPFIND'])
      expect([400, 401, 404, 405]).toContain(await raw('/api/v1/overview', {}, method));
    for (const header of ['x-http-method-override', 'x-method-override', 'x-original-url', 'x-rewrite-url'])
      expect(await raw('/api/v1/overview', { [header]: header.includes('url') ? '/healthz' : 'OPTIONS' })).toBe(401);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '127.0.0.1@evil.example'])
      expect(await raw('/healthz', { host })).toBe(400);
    const viewer = session('viewer', [everywhere('viewer')]);
    expect(await raw('/api/v1/overview', viewer, 'HEAD')).toBe(200);
  });

  test('who asks too much does not use up what others may', async () => {
    const limited = await startServer({
      ...{
        core: { ...heart.core, clock: systemClock, counters: new Counters() },
        routes,
        accounts,
        once,
        audit,
        identify,
        agentToken: undefined,
      },
      ...{ address: '127.0.0.1', port: 0 },
    });
    const search = (headers: Record<string, string>) =>
      told(fetch(`http://127.0.0.1:${limited.port}/api/v1/signals?name=wave`, { headers }));
    const [busy, calm] = [session('busy', [everywhere('viewer')]), session('calm', [everywhere('viewer')])];
    const answers = await Promise.all(Array.from({ length: 80 }, () => search(busy)));
    expect(answers.some(([status]) => status === 429)).toBe(true);
    expect((await search(calm))[0]).toBe(200);
    await limited.close();
  });
});
