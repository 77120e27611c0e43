/** Secrets that are planted in what commands are given, searched for in everything that commands write and say. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import { changeSealedStore } from '@coequal/trust';
import { expect, test } from 'vitest';
import { runIn } from './testing.ts';

const secret = 'Planted-Geheim-77';

test('a planted secret is in no ring, store, sealed file, audit, export or answer', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coequal-secrets-'));
  const at = (name: string): string => join(folder, name);
  try {
    await writeFile(at('plain'), secret.repeat(100));
    const said = [
      await runIn(['key', 'init', at('ring'), '--provider', 'file']),
      await runIn(['key', 'seal', at('plain'), '--ring', at('ring'), '--out', at('sealed'), '--json']),
      await runIn(['key', 'open', at('plain'), '--ring', at('ring'), '--out', at('never'), '--json']),
      await runIn(['key', 'status', at('ring'), '--json']),
    ];
    const store = { file: at('store'), keyFile: at('ring') };
    await changeSealedStore(store, () => new Map([['app', secret]]), { clock: systemClock });
    for (const format of ['ndjson', 'csv', 'html'])
      said.push(await runIn(['audit', 'export', at('ring.audit'), '--out', at(`out.${format}`), '--format', format]));
    await rm(at('plain'));
    expect(said.map(({ code }) => code)).toEqual([0, 0, 2, 0, 0, 0, 0]);
    const written = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(written.length).toBeGreaterThan(6);
    for (const { parentPath, name } of written)
      expect((await readFile(join(parentPath, name))).includes(secret), name).toBe(false);
    for (const { out, told } of said) expect(out + told).not.toContain(secret);
  } finally {
    await rm(folder, { recursive: true });
  }
});
