/** Accounts of programs: made at the machine and over the API, told once, ended at once; what is wrong is said in one line. */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
let config = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-accounts-'));
  config = join(folder, 'coequal.yaml');
  await writeFile(
    config,
    `version: 1
name: try
sites:
  - {name: north, hosts: [{name: north-1, address: 10.0.0.1}]}
  - {name: south, hosts: [{name: south-1, address: 10.0.1.1}]}
  - {name: west, hosts: [{name: west-1, address: 10.0.2.1}]}
services:
  - name: bank
    database: bank
    tls: false
    gateway: {account: {user: gateway, passwordFile: /etc/password}}
    instances:
      - {name: north-db-1, host: north-1, dataFolder: /data}
      - {name: south-db-1, host: south-1, dataFolder: /data}
      - {name: west-db-1, host: west-1, dataFolder: /data}
platforms:
  - {name: watch, host: north-1, stateFolder: ${join(folder, 'state')}}
`,
  );
});
afterEach(() => rm(folder, { recursive: true }));

const add = (...more: readonly string[]) =>
  runIn(['service-account', 'add', 'grafana', '--at-machine', '--config', config, '--json', ...more]);

test('at the machine: the token is in a file for its owner alone, and nowhere else', async () => {
  const file = join(folder, 'grafana.token');
  const made = await add('--role', 'viewer', '--service', 'bank', '--write', file);
  expect([made.code, JSON.parse(made.out)]).toEqual([0, { account: 'grafana', file }]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const token = (await readFile(file, 'utf8')).trim();
  expect(token).toMatch(/^coequal-sa-[\w-]{43}$/);
  const again = await add('--role', 'viewer');
  expect(JSON.parse(again.out)).toMatchObject({ token: expect.not.stringContaining(token) });
  expect((await runIn(['service-account', 'revoke', 'grafana', '--at-machine', '--config', config])).code).toBe(0);
  const unknown = await runIn(['service-account', 'revoke', 'grafana', '--at-machine', '--config', config]);
  expect([unknown.code, unknown.told]).toEqual([
    2,
    expect.stringMatching(/^coequal: There is no service account grafana/),
  ]);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  const holding = [];
  for (const { parentPath, name } of files)
    if ((await readFile(join(parentPath, name))).includes(token)) holding.push(name);
  expect(holding).toEqual(['grafana.token']);
  const audited = await runIn(['audit', 'verify', join(folder, 'state', 'audit'), '--json']);
  expect([audited.code, audited.out]).toEqual([0, expect.stringContaining('"watch"')]);
});

test('the database goes back to an earlier shape and is restored, and both are recorded', async () => {
  await add('--role', 'viewer');
  const state = join(folder, 'state');
  const back = await runIn(['platform', 'back', '001-incidents-and-events', '--config', config, '--json']);
  const { steps, backup } = JSON.parse(back.out) as { steps: string[]; backup: string };
  expect([back.code, steps.includes('002-access')]).toEqual([0, true]);
  const restored = await runIn(['platform', 'restore', backup, '--config', config, '--json']);
  expect([restored.code, JSON.parse(restored.out)]).toMatchObject([0, { restored: backup, aside: expect.any(String) }]);
  expect((await runIn(['service-account', 'revoke', 'grafana', '--at-machine', '--config', config])).code).toBe(0);
  const none = await runIn(['platform', 'back', 'none', '--config', config]);
  expect([none.code, none.told]).toEqual([2, expect.stringContaining('has no step none')]);
  expect((await runIn(['platform', 'restore', config, '--config', config])).told).toContain('BACKUP_INVALID');
  const file = join(folder, 'audit.csv');
  await runIn(['audit', 'export', join(state, 'audit'), '--out', file, '--format', 'csv']);
  const recorded = await readFile(file, 'utf8');
  for (const action of ['service-account.add', 'platform.step-back', 'platform.restore'])
    expect(recorded).toContain(action);
});

test('what cannot be given is refused', async () => {
  expect((await add('--role', 'root')).told).toContain('viewer');
  expect((await add('--role', 'viewer', '--days', '0')).code).toBe(2);
  expect(
    (await runIn(['service-account', 'add', 'x', '--role', 'viewer', '--at-machine', '--config', '/none'])).code,
  ).toBe(2);
  const empty = join(folder, 'empty.token');
  await writeFile(empty, 'two words\n');
  const wrong = await runIn(['service-account', 'list', '--platform', 'http://127.0.0.1:1', '--token-file', empty]);
  expect([wrong.code, wrong.told]).toEqual([2, expect.stringContaining('holds no token')]);
});

test('over the API the token and the reason are shown', async () => {
  const seen: (string | undefined)[][] = [];
  const account = {
    ...{ id: 'service-1', name: 'grafana', grants: [{ role: 'viewer', services: '*', sites: '*' }], createdMs: 0 },
    ...{ createdBy: 'kim', expiresMs: 86_400_000, revokedMs: null, revokedBy: null },
  };
  const server = createServer((request, response) => {
    const { authorization, 'coequal-reason': reason } = request.headers;
    seen.push([`${request.method} ${request.url}`, authorization, reason?.toString()]);
    request.resume();
    const list = { items: [account], next: null };
    const made = { account, token: 'coequal-sa-made' };
    response.end(JSON.stringify(request.method === 'GET' ? list : request.method === 'POST' ? made : account));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const file = join(folder, 'kim.token');
  await writeFile(file, 'session-of-kim\n');
  const script = { environment: { COEQUAL_TOKEN_FILE: file } };
  const flags = ['--platform', url];
  const made = await runIn(
    ['service-account', 'add', 'grafana', '--role', 'viewer', '--reason', 'dashboards – all', ...flags],
    script,
  );
  expect([made.code, made.out]).toEqual([0, 'coequal-sa-made\n']);
  expect((await runIn(['service-account', 'list', ...flags], script)).out).toMatch(/grafana +viewer +in use/);
  expect((await runIn(['service-account', 'revoke', 'grafana', '--reason', 'mailed', ...flags], script)).code).toBe(0);
  expect(seen).toEqual([
    ['POST /api/v1/service-accounts', 'Bearer session-of-kim', 'dashboards%20%E2%80%93%20all'],
    ['GET /api/v1/service-accounts', 'Bearer session-of-kim', undefined],
    ['DELETE /api/v1/service-accounts/grafana', 'Bearer session-of-kim', 'mailed'],
  ]);
  server.close();
});

test('a review is asked for with its day and zone, and printed as lines, as a table, or as it is', async () => {
  const asked: string[] = [];
  const entry = {
    ...{ subject: { kind: 'person', id: 'p', name: 'ann' }, role: 'operator', services: ['bank'], sites: '*' },
    ...{ givenBy: 'kim', fromMs: 0, toMs: null, endedBy: null, actions: ['query.kill'] },
  };
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    request.resume();
    if (request.url?.includes('Mars') === true) {
      const told = { type: 'about:blank', title: 'x', status: 400, detail: 'There is no time zone Mars.', code: 'X' };
      response.writeHead(400).end(JSON.stringify(told));
    } else if (request.url?.includes('.csv') === true) response.end('kind,name\r\nperson,ann\r\n');
    else response.end(JSON.stringify({ fromMs: 0, toMs: 1, items: [entry] }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const review = (...flags: readonly string[]) => runIn(['access', 'review', '--platform', url, ...flags]);
  expect((await review('--on', '2026-03-01', '--zone', 'Asia/Shanghai')).out).toMatch(
    /person ann +operator +bank +all +1970-01-01 00:00 +kim/,
  );
  expect((await review('--csv')).out).toBe('kind,name\r\nperson,ann\r\n');
  expect(JSON.parse((await review('--json')).out)).toEqual({ fromMs: 0, toMs: 1, items: [entry] });
  const wrong = await review('--csv', '--zone', 'Mars');
  expect([wrong.code, wrong.out, wrong.told]).toEqual([2, '', expect.stringContaining('There is no time zone Mars.')]);
  expect(asked.slice(0, 2)).toEqual([
    '/api/v1/access-review?zone=Asia%2FShanghai&on=2026-03-01',
    '/api/v1/access-review.csv?zone=UTC',
  ]);
  server.close();
});
