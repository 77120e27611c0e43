/**
 * Files at rest, in pieces of 64 KiB, so that any size is sealed in little memory. The STREAM construction (Hoang, Reyhanitabar, Rogaway,
 * Vizár: *Online authenticated-encryption and its nonce-reuse misuse-resistance*, 2015): each piece is sealed under a key of this file alone, with
 * its number and whether it is the last one as nonce. So pieces cannot be changed, exchanged, left out or added, and a file
 * that was cut does not open. The head line names the data key and the context, and is bound to every piece.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../canonical.ts';
import { sha256Hex } from '../hash.ts';
import { derive, keyBytes, openWith, sealWith, tagBytes } from './aead.ts';

const pieceBytes = 65_536;
const format = 'coequal-file-1';

const head = z.strictObject({
  format: z.literal(format),
  key: z.string().regex(/^[a-z0-9-]{1,64}$/),
  /** What the file is, in words of whoever sealed it. Not secret. */
  name: z.string().max(255),
  salt: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
});

export type SealedHead = z.infer<typeof head>;

/** The head line ends within so many bytes. */
export const longestHead = 4_096;

export const newHead = (key: string, name: string): SealedHead => ({
  format,
  key,
  name: name.slice(0, 255),
  salt: randomBytes(keyBytes).toString('base64'),
});

export const headLine = (one: SealedHead): string => `${canonicalJson(one)}\n`;

/** Undefined: it is no head of ours. Only the one way to write it is taken. */
export const parseHead = (line: string): SealedHead | undefined => {
  try {
    const parsed = head.safeParse(JSON.parse(line));
    return parsed.success && canonicalJson(parsed.data) === line ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const fileKey = (dataKey: Buffer, one: SealedHead): Buffer =>
  derive(dataKey, Buffer.from(one.salt, 'base64'), sha256Hex(headLine(one)), keyBytes);

const nonceOf = (piece: number, last: boolean): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(piece, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
};

/** The pieces after the head line. Also an empty file has one. */
export async function* sealPieces(
  plain: AsyncIterable<Uint8Array>,
  dataKey: Buffer,
  one: SealedHead,
): AsyncGenerator<Buffer, void, undefined> {
  const key = fileKey(dataKey, one);
  let number = 0;
  for await (const { piece, last } of inPieces(plain, pieceBytes)) {
    yield sealWith(piece, key, nonceOf(number, last));
    number += 1;
  }
}

/** Ends with undefined at the first piece that is not what was sealed: nothing before it may be used either. */
export async function* openPieces(
  sealed: AsyncIterable<Uint8Array>,
  dataKey: Buffer,
  one: SealedHead,
): AsyncGenerator<Buffer | undefined, void, undefined> {
  const key = fileKey(dataKey, one);
  let number = 0;
  for await (const { piece, last } of inPieces(sealed, pieceBytes + tagBytes)) {
    const plain = openWith(piece, key, nonceOf(number, last));
    yield plain;
    if (plain === undefined) return;
    number += 1;
  }
}

/** Pieces of one size; the last one may be shorter, and is known to be the last. */
async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly piece: Buffer; readonly last: boolean }, void, undefined> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    waiting.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    length += chunk.byteLength;
    // A whole piece is kept back: only what comes after it shows that it was not the last.
    if (length <= size) continue;
    let all = Buffer.concat(waiting);
    while (all.length > size) {
      yield { piece: all.subarray(0, size), last: false };
      all = all.subarray(size);
    }
    waiting = [Buffer.from(all)];
    length = all.length;
  }
  yield { piece: Buffer.concat(waiting), last: true };
}
