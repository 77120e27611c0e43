/** Hashes and signatures: published vectors, and what must not verify. */
import { codeOf } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256Hex } from './hash.ts';
import { fingerprint, makeSigningKey, sign, verify } from './signing.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** RFC 8032, section 7.1, test 2: the secret and public key with the DER headers of RFC 8410 before them. */
const rfcPrivate = pemOf(
  'PRIVATE KEY',
  '302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
);
const rfcPublic = pemOf(
  'PUBLIC KEY',
  '302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
);

function pemOf(label: string, hexadecimal: string): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(hexadecimal, 'hex').toString('base64')}\n-----END ${label}-----\n`;
}

describe('a signature', () => {
  test('is the one of RFC 8032', () => {
    const signature = sign(rfcPrivate, Uint8Array.of(0x72));
    expect(Buffer.from(signature).toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
    expect(verify(rfcPublic, Uint8Array.of(0x72), signature)).toBe(true);
  });

  test('fits the bytes it was made over, and no others', () => {
    const key = makeSigningKey();
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (bytes, others) => {
        const signature = sign(key.privatePem, bytes);
        expect(verify(key.publicPem, bytes, signature)).toBe(true);
        expect(verify(key.publicPem, others, signature)).toBe(Buffer.from(bytes).equals(others));
      }),
      { numRuns: 50 },
    );
  });

  test('does not fit after one bit of it was changed, or when it was cut short', () => {
    const key = makeSigningKey();
    const bytes = bytesOf('pay 10 to B');
    const signature = Uint8Array.from(sign(key.privatePem, bytes));
    fc.assert(
      fc.property(fc.nat(63), fc.nat(7), (at, bit) => {
        const changed = signature.map((byte, index) => (index === at ? byte ^ (1 << bit) : byte));
        expect(verify(key.publicPem, bytes, changed)).toBe(false);
      }),
      { numRuns: 50 },
    );
    expect(verify(key.publicPem, bytes, signature.subarray(0, 63))).toBe(false);
  });

  test("does not fit another's key", () => {
    const bytes = bytesOf('evidence');
    expect(verify(makeSigningKey().publicPem, bytes, sign(makeSigningKey().privatePem, bytes))).toBe(false);
  });
});

describe('a key', () => {
  test.each([
    ['text that is no PEM', 'hello'],
    ['a broken PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['a private key where the public one belongs', makeSigningKey().privatePem],
  ])('is refused when it is %s', (_, pem) => {
    let code: string | undefined;
    try {
      fingerprint(pem);
    } catch (error) {
      code = codeOf(error);
    }
    expect(code).toBe('KEY_INVALID');
  });

  test('has the fingerprint of its own bytes', () => {
    expect(fingerprint(rfcPublic)).toBe(
      `sha256:${sha256Hex(Buffer.from('302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex'))}`,
    );
    expect(fingerprint(makeSigningKey().publicPem)).not.toBe(fingerprint(makeSigningKey().publicPem));
  });
});

test('SHA-256 is the one of FIPS 180-4', () => {
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
