/**
 * Packets on the wire: a header of three bytes of length and one of sequence before each frame, and packets of
 * 16 MiB and more in several frames, the last of which is shorter than the longest possible (and may be empty).
 *
 * Writing: `PacketWriter` and `frame`. Reading: `PacketReader` for a direction whose packets all have to be
 * seen whole, that is, for what clients send; answers of servers go through `response.ts`, which holds nothing.
 * The reader gives views of the chunk where a packet lies whole in one, and copies only what is split. What it
 * holds follows what has arrived, never what a header announces.
 */
import { ByteWriter } from './bytes.ts';
import { isProblem, problemOf, type WireProblem } from './problem.ts';
import { frameLimit } from './protocol.ts';

export const headerBytes = 4;

export type Packet = {
  readonly payload: Buffer;
  /** The packet as it came, headers included. */
  readonly raw: Buffer;
  readonly firstSequence: number;
  /** Of the last frame: the answer goes on from here. */
  readonly sequence: number;
};

/** Writes packets one behind the other: `begin`, the payload, `end`; `take` gives all of them. */
export class PacketWriter extends ByteWriter {
  /** The number of the next frame. */
  sequence: number;
  #start = 0;

  constructor(firstSequence = 0, capacity = 256) {
    super(capacity);
    this.sequence = firstSequence & 0xff;
  }

  begin(): this {
    this.#start = this.length;
    return this.zeros(headerBytes);
  }

  end(): this {
    let at = this.#start;
    let left = this.length - at - headerBytes;
    while (left >= frameLimit) {
      this.#header(at, frameLimit);
      at += headerBytes + frameLimit;
      this.insert(at, headerBytes);
      left -= frameLimit;
    }
    this.#header(at, left);
    return this;
  }

  #header(at: number, length: number): void {
    this.setUint24(at, length);
    this.setUint8(at + 3, this.sequence);
    this.sequence = (this.sequence + 1) & 0xff;
  }
}

/** The packet with its headers, as one piece. */
export const frame = (payload: Uint8Array, sequence: number): Buffer =>
  new PacketWriter(sequence, payload.length + headerBytes).begin().bytes(payload).end().take();

type Measured = { readonly total: number; readonly frames: number; readonly firstSequence: number };

/** Puts packets together from chunks split anywhere. Push a chunk, then take packets until there are none. */
export class PacketReader {
  readonly #limit: number;
  /** The chunk that is being read, and where. */
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Chunks pushed while another was being read. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** The beginning of a packet whose end has not come. */
  #held: Buffer = Buffer.alloc(0);
  #heldLength = 0;
  /** Of the packet being read: frames known, and bytes (headers included) up to the end of the last known one. */
  #frames = 0;
  #known = 0;
  #lastLength = 0;
  #firstSequence = 0;
  #problem: WireProblem | undefined;

  /** `limitBytes`: the largest payload that is accepted, all frames together. */
  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** What was pushed and not yet taken. */
  get bufferedBytes(): number {
    return this.#heldLength + (this.#chunk.length - this.#at) + this.#waitingBytes;
  }

  /** Adds a chunk, which must not be changed afterwards. Answers with the problem that ended the stream before. */
  push(chunk: Buffer): WireProblem | undefined {
    if (this.#problem !== undefined) return this.#problem;
    // What waits goes first, also when the chunk before it has just been read to its end.
    if (this.#at === this.#chunk.length && this.#waiting.length === 0) {
      this.#chunk = chunk;
      this.#at = 0;
    } else {
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
    }
    return undefined;
  }

  /** The next packet; undefined when more bytes are needed; a problem, then and for ever, when the stream is broken. */
  next(): Packet | WireProblem | undefined {
    while (this.#problem === undefined) {
      const found = this.#heldLength === 0 ? this.#takeWhole() : this.#takeHeld();
      if (found !== undefined) return found;
      const following = this.#waiting.shift();
      if (following === undefined) return undefined;
      this.#waitingBytes -= following.length;
      this.#chunk = following;
      this.#at = 0;
    }
    return this.#problem;
  }

  /** What came behind the last packet taken: after an SSLRequest it has to be empty, or it was injected. */
  rest(): Buffer {
    const rest = Buffer.concat([
      this.#held.subarray(0, this.#heldLength),
      this.#chunk.subarray(this.#at),
      ...this.#waiting,
    ]);
    this.#chunk = Buffer.alloc(0);
    this.#at = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#heldLength = 0;
    this.#forget();
    return rest;
  }

  /** A packet that lies whole in the chunk, without a copy; otherwise its beginning is held. */
  #takeWhole(): Packet | WireProblem | undefined {
    const available = this.#chunk.length - this.#at;
    if (available === 0) return undefined;
    const measured = this.#measure(this.#chunk, this.#at, available);
    if (isProblem(measured)) return this.#stop(measured);
    if (measured !== undefined) {
      const raw = this.#chunk.subarray(this.#at, this.#at + measured.total);
      this.#at += measured.total;
      return this.#finish(raw, measured);
    }
    this.#hold(available);
    return undefined;
  }

  /** Copies from the chunk what the held packet still lacks, as far as is known, and looks again. */
  #takeHeld(): Packet | WireProblem | undefined {
    for (;;) {
      const available = this.#chunk.length - this.#at;
      if (available === 0) return undefined;
      const lacking = this.#lacking() - this.#heldLength;
      this.#hold(Math.min(lacking, available));
      const measured = this.#measure(this.#held, 0, this.#heldLength);
      if (isProblem(measured)) return this.#stop(measured);
      if (measured === undefined) continue;
      const raw = this.#held.subarray(0, measured.total);
      this.#held = Buffer.alloc(0);
      this.#heldLength = 0;
      return this.#finish(raw, measured);
    }
  }

  /** How many bytes of the packet are needed before the next decision. */
  #lacking(): number {
    const complete = this.#frames > 0 && this.#lastLength < frameLimit;
    return complete ? this.#known : this.#known + headerBytes;
  }

  /** Walks the headers as far as they are there. Undefined while the packet is not complete. */
  #measure(bytes: Buffer, at: number, available: number): Measured | WireProblem | undefined {
    while (this.#frames === 0 || this.#lastLength === frameLimit) {
      if (available < this.#known + headerBytes) return undefined;
      const problem = this.#readHeader(bytes, at + this.#known);
      if (problem !== undefined) return problem;
    }
    if (available < this.#known) return undefined;
    return { total: this.#known, frames: this.#frames, firstSequence: this.#firstSequence };
  }

  #readHeader(bytes: Buffer, at: number): WireProblem | undefined {
    const length = bytes.readUIntLE(at, 3);
    const sequence = bytes[at + 3] ?? 0;
    if (this.#frames === 0) this.#firstSequence = sequence;
    else if (sequence !== ((this.#firstSequence + this.#frames) & 0xff))
      return problemOf('out-of-order', 'the frames of a packet are not numbered one after the other');
    this.#frames += 1;
    this.#known += headerBytes + length;
    this.#lastLength = length;
    return this.#known - this.#frames * headerBytes > this.#limit
      ? problemOf('too-large', `a packet is larger than ${this.#limit} bytes`)
      : undefined;
  }

  #finish(raw: Buffer, { frames, firstSequence }: Measured): Packet {
    this.#forget();
    const sequence = (firstSequence + frames - 1) & 0xff;
    return { payload: frames === 1 ? raw.subarray(headerBytes) : joined(raw, frames), raw, firstSequence, sequence };
  }

  #hold(count: number): void {
    const needed = this.#heldLength + count;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, Math.min(this.#held.length * 2, this.#lacking())));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    this.#chunk.copy(this.#held, this.#heldLength, this.#at, this.#at + count);
    this.#heldLength = needed;
    this.#at += count;
  }

  #forget(): void {
    this.#frames = 0;
    this.#known = 0;
    this.#lastLength = 0;
  }

  #stop(problem: WireProblem): WireProblem {
    this.#problem = problem;
    this.rest();
    return problem;
  }
}

/** The payload of several frames without the headers between them. */
const joined = (raw: Buffer, frames: number): Buffer => {
  const payload = Buffer.allocUnsafe(raw.length - frames * headerBytes);
  for (let index = 0; index < frames; index += 1) {
    const from = index * (headerBytes + frameLimit) + headerBytes;
    raw.copy(payload, index * frameLimit, from, Math.min(from + frameLimit, raw.length));
  }
  return payload;
};
