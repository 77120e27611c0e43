/**
 * What the client has seen of the answer under way: digested as it passes, so that a repetition can be held against it and
 * go on at the very byte where the client stands.
 *
 * The invariant: whatever of an answer has reached the client is in a digest by the time the next bytes are looked at, so that
 * nothing is ever shown twice. An answer that comes whole in one chunk costs no digest.
 */
import { endInWords } from './answers.ts';
import { ClientSide } from './client-side.ts';
import type { End, Request, Step } from './model.ts';
import { Seen } from './unit.ts';

export abstract class Showing extends ClientSide {
  /** Shown, and not yet in a digest: the answer may end with this chunk. */
  #early: Buffer[] = [];

  /** Goes on to the client, or is held back. */
  protected abstract show(step: Step, bytes: Buffer): void;

  /** What a replay shows is not what the client has seen. */
  protected abstract onDifferent(): void;

  /** Its answer is part of what a repetition of the open transaction has to show again. */
  inUnit(request: Request): boolean {
    return this.unit !== null && (request.kept || request.class === 'opaque');
  }

  protected note(request: Request, bytes: Buffer): void {
    if (this.rules.observe) return;
    if (this.inUnit(request)) this.unit?.seen.plain(bytes);
    else if (request.loose !== null) request.loose.plain(bytes);
    else this.#early.push(bytes);
  }

  protected noteEnd(request: Request, end: End, last: boolean): void {
    if (this.rules.observe) return;
    if (this.inUnit(request)) this.unit?.seen.end(endInWords(end));
    else if (!last || request.loose !== null) {
      this.keepEarly();
      request.loose ??= new Seen();
      request.loose.end(endInWords(end));
    }
    this.#early = [];
  }

  /** The answer has ended, and nobody will ask for it again. */
  protected forgetEarly(): void {
    this.#early = [];
  }

  /** The answer goes on in another chunk, or from another instance: from now on it has to be known what was shown of it. */
  protected keepEarly(): void {
    const { request } = this;
    if (this.#early.length === 0) return;
    if (request !== null) {
      request.loose ??= new Seen();
      for (const bytes of this.#early) request.loose.plain(bytes);
    }
    this.#early = [];
  }

  /** A replay shows again what the client has seen: it must be the same up to there, and goes on from there. */
  protected verify(bytes: Buffer): void {
    const { verifying, request } = this;
    if (verifying === null || request === null) return;
    const { expected, fresh } = verifying;
    const known = Math.min(bytes.length, expected.bytes - fresh.bytes);
    fresh.plain(bytes.subarray(0, known));
    if (fresh.bytes < expected.bytes) return;
    if (!this.settleVerification()) return;
    const step = this.steps[0];
    if (step !== undefined && known < bytes.length) this.show(step, bytes.subarray(known));
  }

  /** An end within what the client has seen already; true: it is new, and goes on to the client. */
  protected verifyEnd(end: End, last: boolean): boolean {
    const { verifying } = this;
    if (verifying === null) return true;
    if (verifying.fresh.bytes === verifying.expected.bytes) return this.settleVerification();
    verifying.fresh.end(endInWords(end));
    // An answer that has ended before it came to where the client stands is another one.
    if (verifying.fresh.bytes >= verifying.expected.bytes) this.settleVerification();
    else if (last) this.onDifferent();
    return false;
  }

  /** At the very byte where the client stood. False: it is not the same, and recovery has been told. */
  settleVerification(): boolean {
    const { verifying, request } = this;
    if (verifying === null) return true;
    const { expected, fresh } = verifying;
    if (fresh.bytes !== expected.bytes || fresh.digest() !== expected.digest) {
      this.onDifferent();
      return false;
    }
    this.verifying = null;
    this.voice = null;
    // From here on the digest of the replay is the digest of the session.
    if (request === null || !this.inUnit(request)) {
      if (request !== null) request.loose = fresh;
    } else if (this.unit !== null) this.unit.seen = fresh;
    return true;
  }
}
