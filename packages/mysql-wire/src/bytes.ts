/**
 * Reading and writing the protocol's data types. A reader never throws and never reads beyond its bytes: after
 * a field that is not there it says `failed`, and everything it returns from then on is zero or empty, so that
 * a parser reads a whole packet and asks once at the end. Byte strings are views of the input, not copies.
 */

const empty = Buffer.alloc(0);

export class ByteReader {
  readonly bytes: Buffer;
  position: number;
  /** A field was beyond the end, or a length was none. Never becomes false again. */
  failed = false;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }

  get remaining(): number {
    return this.failed ? 0 : this.bytes.length - this.position;
  }

  uint8(): number {
    return this.#has(1) ? (this.bytes[this.position++] ?? 0) : 0;
  }

  uint16(): number {
    return this.#fixedNumber(2);
  }

  uint24(): number {
    return this.#fixedNumber(3);
  }

  uint32(): number {
    return this.#fixedNumber(4);
  }

  uint64(): bigint {
    if (!this.#has(8)) return 0n;
    this.position += 8;
    return this.bytes.readBigUInt64LE(this.position - 8);
  }

  /** A length-encoded integer below 2^53. NULL (0xFB), 0xFF and larger ones fail. */
  lenencInt(): number {
    const first = this.uint8();
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint16();
    if (first === 0xfd) return this.uint24();
    if (first === 0xfe) {
      const value = this.uint64();
      if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    }
    this.failed = true;
    return 0;
  }

  /** A length-encoded integer in its whole range of 64 bits. */
  lenencBigint(): bigint {
    if (!this.failed && this.bytes[this.position] === 0xfe) {
      this.position += 1;
      return this.uint64();
    }
    return BigInt(this.lenencInt());
  }

  lenencBytes(): Buffer {
    return this.fixed(this.lenencInt());
  }

  /** As in a text row: null where the first byte is 0xFB. */
  nullableBytes(): Buffer | null {
    if (!this.failed && this.bytes[this.position] === 0xfb) {
      this.position += 1;
      return null;
    }
    return this.lenencBytes();
  }

  lenencText(): string {
    return this.lenencBytes().toString('utf8');
  }

  /** Up to a zero byte, which is read too and has to be there. */
  nulBytes(): Buffer {
    const end = this.failed ? -1 : this.bytes.indexOf(0, this.position);
    if (end < 0) return this.#fail();
    const found = this.bytes.subarray(this.position, end);
    this.position = end + 1;
    return found;
  }

  nulText(): string {
    return this.nulBytes().toString('utf8');
  }

  /** Up to a zero byte or the end: some clients leave the last zero of a packet away. */
  nulOrRestText(): string {
    if (this.failed) return '';
    return (this.bytes.includes(0, this.position) ? this.nulBytes() : this.rest()).toString('utf8');
  }

  fixed(length: number): Buffer {
    if (!this.#has(length)) return empty;
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  rest(): Buffer {
    return this.fixed(this.remaining);
  }

  skip(length: number): void {
    if (this.#has(length)) this.position += length;
  }

  #fixedNumber(length: number): number {
    if (!this.#has(length)) return 0;
    this.position += length;
    return this.bytes.readUIntLE(this.position - length, length);
  }

  #has(length: number): boolean {
    if (!this.failed && this.position + length <= this.bytes.length) return true;
    this.failed = true;
    return false;
  }

  #fail(): Buffer {
    this.failed = true;
    return empty;
  }
}

/** Bytes that grow as they are written. `take` hands them out and begins anew. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  uint8(value: number): this {
    // In two steps: making room may replace the bytes.
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  uint16(value: number): this {
    return this.#fixedNumber(value, 2);
  }

  uint24(value: number): this {
    return this.#fixedNumber(value, 3);
  }

  uint32(value: number): this {
    return this.#fixedNumber(value >>> 0, 4);
  }

  uint64(value: bigint): this {
    const at = this.#room(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return this;
  }

  double(value: number): this {
    const at = this.#room(8);
    this.#bytes.writeDoubleLE(value, at);
    return this;
  }

  lenencInt(value: number | bigint): this {
    if (value < 0xfb) return this.uint8(Number(value));
    if (value < 0x1_0000) return this.uint8(0xfc).uint16(Number(value));
    if (value < 0x100_0000) return this.uint8(0xfd).uint24(Number(value));
    return this.uint8(0xfe).uint64(BigInt(value));
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  lenencBytes(value: Uint8Array): this {
    return this.lenencInt(value.length).bytes(value);
  }

  lenencText(value: string): this {
    return this.lenencBytes(Buffer.from(value, 'utf8'));
  }

  /** The text and a zero. A zero inside would end it early for the reader, so what follows one is not written. */
  nulText(value: string): this {
    const end = value.indexOf('\0');
    return this.text(end < 0 ? value : value.slice(0, end)).uint8(0);
  }

  zeros(count: number): this {
    const at = this.#room(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** Overwrites three bytes that were written before: the length in a frame's header. */
  setUint24(at: number, value: number): void {
    this.#bytes.writeUIntLE(value, at, 3);
  }

  setUint8(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  /** Makes room in the middle: what was written from `at` on moves `count` bytes to the right. */
  insert(at: number, count: number): void {
    const end = this.#length;
    this.#room(count);
    this.#bytes.copyWithin(at + count, at, end);
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafe(64);
    this.#length = 0;
    return taken;
  }

  #fixedNumber(value: number, length: number): this {
    const at = this.#room(length);
    this.#bytes.writeUIntLE(value, at, length);
    return this;
  }

  /** Where `count` more bytes begin. */
  #room(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}
