/**
 * The journal on disk: NDJSON, each line flushed before the write resolves. A last line that was cut off is taken away at the next
 * start, because nobody was told that it was written; anything else that cannot be read stops the acting half of the agent.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf, fail, reasonOf } from '@coequal/kernel';
import { writeSecretFile } from '@coequal/trust';
import { type Entry, fold, type Journal, type JournalLine, kept, parseJournalLine } from '../journal.ts';
import { keptOrders } from '../limits.ts';

/** A few thousand orders have a few megabytes. */
const fileBytes = 256 * 2 ** 20;

/** @throws JOURNAL_UNUSABLE */
export const openJournal = async (path: string): Promise<Journal> => {
  const unusable = (reason: string, cause?: unknown) => fail('JOURNAL_UNUSABLE', { path, reason }, { cause });
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await read(path);
    if (text.length > fileBytes) throw unusable('it is too large');
    const entries = foldText(text, unusable);
    const lines = kept(entries, keptOrders);
    await writeSecretFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const now = new Map<string, Entry>();
    for (const line of lines) fold(now, line);
    return new JournalFile(await open(path, 'a', 0o600), now, unusable);
  } catch (error) {
    if (codeOf(error) === 'JOURNAL_UNUSABLE') throw error;
    throw unusable(reasonOf(error), error);
  }
};

const read = async (path: string): Promise<string> => {
  try {
    const file = await open(path, 'r');
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
};

const foldText = (text: string, unusable: (reason: string) => Error): Map<string, Entry> => {
  const entries = new Map<string, Entry>();
  // What stands after the last line end is nothing, or a line that was cut off.
  const lines = text.split('\n').slice(0, -1);
  for (const [index, one] of lines.entries()) {
    const parsed = parseJournalLine(one);
    if (parsed === undefined) throw unusable(`line ${index + 1} is none of a journal`);
    if (!fold(entries, parsed)) throw unusable(`line ${index + 1} does not follow from those before`);
  }
  return entries;
};

class JournalFile implements Journal {
  readonly #file: FileHandle;
  readonly #entries: Map<string, Entry>;
  readonly #unusable: (reason: string, cause?: unknown) => Error;
  #last: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, entries: Map<string, Entry>, unusable: (reason: string, cause?: unknown) => Error) {
    this.#file = file;
    this.#entries = entries;
    this.#unusable = unusable;
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /** One after the other; after a write that failed nothing is written any more, because half a line may stand at the end. */
  write(line: JournalLine): Promise<void> {
    const next = this.#last.then(() => this.#put(line));
    this.#last = next;
    next.catch(() => undefined);
    return next;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#file.close();
  }

  async #put(line: JournalLine): Promise<void> {
    try {
      await this.#file.appendFile(`${JSON.stringify(line)}\n`);
      await this.#file.datasync();
    } catch (error) {
      throw this.#unusable(reasonOf(error), error);
    }
    if (!fold(this.#entries, line)) throw new Error(`Bug: a line out of order in the journal (${line.t})`);
  }
}
