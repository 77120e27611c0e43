/** Files that grow, are rotated, cut, replaced and broken, and where a follower stands in them. */
import { appendFile, chmod, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogFollower } from './follower.ts';

let folder = '';
let path = '';
const followers: LogFollower[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-follow-'));
  path = join(folder, 'error.log');
});
afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.close();
  await rm(folder, { recursive: true });
});

const follow = (kept?: ReturnType<LogFollower['place']>): LogFollower => {
  const follower = new LogFollower(path, kept);
  followers.push(follower);
  return follower;
};

test('what was there before is passed over, and what comes is given once, in whole lines', async () => {
  await writeFile(path, 'old\n');
  const log = follow();
  expect((await log.look()).lines).toEqual([]);
  await appendFile(path, 'one\ntw');
  expect((await log.look()).lines).toEqual(['one']);
  await appendFile(path, 'o\r\n\nthree\n');
  expect((await log.look()).lines).toEqual(['two', '', 'three']);
  expect((await log.look()).lines).toEqual([]);
});

test('a file that comes later is read from its beginning', async () => {
  const log = follow();
  expect(await log.look()).toEqual({ lines: [], skipped: 0, problem: undefined });
  await writeFile(path, 'first\n');
  expect((await log.look()).lines).toEqual(['first']);
});

test('after a rotation the old file is read on, and the new one from its beginning', async () => {
  await writeFile(path, '');
  const log = follow();
  await log.look();
  await appendFile(path, 'a\n');
  await rename(path, `${path}.1`);
  // Nobody has made the new one yet.
  expect((await log.look()).lines).toEqual(['a']);
  await appendFile(`${path}.1`, 'b\n');
  await writeFile(path, 'c\n');
  expect((await log.look()).lines).toEqual(['b', 'c']);
  // A writer that has not noticed.
  await appendFile(`${path}.1`, 'd\n');
  await appendFile(path, 'e\n');
  expect((await log.look()).lines).toEqual(['d', 'e']);
});

test('a file that was cut is read from its beginning', async () => {
  await writeFile(path, 'x'.repeat(100));
  const log = follow();
  await log.look();
  await truncate(path, 0);
  await appendFile(path, 'new\n');
  expect((await log.look()).lines).toEqual(['new']);
});

test('another process goes on where the one before stood, also over a rotation', async () => {
  await writeFile(path, '');
  const first = follow();
  await first.look();
  await appendFile(path, 'one\ntw');
  expect((await first.look()).lines).toEqual(['one']);
  await first.close();
  await appendFile(path, 'o\n');
  const second = follow(first.place());
  expect((await second.look()).lines).toEqual(['two']);
  await second.close();
  await appendFile(path, 'three\n');
  await rename(path, `${path}.1`);
  await writeFile(path, 'four\n');
  expect((await follow(second.place()).look()).lines).toEqual(['three', 'four']);
});

test('bytes that are no text, lines without an end and too much at once are bounded', async () => {
  await writeFile(path, '');
  const log = follow();
  await log.look();
  await appendFile(path, Buffer.from([0x61, 0xff, 0xfe, 0x62, 0x0a]));
  expect((await log.look()).lines).toEqual(['a\uFFFD\uFFFDb']);
  await appendFile(path, 'y'.repeat(100_000));
  const [cut] = (await log.look()).lines;
  expect(cut).toHaveLength(32 * 1_024);
  await appendFile(path, `${'y'.repeat(10)}\nnext\n`);
  expect((await log.look()).lines).toEqual(['next']);
  await appendFile(path, `${'z'.repeat(99)}\n`.repeat(200_000));
  const { lines, skipped } = await log.look();
  expect(skipped).toBeGreaterThan(1_000_000);
  expect(lines.every((line) => line === 'z'.repeat(99))).toBe(true);
  expect(lines.length).toBeGreaterThan(5_000);
});

test.skipIf(process.getuid?.() === 0)('a file that may not be read is said, and read when it may', async () => {
  await writeFile(path, 'secret\n');
  await chmod(path, 0o000);
  const log = follow();
  expect((await log.look()).problem).toBe(`${path} cannot be read: EACCES`);
  await chmod(path, 0o600);
  expect((await log.look()).problem).toBeUndefined();
});

test('a folder in the place of a file is said, and is no end', async () => {
  path = folder;
  const log = follow();
  expect((await log.look()).problem).toBe(`The file ${folder} cannot be read: it is no regular file.`);
});
