/** Seals files and opens them. What is written appears whole or not at all: nothing of a file that was changed is ever seen. */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CoequalError, codeOf, fail, reasonOf } from '@coequal/kernel';
import type { KeyUse } from '../ring.ts';
import {
  headLine,
  longestHead,
  newHead,
  openPieces,
  parseHead,
  type SealedHead,
  sealPieces,
} from '../sealed-stream.ts';
import type { KeyRing } from './key-ring.ts';

/** @throws FILE_MISSING, FILE_UNREADABLE, FOLDER_UNWRITABLE, and what the ring throws */
export const sealFile = async (
  from: string,
  to: string,
  ring: KeyRing,
  use: KeyUse,
): Promise<{ readonly key: string }> => {
  const { id, bytes } = await ring.active(use);
  const head = newHead(id, basename(from));
  await mustBeFile(from);
  await writeWhole(to, async function* () {
    yield Buffer.from(headLine(head));
    yield* sealPieces(createReadStream(from), bytes, head);
  });
  return { key: id };
};

/** @throws SEALED_FILE_INVALID beside those of `sealFile` */
export const openFile = async (
  from: string,
  to: string,
  ring: KeyRing,
): Promise<{ readonly key: string; readonly name: string }> => {
  const { head, bodyAt } = await readHead(from);
  const { bytes } = await ring.key(head.key);
  await writeWhole(to, async function* () {
    for await (const piece of openPieces(createReadStream(from, { start: bodyAt }), bytes, head)) {
      if (piece === undefined) throw invalid(from, 'it was changed or cut, or its key is another');
      yield piece;
    }
  });
  return { key: head.key, name: head.name };
};

const readHead = async (path: string): Promise<{ readonly head: SealedHead; readonly bodyAt: number }> => {
  await mustBeFile(path);
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHead), 0, longestHead, 0);
  const end = buffer.subarray(0, bytesRead).indexOf(10);
  const head = end < 0 ? undefined : parseHead(buffer.subarray(0, end).toString('utf8'));
  if (head === undefined) throw invalid(path, 'it is no sealed file');
  return { head, bodyAt: end + 1 };
};

const mustBeFile = async (path: string): Promise<void> => {
  try {
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) throw fail('FILE_UNREADABLE', { path, reason: 'it is not a regular file' });
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw fail('FILE_MISSING', { path, advice: 'Name a file that is there.' }, { cause: error });
    if (error instanceof CoequalError) throw error;
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

const writeWhole = async (path: string, content: () => AsyncGenerator<Buffer>): Promise<void> => {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await pipeline(content, createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true }));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (error instanceof CoequalError) throw error;
    const advice = 'Check that the folder exists, has room, and that you may write there.';
    throw fail('FOLDER_UNWRITABLE', { path: dirname(path), reason: reasonOf(error), advice }, { cause: error });
  }
};

const invalid = (path: string, reason: string) => fail('SEALED_FILE_INVALID', { path, reason });
