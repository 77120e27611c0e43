/**
 * The port behind which key-encryption keys live. A provider wraps data keys and never shows its own; what it wraps is
 * bound to a context, and opens with no other. A wrapped key is a text that names its provider and the version of the key
 * (`vault:v3:…`), so that what an older version wrapped stays readable and what still needs it can be counted.
 */
import { randomBytes } from 'node:crypto';
import { keyBytes } from './aead.ts';

export type ProviderKind = 'file' | 'vault' | 'pkcs11';

export type ProviderStatus = {
  /** Wraps what is wrapped from now on. */
  readonly newest: number;
  /** Versions below do not open any more. */
  readonly oldest: number;
  /** Where it is, for people: a path or an address, nothing secret. */
  readonly place: string;
};

export type DataKey = { readonly plain: Buffer; readonly wrapped: string };

/** Each call ends by itself. All throw KEY_PROVIDER_REFUSED or KEY_PROVIDER_UNREACHABLE. */
export type KeyProvider = {
  readonly kind: ProviderKind;
  readonly newDataKey: (context: string) => Promise<DataKey>;
  readonly wrap: (plain: Buffer, context: string) => Promise<string>;
  readonly unwrap: (wrapped: string, context: string) => Promise<Buffer>;
  /** The same data key under the newest version, without showing it to us where the provider can do that. */
  readonly rewrap: (wrapped: string, context: string) => Promise<string>;
  /** Makes a new version, and answers its number. */
  readonly rotate: () => Promise<number>;
  /** Versions below `oldest` never open anything again. */
  readonly retireBelow: (oldest: number) => Promise<void>;
  readonly status: () => Promise<ProviderStatus>;
};

export type Wrapped = { readonly kind: string; readonly version: number; readonly content: string };

/** Undefined: no wrapped key. */
export const parseWrapped = (text: string): Wrapped | undefined => {
  const match = /^([a-z0-9]{1,16}):v([1-9][0-9]{0,8}):([A-Za-z0-9+/=]{16,4096})$/.exec(text);
  if (match === null) return undefined;
  return { kind: match[1] ?? '', version: Number(match[2]), content: match[3] ?? '' };
};

export const wrappedText = (kind: ProviderKind, version: number, content: Buffer): string =>
  `${kind}:v${version}:${content.toString('base64')}`;

/** Data keys of a provider that leaves drawing them to us. */
export const drawDataKey = async (
  wrap: (plain: Buffer, context: string) => Promise<string>,
  context: string,
): Promise<DataKey> => {
  const plain = randomBytes(keyBytes);
  return { plain, wrapped: await wrap(plain, context) };
};
