import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePorts } from './ports.ts';

test('free ports differ, and can be listened on', async () => {
  const ports = await freePorts('127.0.0.1', 8);
  expect(new Set(ports).size).toBe(8);
  const server = createServer().listen(ports[0], '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

test('an address that is not of this machine is told', async () => {
  await expect(freePorts('203.0.113.7', 1)).rejects.toMatchObject({ code: 'PERMISSION_MISSING' });
});
