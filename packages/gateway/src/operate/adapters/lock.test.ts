import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockOwner, takeLock } from './lock.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = () => join(folder, 'gateway.lock');

test('one at a time, and again once it is released', async () => {
  const lock = await takeLock(folder, 'north', process.pid);
  expect(await lockOwner(folder)).toBe(process.pid);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  await expect(takeLock(folder, 'north', process.pid)).rejects.toMatchObject({
    code: 'GATEWAY_ALREADY_RUNNING',
    details: { name: 'north', pid: process.pid },
  });
  await lock.release();
  expect(await lockOwner(folder)).toBeUndefined();
  await (await takeLock(folder, 'north', process.pid)).release();
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ['a process that is gone', { pid: 2 ** 22, started: '5' }],
  ['another process with the same number', { pid: process.pid, started: '1' }],
  ['nothing that can be read', 'half a li'],
])('a lock of %s is taken over', async (_, content) => {
  writeFileSync(file(), typeof content === 'string' ? content : JSON.stringify(content));
  expect(await lockOwner(folder)).toBeUndefined();
  await takeLock(folder, 'north', process.pid);
  expect(await lockOwner(folder)).toBe(process.pid);
});

test('a process that has ended and was not collected holds no lock', async () => {
  const child = spawn('sleep', ['60']);
  const { pid = 0 } = child;
  await takeLock(folder, 'north', pid);
  expect(await lockOwner(folder)).toBe(pid);
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
  expect(await lockOwner(folder)).toBeUndefined();
});

test('of many that find a dead one at the same time, one gets it', async () => {
  writeFileSync(file(), JSON.stringify({ pid: 2 ** 22, started: '5' }));
  const children = Array.from({ length: 5 }, () => spawn('sleep', ['60']));
  const results = await Promise.allSettled(children.map(({ pid = 0 }) => takeLock(folder, 'north', pid)));
  for (const child of children) child.kill('SIGKILL');
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('releasing does not touch the lock of another', async () => {
  const lock = await takeLock(folder, 'north', process.pid);
  writeFileSync(file(), 'somebody else');
  await lock.release();
  expect(readdirSync(folder)).toEqual(['gateway.lock']);
});
