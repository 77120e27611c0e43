import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Outbox } from './adapters/outbox.ts';
import { frameAt, frameHeadBytes, frameOf, scanFrames } from './frames.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coequal-outbox-'));
});
afterEach(() => rm(folder, { recursive: true }));

const body = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const openBox = (limitBytes = 10_000, segmentBytes = 1_000): Promise<Outbox> =>
  Outbox.open({ folder, limitBytes, segmentBytes });
const drain = async (box: Outbox): Promise<readonly string[]> => {
  const all: string[] = [];
  for (let next = await box.peek(); next !== undefined; next = await box.peek()) {
    all.push(textOf(next) ?? '');
    await box.acknowledge();
  }
  return all;
};
const segments = async (): Promise<readonly string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.segment')).sort();

test('frames end where one is cut off or changed, and nowhere before', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(bodies, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, position, change) => {
      const bytes = new Uint8Array(Buffer.concat(list.map(frameOf)));
      expect(scanFrames(bytes, 0)).toEqual({ frames: list.length, end: bytes.length });
      const at = position % bytes.length;
      const cut = scanFrames(bytes.subarray(0, at), 0);
      expect(cut.end).toBeLessThanOrEqual(at);
      bytes[at] = (bytes[at] ?? 0) ^ change;
      const whole = scanFrames(bytes, 0);
      expect(whole).toEqual(cut);
      expect(textOf(frameAt(bytes, 0)?.body)).toBe(whole.frames === 0 ? undefined : textOf(list[0]));
    }),
  );
  expect(frameAt(new Uint8Array(100), 0)).toBeUndefined();
});

describe('an outbox', () => {
  test('gives each body until it is acknowledged, in order', async () => {
    const box = await openBox();
    expect(await box.peek()).toBeUndefined();
    await Promise.all(['a', 'b', 'c'].map((text) => box.append(body(text))));
    expect([textOf(await box.peek()), textOf(await box.peek()), box.waiting]).toEqual(['a', 'a', 3]);
    expect(await drain(box)).toEqual(['a', 'b', 'c']);
    await box.append(body('d'));
    expect(await drain(box)).toEqual(['d']);
    await box.close();
  });

  test('goes on where another process ended, whether that closed it or not', async () => {
    const first = await openBox();
    for (const text of ['a', 'b', 'c']) await first.append(body(text));
    await first.peek();
    await first.acknowledge();
    const second = await openBox();
    await second.append(body('d'));
    await first.close();
    expect(second.waiting).toBe(3);
    expect(await drain(second)).toEqual(['b', 'c', 'd']);
    await second.close();
    const third = await openBox();
    expect(await drain(third)).toEqual([]);
    expect(third.losses()).toEqual({ dropped: 0, refused: 0, damaged: 0 });
    await third.close();
  });

  test('a kill at any byte of a write loses that body alone', async () => {
    const texts = ['first', 'second', 'third'];
    const frame = (text: string): number => frameHeadBytes + text.length;
    const total = texts.reduce((sum, text) => sum + frame(text), 0);
    for (let cut = 0; cut <= total; cut += 1) {
      await rm(folder, { recursive: true });
      const box = await openBox();
      for (const text of texts) await box.append(body(text));
      await box.close();
      await truncate(join(folder, (await segments())[0] ?? ''), cut);
      const again = await openBox();
      await again.append(body('after'));
      const ends = texts.map((_, index) => texts.slice(0, index + 1).reduce((sum, text) => sum + frame(text), 0));
      expect(await drain(again)).toEqual([...texts.filter((_, index) => (ends[index] ?? 0) <= cut), 'after']);
      expect(again.losses().damaged).toBe(cut === 0 || ends.includes(cut) ? 0 : 1);
      await again.close();
    }
  });

  test('a place that is broken means that all is sent once more', async () => {
    const box = await openBox();
    for (const text of ['a', 'b']) await box.append(body(text));
    await box.peek();
    await box.acknowledge();
    await box.close();
    await writeFile(join(folder, 'place'), 'nonsense');
    const again = await openBox();
    expect(await drain(again)).toEqual(['a', 'b']);
    await again.close();
  });

  test('what is changed on disk ends its segment, and the next one is read', async () => {
    const box = await openBox(10_000, 40);
    for (const text of ['one-of-two', 'two-of-two', 'three']) await box.append(body(text));
    await box.close();
    const [first = ''] = await segments();
    const bytes = await readFile(join(folder, first));
    bytes[frameHeadBytes + 1] = 0;
    await writeFile(join(folder, first), bytes);
    const again = await openBox(10_000, 40);
    expect(await drain(again)).toEqual(['three']);
    expect(again.losses().damaged).toBe(1);
    await again.close();
  });

  test('beyond its limit the oldest go, and are counted', async () => {
    const box = await openBox(100, 40);
    const texts = Array.from({ length: 20 }, (_, index) => `body-${String(index).padStart(5, '0')}`);
    for (const text of texts) await box.append(body(text));
    const rest = await drain(box);
    expect(rest).toEqual(texts.slice(-rest.length));
    expect(rest.length).toBeGreaterThan(1);
    expect(box.losses()).toEqual({ dropped: texts.length - rest.length, refused: 0, damaged: 0 });
    await box.close();
  });

  test('refuses what is empty or larger than a segment, and what cannot be written', async () => {
    const box = await openBox(10_000, 100);
    expect(await box.append(body(''))).toBe(false);
    expect(await box.append(new Uint8Array(200))).toBe(false);
    await rm(folder, { recursive: true });
    expect(await box.append(body('a'))).toBe(false);
    expect(box.losses().refused).toBe(3);
    const healed = await openBox(10_000, 100);
    expect(await box.append(body('b'))).toBe(true);
    expect(await drain(box)).toEqual(['b']);
    await Promise.all([box.close(), healed.close()]);
  });

  test('keeps no segment that is read', async () => {
    const box = await openBox(10_000, 40);
    for (let index = 0; index < 20; index += 1) await box.append(body(`body-${index}-of-many`));
    expect((await segments()).length).toBeGreaterThan(5);
    await drain(box);
    expect((await segments()).length).toBeLessThanOrEqual(1);
    await box.close();
  });
});
