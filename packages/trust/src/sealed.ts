/**
 * Secrets at rest: a map of names and secrets as one sealed text, bound to its header, so that a text that was changed in any
 * place does not open. What cannot be seen from the text alone is that somebody put back an older one whole: its revision is
 * smaller than one that was seen before. Two formats: under a data key of a ring (`coequal-sealed-2`), and as it was before there
 * were rings (`coequal-sealed-1`: a key of its own encrypts a fresh data key, and that the map), which stays as long as its key file does.
 *
 * Pure but for the randomness of keys and nonces. Where keys and texts are kept is left to `adapters/sealed-store.ts`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { fail } from '@coequal/kernel';
import { canonicalJson } from './canonical.ts';
import { decrypt, derive, encrypt, keyBytes } from './keys/aead.ts';
import { openValue, sealValue } from './keys/values.ts';

/** 32 bytes that seal a store: a data key of a ring, or what an old key file holds. It never leaves the process. */
export type SealingKey = { readonly id: string; readonly bytes: Buffer };

export type Secrets = ReadonlyMap<string, string>;

export type Opened = { readonly revision: number; readonly secrets: Secrets };

const format = 'coequal-sealed-1';
const ringFormat = 'coequal-sealed-2';

/** Names and secrets are for log-ins; larger ones are a mistake. */
export const sealedLimits = { nameBytes: 256, secretBytes: 4_096, entries: 10_000 } as const;

/** Undefined: the text is no key. */
export const parseSealingKey = (text: string): SealingKey | undefined => {
  const match = /^coequal-key-1:([A-Za-z0-9+/]{43}=)\s*$/.exec(text);
  if (match === null) return undefined;
  const bytes = Buffer.from(match[1] ?? '', 'base64');
  return { id: idOf(bytes), bytes };
};

/** Tells keys apart and tells nothing about them. */
const idOf = (bytes: Buffer): string => derive(bytes, new Uint8Array(0), 'coequal sealing key id', 8).toString('hex');

type Header = { readonly format: string; readonly key: string; readonly revision: number };

/** Throws SECRET_INVALID. */
export const sealSecrets = (secrets: Secrets, key: SealingKey, revision: number): string => {
  checkSecrets(secrets);
  const header: Header = { format, key: key.id, revision };
  const dataKey = randomBytes(keyBytes);
  const content = encrypt(Buffer.from(canonicalJson(Object.fromEntries(secrets))), dataKey, bound(header, 'secrets'));
  // The content is bound to the data key by being part of what it is bound to.
  const wrapped = encrypt(dataKey, key.bytes, bound(header, 'data key', content));
  dataKey.fill(0);
  return `${canonicalJson({ ...header, wrapped: wrapped.toString('base64'), content: content.toString('base64') })}\n`;
};

/** The same under a data key of a ring. Throws SECRET_INVALID. */
export const sealSecretsWith = (secrets: Secrets, key: SealingKey, revision: number): string => {
  checkSecrets(secrets);
  const header: Header = { format: ringFormat, key: key.id, revision };
  const plain = Buffer.from(canonicalJson(Object.fromEntries(secrets)));
  const content = sealValue(plain, key.id, key.bytes, { ...header });
  plain.fill(0);
  return `${canonicalJson({ ...header, content })}\n`;
};

/** Which key a text needs, and whether that is one of a ring. Undefined: it is no sealed text. */
export const keyOfSealed = (text: string): string | undefined => parseSealed(text)?.header.key;

export type WhyClosed = 'not-sealed' | 'other-key' | 'tampered';

/** Or why it does not open. */
export const openSecrets = (text: string, key: SealingKey): Opened | WhyClosed => {
  const parsed = parseSealed(text);
  if (parsed === undefined) return 'not-sealed';
  const { header, wrapped, content } = parsed;
  if (header.key !== key.id) return 'other-key';
  const plain =
    header.format === format ? openFirst(header, wrapped, content, key) : openValue(content, key.bytes, { ...header });
  if (plain === undefined) return 'tampered';
  const secrets = parseSecrets(plain.toString('utf8'));
  plain.fill(0);
  return secrets === undefined ? 'tampered' : { revision: header.revision, secrets };
};

const openFirst = (header: Header, wrappedText: string, contentText: string, key: SealingKey): Buffer | undefined => {
  const content = Buffer.from(contentText, 'base64');
  const dataKey = decrypt(Buffer.from(wrappedText, 'base64'), key.bytes, bound(header, 'data key', content));
  if (dataKey === undefined) return undefined;
  const plain = decrypt(content, dataKey, bound(header, 'secrets'));
  dataKey.fill(0);
  return plain;
};

const checkSecrets = (secrets: Secrets): void => {
  if (secrets.size > sealedLimits.entries)
    throw fail('SECRET_INVALID', { name: 'One more', reason: `there may be ${sealedLimits.entries} at most` });
  for (const [name, secret] of secrets) {
    const reason = whyInvalid(name, secret);
    if (reason !== undefined) throw fail('SECRET_INVALID', { name: JSON.stringify(name), reason });
  }
};

const whyInvalid = (name: string, secret: string): string | undefined => {
  if (name === '' || Buffer.byteLength(name) > sealedLimits.nameBytes)
    return `names have 1 to ${sealedLimits.nameBytes} bytes`;
  if (secret === '' || Buffer.byteLength(secret) > sealedLimits.secretBytes)
    return `secrets have 1 to ${sealedLimits.secretBytes} bytes`;
  if (!name.isWellFormed() || !secret.isWellFormed()) return 'it holds half of a surrogate pair';
  if (['\0', '\r', '\n'].some((character) => `${name}${secret}`.includes(character)))
    return 'it holds a line break or a zero';
  if (name === '__proto__') return 'this name cannot be kept';
  return undefined;
};

/** What a ciphertext belongs to, as associated data. */
const bound = (header: Header, part: string, content?: Buffer): Buffer => {
  const digest = content === undefined ? '' : createHash('sha256').update(content).digest('hex');
  return Buffer.from(canonicalJson({ ...header, part, digest }));
};

const parseSealed = (text: string) => {
  const fields = parseObject(text);
  if (fields === undefined) return undefined;
  const { key, revision, wrapped, content } = fields;
  const found = fields['format'];
  if ((found !== format && found !== ringFormat) || typeof key !== 'string') return undefined;
  if (typeof revision !== 'number' || !Number.isSafeInteger(revision)) return undefined;
  if (typeof content !== 'string' || typeof wrapped !== (found === format ? 'string' : 'undefined')) return undefined;
  return { header: { format: found, key, revision }, wrapped: typeof wrapped === 'string' ? wrapped : '', content };
};

const parseSecrets = (text: string): Secrets | undefined => {
  const entries = Object.entries(parseObject(text) ?? {});
  const secrets = new Map<string, string>();
  for (const [name, secret] of entries) {
    if (typeof secret !== 'string') return undefined;
    secrets.set(name, secret);
  }
  return secrets;
};

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
