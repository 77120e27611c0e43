/**
 * A key ring: data keys by purpose and tenant, each wrapped by a key provider, with their states. Of each purpose and tenant one
 * key at most is `active` and seals; `readable` ones open what they sealed; of a `retired` one only the name is left, and
 * what it sealed is gone for good. A key's id, purpose and tenant are bound to it by the provider, so keys cannot be
 * exchanged in the file. Pure: texts and values; files and providers are for `adapters/key-ring.ts`.
 */
import { fail } from '@coequal/kernel';
import { z } from 'zod';
import { canonicalJson } from '../canonical.ts';
import { parseWrapped } from './provider.ts';

const path = z.string().min(1).max(1_000);

export const providerSettings = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    /** Beside the ring when it is not absolute. */
    path,
  }),
  z.strictObject({
    kind: z.literal('vault'),
    address: z.string().regex(/^https:\/\/[^\s/?#@]+\/?$/, 'is not https://HOST:PORT'),
    mount: z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'is not the path of a mount'),
    key: z.string().regex(/^[\w.-]{1,128}$/, 'is not the name of a key'),
    tokenFile: path,
    /** PEM; the system's authorities unless given. */
    authority: path.optional(),
    namespace: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*\/?$/, 'is not a namespace')
      .optional(),
  }),
  z.strictObject({
    kind: z.literal('pkcs11'),
    /** The library of the security module. */
    module: path,
    token: z.string().regex(/^[^\p{Cc}]{1,32}$/u, 'is not the label of a token'),
    /** Labels of keys begin with it: `coequal-v1`, `coequal-v2`. */
    key: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'is not the name of a key'),
    pinFile: path,
    /** The program pkcs11-tool. */
    tool: path,
  }),
]);

export type ProviderSettings = z.infer<typeof providerSettings>;

const keyId = z.string().regex(/^[a-z0-9-]{1,64}$/);
export const purposePattern = /^[a-z][a-z0-9-]{0,31}$/;
export const tenantPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const ringKey = z.strictObject({
  id: keyId,
  /** `sealed-1`: the key of a sealed store as they were made before there were rings. */
  kind: z.enum(['data', 'sealed-1']),
  purpose: z.string().regex(purposePattern),
  tenant: z.string().regex(tenantPattern).optional(),
  state: z.enum(['active', 'readable', 'retired']),
  madeAt: z.iso.datetime(),
  retiredAt: z.iso.datetime().optional(),
  /** Not there when it is retired. */
  wrapped: z
    .string()
    .refine((text) => parseWrapped(text) !== undefined, 'is not a wrapped key')
    .optional(),
});

/** More keys than that are a loop, not a purpose. */
const keyLimit = 10_000;

const ringFile = z.strictObject({
  format: z.literal('coequal-ring-1'),
  revision: z.int().min(1),
  provider: providerSettings,
  keys: z.array(ringKey).max(keyLimit),
});

export type RingKey = z.infer<typeof ringKey>;
export type Ring = z.infer<typeof ringFile>;
export type KeyUse = { readonly purpose: string; readonly tenant?: string | undefined };

export const emptyRing = (provider: ProviderSettings): Ring => ({
  format: 'coequal-ring-1',
  revision: 0,
  provider,
  keys: [],
});

/** The ring, or why the text is none. */
export const parseRing = (text: string): Ring | string => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return 'it is not JSON';
    throw error;
  }
  const parsed = ringFile.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'it has another shape'}`;
  }
  return contradiction(parsed.data) ?? parsed.data;
};

const contradiction = ({ keys }: Ring): string | undefined => {
  const ids = new Set<string>();
  const uses = new Set<string>();
  for (const { id, state, wrapped, purpose, tenant } of keys) {
    if (ids.has(id)) return `the key ${id} is in it twice`;
    ids.add(id);
    if ((state === 'retired') !== (wrapped === undefined))
      return `the key ${id} is ${state} and has ${wrapped === undefined ? 'no' : 'a'} wrapped key`;
    const use = `${purpose} ${tenant ?? ''}`;
    if (state === 'active' && uses.has(use)) return `${use.trim()} has two active keys`;
    if (state === 'active') uses.add(use);
  }
  return undefined;
};

export const ringText = (ring: Ring): string =>
  `${JSON.stringify({ ...ring, revision: ring.revision + 1 }, null, 2)}\n`;

/** What a provider binds to a data key. The state is not in it: that changes without the provider. */
export const contextOf = ({ id, kind, purpose, tenant }: Pick<RingKey, 'id' | 'kind' | 'purpose' | 'tenant'>): string =>
  canonicalJson({ format: 'coequal-ring-1', id, kind, purpose, tenant: tenant ?? '' });

const isFor =
  ({ purpose, tenant }: KeyUse) =>
  (key: RingKey): boolean =>
    key.purpose === purpose && key.tenant === tenant;

/** Undefined: there is none, so one has to be made before anything is sealed. */
export const activeKey = ({ keys }: Ring, use: KeyUse): RingKey | undefined =>
  keys.find((key) => key.state === 'active' && isFor(use)(key));

/** The new key is active from now on, and the one before it only opens. */
export const withKey = (ring: Ring, added: RingKey): Ring => ({
  ...ring,
  keys: [
    ...ring.keys.map(
      (key): RingKey => (key.state === 'active' && isFor(added)(key) ? { ...key, state: 'readable' } : key),
    ),
    added,
  ],
});

/** Forgets a key for good. @throws KEY_IN_USE for an active one, KEY_UNKNOWN */
export const withRetired = (ring: Ring, id: string, at: string): Ring => {
  const key = ring.keys.find((one) => one.id === id);
  if (key === undefined || key.state === 'retired')
    throw fail('KEY_UNKNOWN', {
      id,
      known:
        ring.keys
          .filter(({ state }) => state !== 'retired')
          .map((one) => one.id)
          .join(', ') || 'none',
    });
  if (key.state === 'active')
    throw fail('KEY_IN_USE', {
      what: `The key ${id}`,
      reason: 'it seals what is sealed now',
      advice: 'Rotate its purpose first, and write anew what it has sealed.',
    });
  const { wrapped: _, ...rest } = key;
  return {
    ...ring,
    keys: ring.keys.map((one) => (one.id === id ? { ...rest, state: 'retired', retiredAt: at } : one)),
  };
};

/** The oldest version of the provider's key that some key of the ring still needs; undefined when none does. */
export const oldestVersion = ({ keys }: Ring): number | undefined => {
  const versions = keys.flatMap(({ wrapped }) => (wrapped === undefined ? [] : [parseWrapped(wrapped)?.version ?? 0]));
  return versions.length === 0 ? undefined : Math.min(...versions);
};
