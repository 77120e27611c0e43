/**
 * Snappy's block format, which remote write is compressed with. Decoding is bounded by a length that the caller allows,
 * and every broken byte is an answer of undefined. The encoder finds repetitions with one table of hashes over four bytes, in
 * blocks of 64 KiB, as the reference does.
 *
 * Source: google/snappy, format_description.txt.
 */

/** The uncompressed bytes; undefined when they are broken, or more than `limit`. */
export const snappyDecode = (input: Uint8Array, limit: number): Uint8Array | undefined => {
  const head = readLength(input);
  if (head === undefined || head.length > limit) return undefined;
  // A byte of input gives at most 64 of output (a copy has two bytes at least): no memory for what cannot come.
  if (head.length > input.length * 64) return undefined;
  const output = new Uint8Array(head.length);
  let at = head.end;
  let written = 0;
  while (at < input.length) {
    const tag = input[at] ?? 0;
    at += 1;
    if ((tag & 3) === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const length = extra === 0 ? (tag >> 2) + 1 : littleEndian(input, at, extra) + 1;
      at += extra;
      if (at + length > input.length || written + length > output.length) return undefined;
      output.set(input.subarray(at, at + length), written);
      at += length;
      written += length;
      continue;
    }
    const size = (tag & 3) === 1 ? 1 : (tag & 3) === 2 ? 2 : 4;
    if (at + size > input.length) return undefined;
    const low = littleEndian(input, at, size);
    const offset = size === 1 ? ((tag >> 5) << 8) | low : low;
    const length = size === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    at += size;
    if (offset === 0 || offset > written || written + length > output.length) return undefined;
    // Source and target may overlap, so that a short pattern repeats: byte by byte.
    for (let end = written + length; written < end; written += 1) output[written] = output[written - offset] ?? 0;
  }
  return written === output.length ? output : undefined;
};

/** The length in front, seven bits a byte, at most 32 bits. */
const readLength = (input: Uint8Array): { readonly length: number; readonly end: number } | undefined => {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = input[index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return length < 2 ** 32 ? { length, end: index + 1 } : undefined;
  }
  return undefined;
};

const littleEndian = (input: Uint8Array, at: number, size: number): number => {
  let value = 0;
  for (let index = 0; index < size; index += 1) value += (input[at + index] ?? 0) * 2 ** (8 * index);
  return value;
};

const blockBytes = 65_536;
const tableBits = 14;

export const snappyEncode = (input: Uint8Array): Uint8Array => {
  // Literals cost a byte for 60 and three for 65,536, and copies shrink: the bound of the reference.
  const output = new Uint8Array(32 + input.length + Math.ceil(input.length / 6));
  let written = writeLength(output, input.length);
  const table = new Int32Array(1 << tableBits);
  for (let from = 0; from < input.length; from += blockBytes)
    written = encodeBlock(input, from, Math.min(from + blockBytes, input.length), table.fill(-1), output, written);
  return output.slice(0, written);
};

const writeLength = (output: Uint8Array, length: number): number => {
  let rest = length;
  let at = 0;
  while (rest >= 0x80) {
    output[at] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    at += 1;
  }
  output[at] = rest;
  return at + 1;
};

const wordAt = (input: Uint8Array, at: number): number =>
  (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8) | ((input[at + 2] ?? 0) << 16) | ((input[at + 3] ?? 0) << 24);

const encodeBlock = (
  input: Uint8Array,
  from: number,
  to: number,
  table: Int32Array,
  output: Uint8Array,
  start: number,
): number => {
  let written = start;
  let literal = from;
  let at = from;
  while (at + 4 <= to) {
    const word = wordAt(input, at);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - tableBits);
    const candidate = table[slot] ?? -1;
    table[slot] = at;
    if (candidate < 0 || wordAt(input, candidate) !== word) {
      // The longer nothing repeats, the larger the steps: what cannot be compressed passes quickly.
      at += 1 + ((at - literal) >> 5);
      continue;
    }
    let length = 4;
    while (at + length < to && input[candidate + length] === input[at + length]) length += 1;
    written = writeLiteral(input, literal, at, output, written);
    written = writeCopies(output, written, at - candidate, length);
    at += length;
    literal = at;
  }
  return writeLiteral(input, literal, to, output, written);
};

const writeLiteral = (input: Uint8Array, from: number, to: number, output: Uint8Array, start: number): number => {
  const length = to - from;
  if (length === 0) return start;
  let at = start;
  const last = length - 1;
  if (last < 60) {
    output[at] = last << 2;
    at += 1;
  } else if (last < 256) {
    output[at] = 60 << 2;
    output[at + 1] = last;
    at += 2;
  } else {
    output[at] = 61 << 2;
    output[at + 1] = last & 0xff;
    output[at + 2] = last >> 8;
    at += 3;
  }
  output.set(input.subarray(from, to), at);
  return at + length;
};

/** Within a block every distance fits in two bytes. */
const writeCopies = (output: Uint8Array, start: number, offset: number, length: number): number => {
  let at = start;
  for (let rest = length; rest > 0; ) {
    const piece = Math.min(rest, 64);
    output[at] = ((piece - 1) << 2) | 2;
    output[at + 1] = offset & 0xff;
    output[at + 2] = offset >> 8;
    at += 3;
    rest -= piece;
  }
  return at;
};
