/** `coequal login` and `coequal person` on a real platform: let in by a passkey, a token for its owner alone, people in and out. */
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { type RunningPlatform, startTryPlatform, WebClient } from '@coequal/platform/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runIn } from '../testing.ts';

let folder = '';
let platform: RunningPlatform;
let ann: WebClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-login-'));
  platform = await startTryPlatform(folder);
  ann = new WebClient(platform);
  await ann.enrol(platform.firstCode(), 'ann');
});
afterAll(async () => {
  await platform?.close();
  await rm(folder, { recursive: true });
});

const coequal = (home: string, ...args: readonly string[]) =>
  runIn([...args, '--platform', `http://127.0.0.1:${platform.port}`], {
    clock: systemClock,
    environment: { HOME: join(folder, home) },
    hears: (told) => {
      const code = /enter (\S+)/.exec(told)?.[1];
      if (code !== undefined) approving ??= ann.approve(code);
    },
  });
let approving: Promise<void> | undefined;

test('a terminal is let in, lets somebody in, and ends', async () => {
  const nobody = await coequal('ann', 'person', 'list');
  expect([nobody.code, nobody.told]).toEqual([2, expect.stringContaining('coequal login')]);
  const login = await coequal('ann', 'login', '--json');
  await approving;
  expect([login.code, JSON.parse(login.out)]).toEqual([0, expect.objectContaining({ name: 'ann' })]);
  const kept = join(folder, 'ann/.local/state/coequal');
  const [file = ''] = await readdir(kept);
  expect((await stat(join(kept, file))).mode & 0o777).toBe(0o600);
  const { token } = JSON.parse(await readFile(join(kept, file), 'utf8'));
  expect(`${login.out}${login.told}${platform.output()}`).not.toContain(token);

  const added = await coequal('ann', 'person', 'add', 'bob', '--role', 'operator', '--reason', 'joined', '--json');
  expect(added.code).toBe(0);
  const bob = new WebClient(platform);
  await bob.enrol(JSON.parse(added.out).code);
  const listed = await coequal('ann', 'person', 'list', '--json');
  expect(JSON.parse(listed.out).people).toMatchObject([
    { name: 'ann', passkeys: 1 },
    { name: 'bob', passkeys: 1, grants: [{ role: 'operator' }] },
  ]);
  expect((await bob.ask('GET', 'identity/me')).status).toBe(200);
  expect((await bob.ask('GET', 'overview')).status).toBe(200);
  expect((await bob.ask('GET', 'identity/people')).status).toBe(403);

  const wordless = await coequal('ann', 'person', 'revoke', 'bob');
  expect(wordless.code).toBe(2);
  expect((await coequal('ann', 'person', 'revoke', 'bob', '--reason', 'left')).code).toBe(0);
  expect((await bob.ask('GET', 'identity/me')).status).toBe(401);
  const unknown = await coequal('ann', 'person', 'revoke', 'eve', '--reason', 'left');
  expect([unknown.code, unknown.told]).toEqual([2, expect.stringContaining('There is no person eve')]);
  const half = await coequal('ann', 'person', 'enrol', 'ann', '--anew', '--reason', 'mine');
  expect([half.code, half.told]).toEqual([2, expect.stringContaining('Nobody changes')]);

  await chmod(join(kept, file), 0o644);
  const exposed = await coequal('ann', 'person', 'list');
  expect([exposed.code, exposed.told]).toEqual([2, expect.stringContaining('chmod 600')]);
  await chmod(join(kept, file), 0o600);
  expect((await coequal('ann', 'logout', '--json')).out).toBe('{"ended":true}\n');
  expect(await readdir(kept)).toEqual([]);
  const old = await ann.ask('GET', 'identity/people', undefined, { authorization: `Bearer ${token}`, cookie: '' });
  expect(old.status).toBe(401);
});

test('over HTTP nobody acts with another’s page, cookie or words', async () => {
  expect((await ann.ask('GET', 'identity/me')).status).toBe(200);
  const wrong = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'x-coequal': '0' },
    { 'sec-fetch-site': 'cross-site' },
    { cookie: ann.cookies.replace(/coequal-device=\S+/, 'coequal-device=aaaaaaaaaaaaaaaaaaaa') },
  ];
  for (const headers of wrong) {
    const { status } = await ann.ask('POST', 'identity/sign-out', undefined, headers);
    expect([400, 401, 403]).toContain(status);
  }
  expect((await ann.ask('GET', 'identity/me')).status).toBe(200);
  for (const body of [
    {},
    { name: 'x y', grants: [] },
    { name: 'eve', grants: [{ role: 'root' }] },
    { name: 'eve', grants: [{ role: 'viewer' }], more: 1 },
  ])
    expect((await ann.ask('POST', 'identity/people', body)).value).toMatchObject({
      code: 'REQUEST_INVALID',
      status: 400,
    });
  const large = await ann.ask('POST', 'identity/enrol/ask', { code: 'x'.repeat(100_000) });
  expect(large.status).toBe(413);
});
