/**
 * DER (ITU-T X.690), the part of it that time stamps need: values in, bytes out, and bytes to a tree whose every node knows the
 * bytes it was read from. Indefinite lengths, lengths that are not the shortest, and trees that are too deep are refused. Pure.
 */

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export type Node = {
  readonly tag: number;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
  /** Of constructed nodes. */
  readonly children: readonly Node[];
};

const deepest = 32;

export const encodeDer = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(content.length), content]);
};

const lengthBytes = (length: number): Buffer => {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.from(
    length.toString(16).padStart(length > 0xff_ff_ff ? 8 : length > 0xff_ff ? 6 : length > 0xff ? 4 : 2, '0'),
    'hex',
  );
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
};

/** A positive integer, from its big-endian bytes. */
export const encodeInteger = (bytes: Uint8Array): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const rest = bytes.subarray(start);
  return encodeDer(tags.integer, ...((rest[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []), rest);
};

export const encodeOid = (text: string): Buffer => {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return encodeDer(tags.oid, Buffer.from(bytes));
};

/** The text of an object identifier's content. */
export const oidOf = (content: Uint8Array): string => {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [head = 0, ...rest] = arcs;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...rest].join('.');
};

/** Undefined: the bytes are not one value in DER, to their end. */
export const decodeDer = (bytes: Uint8Array): Node | undefined => {
  const node = decodeAt(bytes, 0, 0);
  return node?.whole.length === bytes.length ? node : undefined;
};

const decodeAt = (bytes: Uint8Array, at: number, depth: number): Node | undefined => {
  const tag = bytes[at];
  // Tags of more than one byte do not occur in what we read.
  if (depth > deepest || tag === undefined || (tag & 0x1f) === 0x1f) return undefined;
  const size = lengthAt(bytes, at + 1);
  if (size === undefined) return undefined;
  const end = size.contentAt + size.length;
  if (end > bytes.length) return undefined;
  const content = bytes.subarray(size.contentAt, end);
  const children = (tag & 0x20) === 0 ? [] : childrenOf(content, depth);
  return children === undefined ? undefined : { tag, whole: bytes.subarray(at, end), content, children };
};

const childrenOf = (content: Uint8Array, depth: number): readonly Node[] | undefined => {
  const children: Node[] = [];
  for (let at = 0; at < content.length; ) {
    const child = decodeAt(content, at, depth + 1);
    if (child === undefined) return undefined;
    children.push(child);
    at += child.whole.length;
  }
  return children;
};

const lengthAt = (
  bytes: Uint8Array,
  at: number,
): { readonly length: number; readonly contentAt: number } | undefined => {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { length: first, contentAt: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + 1 + count > bytes.length) return undefined;
  let length = 0;
  for (let index = 1; index <= count; index += 1) length = length * 256 + (bytes[at + index] ?? 0);
  const shortest = length >= 0x80 && length >= 256 ** (count - 1);
  return shortest ? { length, contentAt: at + 1 + count } : undefined;
};
