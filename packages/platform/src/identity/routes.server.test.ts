/**
 * Every route of identity, as the document of the API lists them, on a real platform: by nobody, by pages of others, with stolen parts of a
 * session, and by people who may not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningPlatform, startTryPlatform, WebClient } from './testing-server.ts';

type Listed = { readonly method: string; readonly path: string; readonly body: boolean };

const folder = mkdtempSync(join(tmpdir(), 'coequal-routes-'));
let platform: RunningPlatform;
let ann: WebClient;
let bob: WebClient;
let routes: readonly Listed[] = [];

beforeAll(async () => {
  platform = await startTryPlatform(folder);
  ann = new WebClient(platform);
  await ann.enrol(platform.firstCode(), 'ann');
  const grants = [{ role: 'operator' }, { role: 'approver' }, { role: 'viewer' }];
  const { value } = await ann.ask('POST', 'identity/people', { name: 'bob', grants });
  bob = new WebClient(platform);
  await bob.enrol(String(value['code']));
  const document = await (await fetch(`${platform.origin}/api/openapi.json`)).json();
  routes = Object.entries(
    (document as { paths: Record<string, Record<string, Record<string, unknown>>> }).paths,
  ).flatMap(([path, operations]) =>
    path.startsWith('/api/v1/identity/')
      ? Object.entries(operations).map(([method, operation]) => ({
          ...{ method: method.toUpperCase(), path: path.slice('/api/v1/'.length), body: 'requestBody' in operation },
        }))
      : [],
  );
});
afterAll(async () => {
  await platform?.close();
  rmSync(folder, { recursive: true });
});

const filled = (path: string): string => path.replaceAll(/\{\w+\}/g, 'bob');
const bodyOf = ({ body }: Listed): object | undefined => (body ? {} : undefined);

/** Asks again after a moment where the rate of its class is used up: what is looked for is what stands behind it. */
const asked = async (
  client: WebClient,
  route: Listed,
  body: object | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly code: unknown }> => {
  for (;;) {
    const { status, value } = await client.ask(route.method, filled(route.path), body, headers);
    if (value['code'] !== 'REQUEST_TOO_MANY') return { status, code: value['code'] };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

/** What proves by itself who somebody is, and so is for anybody. */
const open = [
  ...['enrol/ask', 'enrol', 'sign-in/ask', 'sign-in', 'sign-in/totp', 'sign-in/recovery', 'sign-in/ways'],
  ...['sign-in/password', 'sign-in/oidc/ask', 'sign-in/oidc', 'terminals', 'terminals/token'],
].map((path) => `identity/${path}`);

test('whoever is nobody, or has half of a session, gets nothing that is not for anybody', async () => {
  expect(routes.length).toBeGreaterThan(30);
  const device = ann.cookies.split('; ').find((one) => one.startsWith('coequal-device=')) ?? '';
  const session = ann.cookies.split('; ').find((one) => one.startsWith('coequal=')) ?? '';
  const bobDevice = bob.cookies.split('; ').find((one) => one.startsWith('coequal-device=')) ?? '';
  for (const route of routes)
    if (!open.includes(route.path))
      for (const cookie of ['', device, session, `${session}; ${bobDevice}`, `${session}; ${session}; ${device}`]) {
        const { status } = await asked(ann, route, bodyOf(route), { cookie });
        expect(status, `${route.method} ${route.path} with ${cookie.replaceAll(/=[^;]+/g, '')}`).toBe(401);
      }
});

test('pages of others change nothing', async () => {
  for (const route of routes)
    for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }]) {
      const { status } = await asked(ann, route, bodyOf(route), headers);
      expect([400, 403], `${route.method} ${route.path} ${JSON.stringify(headers)}`).toContain(status);
    }
  for (const route of routes.filter(({ method }) => method !== 'GET'))
    for (const headers of [{ 'x-coequal': '0' }, { 'sec-fetch-site': 'cross-site' }]) {
      const { status } = await asked(ann, route, bodyOf(route), headers);
      expect(status, `${route.method} ${route.path} ${JSON.stringify(headers)}`).toBe(403);
    }
  expect((await ann.ask('GET', 'identity/me')).status).toBe(200);
});

test('who acts gives no access: everything about others is refused', async () => {
  const about = routes.filter(({ path }) => path.includes('people') || path.includes('re-enrolments'));
  expect(about.length).toBeGreaterThan(6);
  for (const route of about) {
    const { status } = await asked(bob, route, bodyOf(route));
    expect(status, `${route.method} ${route.path}`).toBe(403);
  }
  const reasonless = await ann.ask('POST', 'identity/people/bob/revoke', undefined, { 'coequal-reason': '' });
  expect(reasonless).toMatchObject({ status: 403, value: { code: 'ACCESS_DENIED' } });
  expect((await bob.ask('GET', 'identity/me')).status).toBe(200);
});
