/**
 * What is kept so that an open transaction can be sent again elsewhere: its requests as they came, and a digest of
 * everything the client has seen of their answers. A replay is believed only when it shows the client the same
 * bytes: same rows in the same order, same counts, same errors.
 *
 * The invariant: `seen` covers exactly what was handed to the client, to the byte, also in the middle of an answer.
 */
import { createHash, type Hash } from 'node:crypto';
import type { ResponseKind } from '@coequal/mysql-wire';
import type { Prepared } from './prepared.ts';
import type { SessionSettings } from './settings-of-session.ts';

/** SHA-256 over what a client has seen, with the number of bytes, so that a replay knows where to compare. */
export class Seen {
  bytes = 0;
  #hash: Hash | undefined;

  /** Bytes of an answer that are handed on as they came. */
  plain(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#hash ??= createHash('sha256');
    this.#hash.update(chunk);
    this.bytes += chunk.length;
  }

  /**
   * The end of an answer, by what it says and not by its bytes: global transaction ids and the like differ
   * between instances, and mean nothing to the client.
   */
  end(text: string): void {
    this.#hash ??= createHash('sha256');
    this.#hash.update(text);
    this.bytes += Buffer.byteLength(text);
  }

  digest(): string {
    return this.#hash === undefined ? '' : this.#hash.copy().digest('base64');
  }

  mark(): SeenMark {
    return { bytes: this.bytes, digest: this.digest() };
  }
}

export type SeenMark = { readonly bytes: number; readonly digest: string };

export type Entry = {
  /** The packet as the client sent it, headers included. */
  readonly raw: Buffer;
  readonly response: ResponseKind;
  /** The prepared statement that the packet is about: its number differs from instance to instance. */
  readonly prepared: Prepared | null;
  /** What NOW() said, seconds since 1970, where the statement asks the time; null: it does not. */
  readonly clockSeconds: number | null;
  /** Seeds that were set before it, where it asks for random numbers. */
  readonly seeds: readonly [number, number] | null;
  /** The file that it loads, as the client sent it; null: none, or too large to keep. */
  readonly upload: readonly Buffer[] | null;
  /** What the parameters of an execution are; null: it has none. */
  readonly types: Buffer | null;
  /** Long data of the execution, sent before it. */
  readonly long: readonly Buffer[];
  /** The first number that an INSERT generated; 0n: none. Known once it is answered. */
  readonly insertId: bigint;
  /** It surely writes nothing, so that others may be sent along with it. */
  readonly reads: boolean;
  /** The instance may ask for a file: what is sent behind it would be taken for the file. */
  readonly asks: boolean;
  /** It was answered with an error. */
  readonly failed: boolean;
  /** A transaction was open behind it. */
  readonly open: boolean;
  /** It might have ended the transaction by itself, and has not. */
  readonly opaque: boolean;
};

/** One open transaction (or cursor outside of one). */
export class Unit {
  readonly entries: Entry[] = [];
  seen = new Seen();
  /** The session as it was when this began: what a replay starts from. */
  readonly settings: SessionSettings;
  bytes = 0;
  /** Why it cannot be sent again; null: it can. */
  barrier: string | null = null;
  /** True once something in it may have written. */
  wrote = false;
  /** Names of the guards that its writes take. */
  readonly guards = new Set<string>();
  readonly startedAt: number;

  constructor(settings: SessionSettings, startedAt: number) {
    this.settings = settings;
    this.startedAt = startedAt;
  }

  /** Keeps a request; answers how many bytes more are held. Behind a barrier nothing is kept. */
  keep(entry: Entry, limitBytes: number): number {
    if (this.barrier !== null) return 0;
    const size = entry.raw.length + lengthOf(entry.upload ?? []) + lengthOf(entry.long) + entryOverheadBytes;
    if (this.bytes + size > limitBytes) {
      const held = this.bytes;
      this.block('too-large');
      return -held;
    }
    this.entries.push(entry);
    this.bytes += size;
    return size;
  }

  /** From now on it cannot be sent again; what was kept is let go. */
  block(reason: string): void {
    this.barrier ??= reason;
    this.entries.length = 0;
    this.bytes = 0;
  }
}

const lengthOf = (packets: readonly Buffer[]): number => packets.reduce((sum, { length }) => sum + length, 0);

/** What an entry costs besides its packet, roughly. */
const entryOverheadBytes = 160;
