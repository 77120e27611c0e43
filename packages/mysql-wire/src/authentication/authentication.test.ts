/** The methods of authentication against known answers, and both sides against each other. */
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, hex, problemIn, read } from '../testing/bytes.ts';
import {
  CACHING_SHA2,
  cachingSha2Answer,
  cachingSha2Plugin,
  clearAnswer,
  clearPlugin,
  rsaAnswer,
} from './caching-sha2.ts';
import { ed25519Answer, ed25519Check, ed25519Hash, ed25519Plugin, parseEd25519Hash } from './ed25519.ts';
import { nativeAnswer, nativeAnswerFromStage1, nativeCheck, nativePlugin, parseNativeHash } from './native.ts';
import { scramble, scrambleBytes } from './scramble.ts';

const challenge = scramble(Buffer.from('0123456789abcdefghij'));

describe('mysql_native_password', () => {
  test('knows the hash that servers store for "secret"', () => {
    const stage2 = read(parseNativeHash('*14E65567ABDB5135D0CFD9A70B3032C179A49EE7'));
    const check = nativeCheck({ answer: nativeAnswer('secret', challenge), scramble: challenge, stage2 });
    expect(check.ok).toBe(true);
  });

  test('a checked answer gives what is needed to log in elsewhere', () => {
    const stage2 = read(parseNativeHash('*14E65567ABDB5135D0CFD9A70B3032C179A49EE7'));
    const check = nativeCheck({ answer: nativeAnswer('secret', challenge), scramble: challenge, stage2 });
    if (!check.ok) throw new Error('not accepted');
    const other = Buffer.alloc(20, 0x41);
    expect(nativeAnswerFromStage1(check.stage1, other)).toEqual(nativeAnswer('secret', other));
  });

  test('another password, another challenge or another length is refused', () => {
    const stage2 = read(parseNativeHash('*14E65567ABDB5135D0CFD9A70B3032C179A49EE7'));
    const refused = { ok: false };
    expect(nativeCheck({ answer: nativeAnswer('Secret', challenge), scramble: challenge, stage2 })).toEqual(refused);
    expect(nativeCheck({ answer: nativeAnswer('secret', Buffer.alloc(20, 1)), scramble: challenge, stage2 })).toEqual(
      refused,
    );
    for (const length of [0, 1, 19, 21, 64]) {
      expect(nativeCheck({ answer: Buffer.alloc(length), scramble: challenge, stage2 })).toEqual(refused);
    }
  });

  test('an account without a password takes an empty answer and no other', () => {
    const stage2 = read(parseNativeHash(''));
    expect(nativeAnswer('', challenge)).toHaveLength(0);
    expect(nativeCheck({ answer: Buffer.alloc(0), scramble: challenge, stage2 })).toEqual({
      ok: true,
      stage1: Buffer.alloc(0),
    });
    expect(nativeCheck({ answer: Buffer.alloc(20), scramble: challenge, stage2 })).toEqual({ ok: false });
    expect(nativeAnswerFromStage1(Buffer.alloc(0), challenge)).toHaveLength(0);
  });

  test.each([
    'invalid',
    '*',
    '14E65567ABDB5135D0CFD9A70B3032C179A49EE7',
    '*14E65567ABDB5135D0CFD9A70B3032C179A49EE',
    '*14E65567ABDB5135D0CFD9A70B3032C179A49EEG',
    '446a12100c856ce9',
  ])('"%s" is no hash', (text) => {
    expect(problemIn(parseNativeHash(text))).toBe('malformed');
  });
});

describe('client_ed25519', () => {
  test.each([
    ['secret', 'ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY'],
    ['foo', 'vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4TI'],
  ])('the key of "%s" is the one that MariaDB stores', (password, stored) => {
    expect(ed25519Hash(password)).toBe(stored);
  });

  test('an answer is accepted for its password and challenge alone', () => {
    fc.assert(
      fc.property(
        fc.string(),
        bytesOf({ min: 32, max: 32 }),
        bytesOf({ min: 32, max: 32 }),
        (password, first, second) => {
          const publicKey = read(parseEd25519Hash(ed25519Hash(password)));
          const answer = ed25519Answer(password, first);
          expect(ed25519Check({ answer, scramble: first, publicKey })).toBe(true);
          expect(ed25519Check({ answer, scramble: second, publicKey })).toBe(first.equals(second));
          const other = read(parseEd25519Hash(ed25519Hash(`${password}.`)));
          expect(ed25519Check({ answer, scramble: first, publicKey: other })).toBe(false);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('answers and keys that are none are refused, not thrown at', () => {
    const publicKey = read(parseEd25519Hash(ed25519Hash('secret')));
    fc.assert(
      fc.property(bytesOf({ max: 80 }), bytesOf({ min: 32, max: 32 }), (answer, key) => {
        expect(ed25519Check({ answer, scramble: challenge, publicKey })).toBe(false);
        // Of keys that are weak or no points nothing is promised but that they are answered.
        expect(typeof ed25519Check({ answer: Buffer.alloc(64, 1), scramble: challenge, publicKey: key })).toBe(
          'boolean',
        );
      }),
    );
    expect(ed25519Check({ answer: Buffer.alloc(64), scramble: challenge, publicKey: Buffer.alloc(31) })).toBe(false);
    expect(problemIn(parseEd25519Hash('short'))).toBe('malformed');
    expect(problemIn(parseEd25519Hash('*'.repeat(43)))).toBe('malformed');
  });
});

describe('caching_sha2_password', () => {
  test('answers with the masked hash', () => {
    // Computed with Python's hashlib from the definition of the method.
    expect(cachingSha2Answer('secret', hex('0102030405060708090a0b0c0d0e0f1011121314'))).toEqual(
      hex('746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9'),
    );
    expect(cachingSha2Answer('', challenge)).toHaveLength(0);
  });

  test('a password goes in the clear over TLS only', () => {
    expect(read(clearAnswer('secret', { encrypted: true }))).toEqual(Buffer.from('secret\0'));
    expect(problemIn(clearAnswer('secret', { encrypted: false }))).toBe('unsupported');
  });

  test("or under the server's key, which undoes it", () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
    const answer = read(rsaAnswer('a long password of more than twenty bytes', challenge, pem));
    const masked = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, answer);
    const clear = masked.map((byte, index) => byte ^ (challenge[index % 20] ?? 0));
    expect(Buffer.from(clear).toString()).toBe('a long password of more than twenty bytes\0');
  });

  test('a key that is none, or too small for the password, is a problem', () => {
    expect(problemIn(rsaAnswer('secret', challenge, Buffer.from('garbage')))).toBe('malformed');
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
    expect(problemIn(rsaAnswer('x'.repeat(200), challenge, pem))).toBe('malformed');
  });
});

describe('the challenge', () => {
  test('has 20 bytes, none of them a zero or a dollar or above 127', () => {
    fc.assert(
      fc.property(bytesOf({ min: 20, max: 40 }), (random) => {
        const bytes = scramble(random);
        expect(bytes).toHaveLength(scrambleBytes);
        expect(bytes.every((byte) => byte > 0 && byte < 0x80 && byte !== 0x24)).toBe(true);
      }),
    );
    expect(() => scramble(Buffer.alloc(19))).toThrow('20 random bytes');
  });
});

test('methods have the names that clients and servers use', () => {
  expect([nativePlugin, ed25519Plugin, cachingSha2Plugin, clearPlugin]).toEqual([
    'mysql_native_password',
    'client_ed25519',
    'caching_sha2_password',
    'mysql_clear_password',
  ]);
  expect(CACHING_SHA2.fullAuthenticationNeeded).toBe(4);
});
