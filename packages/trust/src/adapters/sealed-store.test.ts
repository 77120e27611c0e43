/** The sealed store on a real file system. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, systemClock } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeSealedStore, readSealedStore, upgradeSealedStore } from './sealed-store.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-sealed-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const paths = () => ({ file: join(folder, 'credentials.sealed'), keyFile: join(folder, 'credentials.key') });
const ports = { clock: systemClock };
const put = (name: string, secret: string) =>
  changeSealedStore(paths(), (secrets) => new Map([...secrets, [name, secret]]), ports);

const codeOfRejected = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise;
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

/** Written by the release before there were rings. */
const oldKey = 'coequal-key-1:ejvJg7Q1qeAXeBMXFzFD8f8ppJIB3TgzPSZHzhp1wPM=\n';
const oldStore =
  '{"content":"QVZManlqWsLbTuViKjJETt3be3wQZd/Xg/acL4+F3a0ljGL84GN9NpSGByVzD5C3F+D2ACUjafSwKNLAVWVEdg==","format":"coequal-sealed-1",' +
  '"key":"98b04d4de4120339","revision":7,"wrapped":"tXHeUthgk5AFpLDzFaTNMYwHYyRjlLdkcdns2Uk2I8rVU9k+TXw8sgTEuus435EDbzUWQYSH09MUblmj"}\n';

describe('a store from before there were rings', () => {
  beforeEach(async () => {
    await writeFile(paths().keyFile, oldKey, { mode: 0o600 });
    await writeFile(paths().file, oldStore, { mode: 0o600 });
  });
  const before = new Map([
    ['ann@%', 'zwei'],
    ['payments', 'geheim'],
  ]);

  test('opens, and stays what the release before can read while its key file is what it was', async () => {
    expect(await readSealedStore(paths(), ports)).toEqual({ revision: 7, secrets: before });
    await put('app', 'secret');
    expect(await readFile(paths().keyFile, 'utf8')).toBe(oldKey);
    expect(await readFile(paths().file, 'utf8')).toContain('coequal-sealed-1');
    expect((await readSealedStore(paths(), ports)).secrets.get('payments')).toBe('geheim');
  });

  test('opens under a ring as it is, and is written anew at its next change', async () => {
    expect(await upgradeSealedStore(paths().keyFile, { kind: 'file', path: 'master' }, ports)).toBe(true);
    expect(await upgradeSealedStore(paths().keyFile, { kind: 'file', path: 'master' }, ports)).toBe(false);
    expect(await readFile(paths().file, 'utf8')).toBe(oldStore);
    expect(await readSealedStore(paths(), ports)).toEqual({ revision: 7, secrets: before });
    await put('app', 'secret');
    expect(await readFile(paths().file, 'utf8')).toContain('coequal-sealed-2');
    expect(await readSealedStore(paths(), ports)).toEqual({
      revision: 8,
      secrets: new Map([...before, ['app', 'secret']]),
    });
  });
});

describe('the sealed store', () => {
  test('is made with its key at the first change, for its owner alone, and kept at the next', async () => {
    await put('app', 'secret');
    const key = await readFile(paths().keyFile, 'utf8');
    await put('other', 'secret too');
    expect(await readSealedStore(paths(), ports)).toEqual({
      revision: 2,
      secrets: new Map([
        ['app', 'secret'],
        ['other', 'secret too'],
      ]),
    });
    expect(await readFile(paths().keyFile, 'utf8')).toBe(key);
    for (const path of Object.values(paths())) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).sort()).toEqual(['credentials.key', 'credentials.key.master', 'credentials.sealed']);
    expect((await stat(`${paths().keyFile}.master`)).mode & 0o777).toBe(0o600);
  });

  test('loses no change when several are made at once', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `user-${index}`);
    await Promise.all(names.map((name) => put(name, 'x')));
    expect([...(await readSealedStore(paths(), ports)).secrets.keys()].sort()).toEqual(names);
  });

  test('stays as it was when a change is refused', async () => {
    await put('app', 'secret');
    expect(await codeOfRejected(put('', 'x'))).toBe('SECRET_INVALID');
    expect((await readSealedStore(paths(), ports)).revision).toBe(1);
    await put('app', 'new');
    expect((await readSealedStore(paths(), ports)).secrets.get('app')).toBe('new');
  });

  test('takes over the lock of a process that is gone', async () => {
    // No process has this number: it is above what Linux hands out.
    await writeFile(`${paths().file}.lock`, '4194305');
    await put('app', 'secret');
    // This process has the number now, and began at another time.
    await writeFile(`${paths().file}.lock`, `${process.pid} 1`);
    await put('app', 'secret');
    expect((await readSealedStore(paths(), ports)).secrets.get('app')).toBe('secret');
  });

  test('is refused when it was changed, and never overwritten then', async () => {
    await put('app', 'secret');
    const text = await readFile(paths().file, 'utf8');
    const changed = text.replace('"revision":1', '"revision":2');
    await writeFile(paths().file, changed);
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_TAMPERED');
    expect(await codeOfRejected(put('app', 'new'))).toBe('SEALED_STORE_TAMPERED');
    expect(await readFile(paths().file, 'utf8')).toBe(changed);
  });

  test('is refused with the key of another, and without one it gets no new one', async () => {
    await put('app', 'secret');
    await writeFile(paths().keyFile, oldKey);
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_WRONG_KEY');
    await rm(paths().keyFile);
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_UNREADABLE');
    expect(await codeOfRejected(put('app', 'new'))).toBe('SEALED_STORE_UNREADABLE');
    expect(await readdir(folder)).not.toContain('credentials.key');
  });

  test.each(['file', 'keyFile'] as const)('is refused when others may read its %s', async (which) => {
    await put('app', 'secret');
    await chmod(paths()[which], 0o640);
    await expect(readSealedStore(paths(), ports)).rejects.toThrow('0640');
    expect(await codeOfRejected(put('app', 'new'))).toBe('SECRET_FILE_EXPOSED');
  });

  test('is refused when it is something else', async () => {
    await writeFile(paths().keyFile, 'no key', { mode: 0o600 });
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_UNREADABLE');
    await writeFile(paths().keyFile, oldKey);
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_UNREADABLE');
    await mkdir(paths().file);
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_UNREADABLE');
    await rm(paths().file, { recursive: true });
    await writeFile(paths().file, 'no store', { mode: 0o600 });
    expect(await codeOfRejected(readSealedStore(paths(), ports))).toBe('SEALED_STORE_UNREADABLE');
  });
});
