/**
 * Ledgers on disk. Writing is synchronous and unbuffered: once `append` returns the kernel has the line, so a
 * client that is killed loses nothing. The machine is not expected to die with the clients, so nothing is flushed.
 */
import { closeSync, createReadStream, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { formatLine, type History, historyReader, type LedgerLine } from '../history.ts';

export type Ledger = {
  readonly append: (line: LedgerLine) => void;
  readonly close: () => void;
};

/** Opens a ledger for appending. A line that an earlier writer left torn is cut off: it was never told to anybody. */
export const openLedger = (path: string): Ledger => {
  try {
    const file = openSync(path, 'a+', 0o600);
    cutTornLine(file);
    return { append: (line) => writeAll(file, formatLine(line)), close: () => closeSync(file) };
  } catch (error) {
    const advice = 'Name a folder that you may write to.';
    throw fail('FOLDER_UNWRITABLE', { path, reason: reasonOf(error), advice }, { cause: error });
  }
};

/** Reads a ledger or a merged history. */
export const readHistory = async (path: string): Promise<History> => {
  const reader = historyReader(path);
  const stream = createReadStream(path, { encoding: 'utf8' });
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) reader.line(line);
    return reader.finish();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw fail('FILE_MISSING', { path, advice: 'Name a history that a drill or a client has written.' });
    }
    throw error;
  } finally {
    stream.destroy();
  }
};

const writeAll = (file: number, text: string): void => {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
};

const cutTornLine = (file: number): void => {
  const { size } = fstatSync(file);
  const tail = Buffer.alloc(Math.min(size, 65_536));
  readSync(file, tail, 0, tail.length, size - tail.length);
  const end = tail.lastIndexOf('\n') + 1;
  if (end < tail.length) ftruncateSync(file, size - tail.length + end);
};
