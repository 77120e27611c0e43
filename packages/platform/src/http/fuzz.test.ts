/**
 * A seeded fuzz of the whole document of the API, identity included: whatever is sent by whomever, nothing ends in a bug, and what is refused
 * says why.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problem } from '@coequal/contract';
import { type Random, seededRandom, silentLog, systemClock } from '@coequal/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Identify } from '../access/audience.ts';
import { roles } from '../access/subject.ts';
import { openBarePlatform } from '../adapters/bare.ts';
import { readPage } from '../identity/adapters/page.ts';
import { firstMember, type TryIdentity, tryIdentity } from '../identity/testing.ts';
import { platformSettings } from '../settings.ts';
import { bearerOf, everywhere, tryAudit, tryEstate } from '../testing.ts';
import { type Server, startServer } from './adapters/server.ts';
import type { Route } from './route.ts';
import { allRoutes } from './routes.ts';

let ticks = 0;
const folder = mkdtempSync(join(tmpdir(), 'coequal-fuzz-'));
const platform = openBarePlatform({
  settings: platformSettings(tryEstate(), undefined),
  // Rates are another test's matter: here every request is looked at.
  ...{ folder, clock: { ...systemClock, monotonic: () => (ticks += 1_000_000) }, random: seededRandom(1) },
  log: silentLog,
});
const { heart, accounts, once, takeBackup } = platform;
let tried: TryIdentity;
let routes: readonly Route[];
let server: Server;
let url = '';

/** A header says whom a request is to be taken for; without it, identity looks. */
const identify: Identify = (shown, looking) => {
  const role = roles.find((one) => one === shown.headers['x-role']);
  if (role === undefined) return tried.identity.identify(shown, looking);
  const session = { id: 's', device: { id: 'd', bound: true }, factor: 'passkey', lockedSince: null } as const;
  const held = { kind: 'person', id: role, name: role, grants: [everywhere(role)] } as const;
  return { ...held, session: { ...session, factorAt: systemClock.now() } };
};

beforeAll(async () => {
  tried = await tryIdentity();
  routes = allRoutes({
    ...{ version: '1', accounts, takeBackup, people: { identity: tried.identity, page: readPage() } },
  });
  server = await startServer({
    ...{ core: heart.core, routes, accounts, once, audit: tryAudit(), identify, agentToken: 'agents' },
    ...{ address: '127.0.0.1', port: 0 },
  });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
  platform.close();
  tried.close();
  rmSync(folder, { recursive: true });
});

const host = { host: 'localhost:9620' };
const why = { 'coequal-reason': encodeURIComponent('it has to be – now') };
const own = { origin: 'http://localhost:9620', 'x-coequal': '1' };
const told = async (
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<readonly [number, string]> => {
  const init = { method, headers, signal: AbortSignal.timeout(20_000), ...(body === undefined ? {} : { body }) };
  const response = await fetch(`${url}${path}`, init);
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('application/problem+json')) {
    await response.body?.cancel();
    return [response.status, ''];
  }
  const { status, code } = problem.parse(await response.json());
  expect(status).toBe(response.status);
  return [status, code];
};

test('whatever is not for anyone is closed to nobody, and identity to programs', async () => {
  const program = bearerOf(accounts, 'program', everywhere('operator'));
  for (const { method, path, access, input } of routes) {
    if (access === 'anyone' || access === 'agent' || access === 'proof') continue;
    const at = path.replaceAll(/:\w+/g, 'none');
    const body = input.body.kind === 'none' ? undefined : '{}';
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const [status] = await told(method, at, { ...host, ...own, ...type }, body);
    expect([method, path, status]).toEqual([method, path, 401]);
    if (!path.startsWith('/api/v1/identity')) continue;
    const [forProgram] = await told(method, at, { ...host, ...own, ...program, ...why, ...type }, body);
    expect([401, 403], `${method} ${path}`).toContain(forProgram);
  }
});

describe('a real session', () => {
  const send = async (
    headers: Record<string, string>,
    want: (method: string) => readonly [number, string] | undefined,
  ) => {
    for (const { method, path, access, input } of routes) {
      if (typeof access === 'string') continue;
      const wanted = want(method);
      if (wanted === undefined) continue;
      const body = input.body.kind === 'none' ? undefined : '{}';
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await told(
        method,
        path.replaceAll(/:\w+/g, 'none'),
        { ...host, ...headers, ...why, ...type },
        body,
      );
      expect([method, path, ...answer]).toEqual([method, path, ...wanted]);
    }
  };
  const changes = (answer: readonly [number, string]) => (method: string) => (method === 'GET' ? undefined : answer);

  test('does nothing for pages of others, nor at another device, nor after its end', async () => {
    const { browser } = await firstMember(tried);
    const cookie = String(browser.request().headers['cookie']);
    const [session = '', device = ''] = cookie.split('; ');
    const foreign = [403, 'REQUEST_FOREIGN'] as const;
    await send({ cookie, origin: own.origin }, changes(foreign));
    await send({ cookie, 'x-coequal': '1' }, changes(foreign));
    await send({ cookie, 'x-coequal': '1', origin: 'http://localhost:9621' }, changes(foreign));
    const unknown = [401, 'SIGN_IN_NEEDED'] as const;
    await send({ cookie: session, ...own }, () => unknown);
    await send({ cookie: `${session}; coequal-device=another`, ...own }, () => unknown);
    await send({ cookie: `${device}; coequal=another`, ...own }, () => unknown);
    expect(await told('GET', '/api/v1/overview', { ...host, cookie })).toEqual([200, '']);
    tried.clock.atMs += 16 * 60_000;
    expect(await told('GET', '/api/v1/overview', { ...host, cookie })).toEqual([403, 'ACCESS_STEP_UP']);
    tried.clock.atMs += 12 * 3_600_000;
    await send({ cookie, ...own }, () => unknown);
  });
});

describe('a fuzz of the whole document', () => {
  const strange = [
    ...['', ' ', '0', '-1', '1e999', 'NaN', 'null', 'true', '[]', '{}', '"', "'", '\u0000', '\u202e', '\ud800', '𝒳'],
    ...[
      '../../etc/passwd',
      "' OR 1=1 --",
      '<script>',
      '{{7*7}}',
      '%s%n',
      '__proto__',
      'constructor',
      'a'.repeat(5_000),
    ],
    ...['9007199254740993', '1970-01-01T00:00:00Z', '2026-02-30T25:00:00Z', '*', '.*', '(a+)+$', 'north-db-1', 'bank'],
  ];
  const anything = (random: Random, depth: number): unknown => {
    const kind = random.below(depth > 3 ? 5 : 8);
    if (kind < 3) return strange[random.below(strange.length)];
    if (kind === 3) return [0, -1, 1.5, 1e308, -0, 2 ** 53, systemClock.now()][random.below(7)];
    if (kind === 4) return [null, true, false][random.below(3)];
    if (kind === 5) return Array.from({ length: random.below(4) }, () => anything(random, depth + 1));
    return Object.fromEntries(
      Array.from({ length: random.below(5) }, () => [
        strange[random.below(strange.length)],
        anything(random, depth + 1),
      ]),
    );
  };
  type Schema = { readonly [key: string]: unknown };
  /** Mostly of the shape that the document asks for, with something strange in it now and then. */
  const shaped = (schema: Schema, random: Random, depth = 0): unknown => {
    if (depth > 6 || random.below(8) === 0) return anything(random, depth);
    const options = (schema['anyOf'] ?? schema['oneOf']) as readonly Schema[] | undefined;
    if (options !== undefined) return shaped(options[random.below(options.length)] ?? {}, random, depth + 1);
    if (schema['const'] !== undefined) return schema['const'];
    if (Array.isArray(schema['enum'])) return schema['enum'][random.below(schema['enum'].length)];
    switch (schema['type']) {
      case 'object': {
        const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
        const kept = properties.filter(() => random.below(6) > 0);
        return Object.fromEntries(kept.map(([key, each]) => [key, shaped(each, random, depth + 1)]));
      }
      case 'array':
        return Array.from({ length: random.below(4) }, () =>
          shaped((schema['items'] ?? {}) as Schema, random, depth + 1),
        );
      case 'number':
      case 'integer':
        return [0, 1, 50, -1, 1.5, systemClock.now(), systemClock.now() - 60_000][random.below(7)];
      case 'string':
        return random.below(2) === 0 ? 'north-db-1' : strange[random.below(strange.length)];
      default:
        return anything(random, depth);
    }
  };
  type Operation = {
    readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
    readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  };

  test('nothing ends in a bug, and whatever is refused says why', async () => {
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    const seed = 20_261_125;
    const random = seededRandom(seed);
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    const agents = { authorization: 'Bearer agents' };
    for (let round = 0; round < 30; round += 1)
      for (const { path, method, operation } of operations) {
        const text = (schema: Schema) => encodeURIComponent(String(shaped(schema, random)).toWellFormed());
        const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
          text(operation.parameters.find((one) => one.in === 'path' && one.name === name)?.schema ?? {}),
        );
        const query = operation.parameters
          .filter((one) => one.in === 'query' && random.below(2) === 0)
          .map(({ name, schema }) => `${name}=${text(schema)}`);
        const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
        const body = type === undefined ? undefined : JSON.stringify(shaped(content?.schema ?? {}, random));
        const role = roles[random.below(roles.length)] ?? 'viewer';
        const headers: Record<string, string> = {
          ...host,
          ...(random.below(6) === 0 ? {} : { 'x-role': role }),
          ...(random.below(4) === 0 ? {} : own),
          ...(random.below(2) === 0 ? why : {}),
          ...(random.below(6) === 0 ? { cookie: 'coequal=x; coequal-device=y' } : {}),
          ...(type === undefined ? {} : { 'content-type': type }),
          ...((operation as { 'x-access'?: string })['x-access'] === 'agent' ? agents : {}),
        };
        const [status, code] = await told(method, `${at}?${query.join('&')}`, headers, body);
        const replay = `seed ${seed}, round ${round}: ${method} ${at}?${query.join('&')} ${body ?? ''} → ${status} ${code}`;
        expect(status < 500 || code === 'STORE_FAILED', replay).toBe(true);
        if (status >= 400) expect(code, replay).not.toBe('');
      }
  }, 60_000);
});
