/**
 * The sealed store on disk: one file with the sealed text, and one with its key, both for their owner alone. Written
 * whole or not at all, by one at a time. A store that is there is never given a new key, and a key or store that
 * others may read or change is refused.
 */
import { type CoequalError, codeOf, fail } from '@coequal/kernel';
import { ensureKey, makeRing, openRing, upgradeKeyFile } from '../keys/adapters/key-ring.ts';
import type { KeyPorts } from '../keys/adapters/providers.ts';
import type { ProviderSettings } from '../keys/ring.ts';
import {
  keyOfSealed,
  type Opened,
  openSecrets,
  parseSealingKey,
  type SealingKey,
  type Secrets,
  sealSecrets,
  sealSecretsWith,
} from '../sealed.ts';
import { withFileLock } from './file-lock.ts';
import { readPrivate } from './private-file.ts';
import { writeSecretFile } from './secret-file.ts';

export type SealedStorePaths = { readonly file: string; readonly keyFile: string };

const use = { purpose: 'credentials' };

/**
 * Throws SEALED_STORE_UNREADABLE, SEALED_STORE_WRONG_KEY, SEALED_STORE_TAMPERED, SECRET_FILE_EXPOSED, and what the provider of
 * a ring throws.
 */
export const readSealedStore = async (paths: SealedStorePaths, ports: KeyPorts): Promise<Opened> => {
  const keys = await keysOf(paths.keyFile, ports);
  if (keys === undefined) throw unreadable(paths.keyFile, 'its key is not there', absent);
  const opened = await readStore(paths, keys);
  if (opened === undefined) throw unreadable(paths.file, 'it is not there', absent);
  return opened;
};

const absent = 'Name the files that hold it, or make them with `coequal gateway credential set`.';

/**
 * Gives the store what `change` makes of its secrets. The first time both files are made, the keys as a ring whose master
 * keys lie beside it. `owner` hands them to another user (root only).
 */
export const changeSealedStore = async (
  paths: SealedStorePaths,
  change: (secrets: Secrets) => Secrets,
  options: KeyPorts,
): Promise<void> => {
  const what = { path: `${paths.file}.lock`, what: 'the sealed store', unreadable: because(paths.file, writable) };
  await withFileLock(what, options.clock, async () => {
    const keys = (await keysOf(paths.keyFile, options)) ?? (await makeKeys(paths, options));
    const before = await readStore(paths, keys);
    const secrets = change(before?.secrets ?? new Map());
    const revision = (before?.revision ?? 0) + 1;
    await writeSecretFile(paths.file, await keys.seal(secrets, revision), options.owner);
  });
};

const writable = 'Let this user write in its folder.';

/** A key file from before there were rings becomes a ring. The store opens as before. Answers false when it is one already. */
export const upgradeSealedStore = async (
  keyFile: string,
  provider: ProviderSettings,
  ports: KeyPorts,
): Promise<boolean> => {
  const legacy = parseSealingKey((await readPrivate(keyFile, because(keyFile, absent))) ?? '');
  if (legacy === undefined) return false;
  await upgradeKeyFile(keyFile, legacy, provider, ports);
  return true;
};

/** What opens a store and seals it again. */
type StoreKeys = {
  /** Undefined: it is not among them. */
  readonly key: (id: string) => Promise<SealingKey | undefined>;
  readonly seal: (secrets: Secrets, revision: number) => Promise<string>;
};

const makeKeys = async (paths: SealedStorePaths, ports: KeyPorts): Promise<StoreKeys> => {
  if ((await readPrivate(paths.file, because(paths.file, absent))) !== undefined) {
    const advice = `Put its key back to ${paths.keyFile}, or remove ${paths.file} and store all passwords anew.`;
    throw unreadable(paths.file, `its key ${paths.keyFile} is not there`, advice);
  }
  await makeRing(paths.keyFile, { kind: 'file', path: `${paths.keyFile}.master` }, ports);
  return ringKeys(paths.keyFile, ports);
};

/** Undefined: the file is not there. */
const keysOf = async (path: string, ports: KeyPorts): Promise<StoreKeys | undefined> => {
  const text = await readPrivate(path, because(path, absent));
  if (text === undefined) return undefined;
  if (text.startsWith('{')) return ringKeys(path, ports);
  const key = parseSealingKey(text);
  if (key === undefined) throw unreadable(path, 'it holds no key of a sealed store', absent);
  return {
    key: async (id) => (id === key.id ? key : undefined),
    seal: async (secrets, revision) => sealSecrets(secrets, key, revision),
  };
};

const ringKeys = async (path: string, ports: KeyPorts): Promise<StoreKeys> => {
  const ring = await openRing(path, ports);
  return {
    key: async (id) => {
      try {
        return await ring.key(id);
      } catch (error) {
        if (codeOf(error) === 'KEY_UNKNOWN') return undefined;
        throw error;
      }
    },
    seal: async (secrets, revision) => {
      await ensureKey(path, use, ports);
      return sealSecretsWith(secrets, await (await openRing(path, ports)).active(use), revision);
    },
  };
};

const readStore = async (paths: SealedStorePaths, keys: StoreKeys): Promise<Opened | undefined> => {
  const text = await readPrivate(paths.file, because(paths.file, absent));
  if (text === undefined) return undefined;
  const id = keyOfSealed(text);
  if (id === undefined) throw unreadable(paths.file, 'it is no sealed store', absent);
  const key = await keys.key(id);
  if (key === undefined) throw fail('SEALED_STORE_WRONG_KEY', { path: paths.file, keyPath: paths.keyFile });
  const opened = openSecrets(text, key);
  switch (opened) {
    case 'not-sealed':
      throw unreadable(paths.file, 'it is no sealed store', absent);
    case 'other-key':
      throw fail('SEALED_STORE_WRONG_KEY', { path: paths.file, keyPath: paths.keyFile });
    case 'tampered':
      throw fail('SEALED_STORE_TAMPERED', { path: paths.file });
    default:
      return opened;
  }
};

const unreadable = (path: string, reason: string, advice: string, cause?: unknown) =>
  fail('SEALED_STORE_UNREADABLE', { path, reason, advice }, { cause });

const because =
  (path: string, advice: string) =>
  (reason: string, cause?: unknown): CoequalError =>
    unreadable(path, reason, advice, cause);
