/**
 * The real program beside a real store, with a platform and an exporter of ours: what it collects arrives, nothing is lost while the store is away,
 * events are told until they are taken, and it ends in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Event } from '@coequal/contract';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { encodeRemoteWrite, Outbox, StoreClient } from '@coequal/signals';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outboxBytes, outboxSegmentBytes } from './limits.ts';
import { type Daemon, endDaemon, freePort, startDaemon, writeEstate } from './testing/daemon.ts';
import { type Exporter, openExporter, openReceiver, type Receiver } from './testing/receiver.ts';

const deadlineMs = 60_000;
let folder = '';
let config = '';
let port = 0;
let storePort = 0;
let platform: Receiver;
let exporter: Exporter;
let store: ChildProcess | undefined;
let startStore: () => ChildProcess;
const daemons: Daemon[] = [];

const start = (...more: readonly string[]): Daemon => {
  const daemon = startDaemon(['--config', config, '--host', 'north-1', ...more]);
  daemons.push(daemon);
  return daemon;
};
const page = async (path: string, init: RequestInit = {}): Promise<Response | undefined> => {
  try {
    return await fetch(`http://127.79.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
};
const events = (): readonly Event[] => platform.reports.flatMap((report) => report.events);
const waitFor = <T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> =>
  until(systemClock, { what, deadlineMs, last: () => daemons.at(-1)?.said().slice(-500) ?? '' }, probe);
const stopStore = async (): Promise<void> => {
  if (store === undefined) return;
  store.kill();
  await once(store, 'exit');
  store = undefined;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-agent-'));
  config = join(folder, 'coequal.yaml');
  [port, storePort] = [await freePort('127.79.0.1'), await freePort()];
  platform = await openReceiver();
  exporter = await openExporter('array_temperature_celsius{instance="shelf 1"} 41\n');
  writeFileSync(join(folder, 'error.log'), '');
  writeEstate(
    config,
    `  - host: north-1
    port: ${port}
    stateFolder: ${folder}/state
    logs: [{ path: ${folder}/error.log, instance: bank-north }]
    scrapes: [{ job: array, url: "${exporter.url}/metrics", every: 1s, service: bank, instance: array-1 }]
    sendTo: { store: "http://127.0.0.1:${storePort}", platforms: ["${platform.url}"] }`,
  );
  const found = await findCompanion('victoria-metrics', {
    cacheFolder: cacheFolderOf(process.env, process.getuid?.() ?? 0),
    environment: process.env,
    clock: systemClock,
    progress: () => undefined,
  });
  startStore = () =>
    spawn(
      found.files[0],
      [
        ...[`-storageDataPath=${folder}/store`, `-httpListenAddr=127.0.0.1:${storePort}`, '-memory.allowedBytes=100MB'],
        ...['-search.latencyOffset=0s', '-dedup.minScrapeInterval=1ms'],
      ],
      { env: { ...process.env, ...found.environment }, cwd: folder, stdio: 'ignore' },
    );
});
afterAll(async () => {
  for (const daemon of daemons) await endDaemon(daemon);
  await stopStore();
  await platform.close();
  await exporter.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what it sees arrives in the store and at the platform, and nothing is lost while either is away', async () => {
  // The platform refuses at first: events wait for it, samples do not.
  platform.answer = 503;
  const daemon = start();
  await waitFor('its page', () => page('/-/healthy'));
  await waitFor('rounds with the store away', async () => {
    const text = (await (await page('/metrics'))?.text()) ?? '';
    return Number(/^coequal_agent_bodies_waiting\{[^}]*to="store"\} (\d+)$/m.exec(text)?.[1]) >= 3;
  });
  appendFileSync(join(folder, 'error.log'), '2026-11-25 12:34:10 0 [Note] mariadbd: ready for connections.\n');
  appendFileSync(join(folder, 'error.log'), "2026-11-25 12:34:10 4 [Warning] Aborted connection 4 to db: 'b' (x)\n");
  await waitFor('the lines to be read', async () =>
    /^coequal_log_lines_total\{.*severity="warning".*\} 1$/m.test((await (await page('/metrics'))?.text()) ?? ''),
  );
  store = startStore();
  platform.answer = 204;
  await waitFor('events at the platform', () => events().some(({ kind }) => kind === 'log'));
  expect(events().map((event) => (event.kind === 'change' ? event.text : event.template))).toEqual([
    'the start of the agent north-1',
    'the start of bank-north',
    'mariadbd: ready for connections.',
    'Aborted connection <*> to db: <*> (x)',
  ]);
  expect(new Set(events().map(({ id }) => id)).size).toBe(4);
  const live = await waitFor('live samples', () =>
    platform.samples.find(({ name }) => name === 'array_temperature_celsius'),
  );
  expect(live.labels).toEqual([
    ['exported_instance', 'shelf 1'],
    ['host', 'north-1'],
    ['instance', 'array-1'],
    ['job', 'array'],
    ['service', 'bank'],
    ['site', 'north'],
  ]);
  await waitFor('the store to have all of it', async () =>
    /^coequal_agent_bodies_waiting\{[^}]*to="store"\} 0$/m.test((await (await page('/metrics'))?.text()) ?? ''),
  );
  await stopStore();
  await waitFor('the store to be missed', async () =>
    /^coequal_agent_link_up\{[^}]*to="store"\} 0$/m.test((await (await page('/metrics'))?.text()) ?? ''),
  );
  store = startStore();
  await waitFor('the store to be back', async () =>
    /^coequal_agent_bodies_waiting\{[^}]*to="store"\} 0$/m.test((await (await page('/metrics'))?.text()) ?? ''),
  );
  daemon.process.kill('SIGTERM');
  expect(await daemon.ended).toBe(0);
  expect(daemon.said()).toContain('"event":"the agent ends","reason":"SIGTERM"');
  const client = new StoreClient({
    url: `http://127.0.0.1:${storePort}`,
    deadlineMs: 10_000,
    answerBytes: 10_000_000,
  });
  // One value for every round that was counted: none was lost, none is there twice.
  const query = async (text: string): Promise<number> => {
    const answer = await client.instant(text, systemClock.now());
    return answer.ok ? (answer.series[0]?.values.at(-1) ?? Number.NaN) : Number.NaN;
  };
  const counted = await waitFor('the last samples', async () => {
    const stored = await query('count_over_time(node_time_seconds{host="north-1",job="node",site="north"}[10m])');
    const rounds = await query('max_over_time(coequal_agent_rounds_total{instance="north-1"}[10m])');
    return stored === rounds && { stored, rounds };
  });
  expect(counted.stored).toBeGreaterThan(5);
  expect(await query('max_over_time(up{job="array",instance="array-1"}[10m])')).toBe(1);
  expect(readdirSync(join(folder, 'state')).sort()).toEqual([
    'changes.token',
    'compiled',
    'events',
    'log-places.json',
    'samples',
  ]);
});

test('an hour that waits on disk is in the store in the end, each sample once, over kills of both', async () => {
  await stopStore();
  const [seconds, signals] = [3_600, 50];
  const endMs = Math.floor(systemClock.now() / 1_000) * 1_000 - 5_000;
  // What an agent leaves on disk that saw no store for an hour.
  const outbox = await Outbox.open({
    folder: join(folder, 'state', 'samples'),
    limitBytes: outboxBytes,
    segmentBytes: outboxSegmentBytes,
  });
  for (let second = 1; second <= seconds; second += 1) {
    const timeMs = endMs - (seconds - second) * 1_000;
    const samples = Array.from({ length: signals }, (_, index) => ({
      name: 'outage_total',
      labels: [['signal', String(index)]] as const,
      value: second * (index + 1),
      timeMs,
    }));
    await outbox.append(encodeRemoteWrite(samples));
  }
  await outbox.close();
  const waiting = async (): Promise<number> => {
    const text = (await (await page('/metrics'))?.text()) ?? '';
    return Number(/^coequal_agent_bodies_waiting\{[^}]*to="store"\} (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  };
  platform.samples.length = 0;
  const first = start();
  await waitFor('what waits, and more of it', async () => (await waiting()) > seconds + 2);
  // The platform goes on meanwhile.
  expect(platform.samples.filter(({ name }) => name === 'node_time_seconds').length).toBeGreaterThan(0);
  store = startStore();
  await waitFor('some to be taken', async () => (await waiting()) < seconds * 0.9);
  store.kill('SIGKILL');
  await once(store, 'exit');
  // What it had taken and not yet on its disk comes again.
  store = startStore();
  await waitFor('more to be taken', async () => (await waiting()) < seconds * 0.6);
  first.process.kill('SIGKILL');
  await first.ended;
  const second = start();
  await waitFor('all to be taken', async () => (await waiting()) === 0);
  const client = new StoreClient({ url: `http://127.0.0.1:${storePort}`, deadlineMs: 30_000, answerBytes: 10_000_000 });
  const valuesOf = async (query: string): Promise<readonly number[]> => {
    const answer = await client.instant(query, endMs);
    return answer.ok ? answer.series.map(({ values }) => values[0] ?? Number.NaN).sort((a, b) => a - b) : [];
  };
  const each = Array.from({ length: signals }, (_, index) => index + 1);
  let counts: readonly number[] = [];
  const found = { what: 'all samples to be found', deadlineMs, last: () => counts.slice(0, 3).join(', ') };
  await until(systemClock, found, async () => {
    counts = await valuesOf('count_over_time(outage_total[61m])');
    return counts.length === signals && counts.every((count) => count === seconds);
  });
  expect(await valuesOf('sum_over_time(outage_total[61m])')).toEqual(
    each.map((factor) => (factor * seconds * (seconds + 1)) / 2),
  );
  client.close();
  second.process.kill('SIGTERM');
  expect(await second.ended).toBe(0);
  await stopStore();
});

test('an exporter that is broken or hangs is down, and holds nothing else up', async () => {
  const daemon = start();
  await waitFor('its page', () => page('/-/healthy'));
  const up = async (): Promise<string> => (await (await page('/metrics'))?.text()) ?? '';
  const upOf = (text: string): string | undefined => /^up\{[^}]*job="array"[^}]*\} (\d)$/m.exec(text)?.[1];
  await waitFor('the exporter', async () => upOf(await up()) === '1');
  exporter.text = 'array_temperature_celsius{instance="shelf 1"} 42\nbroken line{\n';
  await waitFor('the whole lines of a broken text', async () => /^array_temperature_celsius.* 42$/m.test(await up()));
  expect(upOf(await up())).toBe('1');
  // A series twice, a number beyond all numbers, one that is none, a label of any text: what can be told is told.
  platform.samples.length = 0;
  exporter.text = [
    'array_temperature_celsius{instance="shelf 1"} 43',
    'array_temperature_celsius{instance="shelf 1"} 44',
    'array_power_watts 1e400',
    'array_humidity_ratio NaN',
    'array_part{name="a\\"b\\\\c\\n漢"} 1',
    '',
  ].join('\n');
  const part = await waitFor('what can be told', () => platform.samples.find(({ name }) => name === 'array_part'));
  expect(part.labels.find(([label]) => label === 'name')?.[1]).toBe('a"b\\c\n漢');
  const told = (name: string): readonly number[] =>
    platform.samples.filter((one) => one.name === name && one.timeMs === part.timeMs).map(({ value }) => value);
  expect(told('array_temperature_celsius')).toEqual([43]);
  expect(told('array_power_watts')).toEqual([]);
  expect(told('array_humidity_ratio')).toEqual([Number.NaN]);
  expect(upOf(await up())).toBe('1');
  expect(daemon.said()).toContain('a collector has trouble');
  exporter.hangs = true;
  const text = await waitFor('the exporter to be missed', async () => {
    const now = await up();
    return upOf(now) === '0' && now;
  });
  expect(text).toMatch(/^coequal_collector_up\{collector="host".*\} 1$/m);
  exporter.hangs = false;
  exporter.status = 500;
  await waitFor('an answer that is none', () => daemon.said().includes('it answers 500'));
  exporter.status = 200;
  await waitFor('the exporter again', async () => upOf(await up()) === '1');
  daemon.process.kill('SIGINT');
  expect(await daemon.ended).toBe(0);
});

test('changes are taken from whoever shows the token', async () => {
  const daemon = start();
  await waitFor('its page', () => page('/-/healthy'));
  const token = (await import('node:fs')).readFileSync(join(folder, 'state', 'changes.token'), 'utf8').trim();
  const post = async (body: unknown, shown: string | undefined): Promise<number | undefined> => {
    const headers: Record<string, string> = shown === undefined ? {} : { authorization: `Bearer ${shown}` };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return (await page('/api/v1/changes', { method: 'POST', headers, body: text }))?.status;
  };
  const notice = { change: 'deployment', text: 'the deployment of bank-web 4.2', place: { service: 'bank' }, by: 'ci' };
  expect(await post(notice, undefined)).toBe(401);
  expect(await post(notice, `${token}x`)).toBe(401);
  expect(await post('{', token)).toBe(400);
  expect(await post({ ...notice, change: 'party' }, token)).toBe(400);
  expect(await post('x'.repeat(70_000), token)).toBe(413);
  expect(await post(notice, token)).toBe(202);
  const event = await waitFor('the change', () =>
    events().find(({ place }) => place.service === 'bank' && !('instance' in place)),
  );
  expect(event).toMatchObject({ kind: 'change', ...notice, source: 'webhook' });
  expect((await (await page('/time'))?.json()) as { nowMs: number }).toEqual({ nowMs: expect.any(Number) });
  expect((await page('/nothing'))?.status).toBe(404);
  expect((await page('/metrics', { method: 'DELETE' }))?.status).toBe(405);

  const second = start();
  expect(await second.ended).toBe(2);
  expect(second.said()).toMatch(
    /^coequal: An agent with the state folder .* is already running \(process \d+\)\..*\[AGENT_ALREADY_RUNNING\]\n$/,
  );
  const check = start('--check');
  expect(await check.ended).toBe(2);
  expect(check.said()).toMatch(/^coequal: Port \d+ on 127\.79\.0\.1 is already in use\. .* \[PORT_BUSY\]\n$/);
  daemon.process.kill('SIGTERM');
  expect(await daemon.ended).toBe(0);
  const good = start('--check', '--json');
  expect(await good.ended).toBe(0);
  expect(JSON.parse(good.said())).toMatchObject({
    valid: true,
    name: 'north-1',
    watches: { exporters: ['array array-1'] },
  });
});
