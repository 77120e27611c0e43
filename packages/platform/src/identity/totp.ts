/**
 * Time-based one-time codes (RFC 6238 over RFC 4226: SHA-1, six digits, 30 seconds, as every authenticator app has them). Pure. A code
 * is known by its step, so that whoever keeps the last step that was used takes each code once.
 */
import { createHmac } from 'node:crypto';
import { sameText } from './values.ts';

const stepMs = 30_000;
const digits = 6;
/** Steps that a clock may be off, to each side. */
const tolerance = 1;
/** As RFC 4226 recommends. */
export const seedBytes = 20;

export const stepAt = (ms: number): number => Math.floor(ms / stepMs);

export const codeOf = (seed: Uint8Array, step: number): string => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', seed).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits).padStart(digits, '0');
};

/** The step whose code it is; undefined: none of now, or one up to the last that was used. */
export const stepOf = (seed: Uint8Array, typed: string, nowMs: number, lastStep: number): number | undefined => {
  const code = typed.replaceAll(/\s/g, '');
  const now = stepAt(nowMs);
  let found: number | undefined;
  for (let step = now - tolerance; step <= now + tolerance; step += 1)
    if (sameText(codeOf(seed, step), code) && step > lastStep) found ??= step;
  return found;
};

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export const base32Of = (bytes: Uint8Array): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => base32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
};

/** What an authenticator app reads. */
export const totpAddress = (seed: Uint8Array, issuer: string, account: string): string => {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${base32Of(seed)}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${digits}&period=30`;
};
