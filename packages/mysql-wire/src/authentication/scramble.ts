/** The challenge of a server, made from randomness that is passed in. */
import { assert } from '@coequal/kernel';

export const scrambleBytes = 20;

const dollar = 0x24;

/**
 * 20 bytes between 1 and 127, none of them `$`: clients read challenges as text that ends at a zero, and `$`
 * separates fields where servers store them. `random` has at least 20 bytes from a cryptographic source.
 */
export const scramble = (random: Uint8Array): Buffer => {
  assert(random.length >= scrambleBytes, 'a scramble needs 20 random bytes');
  const bytes = Buffer.from(random.subarray(0, scrambleBytes));
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = (bytes[index] ?? 0) & 0x7f;
    bytes[index] = byte === 0 || byte === dollar ? byte + 1 : byte;
  }
  return bytes;
};
