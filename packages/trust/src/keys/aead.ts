/**
 * AES-256-GCM (NIST SP 800-38D) with a nonce drawn at random, and keys derived from others (HKDF, RFC 5869). What is
 * sealed is bound to associated data: it does not open anywhere else. Which key belongs to what is left to others.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export const keyBytes = 32;
export const tagBytes = 16;
const nonceBytes = 12;

/** Nonce, ciphertext, tag. Under one key at most 2^32 times, because nonces are drawn. */
export const encrypt = (plain: Uint8Array, key: Buffer, associated: Uint8Array): Buffer => {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
};

/** Undefined: another key, other associated data, or a changed text. */
export const decrypt = (sealed: Uint8Array, key: Buffer, associated: Uint8Array): Buffer | undefined => {
  if (sealed.length < nonceBytes + tagBytes) return undefined;
  return openWith(sealed.subarray(nonceBytes), key, sealed.subarray(0, nonceBytes), associated);
};

const none: Uint8Array = new Uint8Array(0);

/** Ciphertext and tag. The nonce must never have been used with this key before. */
export const sealWith = (
  plain: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array = none,
): Buffer => {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
};

export const openWith = (
  sealed: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array = none,
): Buffer | undefined => {
  if (sealed.length < tagBytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(associated).setAuthTag(sealed.subarray(-tagBytes));
  const plain = decipher.update(sealed.subarray(0, -tagBytes));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    // The tag does not fit: the one way in which `final` fails here. Nothing of the plain text may be used.
    return undefined;
  }
};

/** `length` bytes that only holders of `key` can make; `info` says what for, in 1,024 bytes at most: hash what is longer. */
export const derive = (key: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, length));
