/** Secret files on a real file system. */
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeSecretFile } from './secret-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-secret-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('a secret file', () => {
  test('is readable by its owner alone, also when it replaces one that was not', async () => {
    const path = join(folder, 'key.pem');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeSecretFile(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['key.pem']);
  });

  test('replaces a link instead of writing where it points', async () => {
    await writeFile(join(folder, 'elsewhere'), 'untouched');
    await symlink(join(folder, 'elsewhere'), join(folder, 'key.pem'));
    await writeSecretFile(join(folder, 'key.pem'), 'secret');
    expect(await readFile(join(folder, 'elsewhere'), 'utf8')).toBe('untouched');
  });

  test('is whole when several write it at once', async () => {
    const path = join(folder, 'key.pem');
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(100_000));
    await Promise.all(contents.map((content) => writeSecretFile(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['key.pem']);
  });

  test('leaves nothing behind when it cannot be written', async () => {
    const failed: unknown = await writeSecretFile(join(folder, 'missing', 'key.pem'), 'x').then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(codeOf(failed)).toBe('FOLDER_UNWRITABLE');
    expect(await readdir(folder)).toEqual([]);
  });
});
