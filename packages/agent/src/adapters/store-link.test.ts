/** The way to a store that is away for longer than there is room: what is lost is counted and said, and the rest arrives in order. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, systemClock, systemRandom, until } from '@coequal/kernel';
import { decodeRemoteWrite, encodeRemoteWrite, Outbox } from '@coequal/signals';
import { expect, test } from 'vitest';
import { freePort } from '../testing/daemon.ts';
import { StoreLink } from './store-link.ts';

test('what there is no room for is dropped from the oldest on, and said once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coequal-link-'));
  const port = await freePort();
  const said: { readonly event: string; readonly bodies: unknown }[] = [];
  const log: Log = (_, event, fields) => said.push({ event, bodies: fields?.['bodies'] });
  const bodies = Array.from({ length: 100 }, (_, second) =>
    encodeRemoteWrite([{ name: 'second', labels: [], value: second, timeMs: 1_000 * second }]),
  );
  const bytes = (bodies[0]?.length ?? 0) + 8;
  const outbox = await Outbox.open({ folder, limitBytes: bytes * 30, segmentBytes: bytes * 10 });
  const store = { url: `http://127.0.0.1:${port}` };
  const link = new StoreLink({ store, outbox, clock: systemClock, random: systemRandom, log });
  const seconds: number[] = [];
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    request.on('end', () => {
      const decoded = decodeRemoteWrite(Buffer.concat(chunks));
      if (decoded.ok) seconds.push(...decoded.samples.map(({ value }) => value));
      response.writeHead(204).end();
    });
  });
  try {
    for (const body of bodies) link.offer(body);
    await until(
      systemClock,
      { what: 'losses', deadlineMs: 20_000 },
      () => link.figures().waiting + link.figures().lost >= 100,
    );
    const { lost } = link.figures();
    expect(lost).toBeGreaterThanOrEqual(60);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    await until(systemClock, { what: 'the rest to arrive', deadlineMs: 20_000 }, () => link.figures().waiting === 0);
    await link.close();
    expect(seconds).toHaveLength(100 - lost);
    // The first body was on its way when the others were kept: it stands behind them.
    const kept = seconds.filter((second) => second > 0);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 100 - kept.length + index));
    expect(said.filter(({ event }) => /lost|dropped/.test(event))).toEqual([
      { event: 'the oldest samples are dropped: there is no room for more on disk', bodies: expect.any(Number) },
      { event: 'samples were lost while the store took none', bodies: lost },
    ]);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
