/** The real process: what it told of is there after a kill at any moment, whole, and goes on; what is wrong at the start is one line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { incidentPage } from '@coequal/contract';
import { estateOrThrow, formatEstate } from '@coequal/estate';
import { seededRandom, systemClock, until } from '@coequal/kernel';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addServiceAccountOffline } from './adapters/offline.ts';
import { platformSettings } from './settings.ts';
import { everywhere, tryEstate } from './testing.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
let folder = '';
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-platform-'));
});
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  rmSync(folder, { recursive: true, force: true });
});

const freePort = async (): Promise<number> => {
  const server = createSocket().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const writeEstate = (port: number, more: object = {}): string => {
  const estate = tryEstate();
  const platforms = estate.platforms.map((one) => ({ ...one, port, stateFolder: join(folder, 'state'), ...more }));
  const path = join(folder, 'coequal.yaml');
  writeFileSync(path, formatEstate({ ...estate, platforms }));
  return path;
};

const start = (config: string, ...flags: readonly string[]) => {
  const child = spawn(process.execPath, [program, '--config', config, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  return { child, said };
};

const deadline = { deadlineMs: 60_000, everyMs: 20 };

/** Somebody who may look; made at the machine, before the platform runs. */
const letIn = async (config: string) => {
  const settings = platformSettings(estateOrThrow(readFileSync(config, 'utf8'), config), undefined);
  const wanted = { name: 'looker', grants: [everywhere('viewer')], lifeMs: 3_600_000 };
  const token = await addServiceAccountOffline(settings, wanted, { clock: systemClock, user: 'test' });
  return { authorization: `Bearer ${token}` };
};

const listed = async (url: string, headers: { readonly authorization: string }) =>
  incidentPage.parse(await (await fetch(`${url}/api/v1/incidents?limit=500`, { headers })).json()).items;

const serving = (url: string) =>
  until(systemClock, { what: 'An answer of the platform', ...deadline }, async () =>
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );

const postAlert = (url: string, index: number) =>
  fetch(`${url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ labels: { alertname: `Alert${index}`, severity: 'critical', service: `s${index}` } }]),
  });

test('what was told of survives kills at any moment, and goes on as it was', async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = writeEstate(port);
  const looker = await letIn(config);
  const random = seededRandom(7);
  const seen = new Map<string, string>();
  for (let round = 0; round < 4; round += 1) {
    const { child } = start(config);
    await serving(url);
    const before = await listed(url, looker);
    for (const [id, title] of seen) expect(before.find((one) => one.id === id)?.title).toBe(title);
    for (let index = 0; index < 30; index += 1) await postAlert(url, round * 30 + index);
    const known = seen.size;
    await until(systemClock, { what: 'New incidents', ...deadline }, async () => {
      for (const { id, title } of await listed(url, looker)) seen.set(id, title);
      return seen.size > known;
    });
    await systemClock.sleep(random.below(30));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  start(config);
  await serving(url);
  const after = await listed(url, looker);
  expect(after.filter(({ id }) => seen.has(id))).toHaveLength(seen.size);
  expect(new Set(after.map(({ id }) => id)).size).toBe(after.length);
  expect(after.every(({ state }) => state === 'open')).toBe(true);
});

test('webhooks are told of what fires, with the incident it belongs to, and the end in order is no failure', async () => {
  const told: unknown[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      told.push(JSON.parse(body));
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const address = receiver.address();
  const hook = typeof address === 'object' && address !== null ? address.port : 0;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = writeEstate(port, { webhooks: [{ url: `http://127.0.0.1:${hook}/hook`, resolved: true }] });
  const looker = await letIn(config);
  const { child } = start(config);
  await serving(url);
  await postAlert(url, 1);
  await until(systemClock, { what: 'A message to the webhook', ...deadline }, () => told.length > 0);
  const [incident] = await listed(url, looker);
  expect(told[0]).toMatchObject({
    ...{ version: '4', status: 'firing' },
    alerts: [{ labels: { alertname: 'Alert1' }, annotations: { incident: incident?.id } }],
  });
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  receiver.close();
});

test('what is wrong at the start is one line, and the code is 2', async () => {
  const port = await freePort();
  const ended = async (...args: Parameters<typeof start>) => {
    const { child, said } = start(...args);
    const [code] = await once(child, 'close');
    return { code, ...said };
  };
  const config = writeEstate(port);
  const checked = await ended(config, '--check', '--json');
  expect([checked.code, JSON.parse(checked.out)]).toMatchObject([
    0,
    { valid: true, settings: { name: 'watch', port } },
  ]);
  expect(await ended(config, '--name', 'other')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^coequal: There is no platform other.*\n$/),
  });
  const rules = join(folder, 'rules.yml');
  writeFileSync(rules, 'groups:\n  - name: a\n    rules:\n      - alert: A\n');
  const wrong = await ended(writeEstate(port, { rules: [rules] }), '--check');
  expect(wrong).toMatchObject({ code: 2, err: expect.stringMatching(/rules\.yml:\d+: /) });
  const holder = createSocket().listen(port, '127.0.0.1');
  await once(holder, 'listening');
  expect(await ended(writeEstate(port))).toMatchObject({
    code: 2,
    err: expect.stringMatching(/Port \d+ on 127\.0\.0\.1 is already in use/),
  });
  holder.close();
});
