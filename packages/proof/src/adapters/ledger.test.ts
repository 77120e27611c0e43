import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Invocation } from '../history.ts';
import { openLedger, readHistory } from './ledger.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-ledger-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const invocation = (id: string): Invocation => ({
  type: 'invoke',
  id,
  process: 'p',
  site: 's',
  instance: 'i',
  at: 1,
  operations: [['r', 1]],
});

describe('a ledger', () => {
  test('has every line on disk as soon as it is appended', async () => {
    const path = join(folder, 'l');
    const ledger = openLedger(path);
    ledger.append(invocation('a'));
    expect((await readHistory(path)).transactions.map(({ id }) => id)).toEqual(['a']);
    ledger.close();
  });

  test('goes on after a line that was cut off', async () => {
    const path = join(folder, 'l');
    const first = openLedger(path);
    first.append(invocation('a'));
    first.close();
    await appendFile(path, '{"type":"comp');
    const second = openLedger(path);
    second.append(invocation('b'));
    second.close();
    expect((await readHistory(path)).transactions.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(await readFile(path, 'utf8')).not.toContain('comp"');
  });

  test('that is missing, or cannot be written, is an error that says so', async () => {
    await expect(readHistory(join(folder, 'none'))).rejects.toThrow(expect.objectContaining({ code: 'FILE_MISSING' }));
    expect(() => openLedger(join(folder, 'no', 'folder'))).toThrow(
      expect.objectContaining({ code: 'FOLDER_UNWRITABLE' }),
    );
  });
});
