/**
 * Ed25519 signatures (RFC 8032) over bytes. Keys travel as PEM (PKCS#8 and SPKI), so that `openssl pkeyutl`
 * can check what we signed. A signature that does not fit is an answer (false); a key that cannot be read
 * is an error. Who may hold which key is not decided here.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { fail, reasonOf } from '@coequal/kernel';
import { sha256Hex } from './hash.ts';

export type SigningKey = {
  /** PKCS#8 PEM. A secret. */
  readonly privatePem: string;
  /** SPKI PEM. */
  readonly publicPem: string;
};

/** A new key from the operating system's randomness. */
export const makeSigningKey = (): SigningKey => {
  const pair = generateKeyPairSync('ed25519');
  return {
    privatePem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
};

/** The public half, as SPKI PEM. Throws KEY_INVALID. */
export const publicOf = (privatePem: string): string =>
  createPublicKey(readKey(createPrivateKey, privatePem, 'private').export({ type: 'pkcs8', format: 'pem' }).toString())
    .export({ type: 'spki', format: 'pem' })
    .toString();

/** 64 bytes. Throws KEY_INVALID when the PEM holds no Ed25519 private key. */
export const sign = (privatePem: string, bytes: Uint8Array): Uint8Array =>
  signBytes(null, bytes, readKey(createPrivateKey, privatePem, 'private'));

/** True when the signature was made over exactly these bytes with the key that belongs to `publicPem`. */
export const verify = (publicPem: string, bytes: Uint8Array, signature: Uint8Array): boolean =>
  verifyBytes(null, bytes, readKey(createPublicKey, publicPem, 'public'), signature);

/** What a person compares by eye or pins: `sha256:` and the SHA-256 of the key's SPKI bytes in hexadecimal. */
export const fingerprint = (publicPem: string): string =>
  `sha256:${sha256Hex(readKey(createPublicKey, publicPem, 'public').export({ type: 'spki', format: 'der' }))}`;

const readKey = (read: (pem: string) => KeyObject, pem: string, half: 'private' | 'public'): KeyObject => {
  const wanted = half === 'private' ? 'PRIVATE KEY' : 'PUBLIC KEY';
  // Node derives a public key from a private one: a secret given where a public key belongs must not pass.
  if (!pem.includes(`-----BEGIN ${wanted}-----`)) throw invalid(half, `there is no "${wanted}" in PEM`);
  const key = parse(read, pem, half);
  if (key.asymmetricKeyType !== 'ed25519') throw invalid(half, `it is of type ${key.asymmetricKeyType}`);
  return key;
};

const parse = (read: (pem: string) => KeyObject, pem: string, half: 'private' | 'public'): KeyObject => {
  try {
    return read(pem);
  } catch (error) {
    throw invalid(half, reasonOf(error), error);
  }
};

const invalid = (half: string, reason: string, cause?: unknown) => fail('KEY_INVALID', { half, reason }, { cause });
