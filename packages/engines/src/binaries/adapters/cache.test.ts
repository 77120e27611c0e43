/** The cache on a real file system: complete sets or none, whatever happens while one is built. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addSet, cachedSets, checkSpace, dropSet, openCache, parseStamp, type Stamp } from './cache.ts';

let cache = '';
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'coequal-cache-'));
  await chmod(cache, 0o755);
  await openCache(cache, false);
});
afterEach(async () => {
  await rm(cache, { recursive: true });
});

const stamp: Stamp = {
  format: 1,
  made: '2030-01-01T00:00:00.000Z',
  distribution: 'debian-12-x64',
  groups: ['rsync'],
  absent: [],
  packages: ['rsync_1_amd64'],
};
const build =
  (content: string) =>
  async (folder: string): Promise<Stamp> => {
    await writeFile(`${folder}/root/program`, content);
    return stamp;
  };
const names = async (): Promise<readonly string[]> => await readdir(`${cache}/programs`);
const codeOfRejected = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );

describe('a set of programs', () => {
  test('is found after it was built, by its distribution alone', async () => {
    const set = await addSet(cache, 'set', build('x'));
    expect(await readFile(`${set.root}/program`, 'utf8')).toBe('x');
    expect((await cachedSets(cache, 'debian-12-x64')).map(({ name }) => name)).toEqual(['set']);
    expect(await cachedSets(cache, 'debian-13-x64')).toEqual([]);
  });

  test('leaves nothing when its building fails', async () => {
    const failing = addSet(cache, 'set', async (folder) => {
      await writeFile(`${folder}/root/program`, 'half');
      throw new Error('the network went away');
    });
    await expect(failing).rejects.toThrow('the network went away');
    expect(await names()).toEqual([]);
  });

  test('is the one of the faster process when two build it at once', async () => {
    const both = await Promise.all([addSet(cache, 'set', build('one')), addSet(cache, 'set', build('two'))]);
    const contents = await Promise.all(both.map(({ root }) => readFile(`${root}/program`, 'utf8')));
    expect(contents[0]).toBe(contents[1]);
    expect(await names()).toEqual(['set']);
  });

  test('that a dead process left half-built is swept, and that of a living one is not', async () => {
    const dead = spawnSync('true').pid;
    await mkdir(`${cache}/programs/.part-${dead}-0000/root`, { recursive: true });
    await mkdir(`${cache}/programs/.part-${process.pid}-0000/root`, { recursive: true });
    await addSet(cache, 'set', build('x'));
    expect([...(await names())].sort()).toEqual([`.part-${process.pid}-0000`, 'set']);
  });

  test('without a stamp that can be read is as good as not there', async () => {
    await mkdir(`${cache}/programs/other/root`, { recursive: true });
    await addSet(cache, 'set', build('x'));
    await writeFile(`${cache}/programs/set/stamp.json`, '{"format":1,"made"');
    expect(await cachedSets(cache, 'debian-12-x64')).toEqual([]);
  });

  test('can be taken away, also twice', async () => {
    await addSet(cache, 'set', build('x'));
    await dropSet(cache, 'set');
    await dropSet(cache, 'set');
    expect(await names()).toEqual([]);
  });
});

describe('a stamp', () => {
  test('is read back as it was written', () => {
    expect(parseStamp(JSON.stringify(stamp))).toEqual(stamp);
  });

  test.each([
    ['another format', { ...stamp, format: 2 }],
    ['no distribution', { ...stamp, distribution: undefined }],
    ['groups that are no texts', { ...stamp, groups: [1] }],
    ['no object', null],
  ])('with %s is refused', (_, value) => {
    expect(parseStamp(JSON.stringify(value))).toBeUndefined();
  });
});

describe('the cache', () => {
  test('says when there is too little space', async () => {
    await checkSpace(cache, 1);
    expect(await codeOfRejected(checkSpace(cache, Number.MAX_SAFE_INTEGER))).toBe('DISK_TOO_SMALL');
  });

  test('says when its place is no folder', async () => {
    await writeFile(`${cache}/file`, '');
    expect(await codeOfRejected(openCache(`${cache}/file`, false))).toBe('FOLDER_UNWRITABLE');
  });

  test('made by root is open to other users, and says when a folder above it is not', async () => {
    await openCache(`${cache}/made`, true);
    await chmod(cache, 0o700);
    expect(await codeOfRejected(openCache(`${cache}/made`, true))).toBe('PERMISSION_MISSING');
    await chmod(cache, 0o755);
  });
});
