/**
 * A platform under its public name, behind a real proxy with TLS (HAProxy): people come in through it, what the proxy says of them counts, and
 * what anybody else says does not.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock } from '@coequal/kernel';
import { issueCertificate, makeAuthority, recordsOf } from '@coequal/trust';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SoftAuthenticator } from './testing.ts';
import { freePort, type RunningPlatform, startTryPlatform } from './testing-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'coequal-proxy-'));
const host = 'coequal.bank.example';
const origin = `https://${host}`;
/** Another address of this machine: a client that is no proxy. */
const client = '127.9.9.9';
const closing: (() => unknown)[] = [];
let platform: RunningPlatform;
let proxyPort = 0;
let authority = '';

beforeAll(async () => {
  platform = await startTryPlatform(folder, `, url: "${origin}", trustedProxies: [127.0.0.1]`);
  closing.push(() => platform.close());
  const made = await makeAuthority('Proxy authority', { days: 2, clock: systemClock });
  authority = made.certificate;
  const { certificate, key } = await issueCertificate(
    made,
    { commonName: host, dnsNames: [host], addresses: [], days: 1, usage: 'server' },
    systemClock,
  );
  writeFileSync(join(folder, 'proxy.pem'), `${certificate}\n${key}`, { mode: 0o600 });
  proxyPort = await freePort();
  const lines = [
    ...['global', '  maxconn 200', 'defaults', '  mode http', '  timeout connect 5s', '  timeout client 1h'],
    ...['  timeout server 1h', 'frontend tls', `  bind 127.0.0.1:${proxyPort} ssl crt ${join(folder, 'proxy.pem')}`],
    ...['  option forwardfor', '  http-request set-header X-Forwarded-Proto https', '  default_backend platform'],
    ...['backend platform', `  server platform 127.0.0.1:${platform.port}`],
  ];
  writeFileSync(join(folder, 'haproxy.cfg'), `${lines.join('\n')}\n`);
  const found = await findCompanion('haproxy', {
    ...{ cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0), environment: process.env },
    ...{ clock: systemClock, progress: () => undefined },
  });
  const proxy = spawn(found.files[0], ['-db', '-f', join(folder, 'haproxy.cfg')], {
    env: { ...process.env, ...found.environment },
    stdio: 'ignore',
  });
  closing.push(async () => {
    proxy.kill('SIGTERM');
    if (proxy.exitCode === null) await once(proxy, 'exit');
  });
  const untilMs = systemClock.monotonic() + 30_000;
  while ((await ask('GET', '/healthz').catch(() => undefined))?.status !== 200) {
    if (systemClock.monotonic() > untilMs) throw new Error('the proxy does not answer');
    await systemClock.sleep(50);
  }
});

afterAll(async () => {
  for (const close of closing.toReversed()) await close();
  rmSync(folder, { recursive: true });
});

const cookies = new Map<string, string>();
const setCookies: string[] = [];

type Answer = { readonly status: number; readonly value: Record<string, unknown> };

const headersOf = (more: Readonly<Record<string, string>>): Record<string, string> => ({
  ...{ host, origin, 'x-coequal': '1', 'coequal-reason': 'a test', 'content-type': 'application/json' },
  cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
  ...more,
});

const sent = async (
  send: (headers: Record<string, string>) => ReturnType<typeof request>,
  body: object | undefined,
  more: Readonly<Record<string, string>>,
): Promise<IncomingMessage> => {
  const asking = send(headersOf(more));
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  for (const cookie of answer.headers['set-cookie'] ?? []) {
    setCookies.push(cookie);
    const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
    cookies.set(name, value);
  }
  return answer;
};

const answered = async (answer: IncomingMessage): Promise<Answer> => {
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  const json = text.startsWith('{');
  return { status: answer.statusCode ?? 0, value: json ? JSON.parse(text) : {} };
};

const through =
  (method: string, path: string) =>
  (headers: Record<string, string>): ReturnType<typeof request> =>
    request({
      ...{ host: '127.0.0.1', port: proxyPort, servername: host, localAddress: client, ca: authority, agent: false },
      ...{ method, path, headers },
    });

const ask = async (
  method: string,
  path: string,
  body?: object,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> => answered(await sent(through(method, path), body, more));

/** Past the proxy, from an address that is none. */
const past = async (path: string, more: Readonly<Record<string, string>>, from = client): Promise<Answer> =>
  answered(
    await sent(
      (headers) =>
        plainRequest({
          ...{ host: '127.0.0.1', port: platform.port, localAddress: from, method: 'GET', path, headers, agent: false },
        }),
      undefined,
      more,
    ),
  );

const sourcesOf = async (action: string): Promise<readonly unknown[]> => {
  const sources: unknown[] = [];
  for await (const records of recordsOf(join(folder, 'audit')))
    for (const { record } of records) if (record.action === action) sources.push(record.details?.['source']);
  return sources;
};

test('somebody comes in under the public name, and is who the proxy says', async () => {
  const code = platform.firstCode();
  expect(platform.output()).toContain(`${origin}/identity/enrol`);
  const authenticator = new SoftAuthenticator();
  const spoofed = { 'x-forwarded-for': '192.0.2.1' };
  const { value } = await ask('POST', '/api/v1/identity/enrol/ask', { code, name: 'ann' }, spoofed);
  const { ceremony, options } = value as { ceremony: string; options: { rp: { id: string } } };
  expect(options.rp.id).toBe(host);
  const response = authenticator.create({ options }, { origin });
  expect((await ask('POST', '/api/v1/identity/enrol', { code, ceremony, response }, spoofed)).status).toBe(200);
  expect(setCookies).toHaveLength(2);
  for (const cookie of setCookies) expect(cookie).toMatch(/^__Host-.*; Secure$/);
  expect(await ask('GET', '/api/v1/identity/me')).toMatchObject({ status: 200, value: { name: 'ann' } });
  expect(new Set(await sourcesOf('identity.enrol'))).toEqual(new Set([client]));
});

test('nobody speaks for others past the proxy, or under another name', async () => {
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1', 'x-forwarded-host': host };
  const path = '/api/v1/identity/me';
  const refused = [
    past(path, {}),
    past(path, forwarded),
    past(path, { ...forwarded, host: 'localhost' }),
    past(path, { 'x-forwarded-for': '192.0.2.1' }, '127.0.0.1'),
    past(path, { 'x-forwarded-proto': 'https' }, '127.0.0.1'),
    ask('GET', path, undefined, { host: 'evil.example' }),
    ask('GET', path, undefined, { 'x-forwarded-host': 'evil.example' }),
    ask('GET', path, undefined, { origin: 'https://evil.example' }),
  ];
  for (const answer of refused) expect((await answer).status).toBeGreaterThanOrEqual(400);
  expect((await ask('GET', path)).status).toBe(200);
});

test('an open stream goes through, and ends with its session', async () => {
  const stream = await sent(through('GET', '/api/v1/events'), undefined, {});
  expect(stream.statusCode).toBe(200);
  await once(stream, 'data');
  const over = once(stream, 'end');
  stream.resume();
  expect((await ask('POST', '/api/v1/identity/sign-out')).status).toBe(204);
  await over;
  expect((await ask('GET', '/api/v1/identity/me')).status).toBe(401);
});
