/**
 * client_ed25519 of MariaDB, both sides. The client signs the server's 32 random bytes with a key that comes from
 * the password alone: SHA-512 of the password stands where Ed25519 (RFC 8032, 5.1.5) has the hash of a 32-byte
 * seed. Verifying is plain Ed25519 and is left to Node; signing needs the curve's raw operations, because Node
 * signs from 32-byte seeds only.
 *
 * Multiplication here is not in constant time. It runs where the gateway logs in with a password of its own
 * store, against instances, never on behalf of a peer that could time it over many guesses.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { problemOf, type WireProblem } from '../problem.ts';

export const ed25519Plugin = 'client_ed25519';

/** The order of the base point. */
const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;

/** The beginning of a SubjectPublicKeyInfo with an Ed25519 key (RFC 8410); the key's 32 bytes follow. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

const sha512 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const littleEndian = (bytes: Buffer): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);

const encodeScalar = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();

/** A multiple of the base point in its 32 bytes. */
const times = (scalar: bigint): Buffer => Buffer.from(Point.BASE.multiply(scalar).toBytes());

type Expanded = { readonly scalar: bigint; readonly prefix: Buffer; readonly publicKey: Buffer };

const expand = (password: string): Expanded => {
  const hash = sha512(Buffer.from(password, 'utf8'));
  const clamped = Buffer.from(hash.subarray(0, 32));
  clamped[0] = (clamped[0] ?? 0) & 248;
  clamped[31] = ((clamped[31] ?? 0) & 63) | 64;
  const scalar = littleEndian(clamped) % order;
  return { scalar, prefix: hash.subarray(32), publicKey: times(scalar) };
};

/** What a client answers to a challenge: 64 bytes. */
export const ed25519Answer = (password: string, scramble: Buffer): Buffer => {
  const { scalar, prefix, publicKey } = expand(password);
  const nonce = littleEndian(sha512(prefix, scramble)) % order;
  const commitment = times(nonce);
  const digest = littleEndian(sha512(commitment, publicKey, scramble)) % order;
  return Buffer.concat([commitment, encodeScalar((nonce + digest * scalar) % order)]);
};

/** What the server keeps of a password: the public key in base64, 43 characters. */
export const ed25519Hash = (password: string): string => expand(password).publicKey.toString('base64').slice(0, 43);

/** The public key as the server's tables write it. */
export const parseEd25519Hash = (text: string): Buffer | WireProblem => {
  const key = /^[A-Za-z0-9+/]{43}$/.test(text) ? Buffer.from(`${text}=`, 'base64') : Buffer.alloc(0);
  return key.length === 32 ? key : problemOf('malformed', 'this is no public key of ed25519');
};

/** Whether the answer was made with the password that belongs to the key, over this challenge. */
export const ed25519Check = (given: {
  readonly answer: Buffer;
  readonly scramble: Buffer;
  readonly publicKey: Buffer;
}): boolean => {
  if (given.answer.length !== 64 || given.publicKey.length !== 32) return false;
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, given.publicKey]), format: 'der', type: 'spki' });
  return verify(null, given.scramble, key, given.answer);
};
