/**
 * Key rings on disk: read, made and changed whole, by one at a time. Opening a key asks the provider once; a process keeps what it
 * has opened, so that it goes on working when the provider is away. Each change is complete before it is written: after a
 * kill there is the ring before or the ring after.
 */
import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { type Clock, fail, reasonOf } from '@coequal/kernel';
import { withFileLock } from '../../adapters/file-lock.ts';
import { readPrivate, type Unreadable } from '../../adapters/private-file.ts';
import { writeSecretFile } from '../../adapters/secret-file.ts';
import { type KeyProvider, type ProviderKind, type ProviderStatus, parseWrapped } from '../provider.ts';
import {
  activeKey,
  contextOf,
  emptyRing,
  type KeyUse,
  oldestVersion,
  type ProviderSettings,
  parseRing,
  type Ring,
  type RingKey,
  ringText,
  withKey,
  withRetired,
} from '../ring.ts';
import { type Context, keyOfValue, openValue, sealValue } from '../values.ts';
import { makeMasterKeys } from './file-provider.ts';
import { type KeyPorts, providerOf } from './providers.ts';

/** A data key in the clear; it never leaves the process. */
export type OpenedKey = { readonly id: string; readonly bytes: Buffer };

export type KeyRing = {
  /** The key that seals for a purpose. @throws KEY_RING_NO_KEY */
  readonly active: (use: KeyUse) => Promise<OpenedKey>;
  /** A key by its id. @throws KEY_UNKNOWN, also for one that is retired */
  readonly key: (id: string) => Promise<OpenedKey>;
  readonly seal: (plain: Uint8Array, use: KeyUse, context: Context) => Promise<string>;
  /** Undefined: it is no sealed value, was changed, or belongs elsewhere. */
  readonly open: (text: string, context: Context) => Promise<Buffer | undefined>;
};

/** Makes a ring, and with a file provider its master keys unless they are there. @throws KEY_RING_UNREADABLE: it is there already */
export const makeRing = async (path: string, settings: ProviderSettings, ports: KeyPorts): Promise<void> => {
  await locked(path, ports.clock, async () => {
    if ((await readPrivate(path, unreadable(path))) !== undefined) throw unreadable(path)('it is there already');
    await makeProvider(path, settings, ports);
    await write(path, emptyRing(settings), ports);
  });
};

/** Also of a provider that is used for the first time. */
const makeProvider = async (path: string, settings: ProviderSettings, ports: KeyPorts): Promise<KeyProvider> => {
  const provider = providerOf(path, settings, ports);
  if (settings.kind === 'file') {
    await makeMasterKeys(resolve(dirname(path), settings.path), ports.clock, ports.owner);
  }
  // A security module without a key gets its first one; Vault's keys are made by who administers it.
  // It is asked once only: some modules lock themselves after a few wrong PINs.
  if (settings.kind !== 'pkcs11') await provider.status();
  else if (await lacksKey(provider)) await provider.rotate();
  return provider;
};

const lacksKey = async (provider: KeyProvider): Promise<boolean> => {
  try {
    await provider.status();
    return false;
  } catch (error) {
    if (reasonOf(error).includes('holds no key')) return true;
    throw error;
  }
};

/** @throws KEY_RING_UNREADABLE, SECRET_FILE_EXPOSED */
export const openRing = async (path: string, ports: KeyPorts): Promise<KeyRing> => {
  const ring = await read(path);
  const provider = providerOf(path, ring.provider, ports);
  const opened = new Map<string, Promise<OpenedKey>>();
  const openKey = (key: RingKey): Promise<OpenedKey> => {
    const known = opened.get(key.id);
    if (known !== undefined) return known;
    const opening = unwrapped(provider, key).then((bytes) => ({ id: key.id, bytes }));
    opened.set(key.id, opening);
    // The next one asks again.
    opening.catch(() => opened.delete(key.id));
    return opening;
  };
  const active = (use: KeyUse): Promise<OpenedKey> => {
    const key = activeKey(ring, use);
    if (key === undefined) throw fail('KEY_RING_NO_KEY', { path, use: nameOf(use) });
    return openKey(key);
  };
  const byId = (id: string): Promise<OpenedKey> => {
    const key = ring.keys.find((one) => one.id === id && one.state !== 'retired');
    if (key === undefined) throw fail('KEY_UNKNOWN', { id, known: namesOf(ring) });
    return openKey(key);
  };
  return {
    active: async (use) => active(use),
    key: async (id) => byId(id),
    seal: async (plain, use, context) => {
      const { id, bytes } = await active(use);
      return sealValue(plain, id, bytes, context);
    },
    open: async (text, context) => {
      const id = keyOfValue(text);
      return id === undefined ? undefined : openValue(text, (await byId(id)).bytes, context);
    },
  };
};

/** Sees to it that something can be sealed for a purpose. */
export const ensureKey = (path: string, use: KeyUse, ports: KeyPorts): Promise<void> =>
  change(path, ports, async (ring, provider) =>
    activeKey(ring, use) === undefined ? withKey(ring, await newKey(provider, use, ports.clock)) : undefined,
  );

/** A new data key for each purpose that has one (or for the one that is named). What was sealed before stays readable. */
export const rotateDataKeys = async (path: string, purpose: string | undefined, ports: KeyPorts): Promise<number> => {
  let count = 0;
  await change(path, ports, async (ring, provider) => {
    const meant = ring.keys.filter(
      (key) => key.state === 'active' && (purpose === undefined || key.purpose === purpose),
    );
    if (meant.length === 0 && purpose !== undefined) throw fail('KEY_RING_NO_KEY', { path, use: purpose });
    count = meant.length;
    let next = ring;
    for (const use of meant) next = withKey(next, await newKey(provider, use, ports.clock));
    return next;
  });
  return count;
};

export type Rewrapped = { readonly rewrapped: number; readonly version: number };

/** A new version of the provider's key when `rotate`, then every data key under the newest one. Nothing that was sealed changes. */
export const rewrapRing = async (path: string, rotate: boolean, ports: KeyPorts): Promise<Rewrapped> => {
  let done: Rewrapped = { rewrapped: 0, version: 0 };
  await change(path, ports, async (ring, provider) => {
    const version = rotate ? await provider.rotate() : (await provider.status()).newest;
    const old = (key: RingKey): boolean =>
      key.wrapped !== undefined && (parseWrapped(key.wrapped)?.version ?? 0) < version;
    done = { rewrapped: ring.keys.filter(old).length, version };
    if (done.rewrapped === 0) return undefined;
    return withWrapped(ring, async (key, wrapped) => (old(key) ? provider.rewrap(wrapped, contextOf(key)) : wrapped));
  });
  return done;
};

/** Every data key under another provider. The old provider still opens copies of the old ring. */
export const moveRing = async (path: string, to: ProviderSettings, ports: KeyPorts): Promise<number> => {
  let moved = 0;
  await change(path, ports, async (ring, provider) => {
    const next = await makeProvider(path, to, ports);
    const keys = await withWrapped(ring, async (key, wrapped) => {
      const plain = await provider.unwrap(wrapped, contextOf(key));
      try {
        moved += 1;
        return await next.wrap(plain, contextOf(key));
      } finally {
        plain.fill(0);
      }
    });
    return { ...keys, provider: to };
  });
  return moved;
};

/** @throws KEY_IN_USE, KEY_UNKNOWN */
export const retireKey = (path: string, id: string, ports: KeyPorts): Promise<void> =>
  change(path, ports, async (ring) => withRetired(ring, id, atNow(ports.clock)));

/** Versions of the provider's key that no data key needs are destroyed. Answers the oldest that is left. */
export const retireVersions = async (path: string, ports: KeyPorts): Promise<number> => {
  let oldest = 0;
  await change(path, ports, async (ring, provider) => {
    const { newest } = await provider.status();
    oldest = oldestVersion(ring) ?? newest;
    await provider.retireBelow(oldest);
    return undefined;
  });
  return oldest;
};

/**
 * A key file of a sealed store from before there were rings becomes a ring that also holds its key, so that the store
 * opens as it is and is written anew at its next change.
 */
export const upgradeKeyFile = async (
  path: string,
  legacy: { readonly id: string; readonly bytes: Buffer },
  settings: ProviderSettings,
  ports: KeyPorts,
): Promise<void> => {
  await locked(path, ports.clock, async () => {
    const provider = await makeProvider(path, settings, ports);
    const name = { id: legacy.id, kind: 'sealed-1', purpose: 'credentials' } as const;
    const wrapped = await provider.wrap(legacy.bytes, contextOf(name));
    const kept: RingKey = { ...name, state: 'readable', madeAt: atNow(ports.clock), wrapped };
    await write(path, { ...emptyRing(settings), keys: [kept] }, ports);
  });
};

export type RingStatus = {
  readonly path: string;
  readonly provider: ProviderKind;
  /** Undefined: the provider did not answer, for this reason. */
  readonly versions: ProviderStatus | undefined;
  readonly trouble: string | undefined;
  readonly keys: readonly {
    readonly id: string;
    readonly purpose: string;
    readonly tenant: string | undefined;
    readonly state: RingKey['state'];
    readonly madeAt: string;
    /** Of the provider's key; undefined when it is retired. */
    readonly version: number | undefined;
  }[];
};

export const ringStatus = async (path: string, ports: KeyPorts): Promise<RingStatus> => {
  const ring = await read(path);
  let versions: ProviderStatus | undefined;
  let trouble: string | undefined;
  try {
    versions = await providerOf(path, ring.provider, ports).status();
  } catch (error) {
    if (!isOfProvider(error)) throw error;
    trouble = error.message;
  }
  const keys = ring.keys.map(({ id, purpose, tenant, state, madeAt, wrapped }) => ({
    id,
    purpose,
    tenant,
    state,
    madeAt,
    version: wrapped === undefined ? undefined : parseWrapped(wrapped)?.version,
  }));
  return { path, provider: ring.provider.kind, versions, trouble, keys };
};

const isOfProvider = (error: unknown): error is Error =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'KEY_PROVIDER_REFUSED' ||
    error.code === 'KEY_PROVIDER_UNREACHABLE' ||
    error.code === 'SECRET_FILE_EXPOSED');

const newKey = async (provider: KeyProvider, { purpose, tenant }: KeyUse, clock: Clock): Promise<RingKey> => {
  const name = {
    id: `k-${randomBytes(8).toString('hex')}`,
    kind: 'data',
    purpose,
    ...(tenant === undefined ? {} : { tenant }),
  } as const;
  const { plain, wrapped } = await provider.newDataKey(contextOf(name));
  plain.fill(0);
  return { ...name, state: 'active', madeAt: atNow(clock), wrapped };
};

const withWrapped = async (ring: Ring, wrap: (key: RingKey, wrapped: string) => Promise<string>): Promise<Ring> => {
  const keys: RingKey[] = [];
  for (const key of ring.keys)
    keys.push(key.wrapped === undefined ? key : { ...key, wrapped: await wrap(key, key.wrapped) });
  return { ...ring, keys };
};

const unwrapped = (provider: KeyProvider, key: RingKey): Promise<Buffer> => {
  if (key.wrapped === undefined) throw new Error('Bug: a retired key is asked for');
  return provider.unwrap(key.wrapped, contextOf(key));
};

/** `make` answers the ring as it shall be, or undefined when there is nothing to change. */
const change = (
  path: string,
  ports: KeyPorts,
  make: (ring: Ring, provider: KeyProvider) => Promise<Ring | undefined>,
): Promise<void> =>
  locked(path, ports.clock, async () => {
    const ring = await read(path);
    const next = await make(ring, providerOf(path, ring.provider, ports));
    if (next !== undefined) await write(path, next, ports);
  });

const locked = <T>(path: string, clock: Clock, run: () => Promise<T>): Promise<T> =>
  withFileLock({ path: `${path}.lock`, what: `the key ring ${path}`, unreadable: unreadable(path) }, clock, run);

const write = (path: string, ring: Ring, { owner }: KeyPorts): Promise<void> =>
  writeSecretFile(path, ringText(ring), owner);

const read = async (path: string): Promise<Ring> => {
  const text = await readPrivate(path, unreadable(path));
  if (text === undefined) throw unreadable(path)('it is not there');
  const ring = parseRing(text);
  if (typeof ring === 'string') throw unreadable(path)(ring);
  return ring;
};

const unreadable =
  (path: string): Unreadable =>
  (reason, cause) =>
    fail('KEY_RING_UNREADABLE', { path, reason }, { cause });

const nameOf = ({ purpose, tenant }: KeyUse): string => (tenant === undefined ? purpose : `${purpose} of ${tenant}`);
const namesOf = ({ keys }: Ring): string =>
  keys
    .filter(({ state }) => state !== 'retired')
    .map(({ id }) => id)
    .join(', ') || 'none';
const atNow = (clock: Clock): string => new Date(clock.now()).toISOString();
