/**
 * The ceremonies in a real browser: Chromium with its virtual authenticator, on the pages of a real platform at http://localhost. What the
 * browser shows is looked at, and what the platform has written down.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordsOf } from '@coequal/trust';
import chromium from '@sparticuz/chromium';
import { type Browser, type BrowserContext, type Page, chromium as playwright } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningPlatform, startTryPlatform } from './testing-server.ts';

let browser: Browser;
let platform: RunningPlatform;
const folder = mkdtempSync(join(tmpdir(), 'coequal-ceremony-'));

beforeAll(async () => {
  // As root there is no sandbox to be had.
  const args = ['--no-sandbox', '--disable-background-networking', '--disable-gpu'];
  browser = await playwright.launch({ executablePath: await chromium.executablePath(), args, headless: true });
  platform = await startTryPlatform(folder);
});

afterAll(async () => {
  await browser?.close();
  await platform?.close();
  rmSync(folder, { recursive: true });
});

type Visitor = { readonly context: BrowserContext; readonly page: Page };

/** A browser of somebody's own, with an authenticator that verifies its user. */
const visit = async (path: string): Promise<Visitor> => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
      ...{ isUserVerified: true, automaticPresenceSimulation: true },
    },
  });
  await page.goto(`${platform.origin}${path}`);
  return { context, page };
};

const enrol = async (code: string, name: string | undefined): Promise<Visitor> => {
  const visitor = await visit(`/identity/enrol#${code}`);
  const { page } = visitor;
  if (name !== undefined) await page.fill('#name', name);
  await page.click('#enrol button');
  await page.waitForSelector('#codes');
  expect(await page.locator('#codes li').count()).toBe(10);
  expect(page.url()).not.toContain(code);
  await page.click('#go-on');
  await page.waitForSelector('#who');
  return visitor;
};

test('the first one comes in, lets a second one in, signs out and in, and lets a terminal in', async () => {
  const ann = await enrol(platform.firstCode(), 'ann');
  expect(await ann.page.textContent('#who')).toBe('ann');
  const cookies = await ann.context.cookies();
  expect(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]).sort()).toEqual([
    ['coequal', true, 'Strict'],
    ['coequal-device', true, 'Strict'],
  ]);
  expect(await ann.page.evaluate('document.cookie')).toBe('');

  const added = await ann.page.evaluate(`fetch('/api/v1/identity/people', {
    method: 'POST',
    headers: { 'x-coequal': '1', 'content-type': 'application/json', 'coequal-reason': 'bob works here' },
    body: JSON.stringify({ name: 'bob', grants: [{ role: 'operator' }] }),
  }).then((answer) => answer.json())`);
  const { url } = added as { url: string };
  expect(url.startsWith(`${platform.origin}/identity/enrol#`)).toBe(true);
  const bob = await enrol(url.split('#')[1] ?? '', undefined);
  expect(await bob.page.textContent('#who')).toBe('bob');

  await bob.page.click('#sign-out');
  await bob.page.click('#passkey');
  await bob.page.waitForSelector('#who');

  const asked = await platform.post('terminals', { client: 'bob@north-1' });
  const { deviceCode, userCode } = asked as { deviceCode: string; userCode: string };
  await bob.page.goto(`${platform.origin}/identity/terminal`);
  await bob.page.fill('#code', userCode);
  await bob.page.click('#terminal button');
  await bob.page.waitForSelector('#approve');
  expect(await bob.page.textContent('#client')).toBe('bob@north-1, from 127.0.0.1');
  await bob.page.click('#approve');
  await bob.page.waitForSelector('#said:has-text("It is in.")');
  expect(await platform.post('terminals/token', { deviceCode })).toMatchObject({ state: 'approved', name: 'bob' });

  const actions = new Set<string>();
  for await (const each of recordsOf(join(folder, 'audit')))
    for (const { record } of each) actions.add(`${record.actor} ${record.action}`);
  for (const one of ['person:ann identity.enrol', 'person:ann identity.person.add', 'person:bob identity.sign-in'])
    expect(actions).toContain(one);
});

test('a page of another origin gets nothing, and a script of its own does not run here', async () => {
  const eve = await visit('/identity');
  await eve.page.route('https://evil.example/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<h1>evil</h1>' }),
  );
  await eve.page.goto('https://evil.example/');
  const answer =
    await eve.page.evaluate(`fetch('${platform.origin}/api/v1/identity/sign-in/ask', { method: 'POST', mode: 'no-cors' })
    .then(async (answer) => answer.type + (await answer.text()), () => 'refused')`);
  expect(['refused', 'opaque']).toContain(answer);
  await eve.page.goto(`${platform.origin}/identity`);
  await eve.page.waitForSelector('#passkey');
  const ran = await eve.page.evaluate(`(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    return window.ran === true;
  })()`);
  expect(ran).toBe(false);
});

test('whoever has no passkey here does not come in, and is told no more than that', async () => {
  const eve = await visit('/identity');
  await eve.page.click('#passkey');
  await eve.page.waitForSelector('#said:not(:empty)');
  expect(await eve.page.locator('#who').count()).toBe(0);
});
