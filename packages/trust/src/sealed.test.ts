/** Sealing: what goes in comes out, and nothing that was changed in any place opens. */
import { randomBytes } from 'node:crypto';
import { codeOf } from '@coequal/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  keyOfSealed,
  openSecrets,
  parseSealingKey,
  type SealingKey,
  sealedLimits,
  sealSecrets,
  sealSecretsWith,
} from './sealed.ts';

const newKey = (): SealingKey => {
  const key = parseSealingKey(`coequal-key-1:${randomBytes(32).toString('base64')}\n`);
  if (key === undefined) throw new Error('no key');
  return key;
};

const codeOfThrown = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
};

const key = newKey();
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => text.isWellFormed() && !/[\r\n]/.test(text) && !text.includes('\0') && text !== '__proto__');
const secrets = fc.array(fc.tuple(name, name), { maxLength: 8 }).map((entries) => new Map(entries));

describe('what was sealed', () => {
  test('opens with its key', () => {
    fc.assert(
      fc.property(secrets, fc.nat(), (map, revision) => {
        expect(openSecrets(sealSecrets(map, key, revision), key)).toEqual({ revision, secrets: map });
      }),
    );
  });

  test('does not open with another key, and says that it is another', () => {
    expect(openSecrets(sealSecrets(new Map([['a', 'b']]), key, 1), newKey())).toBe('other-key');
  });

  test('does not open when any byte of it was changed', () => {
    const text = Buffer.from(sealSecrets(new Map([['app', 'secret']]), key, 7));
    fc.assert(
      fc.property(fc.nat(text.length - 2), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(text);
        changed[at] = (changed[at] ?? 0) ^ change;
        const opened = openSecrets(changed.toString('latin1'), key);
        // Base64 has spellings that mean the same bytes; those open to the same, and no others.
        if (typeof opened !== 'string') expect(opened).toEqual({ revision: 7, secrets: new Map([['app', 'secret']]) });
      }),
      { numRuns: 1_000 },
    );
  });

  test('cannot be put together from two', () => {
    const [one, other] = [1, 1].map((revision) => JSON.parse(sealSecrets(new Map([['a', 'b']]), key, revision)));
    expect(openSecrets(JSON.stringify({ ...one, content: other.content }), key)).toBe('tampered');
    expect(openSecrets(JSON.stringify({ ...one, wrapped: other.wrapped }), key)).toBe('tampered');
    expect(openSecrets(JSON.stringify({ ...one, revision: 2 }), key)).toBe('tampered');
    expect(openSecrets(JSON.stringify({ ...one, content: '' }), key)).toBe('tampered');
    expect(openSecrets(JSON.stringify(one), key)).toMatchObject({ revision: 1 });
  });

  test('shows neither names nor secrets, and never the same twice', () => {
    const map = new Map([['visible-name', 'visible-secret']]);
    const [one, other] = [sealSecrets(map, key, 1), sealSecrets(map, key, 1)];
    expect(one).not.toBe(other);
    for (const part of Object.values(JSON.parse(one))) {
      const plain = `${part}${Buffer.from(String(part), 'base64').toString('latin1')}`;
      expect(plain).not.toContain('visible');
      expect(plain).not.toContain(key.bytes.toString('base64'));
    }
  });

  test.each(['', 'x', '{}', '[]', 'null', '{"format":"coequal-sealed-1"}'])('is not %s', (text) => {
    expect(openSecrets(text, key)).toBe('not-sealed');
  });
});

describe('a key', () => {
  test('is a text that can be read again', () => {
    const text = `coequal-key-1:${randomBytes(32).toString('base64')}\n`;
    expect(parseSealingKey(text)).toEqual(parseSealingKey(text.trim()));
    expect(parseSealingKey(text)?.bytes).toHaveLength(32);
    expect(parseSealingKey(`coequal-key-1:${randomBytes(32).toString('base64')}\n`)?.id).not.toBe(key.id);
  });

  test.each(['', 'coequal-key-1:', 'coequal-key-1:AAAA', `coequal-key-2:${'A'.repeat(43)}=`])('is not %s', (text) => {
    expect(parseSealingKey(text)).toBeUndefined();
  });
});

test.each([
  ['an empty name', '', 'x'],
  ['an empty secret', 'a', ''],
  ['a long name', 'a'.repeat(sealedLimits.nameBytes + 1), 'x'],
  ['a long secret', 'a', 'x'.repeat(sealedLimits.secretBytes + 1)],
  ['a line break', 'a', 'x\ny'],
  ['half of a surrogate pair', 'a', '\ud83d'],
  ['a name that objects cannot have', '__proto__', 'x'],
])('%s is refused', (_, one, secret) => {
  expect(codeOfThrown(() => sealSecrets(new Map([[one, secret]]), key, 1))).toBe('SECRET_INVALID');
});

describe('what is sealed with a key of a ring', () => {
  const text = sealSecretsWith(new Map([['app', 'secret']]), key, 7);

  test('opens with it, and names it', () => {
    expect(openSecrets(text, key)).toEqual({ revision: 7, secrets: new Map([['app', 'secret']]) });
    expect(keyOfSealed(text)).toBe(key.id);
    expect(openSecrets(text, newKey())).toBe('other-key');
  });

  test('does not open when any byte of it was changed', () => {
    fc.assert(
      fc.property(fc.nat(text.length - 2), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(text);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(typeof openSecrets(changed.toString('latin1'), key)).toBe('string');
      }),
      { numRuns: 1_000 },
    );
  });
});
