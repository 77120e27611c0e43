/** Key rings on a real file system: states, rotation, moving, and files that were sealed with them. */
import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, systemClock } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ensureKey,
  makeRing,
  moveRing,
  openRing,
  retireKey,
  retireVersions,
  rewrapRing,
  ringStatus,
  rotateDataKeys,
} from './key-ring.ts';
import { openFile, sealFile } from './sealed-file.ts';

const ports = { clock: systemClock };
const use = { purpose: 'files' };
let folder = '';
const ring = () => join(folder, 'ring');
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-ring-'));
  await makeRing(ring(), { kind: 'file', path: 'master' }, ports);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const code = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise;
  } catch (error) {
    return codeOf(error);
  }
  return 'it was taken';
};

describe('a key ring', () => {
  test('seals for a purpose and tenant, and opens with the same context alone', async () => {
    expect(await code((await openRing(ring(), ports)).active(use))).toBe('KEY_RING_NO_KEY');
    await ensureKey(ring(), { purpose: 'files', tenant: 'bank-a' }, ports);
    await ensureKey(ring(), { purpose: 'files', tenant: 'bank-b' }, ports);
    await ensureKey(ring(), { purpose: 'files', tenant: 'bank-b' }, ports);
    const open = await openRing(ring(), ports);
    const context = { table: 'device', row: 7, column: 'secret', version: 1 };
    const text = await open.seal(Buffer.from('geheim'), { purpose: 'files', tenant: 'bank-a' }, context);
    expect((await open.open(text, context))?.toString()).toBe('geheim');
    expect(await open.open(text, { ...context, row: 8 })).toBeUndefined();
    expect(await open.open('coequal-value-1', context)).toBeUndefined();
    expect(await code(open.open(text.replace(/:k-[0-9a-f]+:/, ':k-00:'), context))).toBe('KEY_UNKNOWN');
    const [, other] = (await ringStatus(ring(), ports)).keys;
    expect(await open.open(text.replace(/:k-[0-9a-f]+:/, `:${other?.id}:`), context)).toBeUndefined();
    expect(await code(open.active(use))).toBe('KEY_RING_NO_KEY');
  });

  test('goes on opening what older keys and versions sealed, until they are retired', async () => {
    await ensureKey(ring(), use, ports);
    const text = await (await openRing(ring(), ports)).seal(Buffer.from('old'), use, {});
    const [first] = (await ringStatus(ring(), ports)).keys;
    expect(await rotateDataKeys(ring(), undefined, ports)).toBe(1);
    expect(await rewrapRing(ring(), true, ports)).toEqual({ rewrapped: 2, version: 2 });
    expect(await rewrapRing(ring(), false, ports)).toEqual({ rewrapped: 0, version: 2 });
    expect(await retireVersions(ring(), ports)).toBe(2);
    const open = await openRing(ring(), ports);
    expect((await open.open(text, {}))?.toString()).toBe('old');
    const status = await ringStatus(ring(), ports);
    expect(status.versions).toMatchObject({ newest: 2, oldest: 2 });
    expect(status.keys.map(({ state, version }) => [state, version])).toEqual([
      ['readable', 2],
      ['active', 2],
    ]);
    expect(await code(retireKey(ring(), status.keys[1]?.id ?? '', ports))).toBe('KEY_IN_USE');
    await retireKey(ring(), first?.id ?? '', ports);
    expect(await code(retireKey(ring(), first?.id ?? '', ports))).toBe('KEY_UNKNOWN');
    expect(await code((await openRing(ring(), ports)).open(text, {}))).toBe('KEY_UNKNOWN');
  });

  test('moves to another provider with all it has sealed', async () => {
    await ensureKey(ring(), use, ports);
    const text = await (await openRing(ring(), ports)).seal(Buffer.from('kept'), use, {});
    expect(await moveRing(ring(), { kind: 'file', path: 'next' }, ports)).toBe(1);
    await rm(at('master'));
    expect((await (await openRing(ring(), ports)).open(text, {}))?.toString()).toBe('kept');
    // Nothing was changed when the new provider cannot be used.
    const before = await readFile(ring(), 'utf8');
    expect(await code(moveRing(ring(), { kind: 'file', path: 'next' }, ports))).toBe('KEY_PROVIDER_REFUSED');
    expect(await readFile(ring(), 'utf8')).toBe(before);
  });

  test('says in its status that its provider is away, and what is wrong with its file', async () => {
    await ensureKey(ring(), use, ports);
    const text = await readFile(ring(), 'utf8');
    await rm(at('master'));
    expect((await ringStatus(ring(), ports)).trouble).toContain('it is not there');
    expect(await code(ringStatus(at('nothing'), ports))).toBe('KEY_RING_UNREADABLE');
    expect(await code(makeRing(ring(), { kind: 'file', path: 'other' }, ports))).toBe('KEY_RING_UNREADABLE');
    const doubled = JSON.parse(text);
    doubled.keys = [doubled.keys[0], { ...doubled.keys[0], id: 'k-1' }];
    const wrongs = [
      '',
      '[]',
      text.replace('ring-1', 'ring-9'),
      text.replace('active', 'retired'),
      JSON.stringify(doubled),
    ];
    for (const wrong of wrongs) {
      await writeFile(ring(), wrong);
      expect(await code(openRing(ring(), ports))).toBe('KEY_RING_UNREADABLE');
    }
    await writeFile(ring(), text);
    await chmod(ring(), 0o604);
    expect(await code(openRing(ring(), ports))).toBe('SECRET_FILE_EXPOSED');
  });

  test('cannot have its keys exchanged in the file', async () => {
    await ensureKey(ring(), { purpose: 'a' }, ports);
    await ensureKey(ring(), { purpose: 'b' }, ports);
    const text = JSON.parse(await readFile(ring(), 'utf8'));
    [text.keys[0].wrapped, text.keys[1].wrapped] = [text.keys[1].wrapped, text.keys[0].wrapped];
    await writeFile(ring(), JSON.stringify(text));
    expect(await code((await openRing(ring(), ports)).active({ purpose: 'a' }))).toBe('KEY_PROVIDER_REFUSED');
  });

  test('loses no key when several are made at once', async () => {
    const purposes = Array.from({ length: 8 }, (_, index) => `p${index}`);
    await Promise.all(purposes.map((purpose) => ensureKey(ring(), { purpose }, ports)));
    expect((await ringStatus(ring(), ports)).keys.map(({ purpose }) => purpose).sort()).toEqual(purposes);
  });
});

describe('a sealed file', () => {
  beforeEach(() => ensureKey(ring(), use, ports));

  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])('of %i bytes opens to what it was', async (size) => {
    const plain = Buffer.alloc(size, 'coequal');
    await writeFile(at('plain'), plain);
    const open = await openRing(ring(), ports);
    await sealFile(at('plain'), at('sealed'), open, use);
    expect((await stat(at('sealed'))).mode & 0o777).toBe(0o600);
    if (size > 100) expect((await readFile(at('sealed'))).includes('coequalcoequal')).toBe(false);
    expect(await openFile(at('sealed'), at('opened'), open)).toMatchObject({ name: 'plain' });
    expect((await readFile(at('opened'))).equals(plain)).toBe(true);
  });

  test('does not open when it was changed, cut, lengthened or put together anew, and leaves nothing', async () => {
    await writeFile(at('plain'), Buffer.alloc(150_000, 'x'));
    const open = await openRing(ring(), ports);
    await sealFile(at('plain'), at('sealed'), open, use);
    const sealed = await readFile(at('sealed'));
    const bodyAt = sealed.indexOf(10) + 1;
    const piece = 65_552;
    const body = sealed.subarray(bodyAt);
    const changed = (position: number): Buffer => {
      const copy = Buffer.from(sealed);
      copy[position] = (copy[position] ?? 0) ^ 1;
      return copy;
    };
    const wrongs = [
      changed(bodyAt),
      changed(sealed.length - 1),
      changed(sealed.indexOf('plain')),
      sealed.subarray(0, sealed.length - 1),
      sealed.subarray(0, bodyAt + 2 * piece),
      sealed.subarray(0, bodyAt),
      Buffer.concat([sealed, Buffer.from('x')]),
      Buffer.concat([
        sealed.subarray(0, bodyAt),
        body.subarray(piece, 2 * piece),
        body.subarray(0, piece),
        body.subarray(2 * piece),
      ]),
      Buffer.concat([sealed.subarray(0, bodyAt), body.subarray(piece)]),
      Buffer.from('no sealed file\n'),
      Buffer.alloc(0),
    ];
    for (const wrong of wrongs) {
      await writeFile(at('wrong'), wrong);
      expect(await code(openFile(at('wrong'), at('opened'), open))).toBe('SEALED_FILE_INVALID');
    }
    expect((await readdir(folder)).filter((name) => name.startsWith('opened'))).toEqual([]);
    await truncate(at('sealed'), 10);
    expect(await code(openFile(at('sealed'), at('opened'), open))).toBe('SEALED_FILE_INVALID');
    expect(await code(openFile(at('nothing'), at('opened'), open))).toBe('FILE_MISSING');
    expect(await code(sealFile(folder, at('opened'), open, use))).toBe('FILE_UNREADABLE');
  });
});
