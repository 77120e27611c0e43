/**
 * mysql_native_password, both sides. The server keeps SHA1(SHA1(password)), here *stage 2*; the client proves that
 * it knows SHA1(password), *stage 1*, by sending it masked with a hash of the challenge and stage 2. Whoever knows
 * stage 2 can take the mask off: so one successful check gives the gateway stage 1, with which it can log in
 * to any instance as this account, without ever learning the password. Stage 1 is a secret like the password.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { problemOf, type WireProblem } from '../problem.ts';

export const nativePlugin = 'mysql_native_password';

const digestBytes = 20;

const sha1 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const masked = (bytes: Buffer, mask: Buffer): Buffer => {
  const result = Buffer.allocUnsafe(bytes.length);
  for (let index = 0; index < bytes.length; index += 1) result[index] = (bytes[index] ?? 0) ^ (mask[index] ?? 0);
  return result;
};

const challenge = (scramble: Buffer): Buffer => scramble.subarray(0, digestBytes);

/** What a client answers. Without a password: nothing. */
export const nativeAnswer = (password: string, scramble: Buffer): Buffer =>
  password === '' ? Buffer.alloc(0) : nativeAnswerFromStage1(sha1(Buffer.from(password, 'utf8')), scramble);

/** The same from SHA1(password). An empty stage 1 stands for an account without a password. */
export const nativeAnswerFromStage1 = (stage1: Buffer, scramble: Buffer): Buffer =>
  stage1.length === 0 ? stage1 : masked(stage1, sha1(challenge(scramble), sha1(stage1)));

export type NativeCheck = { readonly ok: true; readonly stage1: Buffer } | { readonly ok: false };

/** Checks a client's answer against the stored stage 2, which is empty for an account without a password. */
export const nativeCheck = (given: {
  readonly answer: Buffer;
  readonly scramble: Buffer;
  readonly stage2: Buffer;
}): NativeCheck => {
  const { answer, scramble, stage2 } = given;
  if (stage2.length === 0 && answer.length === 0) return { ok: true, stage1: Buffer.alloc(0) };
  if (stage2.length !== digestBytes || answer.length !== digestBytes) return { ok: false };
  const stage1 = masked(answer, sha1(challenge(scramble), stage2));
  return timingSafeEqual(sha1(stage1), stage2) ? { ok: true, stage1 } : { ok: false };
};

/** Stage 2 as the server's tables write it: a star and 40 hexadecimal digits, or nothing for no password. */
export const parseNativeHash = (text: string): Buffer | WireProblem => {
  if (text === '') return Buffer.alloc(0);
  return /^\*[0-9a-f]{40}$/i.test(text)
    ? Buffer.from(text.slice(1), 'hex')
    : problemOf('malformed', 'this is no hash of mysql_native_password');
};
