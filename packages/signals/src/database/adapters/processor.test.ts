import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SessionProcessor } from './processor.ts';

let folder = '';
const thread = (id: number, process: number, name: string, nanoseconds: number): void => {
  for (const one of [id, process]) mkdirSync(join(folder, String(one)), { recursive: true });
  writeFileSync(join(folder, String(id), 'status'), `Name:\tx\nTgid:\t${process}\nPid:\t${id}\n`);
  writeFileSync(join(folder, String(process), 'comm'), `${name}\n`);
  writeFileSync(join(folder, String(id), 'schedstat'), `${nanoseconds} 12 3\n`);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-proc-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('adds up what the threads of its sessions used since they served it', () => {
  const processor = new SessionProcessor(folder, /^mariadbd/);
  expect(processor.seconds()).toBeUndefined();
  thread(71, 70, 'mariadbd', 5e9);
  processor.serve('71');
  expect(processor.seconds()).toBe(0);
  thread(71, 70, 'mariadbd', 6e9);
  expect(processor.seconds()).toBe(1);
  // A new session on a thread that served others before.
  thread(72, 70, 'mariadbd', 90e9);
  processor.serve('72');
  thread(72, 70, 'mariadbd', 90.5e9);
  expect(processor.seconds()).toBe(1.5);
  // The thread is gone, or its number is another's that used less.
  rmSync(join(folder, '72'), { recursive: true });
  expect(processor.seconds()).toBe(1.5);
  thread(72, 70, 'mariadbd', 1e9);
  expect(processor.seconds()).toBe(1.5);
});

test('takes no other process for the database, and nothing that is no number of a thread', () => {
  thread(71, 70, 'bash', 5e9);
  for (const id of ['71', '72', '0', '../71', '', null, undefined]) {
    const processor = new SessionProcessor(folder, /^mariadbd/);
    processor.serve(id);
    expect(processor.seconds()).toBeUndefined();
  }
  const elsewhere = new SessionProcessor(undefined, /^bash/);
  elsewhere.serve('71');
  expect(elsewhere.seconds()).toBeUndefined();
});
