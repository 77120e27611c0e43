/**
 * Bodies that wait on disk until the store has taken them: in order, each until it is acknowledged, over a kill at any byte. A body
 * whose acknowledgement was not written down before a kill is given again; the store sees the same samples twice and keeps one.
 *
 * It is a folder of segment files and a file with the place that was read up to. Bounded in bytes: when it is full the oldest segment
 * goes, and what was lost is counted. A full disk loses what is added, is counted, and heals by itself. One process owns
 * the folder. Nothing is synced: what a power failure takes is a few seconds of samples.
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '@coequal/kernel';
import { frameAt, frameOf, scanFrames } from '../frames.ts';

export type OutboxOptions = {
  readonly folder: string;
  /** All segments together. An hour of 1,000 series a second is some 40 MB. */
  readonly limitBytes: number;
  /** One segment: what is dropped at once when it is full, and what is read at once. */
  readonly segmentBytes: number;
};

/** Bodies that never left, since it was opened. */
export type OutboxLosses = {
  /** Dropped as the oldest, because the limit was reached. */
  readonly dropped: number;
  /** Not written: the disk is full or broken, or the body is empty or larger than a segment. */
  readonly refused: number;
  /** Files with something behind their last whole frame; what it was cannot be said. */
  readonly damaged: number;
};

/** `frames`: bodies in it that are not acknowledged yet. */
type Segment = { readonly number: number; bytes: number; frames: number };

const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.segment`;
const placeName = 'place';

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #segments: Segment[] = [];
  #offset = 0;
  #nextNumber = 1;
  #writer: FileHandle | undefined;
  /** The first segment, when it has been read. */
  #cached: { readonly number: number; readonly bytes: Uint8Array } | undefined;
  #losses = { dropped: 0, refused: 0, damaged: 0 };
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Makes the folder, or takes up what another process left in it. */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const outbox = new Outbox(options);
    await outbox.#load();
    return outbox;
  }

  /** Bodies that wait. */
  get waiting(): number {
    return this.#segments.reduce((sum, { frames }) => sum + frames, 0);
  }

  losses(): OutboxLosses {
    return { ...this.#losses };
  }

  /** True when it is written. */
  append(body: Uint8Array): Promise<boolean> {
    return this.#inTurn(() => this.#append(body));
  }

  /** The oldest body, again and again until it is acknowledged; undefined when none waits. */
  peek(): Promise<Uint8Array | undefined> {
    return this.#inTurn(() => this.#peek());
  }

  /** The store has taken what `peek` gave last. */
  acknowledge(): Promise<void> {
    return this.#inTurn(() => this.#acknowledge());
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#closeWriter());
  }

  /** One after the other, in the order of the calls. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    // Its caller hears of an error; the next in turn goes on.
    this.#last = mine.then(
      () => undefined,
      () => undefined,
    );
    return mine;
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }

  async #load(): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#options.folder);
    const numbers = names
      .flatMap((name) => (/^\d{10}\.segment$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .sort((a, b) => a - b);
    const place = await this.#readPlace();
    for (const number of numbers) {
      this.#nextNumber = number + 1;
      if (number < place.number) await rm(this.#path(segmentName(number)));
      else await this.#loadSegment(number, number === place.number ? place.offset : 0);
    }
    this.#nextNumber = Math.max(this.#nextNumber, place.number + 1);
  }

  async #loadSegment(number: number, from: number): Promise<void> {
    const bytes = await readFile(this.#path(segmentName(number)));
    const { frames, end } = scanFrames(bytes, Math.min(from, bytes.length));
    if (end < bytes.length) this.#losses.damaged += 1;
    if (frames === 0) {
      await rm(this.#path(segmentName(number)));
      return;
    }
    if (this.#segments.length === 0) this.#offset = from;
    this.#segments.push({ number, bytes: end, frames });
  }

  async #readPlace(): Promise<{ readonly number: number; readonly offset: number }> {
    try {
      const [, number, offset] = /^(\d{1,10}) (\d{1,10})\n$/.exec(await readFile(this.#path(placeName), 'utf8')) ?? [];
      // A place that cannot be read is the beginning: what was acknowledged is sent once more.
      return { number: Number(number ?? 0), offset: Number(offset ?? 0) };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { number: 0, offset: 0 };
      throw error;
    }
  }

  async #append(body: Uint8Array): Promise<boolean> {
    const frame = frameOf(body);
    const { segmentBytes } = this.#options;
    if (body.length === 0 || frame.length > segmentBytes) {
      this.#losses.refused += 1;
      return false;
    }
    try {
      const current = this.#segments.at(-1);
      if (this.#writer !== undefined && current !== undefined && current.bytes + frame.length > segmentBytes)
        await this.#closeWriter();
      await this.#write(frame);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      this.#losses.refused += 1;
      // Part of the frame may be there: nothing is written behind it.
      await this.#closeWriter();
      return false;
    }
    await this.#keepLimit();
    return true;
  }

  async #write(frame: Uint8Array): Promise<void> {
    if (this.#writer === undefined) {
      const number = this.#nextNumber;
      this.#writer = await open(this.#path(segmentName(number)), 'wx', 0o600);
      this.#nextNumber += 1;
      if (this.#segments.length === 0) this.#offset = 0;
      this.#segments.push({ number, bytes: 0, frames: 0 });
    }
    const segment = this.#segments.at(-1);
    await this.#writer.appendFile(frame);
    if (segment === undefined) return;
    segment.bytes += frame.length;
    segment.frames += 1;
    if (this.#cached?.number === segment.number) this.#cached = undefined;
  }

  async #closeWriter(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }

  async #keepLimit(): Promise<void> {
    while (
      this.#segments.length > 1 &&
      this.#segments.reduce((sum, { bytes }) => sum + bytes, 0) > this.#options.limitBytes
    ) {
      this.#losses.dropped += this.#segments[0]?.frames ?? 0;
      await this.#dropFirst();
    }
  }

  async #dropFirst(): Promise<void> {
    const first = this.#segments.shift();
    this.#offset = 0;
    this.#cached = undefined;
    if (first === undefined) return;
    if (this.#segments.length === 0) await this.#closeWriter();
    await rm(this.#path(segmentName(first.number)), { force: true });
  }

  async #peek(): Promise<Uint8Array | undefined> {
    return (await this.#current())?.body;
  }

  /** The oldest frame. A segment that cannot be read any further than this is counted and left behind. */
  async #current(): Promise<{ readonly body: Uint8Array; readonly end: number } | undefined> {
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      if (first.frames === 0) return undefined;
      const { number } = first;
      if (this.#cached?.number !== number)
        this.#cached = { number, bytes: await readFile(this.#path(segmentName(number))) };
      const frame = frameAt(this.#cached.bytes, this.#offset);
      if (frame !== undefined) return frame;
      this.#losses.damaged += 1;
      await this.#dropFirst();
    }
    return undefined;
  }

  async #acknowledge(): Promise<void> {
    const frame = await this.#current();
    const first = this.#segments[0];
    if (frame === undefined || first === undefined) return;
    this.#offset = frame.end;
    first.frames -= 1;
    const isWritten = this.#segments.length === 1 && this.#writer !== undefined;
    // The place first: a segment that is still there behind it is removed when the folder is opened.
    await this.#writePlace(first.number, frame.end);
    if (first.frames === 0 && !isWritten) await this.#dropFirst();
  }

  async #writePlace(number: number, offset: number): Promise<void> {
    const next = this.#path(`${placeName}.next`);
    await writeFile(next, `${number} ${offset}\n`, { mode: 0o600 });
    await rename(next, this.#path(placeName));
  }
}
