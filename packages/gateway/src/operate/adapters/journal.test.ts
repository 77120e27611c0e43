import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@coequal/kernel';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Acknowledgement, journalKey, journalLine, parseJournalLine } from '../acknowledgements.ts';
import type { GatewayEvent } from '../events.ts';
import { journalFolder, segmentName, segmentsToRemove } from '../segments.ts';
import { openJournal, pruneJournal, readJournal } from './journal.ts';
import { makeLineWriter } from './line-writer.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coequal-journal-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = (sequence: number): Acknowledgement => ({
  key: journalKey(Buffer.from('session')),
  epoch: 1,
  sequence,
  outcome: 'committed',
  gtid: '0-1-7',
});

const files = (): readonly string[] => readdirSync(join(folder, journalFolder));

const opened = async (pid: number, now: () => number, segmentBytes?: number) => {
  const events: GatewayEvent[] = [];
  const journal = await openJournal({
    stateFolder: folder,
    pid,
    now,
    event: (event) => events.push(event),
    onDropped: () => undefined,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  return { ...journal, events };
};

const all = async () => {
  const entries = [];
  for await (const each of readJournal(folder)) entries.push(each);
  return entries;
};

describe('a line', () => {
  const acknowledgement = fc.record({
    key: fc.uint8Array({ minLength: 24, maxLength: 24 }).map(journalKey),
    epoch: fc.nat(),
    sequence: fc.nat(),
    outcome: fc.constantFrom('committed' as const, 'told-absent' as const, 'told-unknown' as const),
    gtid: fc.string({ unit: 'binary' }),
  });

  test('is read back as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(acknowledgement, fc.nat(), (one, at) => {
        const line = journalLine(at, one);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(parseJournalLine(line.trimEnd())).toEqual({ at, ...one });
      }),
    );
  });

  test('that is torn anywhere is no line', () => {
    const line = journalLine(5, entry(1)).trimEnd();
    for (let length = 0; length < line.length; length += 1)
      expect(parseJournalLine(line.slice(0, length))).toBeUndefined();
  });

  test('holds nothing by which a session could be written for', () => {
    const session = Buffer.alloc(24, 7);
    expect(journalLine(5, { ...entry(1), key: journalKey(session) })).not.toContain(
      session.toString('hex').slice(0, 8),
    );
    expect(journalKey(session)).toMatch(/^[0-9a-f]{32}$/);
  });
});

test('what was written is there, for its owner alone, in the order of time over all workers', async () => {
  let time = 1_000;
  const now = (): number => time;
  const one = await opened(11, now);
  const two = await opened(12, now);
  for (let sequence = 1; sequence <= 20; sequence += 1) {
    (sequence % 3 === 0 ? one : two).write(entry(sequence));
    time += 1;
  }
  await one.close();
  await two.close();
  expect((await all()).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(files()).toHaveLength(2);
  for (const name of files()) expect(statSync(join(folder, journalFolder, name)).mode & 0o777).toBe(0o600);
});

test('a file that is full is followed by another, and reading goes over both', async () => {
  let time = 0;
  const journal = await opened(11, () => ++time, 200);
  for (let round = 0; round < 5; round += 1) {
    journal.write(entry(2 * round));
    journal.write(entry(2 * round + 1));
    // Each round is a batch of its own.
    await journal.close();
  }
  expect(files().length).toBeGreaterThan(1);
  expect((await all()).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 10 }, (_, index) => index));
});

test('a line that a kill tore is left out, and so are strangers’ files', async () => {
  const journal = await opened(11, () => 5);
  journal.write(entry(1));
  await journal.close();
  const [name = ''] = files();
  appendFileSync(join(folder, journalFolder, name), '{"at":6,"key":"abc');
  appendFileSync(join(folder, journalFolder, 'notes.txt'), journalLine(7, entry(9)));
  expect((await all()).map(({ sequence }) => sequence)).toEqual([1]);
});

test('a folder that is not there holds nothing', async () => {
  expect(await all()).toEqual([]);
  expect(await pruneJournal(folder, new Set())).toEqual([]);
});

test('a disk that takes nothing costs lines and one event, never the gateway', async () => {
  const journal = await opened(11, () => 5);
  rmSync(join(folder, journalFolder), { recursive: true });
  journal.write(entry(1));
  await journal.close();
  journal.write(entry(2));
  await journal.close();
  expect(journal.events).toEqual([{ event: 'journal-trouble', reason: 'ENOENT', dropped: 0 }]);
});

describe('lines on their way', () => {
  const slow = () => {
    const batches: string[] = [];
    let failing = false;
    const told: string[] = [];
    const writer = makeLineWriter({
      everyMs: 1,
      limit: 10,
      put: async (batch) => {
        if (failing) throw new Error('full');
        batches.push(batch);
      },
      onTrouble: () => told.push('trouble'),
      onWell: (dropped) => told.push(`well, ${dropped} lost`),
      onDropped: () => told.push('dropped'),
    });
    const fail = (now: boolean): void => {
      failing = now;
    };
    return { batches, told, writer, fail };
  };

  test('are gathered into batches', async () => {
    const { batches, writer } = slow();
    for (const line of ['a\n', 'b\n', 'c\n']) writer.write(line);
    await writer.flush();
    expect(batches).toEqual(['a\nb\nc\n']);
  });

  test('wait while nothing can be written, up to the bound, and are written once it works', async () => {
    const { batches, told, writer, fail } = slow();
    fail(true);
    writer.write('12345\n');
    await writer.flush();
    writer.write('67\n');
    await writer.flush();
    writer.write('too long\n');
    expect(told).toEqual(['trouble', 'dropped']);
    fail(false);
    await writer.flush();
    expect(batches).toEqual(['\n12345\n67\n']);
    expect(told.at(-1)).toBe('well, 1 lost');
    writer.write('89\n');
    await writer.flush();
    expect(batches.at(-1)).toBe('89\n');
  });
});

describe('which files go', () => {
  const segment = fc.record({
    at: fc.nat(50),
    pid: fc.integer({ min: 1, max: 4 }),
    index: fc.nat(3),
    bytes: fc.nat(100),
  });
  const living = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });

  test('the oldest, until the rest keeps to the limits; never the newest of a living process', () => {
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 20 }), living, fc.nat(500), fc.nat(10), (made, pids, bytes, count) => {
        const all = [...new Map(made.map((one) => [segmentName(one.at, one.pid, one.index), one])).entries()].map(
          ([name, one]) => ({ name, bytes: one.bytes, pid: one.pid }),
        );
        const removed = new Set(segmentsToRemove(all, new Set(pids), { bytes, files: count }));
        const kept = all.filter(({ name }) => !removed.has(name));
        const newestOf = (pid: number) =>
          all
            .filter((each) => each.pid === pid)
            .map(({ name }) => name)
            .sort()
            .at(-1);
        const spared = kept.filter(({ name, pid }) => pids.includes(pid) && newestOf(pid) === name);
        for (const { name } of spared) expect(removed.has(name)).toBe(false);
        // Beyond the limits only spared files are left.
        const over = kept.reduce((sum, each) => sum + each.bytes, 0) > bytes || kept.length > count;
        if (over) expect(kept.length).toBe(spared.length);
        // Nothing younger went while something older, that could go, stayed.
        for (const one of kept)
          if (!spared.includes(one)) for (const name of removed) expect(name < one.name).toBe(true);
      }),
    );
  });

  test('on disk', async () => {
    const journal = await opened(11, systemClock.now);
    journal.write(entry(1));
    await journal.close();
    const [name = ''] = files();
    const limits = { bytes: 0, files: 0 };
    expect(await pruneJournal(folder, new Set([11]), limits)).toEqual([]);
    expect(readFileSync(join(folder, journalFolder, name), 'utf8')).toContain('"sequence":1');
    expect(await pruneJournal(folder, new Set(), limits)).toEqual([name]);
    expect(files()).toEqual([]);
  });
});
