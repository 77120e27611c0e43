/**
 * Beside the real Alertmanager: of the same alerts it tells what we tell, its webhook is read here, and its own tool, amtool, adds and reads
 * alerts and silences of an API that is made of ours.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { promisify } from 'node:util';
import type { FoundCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labelsOf } from '../sample.ts';
import { companionForTest, freePort, testFolder } from '../store/testing.ts';
import type { ToldAlert } from './alert.ts';
import { gettableAlert, gettableSilence, mergeHeard, readAlerts, readSilence } from './api.ts';
import { noGroups, stepGroups, usualReceiver } from './grouping.ts';
import { type HeardAlert, payloadOf, readWebhook, webhookPayload } from './payload.ts';
import { endSilence, type Silence, silencedBy } from './silences.ts';

const run = promisify(execFile);
let folder: string;
let found: FoundCompanion;
beforeAll(async () => {
  folder = await testFolder('alertmanager');
  found = await companionForTest('alertmanager');
});

/** Debian's Alertmanager reads its templates below /usr/share and nowhere else; where it is not installed it gets to see its own there. */
const startAlertmanager = (args: readonly string[]): ChildProcess => {
  const script = 'mount --bind "$0/usr/share" /usr/share && exec "$@"';
  const [program, ...rest] =
    found.root === ''
      ? [found.files[0], ...args]
      : ['unshare', '--mount', 'sh', '-c', script, found.root, found.files[0], ...args];
  return spawn(program, rest, { stdio: 'ignore', cwd: folder });
};
afterAll(() => rm(folder, { recursive: true }));

const jsonOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
};

const serve = async (
  handle: (request: IncomingMessage, path: string) => Promise<unknown>,
): Promise<{ readonly server: Server; readonly url: string }> => {
  const server = createServer((request, response) => {
    void handle(request, request.url ?? '').then(
      (answer) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer ?? {}));
      },
      (error: unknown) => {
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(JSON.stringify(String(error)));
      },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return { server, url: `http://127.0.0.1:${address.port}` };
};

const startsAtMs = Math.floor(systemClock.now() / 1_000) * 1_000 - 60_000;
const alertOf = (host: string): ToldAlert => ({
  labels:
    labelsOf([
      ['alertname', 'Down'],
      ['host', host],
      ['site', 'north'],
      ['text', 'a "b"\\\n漢'],
    ]) ?? [],
  annotations:
    labelsOf([
      ['summary', 'It is down'],
      ['host', host],
    ]) ?? [],
  startsAtMs,
  generatorUrl: 'https://ops.example/alerts',
});
const bodyOf = (alerts: readonly ToldAlert[], endsAt?: string) =>
  JSON.stringify(
    alerts.map(({ labels, annotations, generatorUrl }) => ({
      labels: Object.fromEntries(labels),
      annotations: Object.fromEntries(annotations),
      startsAt: new Date(startsAtMs).toISOString(),
      ...(endsAt === undefined ? {} : { endsAt }),
      generatorURL: generatorUrl,
    })),
  );

test('of the same alerts Alertmanager tells what we tell', async (context) => {
  if (found.root !== '' && process.getuid?.() !== 0)
    context.skip('Alertmanager is not installed, and only root can show it its files');
  const told: unknown[] = [];
  const receiver = await serve(async (request) => void told.push(await jsonOf(request)));
  const [port, config] = [await freePort(), `${folder}/alertmanager.yml`];
  await writeFile(
    config,
    `route: {receiver: team, group_by: [alertname, site], group_wait: 100ms, group_interval: 500ms, repeat_interval: 1h}
receivers: [{name: team, webhook_configs: [{url: '${receiver.url}/hook', send_resolved: true}]}]
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const alertmanager = startAlertmanager([
    ...[`--config.file=${config}`, `--storage.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
    ...['--cluster.listen-address=', '--log.level=error', '--web.external-url=https://ops.example/'],
  ]);
  const post = async (body: string): Promise<boolean> => {
    try {
      const options = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
      return (await fetch(`${url}/api/v2/alerts`, options)).status === 200;
    } catch (error) {
      // It does not listen yet.
      if (error instanceof TypeError) return false;
      throw error;
    }
  };
  try {
    const alerts = [alertOf('a'), alertOf('b')];
    await until(systemClock, { what: 'Alertmanager', deadlineMs: 60_000 }, () => post(bodyOf(alerts)));
    const whole = () => told.find((body) => readWebhook(body)?.length === 2);
    const heard = await until(systemClock, { what: 'its webhook', deadlineMs: 60_000 }, whole);
    // Ours, of the same alerts, with the same grouping.
    const own = { ...usualReceiver, name: 'team', groupBy: ['alertname', 'site'] };
    const [due] = stepGroups([own], noGroups, alerts, systemClock.now(), () => false).due;
    if (due === undefined) throw new Error('nothing is due');
    const ours = payloadOf(due, 'https://ops.example');
    const { groupKey: _, ...theirs } = webhookPayload.parse(heard);
    const { groupKey: __, ...same } = webhookPayload.parse(ours);
    expect({ ...theirs, alerts: [...theirs.alerts].sort(byFingerprint) }).toEqual({
      ...same,
      alerts: [...same.alerts].sort(byFingerprint),
    });
    expect(Object.keys(heard as object).sort()).toEqual(Object.keys(ours).sort());
    // And what is over is read as over.
    await post(bodyOf(alerts, new Date(systemClock.now() - 1_000).toISOString()));
    const over = () => told.some((body) => readWebhook(body)?.every(({ endsAtMs }) => endsAtMs !== undefined));
    await until(systemClock, { what: 'the end of it', deadlineMs: 60_000 }, over);
  } finally {
    alertmanager.kill();
    if (alertmanager.exitCode === null) await once(alertmanager, 'exit');
    receiver.server.closeAllConnections();
    receiver.server.close();
  }
});

const byFingerprint = (a: { readonly fingerprint: string }, b: { readonly fingerprint: string }): number =>
  a.fingerprint < b.fingerprint ? -1 : 1;

test('amtool reads and writes an API that is made of ours', async () => {
  let heard: ReadonlyMap<string, HeardAlert> = new Map();
  let silences: readonly Silence[] = [];
  const now = () => systemClock.now();
  const api = await serve(async (request, path) => {
    const [, resource, id] = /^\/api\/v2\/(alerts|silences|silence)(?:\/([^?]+))?/.exec(path) ?? [];
    if (resource === 'alerts' && request.method === 'POST') {
      const read = readAlerts(await jsonOf(request), now());
      if (!read.ok) throw new Error(read.what);
      heard = mergeHeard(heard, read.value, now());
      return {};
    }
    if (resource === 'alerts')
      return [...heard.values()].map((alert) =>
        gettableAlert(alert, {
          receivers: ['team'],
          silencedBy: silencedBy(alert.labels, silences, now()),
          inhibitedBy: [],
          atMs: now(),
        }),
      );
    if (resource === 'silences' && request.method === 'POST') {
      const read = readSilence(await jsonOf(request), now());
      if (!read.ok) throw new Error(read.what);
      const made = { ...read.value, id: `silence-${silences.length + 1}`, updatedAtMs: now() };
      silences = [...silences, made];
      return { silenceID: made.id };
    }
    if (resource === 'silences') return silences.map((one) => gettableSilence(one, now()));
    const found = silences.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no ${path}`);
    if (request.method !== 'DELETE') return gettableSilence(found, now());
    silences = silences.map((one) => (one === found ? endSilence(one, now()) : one));
    return {};
  });
  const amtool = async (...args: readonly string[]): Promise<string> =>
    (await run(found.files[1] ?? '', [`--alertmanager.url=${api.url}`, ...args])).stdout;
  try {
    await amtool('alert', 'add', 'alertname=Down', 'host=a', '--annotation=summary=It is down');
    await amtool('alert', 'add', 'alertname=Down', 'host=b');
    await amtool(
      'silence',
      'add',
      'host=~a|c',
      'alertname!=Up',
      '--duration=1h',
      '--author=kim',
      '--comment=change 12',
    );
    expect(silences[0]?.matchers).toEqual([
      { name: 'host', sign: '=~', value: 'a|c' },
      { name: 'alertname', sign: '!=', value: 'Up' },
    ]);
    expect(await amtool('silence', 'query')).toMatch(/silence-1\s.*host=~"a\|c".*kim\s+change 12/);
    const all: unknown = JSON.parse(await amtool('-o', 'json', 'alert', 'query'));
    expect(all).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({
          labels: { alertname: 'Down', host: 'a' },
          status: expect.objectContaining({ state: 'suppressed', silencedBy: ['silence-1'] }),
        }),
        expect.objectContaining({
          labels: { alertname: 'Down', host: 'b' },
          status: expect.objectContaining({ state: 'active' }),
        }),
      ]),
    );
    await amtool('silence', 'expire', 'silence-1');
    expect(silencedBy(labelsOf([['host', 'a']]) ?? [], silences, now())).toEqual([]);
    await expect(
      amtool('silence', 'add', 'host=~.*', '--duration=1h', '--author=kim', '--comment=x'),
    ).rejects.toMatchObject({
      stderr: expect.stringContaining('everything'),
    });
  } finally {
    api.server.closeAllConnections();
    api.server.close();
  }
});
