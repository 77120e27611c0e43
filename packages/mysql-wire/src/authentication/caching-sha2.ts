/**
 * caching_sha2_password, the client's side, for instances that ask for it. First a masked hash, which suffices while
 * the server remembers the account; otherwise the server wants the password itself, which goes in the clear over
 * TLS and a local socket only, or encrypted with the server's RSA key. Whether that key is the right one cannot
 * be known without TLS: whoever sends a password this way decides so.
 */
import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import { reasonOf } from '@coequal/kernel';
import { problemOf, type WireProblem } from '../problem.ts';

export const cachingSha2Plugin = 'caching_sha2_password';

/** What the packets of this method say, in their first byte behind the header of AuthMoreData. */
export const CACHING_SHA2 = {
  requestPublicKey: 0x02,
  fastAuthenticationOk: 0x03,
  fullAuthenticationNeeded: 0x04,
} as const;

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The first answer. Without a password: nothing. */
export const cachingSha2Answer = (password: string, scramble: Buffer): Buffer => {
  if (password === '') return Buffer.alloc(0);
  const answer = sha256(Buffer.from(password, 'utf8'));
  const mask = sha256(sha256(answer), scramble.subarray(0, 20));
  for (let index = 0; index < answer.length; index += 1) answer[index] = (answer[index] ?? 0) ^ (mask[index] ?? 0);
  return answer;
};

/** The password and a zero: for caching_sha2_password's full authentication and for mysql_clear_password. */
export const clearAnswer = (password: string, connection: { readonly encrypted: boolean }): Buffer | WireProblem =>
  connection.encrypted
    ? Buffer.from(`${password}\0`, 'utf8')
    : problemOf('unsupported', 'a password is sent in the clear over TLS only');

export const clearPlugin = 'mysql_clear_password';

/** The password under the server's public key (PEM), for a connection without TLS. */
export const rsaAnswer = (password: string, scramble: Buffer, publicKeyPem: Buffer): Buffer | WireProblem => {
  const bytes = Buffer.from(`${password}\0`, 'utf8');
  const mask = scramble.subarray(0, 20);
  for (let index = 0; index < bytes.length; index += 1)
    bytes[index] = (bytes[index] ?? 0) ^ (mask[index % mask.length] ?? 0);
  try {
    const key = createPublicKey(publicKeyPem);
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, bytes);
  } catch (error) {
    // The key comes from the peer: whatever is wrong with it is its fault, not ours.
    return problemOf('malformed', `the server's public key cannot be used: ${reasonOf(error)}`);
  }
};
