/**
 * Follows a log file: what was written since the last look, in whole lines. It goes with the name: when the file is rotated, the old one is
 * read on for a while, because its writer may not know yet, and the new one from its beginning; one that was cut is read from its beginning
 * again. Where it stands can be kept over a restart. Bounded: of a log that grows faster than it is read, bytes are skipped and counted; a
 * line without an end is cut.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { codeOf, fail, reasonOf } from '@coequal/kernel';

/** What identifies a file, and how far it was read. */
export type LogPlace = { readonly inode: string; readonly offset: number };

export type Followed = {
  readonly lines: readonly string[];
  /** Bytes that were left out because too many came at once. */
  readonly skipped: number;
  /** Why the file cannot be read; undefined when it can, and when it is not there. */
  readonly problem: string | undefined;
};

const bytesPerLook = 2 ** 20;
/** A line is cut after so many bytes. */
const lineBytes = 32 * 2 ** 10;
/** Behind by more than this, the oldest bytes are left out. */
const backlogBytes = 16 * 2 ** 20;
/** Looks at a file that was rotated away. */
const looksAtOld = 30;
const lineFeed = 10;

export class LogFollower {
  readonly #path: string;
  #current: Tail | undefined;
  #old: { readonly tail: Tail; looks: number } | undefined;
  #kept: LogPlace | undefined;
  #looked = false;

  /** @param kept where an earlier process stood */
  constructor(path: string, kept: LogPlace | undefined) {
    this.#path = path;
    this.#kept = kept;
  }

  /** Undefined before the file was seen. */
  place(): LogPlace | undefined {
    return this.#current?.place() ?? this.#kept;
  }

  /** Never rejects for what the file is. */
  async look(): Promise<Followed> {
    const lines: string[] = [];
    let skipped = 0;
    try {
      await this.#follow();
      for (const tail of [this.#old?.tail, this.#current]) {
        const taken = await tail?.take();
        lines.push(...(taken?.lines ?? []));
        skipped += taken?.skipped ?? 0;
      }
      await this.#leaveOld();
      return { lines, skipped, problem: undefined };
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      // Gone for a moment while it is rotated: what is open is read on at the next look.
      if (code === 'ENOENT') {
        const rest = await this.#current?.take();
        return { lines: rest?.lines ?? [], skipped: rest?.skipped ?? 0, problem: undefined };
      }
      await this.close();
      const reason = code === 'FILE_UNREADABLE' ? reasonOf(error) : `${this.#path} cannot be read: ${code}`;
      return { lines, skipped, problem: reason };
    } finally {
      this.#looked = true;
    }
  }

  async close(): Promise<void> {
    this.#kept = this.place();
    const open = [this.#current, this.#old?.tail];
    [this.#current, this.#old] = [undefined, undefined];
    for (const tail of open) await tail?.close();
  }

  /** Sees to it that what has the name now is open. */
  async #follow(): Promise<void> {
    const inode = await inodeOf(this.#path);
    if (this.#current?.inode === inode) return;
    const isNew = this.#current !== undefined || this.#looked;
    if (this.#current !== undefined) {
      await this.#old?.tail.close();
      this.#old = { tail: this.#current, looks: looksAtOld };
      this.#current = undefined;
      this.#kept = undefined;
    }
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined && kept.inode !== inode) await this.#findOld(kept);
    const tail = await Tail.open(this.#path, inode, 0);
    // A file that was there before the first look and that nobody has read begins now; any other one at its beginning.
    if (kept?.inode === inode) tail.seek(kept.offset);
    else if (kept === undefined && !isNew) await tail.toEnd();
    this.#current = tail;
  }

  /** Rotated while nobody followed: usually the name with .1 behind it. */
  async #findOld(kept: LogPlace): Promise<void> {
    const path = `${this.#path}.1`;
    try {
      if ((await inodeOf(path)) !== kept.inode) return;
      this.#old = { tail: await Tail.open(path, kept.inode, kept.offset), looks: looksAtOld };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EACCES') throw error;
    }
  }

  async #leaveOld(): Promise<void> {
    if (this.#old === undefined) return;
    this.#old.looks -= 1;
    if (this.#old.looks > 0) return;
    await this.#old.tail.close();
    this.#old = undefined;
  }
}

/** An open file, read from a place on. */
class Tail {
  readonly inode: string;
  readonly #handle: FileHandle;
  #offset: number;
  /** The rest of a line that was cut is passed over. */
  #inCut = false;

  private constructor(handle: FileHandle, inode: string, offset: number) {
    this.#handle = handle;
    this.inode = inode;
    this.#offset = offset;
  }

  static async open(path: string, inode: string, offset: number): Promise<Tail> {
    return new Tail(await open(path, 'r'), inode, offset);
  }

  place(): LogPlace {
    return { inode: this.inode, offset: this.#offset };
  }

  seek(offset: number): void {
    this.#offset = offset;
  }

  async toEnd(): Promise<void> {
    this.#offset = (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async take(): Promise<{ readonly lines: readonly string[]; readonly skipped: number }> {
    const { size } = await this.#handle.stat();
    if (size < this.#offset) {
      // Cut: it is another log now.
      this.#offset = 0;
      this.#inCut = false;
    }
    let skipped = 0;
    if (size - this.#offset > backlogBytes) {
      skipped = size - this.#offset - backlogBytes;
      this.#offset += skipped;
      this.#inCut = true;
    }
    const length = Math.min(size - this.#offset, bytesPerLook);
    if (length <= 0) return { lines: [], skipped };
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#handle.read(buffer, 0, length, this.#offset);
    return { lines: this.#split(buffer.subarray(0, bytesRead)), skipped };
  }

  #split(bytes: Uint8Array): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, from)) {
      if (this.#inCut) this.#inCut = false;
      else lines.push(textOf(bytes.subarray(from, Math.min(end, from + lineBytes))));
      from = end + 1;
    }
    const rest = bytes.subarray(from);
    if (this.#inCut) from = bytes.length;
    else if (rest.length >= lineBytes) {
      lines.push(textOf(rest.subarray(0, lineBytes)));
      this.#inCut = true;
      from = bytes.length;
    }
    this.#offset += from;
    return lines;
  }
}

/** Bytes that are no UTF-8 become the sign for that. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes).replace(/\r$/, '');

/** Device and number: a number alone comes again on another disk. Opening anything but a file (a pipe, say) could wait for ever. */
const inodeOf = async (path: string): Promise<string> => {
  const found = await stat(path, { bigint: true });
  if (!found.isFile()) throw fail('FILE_UNREADABLE', { path, reason: 'it is no regular file' });
  return `${found.dev}:${found.ino}`;
};
