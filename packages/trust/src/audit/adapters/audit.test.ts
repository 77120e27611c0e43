/** Chains on a real file system, and what is found when somebody with root, and with the key, has been at them. */
import { execFileSync } from 'node:child_process';
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, systemClock } from '@coequal/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { publicOf } from '../../signing.ts';
import { makeRecord } from '../record.ts';
import { anchor } from './anchors.ts';
import { type Chain, openChain } from './chain.ts';
import { AuditKeeper } from './keeper.ts';
import { type AuditChecks, verifyAudit } from './verify-folder.ts';

let folder = '';
const at = (...names: readonly string[]): string => join(folder, ...names);
const place = (name: string) => ({ folder: at(name), chain: name, keyFile: at(`${name}.key`) });
const entry = (n: number) => ({
  actor: 'os:ann',
  action: 'gateway.drain',
  target: `instance ${n}`,
  result: 'done' as const,
  ...(n % 2 === 0 ? { reason: 'maintenance, "said" Ann', details: { n, on: true } } : {}),
});
const keeperOf = (chain: Chain, told: string[] = []): AuditKeeper =>
  new AuditKeeper(
    chain,
    { everyMs: 60_000, anchorFolder: at('anchors') },
    { clock: systemClock, hostName: 'here', tell: (duty, reason) => void told.push(`${duty}: ${reason}`) },
  );
const code = async (promise: Promise<unknown>): Promise<string | undefined> => {
  try {
    await promise;
  } catch (error) {
    return codeOf(error);
  }
  return 'it was taken';
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-audit-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** `begun`, then eight entries and a checkpoint, then two more. Lines 1 to 12. */
const written = async (name = 'north'): Promise<void> => {
  const chain = await openChain(place(name), systemClock);
  for (let n = 1; n <= 8; n += 1) await chain.write(entry(n));
  await chain.checkpoint();
  await Promise.all([chain.write(entry(9)), chain.write(entry(10))]);
  await chain.close();
};
const segment = (name = 'north'): string => at(name, '000000000001.ndjson');
const linesOf = async (name = 'north'): Promise<string[]> =>
  (await readFile(segment(name), 'utf8')).split('\n').slice(0, -1);
const change = async (make: (lines: string[]) => readonly string[], name = 'north'): Promise<void> =>
  writeFile(segment(name), `${make(await linesOf(name)).join('\n')}\n`);
const problem = async (checks: Partial<AuditChecks> = {}) => {
  const { valid, chains } = await verifyAudit([at('north')], { keys: [], ...checks });
  expect(valid).toBe(false);
  return chains[0]?.problem;
};

/** The chain from record `from` on, written anew by somebody who computes all hashes, and, with the key, signs. */
const forge = async (from: number, alter: (target: string) => string): Promise<void> => {
  const kept = (await linesOf()).map((line) => JSON.parse(line));
  await rm(at('north'), { recursive: true });
  const chain = await openChain(place('north'), systemClock);
  for (const { action, actor, target, result } of kept.slice(1)) {
    if (action === 'audit.checkpoint') await chain.checkpoint();
    else
      await chain.write({ action, actor, target: chainLength(kept, target) >= from ? alter(target) : target, result });
  }
  await chain.close();
};
const chainLength = (kept: readonly { target: string; sequence: number }[], target: string): number =>
  kept.find((one) => one.target === target)?.sequence ?? 0;

describe('a chain', () => {
  test('is a file that anybody can check with common tools', async () => {
    await written();
    expect(await verifyAudit([at('north')], { keys: [] })).toMatchObject({
      valid: true,
      records: 12,
      chains: [
        { chain: 'north', records: 12, entries: 10, signedTo: 9, pinned: false, problem: null, unfinished: false },
      ],
    });
    let previous = '0'.repeat(64);
    for (const line of await linesOf()) {
      const { hash, ...rest } = JSON.parse(line);
      const text = JSON.stringify(rest, (_, value) =>
        typeof value === 'object' ? Object.fromEntries(Object.entries(value).sort()) : value,
      );
      expect(execFileSync('sha256sum', { input: text }).toString().slice(0, 64)).toBe(hash);
      expect(rest.previous).toBe(previous);
      previous = hash;
    }
    expect((await stat(segment())).mode & 0o777).toBe(0o600);
    expect((await stat(at('north.key'))).mode & 0o777).toBe(0o600);
  });

  test('goes on after an end, and takes away a line that the machine did not finish', async () => {
    await written();
    await appendFile(segment(), '{"action":"gateway.dr');
    expect((await verifyAudit([at('north')], { keys: [] })).chains[0]).toMatchObject({
      problem: null,
      unfinished: true,
    });
    const chain = await openChain(place('north'), systemClock);
    await chain.write(entry(11));
    await chain.close();
    expect(JSON.parse((await linesOf())[12] ?? '')).toMatchObject({
      action: 'audit.opened',
      details: { tornBytes: 21 },
    });
    expect((await verifyAudit([at('north')], { keys: [] })).chains[0]).toMatchObject({
      problem: null,
      records: 14,
      entries: 11,
    });
  });

  test('is signed at the latest after a thousand records, and counts over ends', async () => {
    const chain = await openChain(place('north'), systemClock);
    await Promise.all(Array.from({ length: 2_500 }, (_, n) => chain.write(entry(n))));
    await chain.close();
    const again = await openChain(place('north'), systemClock);
    await again.checkpoint();
    expect(again.newest()).toMatchObject({ entries: 2_500, sequence: 2_504 });
    const before = again.newest();
    await again.checkpoint();
    expect(again.newest()).toEqual(before);
    await again.close();
    expect((await verifyAudit([at('north')], { keys: [] })).chains[0]).toMatchObject({
      problem: null,
      signedTo: 2_504,
    });
  });

  test('has one writer, and writes nothing behind an end that is not sound', async () => {
    const chain = await openChain(place('north'), systemClock);
    const quick = {
      ...systemClock,
      monotonic: (() => {
        let ms = 0;
        return () => (ms += 3_000);
      })(),
    };
    expect(await code(openChain(place('north'), quick))).toBe('DEADLINE_PASSED');
    await chain.close();
    expect(await code(chain.write(entry(1)))).toBe('AUDIT_UNWRITABLE');
    expect(await code(openChain({ ...place('north'), chain: 'south' }, systemClock))).toBe('AUDIT_INVALID');
    await change((lines) => lines.map((line) => line.replace('noted', 'done')));
    expect(await code(openChain(place('north'), systemClock))).toBe('AUDIT_INVALID');
    await chmod(at('north.key'), 0o644);
    expect(await code(openChain(place('north'), systemClock))).toBe('SECRET_FILE_EXPOSED');
    await writeFile(at('a-file'), '');
    expect(await code(openChain({ ...place('north'), folder: at('a-file') }, systemClock))).toBe('AUDIT_UNWRITABLE');
  });

  test('keeps what comes from outside on one line and within bounds', async () => {
    const chain = await openChain(place('north'), systemClock);
    await chain.write({
      actor: 'a\n{"action":"x"}',
      action: 'b'.repeat(500),
      target: '\ud800',
      result: 'done',
      details: { a: 'x'.repeat(90_000) },
    });
    await chain.close();
    expect((await verifyAudit([at('north')], { keys: [] })).valid).toBe(true);
    expect(await linesOf()).toHaveLength(2);
  });
});

describe('without the key', () => {
  beforeEach(() => written());

  test('a record that was changed is named', async () => {
    await change((lines) => lines.map((line, index) => (index === 4 ? line.replace('os:ann', 'os:bob') : line)));
    expect(await problem()).toMatchObject({ kind: 'changed', sequence: 5, file: segment(), line: 5 });
  });

  test('one whose hash was computed anew is told from the one after it', async () => {
    await change((lines) => {
      const { v: _, hash: __, sequence, at: time, chain, previous, ...rest } = JSON.parse(lines[4] ?? '');
      const { line } = makeRecord({ ...rest, actor: 'os:bob' }, { chain, sequence, at: time, previous });
      return lines.with(4, line);
    });
    expect(await problem()).toMatchObject({
      kind: 'changed',
      sequence: 5,
      line: 5,
      text: expect.stringContaining('computed anew'),
    });
  });

  test.each([
    ['in the middle', 5, 1],
    ['several', 3, 3],
    ['at the beginning', 0, 2],
  ])('records that were removed are named: %s', async (_, from, count) => {
    await change((lines) => lines.toSpliced(from, count));
    expect(await problem()).toMatchObject({ kind: 'removed', sequence: from + 1, line: from + 1 });
  });

  test('a record that was put in is named', async () => {
    const before = await linesOf();
    await change((lines) => lines.toSpliced(6, 0, lines[3] ?? ''));
    expect(await problem()).toMatchObject({
      kind: 'inserted',
      sequence: 7,
      line: 7,
      text: expect.stringContaining('Record 4 is there a second time'),
    });
    const { hash: previous } = JSON.parse(before[5] ?? '');
    const { line } = makeRecord(entry(1), { chain: 'north', sequence: 7, at: '2026-01-01T00:00:00.000Z', previous });
    await writeFile(segment(), `${before.toSpliced(6, 0, line).join('\n')}\n`);
    expect(await problem()).toMatchObject({ kind: 'inserted', line: 7 });
    await writeFile(segment(), `${before.toSpliced(6, 0, 'no record').join('\n')}\n`);
    expect(await problem()).toMatchObject({ kind: 'inserted', line: 7 });
  });

  test('an order that was changed is named', async () => {
    await change((lines) => lines.with(4, lines[5] ?? '').with(5, lines[4] ?? ''));
    expect(await problem()).toMatchObject({ kind: 'reordered', sequence: 5, line: 5 });
    await written('south');
    await change((lines) => lines.with(0, '').slice(1), 'south');
    expect((await verifyAudit([at('south')], { keys: [] })).chains[0]?.problem).toMatchObject({
      kind: 'removed',
      sequence: 1,
    });
  });

  test('a second way to write the same record, and members that we do not know, are changes', async () => {
    const lines = await linesOf();
    for (const wrong of [
      `${lines[4]} `,
      (lines[4] ?? '').replace('"v":1', '"v":1,"x":1'),
      (lines[4] ?? '').replace('{"action"', '{"action":"x","action"'),
    ]) {
      await writeFile(segment(), `${lines.with(4, wrong).join('\n')}\n`);
      expect(await problem()).toMatchObject({ kind: 'changed', sequence: 5, line: 5 });
    }
  });

  test('all hashes computed anew do not make up for the signature', async () => {
    const kept = (await linesOf()).map((line) => JSON.parse(line));
    let previous = kept[3].hash;
    await change((lines) =>
      lines.map((line, index) => {
        if (index < 4) return line;
        const { hash: _, v: __, previous: ___, ...rest } = kept[index];
        const made = makeRecord({ ...rest, ...(index === 4 ? { target: 'other' } : {}) }, { ...rest, previous });
        previous = made.record.hash;
        return made.line;
      }),
    );
    expect(await problem()).toMatchObject({ kind: 'bad-signature', sequence: 10, line: 10 });
  });
});

describe('with root and the key', () => {
  beforeEach(async () => {
    await written();
    // As the process did at its checkpoints: one in the middle, one at the end.
    const chain = await openChain(place('north'), systemClock);
    await keeperOf(chain).close();
  });
  const checks = () => ({ keys: [], anchorFolder: at('anchors') });

  test('a history that was written anew is caught by its anchors, and by nothing else', async () => {
    await forge(5, (target) => `${target} (never)`);
    expect((await verifyAudit([at('north')], { keys: [] })).valid).toBe(true);
    expect(await problem(checks())).toMatchObject({
      kind: 'rewritten',
      sequence: 1,
      text: expect.stringContaining('somebody who can sign'),
    });
  });

  test('an end that was cut is caught by its anchors, and by nothing else', async () => {
    await change((lines) => lines.slice(0, 9));
    expect((await verifyAudit([at('north')], { keys: [] })).valid).toBe(true);
    const found = await problem(checks());
    expect(found).toMatchObject({ kind: 'cut', sequence: 10, line: 0, file: segment() });
    expect(found?.text).toMatch(
      /the chain ends with record 9, but .*anchors.* for record 13. At least 4 records are missing/,
    );
    await rm(at('north'), { recursive: true });
    await written('south');
    const verdict = await verifyAudit([at('south')], checks());
    expect(verdict).toMatchObject({
      valid: false,
      problems: [expect.stringContaining('the chain itself is not here')],
    });
  });

  test('both are caught by another process that witnessed the checkpoints', async () => {
    const south = await openChain(place('south'), systemClock);
    await south.write(entry(1));
    await keeperOf(south).close();
    // The witness is covered by the other's signature, and the anchors are not needed.
    await rm(at('anchors'), { recursive: true });
    await mkdir(at('both'));
    const both = async () => (await verifyAudit([folder], { keys: [] })).chains.find(({ chain }) => chain === 'north');
    expect(await both()).toMatchObject({ problem: null, heldTo: 13 });
    await change((lines) => lines.slice(0, 9));
    expect((await both())?.problem).toMatchObject({
      kind: 'cut',
      text: expect.stringMatching(/record \d+ of south \(.*line \d+\)/),
    });
    await forge(5, (target) => `${target}!`);
    expect((await both())?.problem?.kind).toMatch(/rewritten|cut/);
  });

  test('the first record after the last anchor that still fits is named', async () => {
    const chain = await openChain(place('north'), systemClock);
    await chain.write(entry(11));
    await keeperOf(chain).close();
    const names = await readdir(at('anchors'));
    expect(names).toEqual(['north.000000000013.json', 'north.000000000016.json']);
    const lines = await linesOf();
    await change(() => {
      let { hash: previous } = JSON.parse(lines[13] ?? '');
      return lines.flatMap((line, index) => {
        if (index < 14) return [line];
        const { hash: _, v: __, previous: ___, ...rest } = JSON.parse(line);
        if (rest.action === 'audit.checkpoint') return [];
        const made = makeRecord({ ...rest, actor: 'os:nobody' }, { ...rest, previous });
        previous = made.record.hash;
        return [made.line];
      });
    });
    expect(await problem(checks())).toMatchObject({
      kind: 'rewritten',
      sequence: 14,
      text: expect.stringContaining('Record 13 still fits'),
    });
  });

  test('a chain that was begun anew under another key does not pass for the old one', async () => {
    const pinned = publicOf(await readFile(at('north.key'), 'utf8'));
    expect((await verifyAudit([at('north')], { keys: [pinned] })).valid).toBe(true);
    await rm(at('north'), { recursive: true });
    await rm(at('north.key'));
    await written();
    expect(await problem({ keys: [pinned] })).toMatchObject({ kind: 'wrong-key', sequence: 1 });
    expect(await problem(checks())).toMatchObject({ kind: 'cut' });
  });

  test('anchors that were changed do not pass, and none is ever written over', async () => {
    const [name = ''] = await readdir(at('anchors'));
    const text = await readFile(at('anchors', name), 'utf8');
    expect((await stat(at('anchors', name))).mode & 0o222).toBe(0);
    const checkpoint = JSON.parse(text);
    expect(await code(anchor(at('anchors'), { ...checkpoint, head: 'f'.repeat(64) }))).toBe('AUDIT_ANCHOR_REFUSED');
    await anchor(at('anchors'), checkpoint);
    expect(await readFile(at('anchors', name), 'utf8')).toBe(text);
    await rm(at('anchors', name));
    await writeFile(at('anchors', name), text.replace('"entries":10', '"entries":11'));
    expect(await verifyAudit([at('north')], checks())).toMatchObject({
      valid: false,
      problems: [expect.stringContaining('not signed')],
    });
    await writeFile(at('anchors', name), 'nothing');
    expect(await verifyAudit([at('north')], checks())).toMatchObject({
      valid: false,
      problems: [expect.stringContaining('no anchor')],
    });
  });
});

test('two chains do not witness each other for ever', async () => {
  const [north, south] = await Promise.all(['north', 'south'].map((name) => openChain(place(name), systemClock)));
  if (north === undefined || south === undefined) throw new Error('no chains');
  await north.write(entry(1));
  const keepers = [keeperOf(north), keeperOf(south)];
  for (let round = 0; round < 6; round += 1) for (const keeper of keepers) await keeper.keep();
  for (const keeper of keepers) await keeper.close();
  expect((await linesOf('north')).length).toBeLessThanOrEqual(6);
  expect((await linesOf('south')).length).toBeLessThanOrEqual(6);
});

test('a duty that fails is told once, and once again when it works', async () => {
  const chain = await openChain(place('north'), systemClock);
  const told: string[] = [];
  const keeper = keeperOf(chain, told);
  await writeFile(at('anchors'), 'in the way');
  await chain.write(entry(1));
  await keeper.keep();
  await keeper.keep();
  expect(told.filter((text) => text.startsWith('anchor'))).toHaveLength(1);
  await rm(at('anchors'));
  await mkdir(at('anchors'));
  await keeper.keep();
  expect(told.at(-1)).toMatch(/: undefined$/);
  await keeper.close();
  expect(await readdir(at('anchors'))).not.toEqual([]);
});

test('what is no audit is refused by name', async () => {
  expect(await code(verifyAudit([at('nothing')], { keys: [] }))).toBe('FILE_MISSING');
  expect(await code(verifyAudit([folder], { keys: [] }))).toBe('AUDIT_INVALID');
  await writeFile(at('text'), 'some text\n');
  expect((await verifyAudit([at('text')], { keys: [] })).chains[0]?.problem).toMatchObject({
    kind: 'changed',
    sequence: 1,
  });
  await writeFile(at('endless'), Buffer.alloc(3 * 2 ** 20, 'x'));
  expect((await verifyAudit([at('endless')], { keys: [] })).valid).toBe(false);
  await writeFile(at('empty'), '');
  expect(await verifyAudit([at('empty')], { keys: [] })).toMatchObject({ records: 0 });
});
