/** The client and the outbox on a real VictoriaMetrics that is away for a while: everything is there in the end, and once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolderOf, findCompanion } from '@coequal/engines';
import { systemClock, until } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { encodeRemoteWrite } from '../remote/remote-write.ts';
import { StoreClient } from './adapters/client.ts';
import { Outbox } from './adapters/outbox.ts';
import { sendWaiting } from './sending.ts';

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
};

const stop = async (process: ChildProcess): Promise<void> => {
  if (process.exitCode !== null || process.signalCode !== null) return;
  process.kill();
  await once(process, 'exit');
};

test('what is sent during an outage, and some of it twice, is there once', async () => {
  const cacheFolder = cacheFolderOf(process.env, process.getuid?.() ?? 0);
  const progress = (): void => undefined;
  const found = await findCompanion('victoria-metrics', {
    cacheFolder,
    environment: process.env,
    clock: systemClock,
    progress,
  });
  const folder = await mkdtemp(join(tmpdir(), 'coequal-store-'));
  const port = await freePort();
  const client = new StoreClient({ url: `http://127.0.0.1:${port}`, deadlineMs: 10_000, answerBytes: 1_000_000 });
  const start = (): ChildProcess =>
    spawn(
      found.files[0],
      [
        ...[`-storageDataPath=${folder}/data`, `-httpListenAddr=127.0.0.1:${port}`, '-memory.allowedBytes=100MB'],
        ...['-search.latencyOffset=0s', '-dedup.minScrapeInterval=1ms'],
      ],
      { env: { ...process.env, ...found.environment }, cwd: folder, stdio: 'ignore' },
    );
  const now = Math.floor(systemClock.now() / 1_000) * 1_000;
  const times = Array.from({ length: 20 }, (_, index) => now - 30_000 + index * 1_000);
  const bodies = times.map((timeMs, value) =>
    encodeRemoteWrite([{ name: 'coequal_test', labels: [['text', 'a "b"\n漢字']], value, timeMs }]),
  );
  const outbox = await Outbox.open({ folder: `${folder}/outbox`, limitBytes: 1_000_000, segmentBytes: 10_000 });
  let store: ChildProcess | undefined;
  try {
    for (const body of bodies.slice(0, 10)) await outbox.append(body);
    expect((await sendWaiting(outbox, client)).taken).toBe(0);
    store = start();
    const sent = async (): Promise<boolean> => (await sendWaiting(outbox, client)).stopped === undefined;
    await until(systemClock, { what: 'the store to take what waits', deadlineMs: 60_000 }, sent);
    await stop(store);
    // As after a kill before the acknowledgement was written down: the last ones come again.
    for (const body of bodies.slice(7)) await outbox.append(body);
    expect((await sendWaiting(outbox, client)).taken).toBe(0);
    store = start();
    await until(systemClock, { what: 'the store to take the rest', deadlineMs: 60_000 }, sent);
    const asked = async () => {
      const answer = await client.instant('coequal_test[60s]', now);
      return answer.ok && answer.series[0]?.values.length === times.length ? answer.series[0] : undefined;
    };
    const series = await until(systemClock, { what: 'all samples to be found', deadlineMs: 60_000 }, asked);
    expect([...series.timesMs]).toEqual(times);
    expect([...series.values]).toEqual(times.map((_, value) => value));
    expect(series.labels).toEqual([
      ['__name__', 'coequal_test'],
      ['text', 'a "b"\n漢字'],
    ]);
    const range = await client.range('sum(coequal_test)', times[0] ?? 0, times.at(-1) ?? 0, 1_000);
    expect(range.ok ? [...(range.series[0]?.values ?? [])] : range.what).toEqual(times.map((_, value) => value));
    const refused = await client.instant('no_such_function(', now);
    expect(refused).toEqual({ ok: false, what: expect.stringContaining('refuses the query') });
  } finally {
    if (store !== undefined) await stop(store);
    await outbox.close();
    await rm(folder, { recursive: true });
  }
}, 300_000);
