/**
 * A value at rest: sealed under a key of its own, derived from a data key and a salt of 32 random bytes, so that one data key may
 * seal any number of values. The text names its format and its data key; the context (what the value is, and where it
 * belongs: table, row, column, version) is not in it, and has to be the same when it is opened.
 */
import { randomBytes } from 'node:crypto';
import { canonicalJson } from '../canonical.ts';
import { sha256Hex } from '../hash.ts';
import { derive, keyBytes, openWith, sealWith } from './aead.ts';

export type Context = Readonly<Record<string, string | number>>;

const format = 'coequal-value-1';
const saltBytes = 32;
const nonceBytes = 12;

export const sealValue = (plain: Uint8Array, keyId: string, key: Buffer, context: Context): string => {
  const salt = randomBytes(saltBytes);
  const content = Buffer.concat([salt, sealWith(plain, ...derived(key, salt, keyId, context))]);
  return `${format}:${keyId}:${content.toString('base64url')}`;
};

/** Which key a sealed value needs. Undefined: it is none. */
export const keyOfValue = (text: string): string | undefined => /^coequal-value-1:([a-z0-9-]{1,64}):/.exec(text)?.[1];

/** Undefined: it was changed, belongs elsewhere, or to another key. */
export const openValue = (text: string, key: Buffer, context: Context): Buffer | undefined => {
  const keyId = keyOfValue(text);
  if (keyId === undefined) return undefined;
  const encoded = text.slice(format.length + keyId.length + 2);
  const content = Buffer.from(encoded, 'base64url');
  // One value has one text: what decodes to the same bytes but is written otherwise was written by somebody else.
  if (content.length < saltBytes || content.toString('base64url') !== encoded) return undefined;
  const salt = content.subarray(0, saltBytes);
  return openWith(content.subarray(saltBytes), ...derived(key, salt, keyId, context));
};

const derived = (key: Buffer, salt: Uint8Array, keyId: string, context: Context): readonly [Buffer, Buffer] => {
  const bytes = derive(key, salt, sha256Hex(canonicalJson({ format, key: keyId, context })), keyBytes + nonceBytes);
  return [bytes.subarray(0, keyBytes), bytes.subarray(keyBytes)];
};
