/** The sender of notifications against a receiver that fails in every way, on a loopback port of its own. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { sendWebhook } from './adapters/webhook.ts';
import { payloadOf } from './payload.ts';

test('a webhook that fails is tried again, and one that refuses is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-webhook-'));
  const statuses = [503, 429, 500, 200];
  const seen: unknown[] = [];
  let final = false;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      seen.push([request.headers.authorization, request.url, body]);
      response.writeHead(final ? 404 : (statuses.shift() ?? 200)).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const notification = {
    groupKey: 'k',
    receiver: 'team',
    groupLabels: [],
    atMs: 0,
    firing: [],
    resolved: [],
  };
  const payload = payloadOf(notification, '');
  await writeFile(`${folder}/token`, 'secret\n', { mode: 0o600 });
  let slept = 0;
  const sleep = async (ms: number): Promise<void> => {
    slept += ms;
  };
  const clock = { ...systemClock, sleep };
  const ended = new AbortController();
  const options = {
    ...{ url: `http://127.0.0.1:${address.port}/hook?to=team`, clock, log: silentLog, signal: ended.signal },
    credentials: { kind: 'bearer', tokenFile: `${folder}/token` },
  } as const;
  try {
    expect(await sendWebhook(payload, options)).toEqual({ outcome: 'told', attempts: 4, what: undefined });
    expect(seen).toEqual(
      new Array(4).fill([
        'Bearer secret',
        '/hook?to=team',
        expect.objectContaining({ receiver: 'team', version: '4' }),
      ]),
    );
    expect(slept).toBe(500 + 1_000 + 2_000);
    final = true;
    expect(await sendWebhook(payload, options)).toEqual({
      outcome: 'told',
      attempts: 1,
      what: expect.stringContaining('404'),
    });
    const nobody = { ...options, url: 'http://127.0.0.1:1/', patienceMs: 0 };
    expect(await sendWebhook(payload, nobody)).toMatchObject({ outcome: 'again', attempts: 1 });
    ended.abort();
    expect(await sendWebhook(payload, options)).toMatchObject({ outcome: 'again', attempts: 1 });
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
});
