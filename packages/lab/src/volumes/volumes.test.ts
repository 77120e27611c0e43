import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@coequal/kernel';
import { expect, test } from 'vitest';
import { deviceOf, makeVolume } from './volumes.ts';

test('device numbers are read in the kernel’s encoding', () => {
  expect(deviceOf(0x0700)).toBe('7:0');
  expect(deviceOf(0x10_0103)).toBe('1:259');
  expect(deviceOf(0xfe01)).toBe('254:1');
});

test('outside a lab’s own namespaces nothing is mounted, and that is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-volume-'));
  const volume = await makeVolume({
    folder: `${folder}/site`,
    image: `${folder}/image`,
    sizeBytes: 2 ** 26,
    keep: false,
    programs: { path: () => undefined, environment: {} },
    log: silentLog,
  });
  expect(volume.kind).toBe('folder');
  expect((await stat(`${folder}/site`)).dev).toBe((await stat(folder)).dev);
  expect(volume.can).toMatchObject({ fill: false, slow: false, reason: expect.stringContaining('plain mode') });
  await writeFile(`${folder}/site/data`, 'x');
  await expect(volume.fill()).rejects.toMatchObject({ code: 'FAULT_IMPOSSIBLE', details: { fault: 'full-disk' } });
  await volume.close();
  await rm(folder, { recursive: true });
});
