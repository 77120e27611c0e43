/**
 * The key-encryption keys of the file provider, as the text of one file: versions, the newest of which wraps. For one machine:
 * whoever reads the file can open everything. Pure but for the drawing of keys.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { decrypt, encrypt, keyBytes } from './aead.ts';

const format = 'coequal-master-1';

const masterFile = z.strictObject({
  format: z.literal(format),
  versions: z
    .array(
      z.strictObject({
        version: z.int().min(1).max(1e6),
        key: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
        madeAt: z.iso.datetime(),
      }),
    )
    .min(1)
    .max(1_000)
    .refine((versions) => versions.every(({ version }, index) => version === (versions[0]?.version ?? 0) + index)),
});

export type MasterKeys = z.infer<typeof masterFile>;

export const newMasterKeys = (at: string): MasterKeys => ({ format, versions: [newVersion(1, at)] });

const newVersion = (version: number, madeAt: string) => ({
  version,
  key: randomBytes(keyBytes).toString('base64'),
  madeAt,
});

/** Undefined: the text is no file of keys. */
export const parseMasterKeys = (text: string): MasterKeys | undefined => {
  try {
    return masterFile.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

export const masterText = (keys: MasterKeys): string => `${JSON.stringify(keys, null, 2)}\n`;

export const newestVersion = ({ versions }: MasterKeys): number => versions.at(-1)?.version ?? 0;

export const rotated = (keys: MasterKeys, at: string): MasterKeys => ({
  ...keys,
  versions: [...keys.versions, newVersion(newestVersion(keys) + 1, at)],
});

/** The newest version always stays. */
export const withoutBelow = (keys: MasterKeys, oldest: number): MasterKeys => ({
  ...keys,
  versions: keys.versions.filter(({ version }, index, all) => version >= oldest || index === all.length - 1),
});

export const wrapWith = (keys: MasterKeys, plain: Buffer, context: string) => {
  const version = newestVersion(keys);
  const key = keyOf(keys, version);
  if (key === undefined) throw new Error('Bug: the newest version of a key is not there');
  return { version, content: encrypt(plain, key, bound(version, context)) };
};

/** Undefined: it was changed, or belongs to another key or context. */
export const unwrapWith = (
  keys: MasterKeys,
  wrapped: { readonly version: number; readonly content: string },
  context: string,
): Buffer | undefined => {
  const key = keyOf(keys, wrapped.version);
  if (key === undefined) return undefined;
  return decrypt(Buffer.from(wrapped.content, 'base64'), key, bound(wrapped.version, context));
};

const keyOf = ({ versions }: MasterKeys, wanted: number): Buffer | undefined => {
  const found = versions.find(({ version }) => version === wanted);
  return found === undefined ? undefined : Buffer.from(found.key, 'base64');
};

const bound = (version: number, context: string): Buffer => Buffer.from(`coequal master key v${version} ${context}`);
