/**
 * As much of protobuf's wire format as messages of metrics need: fields are read one after the other without any schema,
 * and written into one growing buffer. A reader never reads beyond its bytes; what is broken is a `ProtobufFault`, which
 * whoever reads a whole message turns into its answer.
 *
 * Source: protobuf.dev/programming-guides/encoding.
 */

export class ProtobufFault extends Error {}

/** A field as it stands: `bytes` for texts and messages, `bits` for numbers, which the reader of the message interprets. */
export type Field =
  | { readonly number: number; readonly kind: 'varint'; readonly bits: bigint }
  | { readonly number: number; readonly kind: 'fixed64'; readonly bits: bigint; readonly double: number }
  | { readonly number: number; readonly kind: 'fixed32' }
  | { readonly number: number; readonly kind: 'bytes'; readonly bytes: Uint8Array };

export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new ProtobufFault('a number is cut off');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufFault('a number has more than 64 bits');
  };
  // Tags and lengths are small: without the cost of large whole numbers.
  const small = (): number => {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = bytes[at];
      if (byte === undefined) throw new ProtobufFault('a number is cut off');
      at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new ProtobufFault('a tag or a length has more than 35 bits');
  };
  const skip = (length: number): number => {
    const from = at;
    if (length > bytes.length - at) throw new ProtobufFault('a field is cut off');
    at += length;
    return from;
  };
  while (at < bytes.length) {
    const tag = small();
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 536_870_911) throw new ProtobufFault('a field has no valid number');
    switch (tag % 8) {
      case 0:
        yield { number, kind: 'varint', bits: varint() };
        break;
      case 1: {
        const from = skip(8);
        yield { number, kind: 'fixed64', bits: view.getBigUint64(from, true), double: view.getFloat64(from, true) };
        break;
      }
      case 2: {
        const length = small();
        const from = skip(length);
        yield { number, kind: 'bytes', bytes: bytes.subarray(from, from + length) };
        break;
      }
      case 5:
        skip(4);
        yield { number, kind: 'fixed32' };
        break;
      default:
        throw new ProtobufFault('a field has a kind that is no more in use');
    }
  }
}

const encoder = new TextEncoder();

/** Writes fields in order. Reused for message after message: `take` empties it. */
export class ProtobufWriter {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** A signed or unsigned whole number below 2^53 in size. Zero is written as well. */
  int64(number: number, value: number): void {
    this.#reserve(20);
    this.#varint(number * 8);
    if (value >= 0) this.#varint(value);
    else {
      // Two's complement has all ten bytes.
      let bits = BigInt.asUintN(64, BigInt(value));
      for (; bits >= 0x80n; bits >>= 7n) this.#byte(Number(bits & 0x7fn) | 0x80);
      this.#byte(Number(bits));
    }
  }

  double(number: number, value: number): void {
    this.#reserve(18);
    this.#varint(number * 8 + 1);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** A double by its bits: a NaN of its own would not survive as a number. */
  fixed64(number: number, bits: bigint): void {
    this.#reserve(18);
    this.#varint(number * 8 + 1);
    this.#view.setBigUint64(this.#at, bits, true);
    this.#at += 8;
  }

  bytes(number: number, bytes: Uint8Array): void {
    this.#reserve(20 + bytes.length);
    this.#varint(number * 8 + 2);
    this.#varint(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Fields that were written before. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  text(number: number, text: string): void {
    this.#reserve(20 + text.length);
    const start = this.#at;
    this.#varint(number * 8 + 2);
    this.#varint(text.length);
    // Nearly all labels are ASCII, where each character is its byte.
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) {
        this.#at = start;
        this.bytes(number, encoder.encode(text));
        return;
      }
      this.#byte(code);
    }
  }

  /** What another writer holds, which is empty after. */
  message(number: number, inner: ProtobufWriter): void {
    this.bytes(number, inner.#bytes.subarray(0, inner.#at));
    inner.#at = 0;
  }

  #byte(value: number): void {
    this.#bytes[this.#at] = value;
    this.#at += 1;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
    this.#byte(rest);
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + more));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
