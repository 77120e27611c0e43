/**
 * Remote write into a live window without making a sample of each sample: senders tell the same series every second, so the bytes of a
 * series' labels lead straight to its place in the window. The shape that senders use is read by hand; whatever looks different
 * goes through `decodeRemoteWrite`, which decides what is right. A broken body leaves nothing behind. The invariant: a window is the
 * same afterwards as with `decodeRemoteWrite` and `ingest`.
 */
import { type Labels, labelValue } from '../sample.ts';
import type { LiveWindow, WindowSeries } from '../window/live-window.ts';
import { ProtobufFault } from './protobuf.ts';
import { decodeRemoteWrite, readSeries, remoteWriteLimits } from './remote-write.ts';
import { snappyDecode } from './snappy.ts';

export type TakenWrite =
  | {
      readonly ok: true;
      readonly samples: number;
      /** Series whose labels are no labels. */
      readonly left: number;
      /** Of the first series; undefined where there is none, or none that was taken. */
      readonly first: Labels | undefined;
    }
  | { readonly ok: false; readonly what: string };

/** Thrown in here where a body has another shape than senders give it. */
class OtherShape extends Error {}

export class WriteTaker {
  readonly #window: LiveWindow;
  readonly #known = new Map<string, WindowSeries>();
  readonly #limit: number;
  #series: (WindowSeries | undefined)[] = [];
  #times = new Float64Array(4_096);
  #values = new Float64Array(4_096);

  /** @param limit of series that are remembered: as many as the window may have */
  constructor(window: LiveWindow, limit: number) {
    this.#window = window;
    this.#limit = limit;
  }

  take(body: Uint8Array, nowMs: number): TakenWrite {
    const bytes = snappyDecode(body, remoteWriteLimits.bytes);
    // What it says of a body that is none is said in one place.
    if (bytes === undefined) return this.#slowly(body, nowMs);
    try {
      return this.#quickly(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), nowMs);
    } catch (error) {
      if (error instanceof OtherShape || error instanceof ProtobufFault) return this.#slowly(body, nowMs);
      throw error;
    }
  }

  #slowly(body: Uint8Array, nowMs: number): TakenWrite {
    const read = decodeRemoteWrite(body);
    if (!read.ok) return read;
    this.#window.ingest(read.samples, nowMs);
    return { ok: true, samples: read.samples.length, left: read.left, first: read.samples[0]?.labels };
  }

  /** Reads all of it before anything is written. */
  #quickly(bytes: Buffer, nowMs: number): TakenWrite {
    this.#series = [];
    let [at, count] = [0, 0];
    while (at < bytes.length) {
      if (bytes[at] !== 0x0a) throw new OtherShape();
      const [length, start] = lengthAt(bytes, at + 1);
      const end = start + length;
      if (end > bytes.length) throw new OtherShape();
      count = this.#readSeries(bytes, start, end, count, nowMs);
      at = end;
      if (count > remoteWriteLimits.samples) throw new OtherShape();
    }
    for (let index = 0; index < count; index += 1) {
      const series = this.#series[index];
      if (series !== undefined) this.#window.write(series, this.#times[index] ?? 0, this.#values[index] ?? 0, nowMs);
    }
    return { ok: true, samples: count, left: 0, first: this.#series[0]?.labels };
  }

  /** Labels first, then samples. */
  #readSeries(bytes: Buffer, start: number, end: number, before: number, nowMs: number): number {
    let at = start;
    while (at < end && bytes[at] === 0x0a) {
      const [length, from] = lengthAt(bytes, at + 1);
      at = from + length;
    }
    if (at > end) throw new OtherShape();
    const labelsEnd = at;
    let count = before;
    while (at < end) {
      if (bytes[at] !== 0x12) throw new OtherShape();
      const [length, from] = lengthAt(bytes, at + 1);
      at = from + length;
      if (at > end) throw new OtherShape();
      this.#readSample(bytes, from, at, count);
      count += 1;
    }
    if (count === before) return count;
    const series = this.#seriesOf(bytes, start, labelsEnd, end, nowMs);
    for (let index = before; index < count; index += 1) this.#series[index] = series;
    return count;
  }

  /** A double and a time that is not before 1970, in this order. */
  #readSample(bytes: Buffer, from: number, end: number, index: number): void {
    if (index >= this.#times.length) this.#grow();
    if (bytes[from] !== 0x09 || bytes[from + 9] !== 0x10 || from + 11 > end) throw new OtherShape();
    let [timeMs, factor, at] = [0, 1, from + 10];
    for (; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      timeMs += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) break;
    }
    // Longer ones are negative, or beyond what a number holds.
    if (at !== end - 1 || end - from > 17) throw new OtherShape();
    this.#values[index] = bytes.readDoubleLE(from + 1);
    this.#times[index] = timeMs;
  }

  #grow(): void {
    const [times, values] = [this.#times, this.#values];
    this.#times = new Float64Array(times.length * 2);
    this.#values = new Float64Array(times.length * 2);
    this.#times.set(times);
    this.#values.set(values);
  }

  #seriesOf(bytes: Buffer, start: number, labelsEnd: number, end: number, nowMs: number): WindowSeries | undefined {
    const key = bytes.toString('latin1', start, labelsEnd);
    const known = this.#known.get(key);
    if (known !== undefined && !known.gone) return known;
    const series = this.#made(bytes, start, end, nowMs);
    if (series === undefined) return undefined;
    if (this.#known.size >= this.#limit) this.#known.clear();
    this.#known.set(key, series);
    return series;
  }

  /** New bytes are read by the one who decodes everything. Undefined: no room. Labels that are none make the whole body go that way. */
  #made(bytes: Buffer, start: number, end: number, nowMs: number): WindowSeries | undefined {
    const [first] = readSeries(bytes.subarray(start, end)) ?? [];
    // What is refused for its time must not make a series.
    if (first === undefined || first.timeMs > nowMs) throw new OtherShape();
    return this.#window.seriesOf(first.name, first.labels, nowMs);
  }
}

/** The sender's label of a name; the empty text where there is none. */
export const labelOfWrite = (taken: TakenWrite, name: string): string =>
  taken.ok && taken.first !== undefined ? labelValue(taken.first, name) : '';

/** A varint below 2³¹: its value, and where what follows begins. */
const lengthAt = (bytes: Buffer, from: number): readonly [number, number] => {
  const first = bytes[from] ?? 0x80;
  if (first < 0x80) return [first, from + 1];
  let [value, factor, at] = [first & 0x7f, 128, from + 1];
  for (; at < from + 5; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) throw new OtherShape();
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) return [value, at + 1];
  }
  throw new OtherShape();
};
