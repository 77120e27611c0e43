/**
 * What a session costs its database: the processor time of the thread (MariaDB, MySQL) or process (PostgreSQL) that serves it, from
 * /proc/ID/schedstat, in nanoseconds and for nothing. Only where the database runs on this host; its identifier on another host may be
 * anything here, so the name of the process is checked.
 */
import { readFileSync } from 'node:fs';
import { codeOf } from '@coequal/kernel';

export class SessionProcessor {
  readonly #folder: string | undefined;
  readonly #names: RegExp;
  #total = 0;
  #thread: { readonly id: string; seconds: number } | undefined;
  #known = false;

  /** `folder`: where /proc is seen; undefined when the database is elsewhere. `names`: of the database's processes. */
  constructor(folder: string | undefined, names: RegExp) {
    this.#folder = folder;
    this.#names = names;
  }

  /** A new session, served by this thread. What the thread used before may have been for others, and is not counted. */
  serve(threadId: string | null | undefined): void {
    this.#thread = undefined;
    if (this.#folder === undefined || threadId === null || threadId === undefined) return;
    if (!/^[1-9]\d{0,9}$/.test(threadId) || !this.#names.test(this.#nameOf(threadId))) return;
    const seconds = this.#read(threadId);
    if (seconds === undefined) return;
    this.#thread = { id: threadId, seconds };
    this.#known = true;
  }

  /** Of all sessions so far, seconds; undefined where it was never known. */
  seconds(): number | undefined {
    const thread = this.#thread;
    const now = thread === undefined ? undefined : this.#read(thread.id);
    if (thread !== undefined && now !== undefined) {
      this.#total += Math.max(0, now - thread.seconds);
      thread.seconds = now;
    }
    return this.#known ? this.#total : undefined;
  }

  #nameOf(threadId: string): string {
    const process = /^Tgid:\s*(\d+)$/m.exec(this.#text(`${threadId}/status`) ?? '')?.[1];
    return process === undefined ? '' : (this.#text(`${process}/comm`) ?? '').trim();
  }

  #read(threadId: string): number | undefined {
    const nanoseconds = /^(\d+) /.exec(this.#text(`${threadId}/schedstat`) ?? '')?.[1];
    return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e9;
  }

  #text(file: string): string | undefined {
    try {
      return readFileSync(`${this.#folder}/${file}`, 'utf8');
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return undefined;
    }
  }
}
